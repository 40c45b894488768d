"""Files through an enhancer: each result whole or not at all, and with the key of what made it."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from common.atomic import atomic_path, write_json
from common.errors import InputError
from common.names import is_fits_name, stem
from gan.enhance.apply.stretch import Stretch
from gan.images.rejections import Refused
from study.results.models import file_digest

MANIFEST = "manifest.json"
KEY = "ENHKEY"  # of a result: a FITS card, or a text of a PNG


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How images are enhanced.

    Attributes
    ----------
    tile, overlap, batch_size : int
        Of `gan.enhance.apply.enhancer.enhance`.
    device : str
        Where to compute.
    bands : tuple of int
        Planes of a FITS cube that become the network's bands.
    stretch : LuptonStretch or LinearStretch
        For FITS files of numbers.
    max_pixels : int
        Largest accepted width x height of a picture (FITS files are read piece by piece and have no limit).
    """

    tile: int
    overlap: int
    batch_size: int
    device: str
    bands: tuple[int, ...]
    stretch: Stretch
    max_pixels: int


@dataclass
class Outcome:
    """What became of the files: names and reasons."""

    made: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    refused: dict[str, tuple[str, str]] = field(default_factory=dict)


class Enhancer:
    """One network and its settings, applied to files.

    Parameters
    ----------
    network : torch module
        From `study.results.models.load_enhancer_model`.
    origin : dict
        Of the network, for the record.
    settings : Settings
    """

    def __init__(self, network: Any, origin: dict[str, Any], settings: Settings):
        from gan.enhance.apply.enhancer import scale_of

        self.network, self.origin, self.settings = network, origin, settings
        self.scale, self.channels = scale_of(network), int(origin["config"]["channels"])

    def key(self, source: Path) -> str:
        """What decides every pixel of a result: input, model and settings, as 32 hexadecimal digits."""
        settings = self.settings
        parts = (
            file_digest(source), self.origin["sha256"], settings.tile, settings.overlap, settings.bands,
            repr(settings.stretch), settings.device.partition(":")[0],
        )  # fmt: skip
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:32]

    def run(self, source: Path, target: Path) -> bool:
        """Enhance one file; False: the same result is there already.

        Raises
        ------
        Refused
            The file cannot be used.
        InputError
            Another result stands in its place.
        """
        try:
            key = self.key(source)
        except OSError as error:
            raise Refused("unreadable", error.strerror or str(error)) from None
        if target.exists():
            if recorded_key(target) == key:
                return False
            raise InputError(f"--out: {target} is of another input, model or setting; choose a new folder")
        target.parent.mkdir(parents=True, exist_ok=True)
        write = self._fits if is_fits_name(source.name) else self._picture
        with atomic_path(target) as partial:
            write(source, partial, key)
        return True

    def _strips(self, image: Any) -> Any:
        from gan.enhance.apply.enhancer import strips

        settings = self.settings
        return strips(
            self.network,
            image,
            tile=settings.tile,
            overlap=settings.overlap,
            batch_size=settings.batch_size,
            device=settings.device,
        )

    def _picture(self, source: Path, partial: Path, key: str) -> None:
        from PIL import Image, PngImagePlugin

        from gan.images.decode import read_image
        from gan.images.decode_settings import DecodeSettings
        from gan.images.sources import FileSource

        decode = DecodeSettings(sizes=(8,), crop=True, greyscale=True, max_pixels=self.settings.max_pixels)
        with FileSource(source.resolve()).reader() as read:
            data = read(FileSource(source.resolve()).entries()[0])
        if not isinstance(data, bytes):
            raise Refused("not-an-image")
        pixels = np.asarray(read_image(data, decode))
        grey = bool((pixels == pixels[..., :1]).all())
        if self.channels not in (1, 3) or (self.channels == 1 and not grey):
            raise Refused("wrong-mode", f"a picture of {1 if grey else 3} bands; the network takes {self.channels}")
        out = np.concatenate([rows for _, rows in self._strips(pixels[..., : self.channels])])
        if grey:
            out = np.rint(out.mean(-1)).astype(np.uint8)
        text = PngImagePlugin.PngInfo()
        text.add_text(KEY, key)
        text.add_text("Software", f"study.enhance, model {self.origin['sha256'][:16]}, scale {self.scale}")
        Image.fromarray(out).save(partial, format="PNG", pnginfo=text)

    def _fits(self, source: Path, partial: Path, key: str) -> None:
        from study.enhancing.fits_images import open_fits, stretch_cards, write_fits

        settings = self.settings
        opened = open_fits(source, channels=self.channels, bands=settings.bands, stretch=settings.stretch)
        with opened as image:
            unit = str(image.header.get("BUNIT", "unit of the file")).strip()
            cards = {
                KEY: (key, "of input, model and settings"),
                "ENHMODEL": (self.origin["sha256"][:32], "SHA-256 of the model, begun"),
                "ENHSCALE": (self.scale, "pixels per pixel of the input, along a side"),
                **stretch_cards(image.stretch, unit),
            }
            write_fits(image, self._strips(image), partial, scale=self.scale, cards=cards)


