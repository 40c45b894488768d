"""Seconds to find the nearest of 60,000 training images for 9,000 generated ones, over all flips, in exact L1.

    python -m benchmarks.closest [--generated 9000] [--training 60000] [--size 64] [--images FILE.npy]

Then the same search on a part of the images, in turn by `eval.statistics.nearest` and by plain NumPy on one
core, both exact, for the ratio per core. Training images are moved, flipped and noisier copies
of `--images` ((N, size, size, 3) uint8; synthetic galaxies without it).
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np


def moved_copies(base: np.ndarray, n: int, seed: int) -> np.ndarray:
    """(n, H, H, C) uint8: images of `base` shifted by up to 3 px, flipped, with noise of 2 DN."""
    rng = np.random.default_rng(seed)
    copies = np.empty((n, *base.shape[1:]), np.uint8)
    for row in range(n):
        image = base[rng.integers(len(base))][:: rng.choice((-1, 1)), :: rng.choice((-1, 1))]
        noise = rng.integers(-3, 4, image.shape, dtype=np.int16)
        copies[row] = np.clip(np.roll(image, rng.integers(-3, 4, 2), (0, 1)) + noise, 0, 255)
    return copies


def plain(queries: np.ndarray, references: np.ndarray) -> np.ndarray:
    """Nearest distances by NumPy, one query and flip at a time."""
    from eval.statistics.nearest import centre, flipped

    references = centre(references).astype(np.int16)
    scale = references[0].size
    return np.array(
        [
            min(np.abs(flipped(query, flip) - references).sum((1, 2, 3)).min() for flip in range(4)) / scale
            for query in centre(queries).astype(np.int16)
        ]
    )


def main() -> None:
    """Print the time of the whole search and the ratio to plain NumPy."""
    from rich.progress import Progress

    from eval.measure import cpus
    from eval.statistics.nearest import nearest
    from gan.datasets.synthetic import draw

    command = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    command.add_argument("--generated", type=int, default=9000)
    command.add_argument("--training", type=int, default=60_000)
    command.add_argument("--size", type=int, default=64)
    command.add_argument("--images", help="an .npy file to make the images from")
    options = command.parse_args()
    base = np.load(options.images) if options.images else draw(3000, size=options.size, seed=0)[0]
    generated, training = moved_copies(base, options.generated, 1), moved_copies(base, options.training, 2)
    nearest(generated[:2], training[:2])
    before = resource.getrusage(resource.RUSAGE_SELF)
    with Progress(transient=True) as bars:
        task = bars.add_task("searching", total=None)
        started = time.perf_counter()
        found = nearest(
            generated, training, progress=lambda done, total: bars.update(task, completed=done, total=total)
        )
        seconds = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    pairs = 4 * len(generated) * len(training)
    print(f"{len(generated):,} x {len(training):,} images of {base.shape[1]} px, 4 flips, {cpus()} CPUs")
    print(
        f"whole search  {seconds:7.1f} s wall, {cpu:.0f} s of CPU, {1e9 * cpu / pairs:.1f} ns of CPU per pair and flip"
    )
    print(f"memory beyond the images  {(after.ru_maxrss - before.ru_maxrss) / 1024:.0f} MiB")
    print(f"median distance {np.median(found.distance):.2f} DN per value")
    some, part = generated[:4], training[:2000]
    ours, numpy = [], []
    for _ in range(3):
        start = time.process_time()
        exact = plain(some, part)
        numpy.append((time.process_time() - start) / len(some))
        many = generated[:400]
        start = time.process_time()
        result = nearest(many, part, jobs=1)
        ours.append((time.process_time() - start) / len(many))
        if not np.array_equal(result.distance[: len(some)], exact):
            raise SystemExit("the two searches disagree")
    print(f"per query among {len(part):,}: NumPy {1e3 * min(numpy):.1f} ms, here {1e3 * min(ours):.2f} ms of CPU")
    print(f"ratio per core {min(numpy) / min(ours):.0f}")


if __name__ == "__main__":
    main()
