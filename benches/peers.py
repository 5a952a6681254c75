"""The Zernike fit of the optics bench in numpy, one thread, and the ratio to what `cargo bench --workspace --bench optics` measured last.

    cargo bench --workspace --bench optics
    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python benches/peers.py [target folder]
"""

import json
import math
import pathlib
import statistics
import sys
import time

import numpy as np

RINGS, MERIDIANS, STEP_MM, RADIUS_MM, BATCH = 31, 256, 0.2, 3.0, 64


def zernike(n, m, rho, theta):
    """OSA/ANSI, orthonormal over the disc."""
    k = abs(m)
    radial = sum(
        (-1) ** s * math.factorial(n - s) / (math.factorial(s) * math.factorial((n + k) // 2 - s) * math.factorial((n - k) // 2 - s))
        * rho ** (n - 2 * s)
        for s in range((n - k) // 2 + 1)
    )
    norm = math.sqrt((1 if m == 0 else 2) * (n + 1))
    return norm * radial * (np.cos(m * theta) if m >= 0 else np.sin(k * theta))


def micros(task, repeat=15):
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        task()
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1e6


def measured(target):
    """Median of placido's fit in µs a map, if the bench has run."""
    estimates = target / "criterion/zernike_fit/full_3mm/new/estimates.json"
    return json.loads(estimates.read_text())["median"]["point_estimate"] / 1e3 / BATCH if estimates.exists() else None


def main():
    target = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "target")
    rings = int(round(RADIUS_MM / STEP_MM)) + 1
    r, t = np.meshgrid(np.arange(rings) * STEP_MM / RADIUS_MM, np.arange(MERIDIANS) * 2 * np.pi / MERIDIANS, indexing="ij")
    basis = np.stack([zernike(n, m, r, t).ravel() for n in range(7) for m in range(-n, n + 1, 2)], axis=1)
    maps = np.random.default_rng(1).normal(size=(BATCH, basis.shape[0]))
    pinv = np.linalg.pinv(basis)
    peers = {
        "numpy lstsq": micros(lambda: np.linalg.lstsq(basis, maps[0], rcond=None)),
        "numpy pseudo-inverse, one GEMM a batch": micros(lambda: maps @ pinv.T) / BATCH,
    }
    ours = measured(target)
    print(f"Zernike fit, 28 terms, full map: placido {'not measured' if ours is None else f'{ours:.1f} µs'}")
    for peer, time_us in peers.items():
        print(f"  {peer}: {time_us:.1f} µs" + ("" if ours is None else f", {time_us / ours:.1f} times placido's"))


if __name__ == "__main__":
    main()