def recorded_key(path: Path) -> str | None:
    """The key that a result carries; None: it carries none that can be read."""
    try:
        if is_fits_name(path.name):
            from astropy.io import fits

            return fits.getheader(path).get(KEY)
        from PIL import Image

        with Image.open(path) as image:
            return image.info.get(KEY)
    except Exception:  # noqa: BLE001 - anything may stand under that name
        return None


def plan(source: Path, out: Path) -> dict[str, tuple[Path, Path]]:
    """Every file of INPUT by name: where it is, and where its result goes.

    Raises
    ------
    InputError
        There is nothing, or the results would overwrite what they are made of.
    """
    from gan.data import DataError
    from gan.images.sources import Source, open_source

    try:
        found = open_source(source)
    except DataError as error:
        raise InputError(str(error).replace("SOURCE", "INPUT")) from None
    if found.kind == "file":
        files = {source.name: source}
    elif type(found) is Source:
        entries = found.entries(skip=out.resolve())
        files = {entry.name: found.path / entry.name for entry in entries if Path(entry.name).name != MANIFEST}
    else:
        raise InputError(f"INPUT {source}: expected an image, a FITS file or a folder of them, not a {found.kind}")
    if not files:
        raise InputError(f"INPUT {source}: the folder holds no files")
    targets: dict[Path, str] = {}
    planned = {}
    for name, path in files.items():
        target = out / _result_name(name)
        if target in targets:
            target = out / f"{name}{'.fits' if is_fits_name(name) else '.png'}"
        targets[target] = name
        planned[name] = (path, target)
        if target.resolve() == path.resolve():
            raise InputError(f"--out {out}: the result of {path} would overwrite it; choose another folder")
    return planned


def _result_name(name: str) -> str:
    return str(PurePath(name).with_name(stem(name) + (".fits" if is_fits_name(name) else ".png")))


def enhance_files(
    enhancer: Enhancer,
    planned: dict[str, tuple[Path, Path]],
    out: Path,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Outcome:
    """Enhance files into `out` and write its `manifest.json`.

    Parameters
    ----------
    planned : dict
        From `plan`.
    progress : callable or None
        Called with (files done, files in all).
    """
    from study.results.environment import environment

    outcome, started = Outcome(), time.perf_counter()
    for name, (path, target) in planned.items():
        try:
            (outcome.made if enhancer.run(path, target) else outcome.kept).append(name)
        except Refused as refusal:
            outcome.refused[name] = (refusal.reason, refusal.detail)
        if progress:
            progress(len(outcome.made) + len(outcome.kept) + len(outcome.refused), len(planned))
    settings = enhancer.settings
    content = {
        "model": enhancer.origin,
        "scale": enhancer.scale,
        "settings": {
            "tile": settings.tile,
            "overlap": settings.overlap,
            "device": settings.device,
            "bands": settings.bands,
            "stretch": repr(settings.stretch),
        },
        "results": {n: str(planned[n][1].relative_to(out)) for n in sorted([*outcome.made, *outcome.kept])},
        "refused": [{"name": n, "reason": r, "detail": d} for n, (r, d) in outcome.refused.items()],
        "seconds_of_last_run": round(time.perf_counter() - started, 3),
        "environment": environment(),
    }
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / MANIFEST, content)
    return outcome
