"""A million images through the stage in bounded memory.

    python -m benchmarks.stream [-n 1000000] [--place ray] [--out DIR]

Images are made in the workers: flips, shifts and noise of a few hundred synthetic galaxies, each
determined by its number. Parquet parts are written as blocks finish; started again with the same
`--out`, it goes on. Memory is sampled twice a second over this process, Ray's workers and Ray's
object store.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import psutil

os.environ.setdefault("RAY_AUTH_MODE", "disabled")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
MIB = 1 << 20


class MovedGalaxies:
    """n images, image k a moved, flipped and noisier copy of one of a few base images."""

    def __init__(self, base: np.ndarray, n: int):
        self.base, self.n, self.key = base, n, f"moved {len(base)} {base.shape[1]} {n}"

    def __len__(self) -> int:
        return self.n

    def images(self, start: int, stop: int) -> np.ndarray:
        """(stop - start, H, H, C) uint8."""
        block = np.empty((stop - start, *self.base.shape[1:]), np.uint8)
        for row, number in enumerate(range(start, stop)):
            rng = np.random.default_rng([7, number])
            which, flips, down, right = rng.integers((len(self.base), 4, 5, 5))
            image = self.base[which][:: 1 - 2 * (flips & 1), :: 1 - (flips & 2)]
            noise = rng.integers(-2, 3, image.shape, dtype=np.int16)
            block[row] = np.clip(np.roll(image, (down - 2, right - 2), (0, 1)) + noise, 0, 255)
        return block


class MemoryWatch(threading.Thread):
    """Peaks of resident memory, MiB: this process, the largest worker, all workers, Ray's object store."""

    def __init__(self, ray_running: bool):
        super().__init__(daemon=True)
        self.ray_running, self.done = ray_running, threading.Event()
        self.peaks = dict.fromkeys(("driver", "largest worker", "all workers", "object store"), 0.0)

    def run(self) -> None:
        driver = psutil.Process()
        while not self.done.wait(0.5):
            values = {"driver": driver.memory_info().rss / MIB}
            workers = []
            for process in driver.children(recursive=True):
                try:
                    if "ray::" in " ".join(process.cmdline()):
                        # Shared pages are the object store, which is counted by itself.
                        memory = process.memory_info()
                        workers.append((memory.rss - memory.shared) / MIB)
                except psutil.Error:
                    continue
            if workers:
                values |= {"largest worker": max(workers), "all workers": sum(workers)}
            if self.ray_running:
                import ray

                held = ray.cluster_resources().get("object_store_memory", 0)
                values["object store"] = (held - ray.available_resources().get("object_store_memory", held)) / MIB
            for name, value in values.items():
                self.peaks[name] = max(self.peaks[name], value)


def main() -> int:
    """Stream and print the rate and the peaks."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn, TimeRemainingColumn

    from eval.distributed.stage import measure_source
    from eval.measure import cpus
    from gan.datasets.synthetic import draw

    command = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    command.add_argument("-n", type=int, default=1_000_000)
    command.add_argument("--size", type=int, default=64)
    command.add_argument("--block", type=int, default=500)
    command.add_argument("--place", choices=("auto", "process", "ray"), default="ray")
    command.add_argument("--out", type=Path, help="folder for the parts (default: a temporary one, removed)")
    options = command.parse_args()
    base, _ = draw(256, size=options.size, seed=0)
    if options.place != "process":
        import ray

        ray.init(address="local", include_dashboard=False, num_cpus=cpus(), object_store_memory=256 * MIB)
    watch = MemoryWatch(options.place != "process")
    with tempfile.TemporaryDirectory() as temporary:
        out = options.out or Path(temporary)
        watch.start()
        columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
        with Progress(*columns) as bars:
            task = bars.add_task("", total=options.n)
            started = time.perf_counter()
            result = measure_source(
                MovedGalaxies(base, options.n),
                block_size=options.block,
                out=out,
                place=options.place,
                progress=lambda done, total: bars.update(task, completed=done),
            )
            seconds = time.perf_counter() - started
        watch.done.set()
        size = sum(part.stat().st_size for part in result.parts)
        measured = options.n - result.reused * options.block
        print(
            f"{options.n:,} images of {options.size} px by {result.place} ({result.reason}), blocks of {options.block}"
        )
        print(f"measured {measured:,} in {seconds:.0f} s: {measured / seconds:.0f} images/s on {cpus()} CPUs")
        print(f"catalogue: {len(result.parts):,} parts, {size / MIB:.1f} MiB, {size / options.n:.0f} bytes per image")
        pixels = options.n * base[0].nbytes / MIB
        print(f"peak memory, MiB (the pixels of all images together: {pixels:,.0f})")
        for name, value in watch.peaks.items():
            print(f"  {name:<16}{value:8.0f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
