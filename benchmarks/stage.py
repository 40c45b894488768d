"""What an evaluation costs in this process and by Ray Data, and which of the two `eval.distributed.stage` takes.

    python -m benchmarks.stage [--images 600] [--size 64] [--rounds 3]

The same images are measured in turn in this process and by Ray Data on the same CPUs. The first
evaluation by Ray Data starts worker processes and imports; the following ones find them warm.
"""

from __future__ import annotations

import argparse
import os
import statistics

os.environ.setdefault("RAY_AUTH_MODE", "disabled")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")


def main() -> None:
    """Print seconds per evaluation and the overhead."""
    import ray

    from eval.distributed.stage import ArraySource, measure_source
    from eval.measure import cpus, measure
    from gan.datasets.synthetic import draw

    command = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    command.add_argument("--images", type=int, default=600)
    command.add_argument("--size", type=int, default=64)
    command.add_argument("--rounds", type=int, default=3)
    options = command.parse_args()
    images, _ = draw(options.images, size=options.size, seed=0)
    source, few = ArraySource(images), ArraySource(images[:8])
    measure(images[:4])
    ray.init(address="local", include_dashboard=False, num_cpus=cpus(), log_to_driver=False)
    # One block per CPU and per second or so: many small blocks would add what this is to measure.
    block = max(1, options.images // (2 * cpus()))
    first = measure_source(few, place="ray").seconds
    here, there, idle = [], [], []
    for _ in range(options.rounds):
        here.append(measure_source(source, place="process", block_size=block).seconds)
        there.append(measure_source(source, place="ray", block_size=block).seconds)
        idle.append(measure_source(few, place="ray").seconds - measure_source(few, place="process").seconds)
    ray.shutdown()
    rate = options.images / statistics.median(here)
    print(f"{options.images} images of {options.size} px on {cpus()} CPUs, median of {options.rounds} rounds")
    print(f"in this process              {statistics.median(here):6.2f} s   {rate:.0f} images/s")
    print(f"by Ray Data, warm            {statistics.median(there):6.2f} s")
    print(f"ratio                        {statistics.median(there) / statistics.median(here):6.2f}")
    print(f"first by Ray Data, 8 images  {first:6.2f} s")
    print(f"overhead, warm (8 images)    {statistics.median(idle):6.2f} s")
    print(f"CPU seconds per image        {cpus() / rate:6.4f}")


if __name__ == "__main__":
    main()
