"""Folders of images to make pairs of."""

from __future__ import annotations

from PIL import Image


def save(folder, images, *, suffix="png"):
    folder.mkdir()
    for i, image in enumerate(images):
        Image.fromarray(image).save(folder / f"galaxy{i}.{suffix}")
    return folder
