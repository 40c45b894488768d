"""Does a window help the power spectra to see checkerboards, blur and noise?

    python -m benchmarks.spectra [IMAGES.npy] [-n 1000]

Prints the spectrum distance of changed images over the floor, without and with a Hann window, and
the time for 9,000 images. IMAGES is (N, H, H, C) uint8; without it synthetic galaxies are drawn.
"""

from __future__ import annotations

import argparse
import time

import numpy as np


def changes(images: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """The same images with what a generator may do to them."""
    from scipy.ndimage import gaussian_filter

    size = images.shape[1]
    signs = (1 - 2 * (np.indices((size, size)).sum(axis=0) % 2))[..., None]
    broad = (1 - 2 * ((np.indices((size, size)) // 2).sum(axis=0) % 2))[..., None]
    grey_noise = rng.normal(0, 1, (*images.shape[:3], 1))
    floats = {
        "nothing": images.astype(float),
        "checkerboard 2 DN": images + 2.0 * signs,
        "checkerboard 0.5 DN": images + 0.5 * signs,
        "checkerboard 2 DN, 2 px": images + 2.0 * broad,
        "blur 0.5 px": gaussian_filter(images.astype(float), (0, 0.5, 0.5, 0)),
        "noise 1 DN": images + grey_noise,
        "noise 2 DN": images + 2 * grey_noise,
    }
    return {name: np.clip(np.rint(values), 0, 255).astype(np.uint8) for name, values in floats.items()}


def main() -> None:
    """Print the table."""
    from eval.statistics.spectra import compare_spectra, log_power_spectra
    from gan.datasets.synthetic import draw

    command = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    command.add_argument("images", nargs="?")
    command.add_argument("-n", type=int, default=1000)
    options = command.parse_args()
    images = np.load(options.images) if options.images else draw(2 * options.n, size=64, seed=0)[0]
    rng = np.random.default_rng(0)
    images = images[rng.permutation(len(images))[: 2 * options.n]]
    real, other = np.array_split(images, 2)
    print(f"{len(real):,} against {len(other):,} images of {images.shape[1]} px: distance / floor")
    print(f"{'':<26}{'no window':>10}{'Hann':>10}")
    for name, changed in changes(other, rng).items():
        results = [compare_spectra(real, changed, window=window) for window in ("none", "hann")]
        print(f"{name:<26}" + "".join(f"{result.distance / (result.floor or 1):10.1f}" for result in results))
    many = np.resize(images, (9000, *images.shape[1:]))
    start = time.process_time()
    log_power_spectra(many)
    print(f"9,000 images: {time.process_time() - start:.2f} s of one core")


if __name__ == "__main__":
    main()
