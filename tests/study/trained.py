"""A small trained model, and galaxies read back by programs that know nothing of ours."""

from pathlib import Path

import numpy as np

from gan.config import ModelConfig, TrainConfig
from gan.training import checkpoint
from gan.training.trainer import Trainer

SMALL = ModelConfig(image_size=16, width=4, latent_dim=8)


def trained(path: Path, model: ModelConfig = SMALL) -> Path:
    pixels = (32, model.image_size, model.image_size, model.channels)
    images = np.random.default_rng(0).integers(0, 256, pixels, np.uint8)
    trainer = Trainer(model, TrainConfig(batch_size=16), images, device="cpu", threads=1)
    trainer.train_epoch()
    checkpoint.save(trainer, path)
    return path


def read_back(folder: Path, kind: str) -> np.ndarray:
    """All galaxies, by programs that know nothing of ours."""
    if kind == "npy":
        return np.load(folder / "galaxies.npy", allow_pickle=False)
    if kind == "npz":
        return np.concatenate([np.load(p)["images"] for p in sorted(folder.glob("npz/*.npz"))])
    if kind == "png":
        from PIL import Image

        return np.stack([np.asarray(Image.open(p)) for p in sorted(folder.glob("png/*/*.png"))])
    from astropy.io import fits

    cubes = [fits.getdata(p) for p in sorted(folder.glob("fits/*.fits"))]
    return np.concatenate(cubes)[:, :, ::-1].transpose(0, 2, 3, 1)
