"""The tasks of the optics bench in numpy and scipy, one thread, with the ratio to what `cargo bench` measured last on this machine.

    cargo bench --workspace --bench optics
    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python benches/peers.py [target folder]

Needs numpy, scipy and Pillow. Both sides do the same work on maps of 31 × 256 cells; medians.
"""

import io
import json
import math
import pathlib
import statistics
import sys
import time

import numpy as np
from PIL import Image
from scipy import ndimage, stats

RINGS, MERIDIANS, STEP_MM, BATCH = 31, 256, 0.2, 64
R = np.arange(RINGS) * STEP_MM
THETA = np.arange(MERIDIANS) * 2 * np.pi / MERIDIANS


def cornea(seed=0, lid_mm=9.0):
    """The sag map of the bench: a conic with a cone, missing above the lid."""
    r, t = np.meshgrid(R, THETA, indexing="ij")
    x, y = r * np.cos(t), r * np.sin(t)
    steep = 7.6 + 0.01 * (seed % 40)
    sag = r * r / (steep + np.sqrt(steep**2 - 0.75 * r * r)) - 0.02 * np.exp(-((x - 0.5) ** 2) - (y + 1.0) ** 2)
    return np.where(y > lid_mm, np.nan, sag)


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
    task()
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        task()
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1e6


def fits(radius_mm):
    """Full and masked least squares of 28 terms within a radius; 6 mm is the whole map."""
    rings = int(round(radius_mm / STEP_MM)) + 1
    r, t = np.meshgrid(R[:rings] / radius_mm, THETA, indexing="ij")
    basis = np.stack([zernike(n, m, r, t).ravel() for n in range(7) for m in range(-n, n + 1, 2)], axis=1)
    maps = np.stack([cornea(seed)[:rings].ravel() for seed in range(BATCH)])
    masked = cornea(1, 2.4 if radius_mm == 3 else 5.0)[:rings].ravel()
    pinv = np.linalg.pinv(basis)

    def masked_lstsq():
        valid = np.isfinite(masked)
        return np.linalg.lstsq(basis[valid], masked[valid], rcond=None)

    def masked_normal():
        valid = np.isfinite(masked)
        a = basis[valid]
        return np.linalg.solve(a.T @ a, a.T @ masked[valid])

    return {
        (f"zernike_fit/full_{radius_mm}mm", BATCH): {
            "numpy lstsq": micros(lambda: np.linalg.lstsq(basis, maps[0], rcond=None)),
            "numpy pseudo-inverse, one GEMM a batch": micros(lambda: maps @ pinv.T) / BATCH,
        },
        (f"zernike_fit/masked_{radius_mm}mm", BATCH): {
            "numpy lstsq of the measured cells": micros(masked_lstsq),
            "numpy normal equations": micros(masked_normal),
        },
    }


def rasters():
    """256 × 256 pixels over 12 mm. The angle is padded as far as the spline reaches."""
    sag = cornea()
    at = np.linspace(-6, 6, 256)
    x, y = np.meshgrid(at, -at)
    rho = np.hypot(x, y) / STEP_MM
    phi = np.mod(np.arctan2(y, x), 2 * np.pi) / (2 * np.pi) * MERIDIANS

    def sample(order):
        padded = np.concatenate([sag[:, -4:], sag, sag[:, :5]], axis=1)
        return ndimage.map_coordinates(padded, [rho, phi + 4], order=order, mode="nearest")

    return {
        ("polar_to_cartesian_256/bilinear", 1): {"scipy map_coordinates, order 1": micros(lambda: sample(1))},
        ("polar_to_cartesian_256/bicubic", 1): {"scipy map_coordinates, order 3": micros(lambda: sample(3))},
    }


def summary():
    """The 14 statistics of the 8 mm zone, by area."""
    sag = cornea()
    rings = 21
    half = 0.5 * STEP_MM
    outer, inner = np.minimum(R[:rings] + half, 4.0), np.maximum(R[:rings] - half, 0.0)
    weights = np.repeat(np.pi * (outer**2 - inner**2) / MERIDIANS, MERIDIANS)
    upper = np.tile((np.arange(MERIDIANS) > 0) & (np.arange(MERIDIANS) < 128), rings)
    lower = np.tile(np.arange(MERIDIANS) > 128, rings)

    def all_of_them():
        v = sag[:rings].ravel()
        total = weights.sum()
        mean = np.average(v, weights=weights)
        d = v - mean
        m2 = np.average(d**2, weights=weights)
        shape = np.average(d**3, weights=weights) / m2**1.5, np.average(d**4, weights=weights) / m2**2 - 3
        order = np.argsort(v)
        position = (np.cumsum(weights[order]) - weights[order] / 2) / total
        quantiles = np.interp([0.05, 0.25, 0.5, 0.75, 0.95], position, v[order])
        bins = np.histogram(v, bins=32, weights=weights)[0] / total
        dr = (sag[2 : rings + 1] - sag[: rings - 1]) / (2 * STEP_MM)
        dt = (np.roll(sag[1:rings], -1, 1) - np.roll(sag[1:rings], 1, 1)) / (2 * R[1:rings, None] * 2 * np.pi / MERIDIANS)
        gradient = np.sqrt(np.average((dr**2 + dt**2).ravel(), weights=weights[MERIDIANS:]))
        asymmetry = np.average(v[lower], weights=weights[lower]) - np.average(v[upper], weights=weights[upper])
        return mean, m2**0.5, v.min(), v.max(), quantiles, shape, gradient, stats.entropy(bins, base=2), asymmetry

    return {("map_statistics_8mm", 1): {"numpy and scipy": micros(all_of_them)}}


def pictures():
    """A 224 × 224 picture: raster, 26 colours, PNG; placido's has rings, scale and labels besides."""
    sag = cornea() * 1e3
    at = np.linspace(-6, 6, 224)
    x, y = np.meshgrid(at, -at)
    rho = np.hypot(x, y) / STEP_MM
    phi = np.mod(np.arctan2(y, x), 2 * np.pi) / (2 * np.pi) * MERIDIANS
    palette = list(np.linspace(0, 255, 27 * 3).astype(np.uint8))

    def picture():
        padded = np.concatenate([sag, sag[:, :2]], axis=1)
        values = ndimage.map_coordinates(padded, [rho, phi], order=1, mode="nearest")
        index = np.where(rho <= RINGS - 1, np.clip(np.digitize(values, np.linspace(0, 2500, 26)), 1, 26), 0).astype(np.uint8)
        image = Image.fromarray(index, mode="P")
        image.putpalette(palette)
        buffer = io.BytesIO()
        image.save(buffer, "PNG")
        return buffer.getvalue()

    return {("map_image_224", 1): {"scipy, numpy and Pillow": micros(picture)}}


def measured(target, bench, batch):
    """Median of placido's time in µs, if the bench has run."""
    estimates = target / "criterion" / bench / "new/estimates.json"
    return json.loads(estimates.read_text())["median"]["point_estimate"] / 1e3 / batch if estimates.exists() else None


def main():
    target = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "target")
    for part in (fits(3), fits(6), rasters(), summary(), pictures()):
        for (bench, batch), peers in part.items():
            ours = measured(target, bench, batch)
            print(f"{bench}: placido {'not measured' if ours is None else f'{ours:.1f} µs'}")
            for peer, time_us in peers.items():
                print(f"  {peer}: {time_us:.1f} µs" + ("" if ours is None else f", {time_us / ours:.1f} times placido's"))


if __name__ == "__main__":
    main()
