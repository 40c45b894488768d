"""Images per second of `gan.prepare` on all cores against a plain Pillow loop on one, from 424 px JPEGs.

    python benchmarks/prepare.py [FOLDER] [--images N] [--rounds N] [--jobs N]

Both make 64 and 128 px nearest-neighbour arrays of the same files and write them to the disk; ours also hashes, looks
for duplicates, keeps its work resumable and writes index and manifest. The two are interleaved, each begins with what
was written before on the disk; the ratio is the median over the rounds. CPU time per image (of all processes) tells how
much work ours adds, also on a machine that is busy.
Without FOLDER the JPEGs are synthetic galaxies at 424 px, each in its eight orientations.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from common.processors import available_cpus
from gan.datasets.synthetic import draw
from gan.images.decode_settings import DecodeSettings
from gan.images.sources import open_source
from gan.preparation.run import prepare

SIZES = (64, 128)


def plain(files: list[Path], out: Path) -> None:
    """What one would write in ten lines."""
    arrays = {size: np.empty((len(files), size, size, 3), np.uint8) for size in SIZES}
    for row, file in enumerate(files):
        image = Image.open(file).convert("RGB")
        for size, array in arrays.items():
            array[row] = np.asarray(image.resize((size, size), Image.Resampling.NEAREST))
    for size, array in arrays.items():
        np.save(out / f"plain_{size}.npy", array)


def synthetic_jpegs(folder: Path, count: int) -> None:
    """Write `count` different 424 px JPEGs."""
    images, _ = draw(-(-count // 8), size=424)
    orientations = [np.rot90(images, k, (1, 2)) for k in range(4)]
    orientations += [images[:, ::-1] for images in orientations]
    for number, image in enumerate(np.concatenate(orientations)[:count]):
        Image.fromarray(np.ascontiguousarray(image)).save(folder / f"{number}.jpg", quality=90)


def timed(task: Callable[[], object]) -> tuple[float, float]:
    """Wall-clock seconds and CPU seconds, of this process and of those it started and ended."""
    os.sync()
    before, started = os.times(), time.perf_counter()
    task()
    wall, after = time.perf_counter() - started, os.times()
    return wall, sum(after[:4]) - sum(before[:4])


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("folder", nargs="?", type=Path)
    p.add_argument("--images", type=int, default=2400)
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--jobs", type=int, default=available_cpus())
    options = p.parse_args()
    with tempfile.TemporaryDirectory() as work_name:
        work = Path(work_name)
        files = sorted(options.folder.glob("*.jpg"))[: options.images] if options.folder else []
        (work / "in").mkdir()
        for file in files:
            (work / "in" / file.name).write_bytes(file.read_bytes())
        if not files:
            synthetic_jpegs(work / "in", options.images)
        files = sorted((work / "in").iterdir())
        settings, source = DecodeSettings(sizes=SIZES), open_source(work / "in")
        prepare(source, work / "warm", settings=settings, jobs=options.jobs)
        ratios = []
        print(f"{len(files)} images, {options.jobs} processes, sizes {SIZES}")
        print("round   plain/s    ours/s   ratio   CPU ms per image: plain   ours")
        for number in range(options.rounds):
            if number > 1:
                shutil.rmtree(work / f"set{number - 1}")
            theirs_wall, theirs_cpu = timed(lambda: plain(files, work))
            out = work / f"set{number}"
            ours_wall, ours_cpu = timed(lambda out=out: prepare(source, out, settings=settings, jobs=options.jobs))
            ratios.append(theirs_wall / ours_wall)
            rates = [len(files) / theirs_wall, len(files) / ours_wall]
            cpu = [1000 * theirs_cpu / len(files), 1000 * ours_cpu / len(files)]
            print(
                f"{number + 1:5} {rates[0]:9.0f} {rates[1]:9.0f} {ratios[-1]:7.2f} {cpu[0]:25.3f} {cpu[1]:6.3f}",
                flush=True,
            )
        ours, theirs = (np.load(path, mmap_mode="r") for path in (work / "set0" / "128.npy", work / "plain_128.npy"))
        assert np.array_equal(ours, theirs), "the two did not make the same images"
        print(f"median ratio {statistics.median(ratios):.2f}")


if __name__ == "__main__":
    main()
