"""How fast galaxies are measured: photutils and the fast engine on the same images, one core, interleaved.

    python benchmarks/measure.py [IMAGES] [-n 20] [--size 64] [--throughput 18000]

IMAGES defaults to `../shared/galaxies/gz2` beside the repository; without it, galaxies are drawn.
Three tables: the ratio per core; where the fast engine's time goes; and a whole run of
`--throughput` images in a new process, start-up, reading and writing included.

Where the time goes in what is left: three quarters is the fit, a tenth the bicubic frame, the rest
colours and flux (second table, 64 px). The fit samples some 230,000 points per galaxy, each four
scattered reads and a bilinear blend in vector registers where no point waits for another, and walks
some 65,000, each a square root, a division and two polynomials; then come normal equations and the
starts of walks. Many of the samples belong to isophotes that never converge and take all 50
iterations: leaving those early would change which ellipse is the last one.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from eval.isophote import compiled_engine, fit, frame, path, photutils_engine  # noqa: E402
from eval.isophote.result import LARGEST  # noqa: E402
from eval.settings import MeasurementSettings  # noqa: E402

SETTINGS = MeasurementSettings()
REPEATS = 5
"""Times the fast engine fits an image for each time that photutils does."""

WHOLE_RUN = """
import sys
import numpy as np
from eval.catalogue import write_catalogue
from eval.measure import measure
rows = measure(np.load(sys.argv[1], mmap_mode="r"))
write_catalogue(rows, sys.argv[2])
print(len(rows), int((rows["status"] == "ok").sum()))
"""


def drawn(count: int, size: int) -> np.ndarray:
    """Exponential discs with noise, (count, size, size, 3) uint8."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    images = np.empty((count, size, size, 3), np.uint8)
    for image in images:
        turn, q, scale = rng.uniform(0, np.pi), rng.uniform(0.25, 0.95), size * rng.uniform(0.04, 0.14)
        u, v = x * np.cos(turn) + y * np.sin(turn), -x * np.sin(turn) + y * np.cos(turn)
        grey = 15 + rng.uniform(60, 220) * np.exp(-np.hypot(u, v / q) / scale) + rng.normal(0, 3, x.shape)
        image[:] = np.clip(grey, 0, 255).astype(np.uint8)[..., np.newaxis]
    return images


def load(source: Path | None, count: int, size: int) -> tuple[str, np.ndarray]:
    """The images to measure, and what they are."""
    from eval.images.load import load_images

    path = source or ROOT.parent / "shared" / "galaxies" / "gz2"
    if source is None and not path.is_dir():
        return f"drawn galaxies, {size} px", drawn(count, size)
    images = np.asarray(load_images(path, size=size, limit=count).images)
    return f"{path.name}, {size} px", images


def ratio(images: np.ndarray) -> None:
    """Time both engines on each image in turn."""
    fitter = compiled_engine.Fitter(SETTINGS)
    fitter.fit(images[0])
    photutils_engine.fit_image(images[0], SETTINGS)
    reference, fast, same = [], [], 0
    for image in images:
        began = time.thread_time()
        first = photutils_engine.fit_image(image, SETTINGS)
        between = time.thread_time()
        for _ in range(REPEATS):
            second = fitter.fit(image)
        fast.append((time.thread_time() - between) / REPEATS)
        reference.append(between - began)
        same += first.status == second.status
    total = sum(reference) / sum(fast)
    each = np.array(reference) / np.array(fast)
    print(f"photutils      {np.mean(reference) * 1e3:10.1f} ms of CPU per image")
    print(f"fast           {np.mean(fast) * 1e3:10.3f} ms")
    print(f"ratio          {total:10.0f}    (image by image {each.min():.0f} to {each.max():.0f})")
    print(f"same verdict   {same:6d} of {len(images)}")


def timed(function, *arguments) -> float:
    """Least CPU time of a few calls, in seconds."""
    least = np.inf
    for _ in range(3):
        began = time.thread_time()
        function(*arguments)
        least = min(least, time.thread_time() - began)
    return least


def parts(images: np.ndarray) -> None:
    """Time the fast engine's steps one by one, and count the points of the fit."""
    fitter = compiled_engine.Fitter(SETTINGS)
    first, weights, cumulative = frame.resampling(images.shape[1], SETTINGS.frame_size)
    cost = dict.fromkeys(("mean grey", "bicubic frame", "fit", "flux", "colours", "whole"), 0.0)
    points = np.zeros(2)
    for image in images:
        cost["whole"] += timed(fitter.fit, image)
        cost["mean grey"] += timed(frame.grey_of, image, LARGEST, fitter._turned)
        room = (fitter._columns, fitter._rows, fitter._frame)
        cost["bicubic frame"] += timed(frame.resample, fitter._turned, first, weights, *room)
        arguments = (fitter._frame, *fitter._room, fitter._table, fitter._limits, fitter._result)
        cost["fit"] += timed(fit.fit_frame, *arguments)
        points += fitter._room[1][:3, 0, 0, path.WALKED : path.SAMPLED + 1].sum(axis=0)
        if np.isfinite(fitter._result[2]):
            sma, eps, pa, x0, y0 = fitter._result[2:7]
            cost["flux"] += 2 * timed(frame.flux_inside, fitter._frame, x0, y0, sma, eps, pa)
            where = (x0, y0, sma, eps, pa, np.empty(3))
            cost["colours"] += timed(frame.band_fluxes, image, first, weights, cumulative, *where)
    for name, seconds in cost.items():
        print(f"{name:14} {seconds / len(images) * 1e3:10.3f} ms of CPU per image")
    walked, sampled = points / len(images)
    print(f"the fit walked {walked:10.0f} points and sampled {sampled:.0f}")


def throughput(images: np.ndarray, count: int) -> None:
    """Measure many images in a new process, from its start to the catalogue on disk."""
    views = [images, images[:, ::-1], images[:, :, ::-1], images.swapaxes(1, 2)]
    with tempfile.TemporaryDirectory() as folder:
        many = np.concatenate([views[k % 4] for k in range(-(-count // len(images)))])[:count]
        np.save(Path(folder) / "images.npy", many)
        del many
        before, began = os.times(), time.perf_counter()
        command = [sys.executable, "-c", WHOLE_RUN, f"{folder}/images.npy", f"{folder}/catalogue.parquet"]
        done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
        wall, after = time.perf_counter() - began, os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    rows, ok = done.stdout.split()
    print(f"{rows} images ({ok} fitted) from process start to catalogue: {wall:.1f} s, {cpu:.1f} s of CPU")
    if hasattr(os, "getloadavg"):
        print(f"load of the machine meanwhile: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


def main() -> None:
    """Run the benchmark."""
    this = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    this.add_argument("images", nargs="?", type=Path)
    this.add_argument("-n", type=int, default=20, help="images that both engines measure (20)")
    this.add_argument("--size", type=int, default=64)
    this.add_argument("--throughput", type=int, default=18_000, help="images of the whole run; 0 leaves it out")
    options = this.parse_args()
    compiled_engine.compile_once()
    name, images = load(options.images, max(options.n, min(2_000, options.throughput)), options.size)
    few = images[:: max(1, len(images) // options.n)][: options.n]
    print(f"{len(few)} images ({name}), one core, engines in turn")
    ratio(few)
    print(f"\nThe fast engine, {min(100, len(images))} images, one core")
    parts(np.ascontiguousarray(images[:100]))
    if options.throughput:
        print()
        throughput(images, options.throughput)


if __name__ == "__main__":
    main()
