"""A 224 × 224 PNG of a map by scipy, numpy and Pillow or by matplotlib, one thread, and the ratio to what
`cargo bench --workspace --bench optics -- map_image` measured last.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python benches/picture_peers.py [target folder]
"""

import io
import json
import pathlib
import statistics
import sys
import time

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from PIL import Image
from scipy.ndimage import map_coordinates

RINGS, MERIDIANS, STEP_MM, SIZE = 31, 256, 0.2, 224


def micros(task, repeat=25):
    task()
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        task()
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1e6


def measured(target, name):
    estimates = target / f"criterion/map_image/{name}/new/estimates.json"
    return json.loads(estimates.read_text())["median"]["point_estimate"] / 1e3 if estimates.exists() else None


def main():
    target = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "target")
    r, t = np.meshgrid(np.arange(RINGS) * STEP_MM, np.arange(MERIDIANS) * 2 * np.pi / MERIDIANS, indexing="ij")
    polar = 43.0 + 0.05 * r * r + 0.3 * r * np.cos(2 * t)
    extent = (RINGS - 1) * STEP_MM * (SIZE - 1) / SIZE
    x, y = np.meshgrid(np.linspace(-extent, extent, SIZE), np.linspace(extent, -extent, SIZE))
    radius = np.hypot(x, y)
    # Prepared once, as placido does.
    places = np.stack([radius / STEP_MM, np.mod(np.arctan2(y, x), 2 * np.pi) / (2 * np.pi) * MERIDIANS])
    outside = radius > (RINGS - 1) * STEP_MM
    colors = (plt.get_cmap("viridis", 26)(np.arange(26))[:, :3] * 255).astype(np.uint8)
    palette = np.concatenate([[[190, 190, 190]], colors]).astype(np.uint8).tobytes()

    def raster():
        wrapped = np.concatenate([polar, polar[:, :3]], axis=1)
        return map_coordinates(wrapped, places, order=3, mode="nearest")

    def pillow():
        bands = np.clip((raster() - 30.0) / 1.5, 0, 25).astype(np.uint8) + 1
        bands[outside] = 0
        image = Image.fromarray(bands, mode="P")
        image.putpalette(palette)
        file = io.BytesIO()
        image.save(file, "PNG", compress_level=1)
        return file.getvalue()

    def pyplot():
        values = raster()
        values[outside] = np.nan
        figure, axes = plt.subplots(figsize=(2.24, 2.24), dpi=100)
        shown = axes.imshow(values, cmap=plt.get_cmap("viridis", 26), vmin=30, vmax=69, extent=(-6, 6, -6, 6))
        figure.colorbar(shown)
        for diameter in range(2, 12, 2):
            axes.add_patch(plt.Circle((0, 0), diameter / 2, fill=False, lw=0.5))
        axes.set_title("Anterior sagittal curvature")
        file = io.BytesIO()
        figure.savefig(file)
        plt.close(figure)
        return file.getvalue()

    for name, peer, task in [("224_bare", "scipy, numpy, Pillow", pillow), ("224", "scipy, matplotlib", pyplot)]:
        ours, theirs = measured(target, name), micros(task)
        print(f"PNG {name}: placido {'not measured' if ours is None else f'{ours:.0f} µs'}")
        print(f"  {peer}: {theirs:.0f} µs" + ("" if ours is None else f", {theirs / ours:.1f} times placido's"))


if __name__ == "__main__":
    main()
