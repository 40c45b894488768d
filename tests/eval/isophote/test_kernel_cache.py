"""Compiled kernels are read, not made again."""

import numpy as np

from eval.isophote import compiled_engine, fit
from eval.isophote import frame as frame_module
from eval.measure import measure


def test_no_kind_of_array_makes_the_kernels_compile_again(tmp_path):
    compiled_engine.compile_once()
    kernels = (frame_module.grey_of, frame_module.resample, frame_module.band_fluxes, fit.fit_frame)
    before = [len(kernel.signatures) for kernel in kernels]
    image = np.random.default_rng(0).integers(0, 256, (2, 40, 40, 4), dtype=np.uint8)
    np.save(tmp_path / "images.npy", image)
    kinds = [np.load(tmp_path / "images.npy", mmap_mode="r"), image[..., :3], image[:, ::-1], image.astype(">f4")]
    for images in (*kinds, np.asfortranarray(image), image.astype(np.int64), image[..., 0].astype(bool)):
        measure(images)
    assert [len(kernel.signatures) for kernel in kernels] == before
