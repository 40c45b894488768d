"""Synthetic galaxies: how fast they are drawn, and how like real thumbnails they are.

    python benchmarks/synthetic.py [GALAXY_SET] [--images N]

Without GALAXY_SET only the speed is printed. With one, plain statistics of its 64 px images and of as many synthetic
ones stand side by side, and the KS distances of the four measured properties with the noise floor of that sample size.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from gan.data import GalaxySet
from gan.datasets.synthetic import draw


def statistics(images: np.ndarray) -> dict[str, np.ndarray]:
    """Sky, noise, mean and radial profile of (n, 64, 64, 3) uint8 images, one number per band."""
    images = images.astype(float)
    y, x = np.mgrid[:64, :64] - 31.5
    radius = np.hypot(x, y)
    corners = np.concatenate([images[:, :8, :8], images[:, :8, -8:], images[:, -8:, :8], images[:, -8:, -8:]], 1)
    corners = corners.reshape(len(images), -1, 3)
    sky = np.median(corners, 1)
    return {
        "sky level": np.median(sky, 0),
        "sky noise": np.median(1.4826 * np.median(np.abs(corners - sky[:, None]), 1), 0),
        "mean": images.mean((0, 1, 2)),
        "95th percentile": np.percentile(images, 95, (0, 1, 2)),
        **{f"at radius {r} px": images[:, np.abs(radius - r) < 1].mean((0, 1)) for r in (1, 3, 5, 8, 12, 20)},
        "brightest, median": np.median(images[:, 28:36, 28:36].max((1, 2)), 0),
    }


def compare_with(path: str, count: int) -> None:
    """Print the table of statistics and the distances."""
    from eval.distances import compare
    from eval.measure import measure

    real = GalaxySet.open(path).images(64)
    real = np.asarray(real[:: max(1, len(real) // count)][:count])
    drawn, _ = draw(len(real))
    ours, theirs = statistics(drawn), statistics(real)
    print(f"\n{'':18}{'real R, G, B':>24}{'synthetic R, G, B':>24}")
    for key, value in theirs.items():
        print(f"{key:18}" + "".join(f"{number:8.1f}" for number in (*value, *ours[key])))
    catalogues = [measure(images, engine="fast") for images in (real, drawn)]
    result = compare(*catalogues)
    print(f"\n{len(real)} images each; failed fits: real {result.failed['real']:.1%}, ", end="")
    print(f"synthetic {result.failed['generated']:.1%}")
    for name, distance in result.ks.items():
        medians = [catalogue[name].median() for catalogue in catalogues]
        print(f"KS {name:16}{distance:7.3f}   medians {medians[0]:14.2f} {medians[1]:14.2f}")
    print(f"KS mean {result.ks_mean:.3f}, noise floor {result.floor:.3f}")


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("galaxy_set", nargs="?")
    p.add_argument("--images", type=int, default=1500)
    options = p.parse_args()
    draw(8)
    for size in (64, 128):
        started = time.perf_counter()
        draw(options.images, size=size)
        print(f"{options.images / (time.perf_counter() - started):.0f} images/s at {size} px")
    if options.galaxy_set:
        compare_with(options.galaxy_set, options.images)


if __name__ == "__main__":
    main()
