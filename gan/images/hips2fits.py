"""Cutouts of the sky from the hips2fits service of the CDS, asked for politely.

One request at a time, no faster than a set rate; what fails for the moment (no connection, 429, 5xx, an image that ends
early) is tried again after pauses that double, or as long as the service asks for; what fails for good is refused.
"""

from __future__ import annotations

import math
import random
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from common.errors import in_words
from gan.images.decode import read_square
from gan.images.decode_settings import DecodeSettings
from gan.images.rejections import Refused

SERVER = "https://alasky.cds.unistra.fr/hips-image-services/hips2fits"
BLANK_SHARE = 0.5  # of 8 px blocks without any structure, from which on a survey does not cover the frame
LONGEST_PAUSE = 120.0  # seconds


class Unreachable(Exception):
    """The service gave no usable answer, however often it was asked."""


@dataclass
class Service:
    """The hips2fits service, through `astroquery`.

    Attributes
    ----------
    server : str
        Address of the service.
    rate : float
        Requests per second, at most.
    tries : int
        How often one request is made before it is given up.
    pause : float
        Seconds before the second try; doubled for each further one, and lengthened at random by up to a half.
    timeout : float
        Seconds to wait for an answer.
    """

    server: str = SERVER
    rate: float = 1.0
    tries: int = 5
    pause: float = 2.0
    timeout: float = 60.0
    _next: float = field(default=0.0, init=False, repr=False)
    _query: Any = field(default=None, init=False, repr=False)

    def cutout(self, survey: str, ra: float, dec: float, field_of_view: float, side: int) -> bytes:
        """A colour JPEG of the sky, north up, gnomonic projection.

        Parameters
        ----------
        survey : str
            Identifier of a colour HiPS, such as "CDS/P/SDSS9/color".
        ra, dec : float
            Centre, deg, ICRS.
        field_of_view : float
            Width of the frame, arcsec.
        side : int
            Width and height of the image, px.

        Raises
        ------
        Refused
            The service rejects the request, or the survey does not cover the frame.
        Unreachable
            There was no usable answer after `tries` requests.
        """
        problem = ""
        for attempt in range(self.tries):
            wait = 0.0
            try:
                response = self._ask(survey, ra, dec, field_of_view, side)
            except OSError as error:  # all errors of requests are
                problem = in_words(error)
            else:
                code = response.status_code
                if code == 200:
                    try:
                        return _checked(response.content, side)
                    except Refused as refused:
                        if refused.reason == "no-coverage":
                            raise
                        problem = f"an answer that is no image of {side} px: {refused.detail}"
                elif code == 429 or code >= 500:
                    problem = f"HTTP {code}"
                    wait = _asked_pause(response.headers.get("Retry-After"))
                else:
                    raise Refused("rejected", f"HTTP {code}: {_title(response)}")
            if attempt + 1 < self.tries:
                time.sleep(max(wait, self.pause * 2**attempt * random.uniform(1, 1.5)))
        raise Unreachable(problem)

    def _ask(self, survey: str, ra: float, dec: float, field_of_view: float, side: int) -> Any:
        from astropy import units
        from astropy.coordinates import Angle, Latitude, Longitude

        if self._query is None:
            from astroquery.hips2fits import hips2fitsClass

            self._query = hips2fitsClass()
            self._query.server, self._query.timeout = self.server, self.timeout
        time.sleep(max(0.0, self._next - time.monotonic()))
        self._next = time.monotonic() + 1 / self.rate
        return self._query.query_async(
            hips=survey,
            width=side,
            height=side,
            projection="TAN",
            ra=Longitude(ra * units.deg),
            dec=Latitude(dec * units.deg),
            fov=Angle(field_of_view * units.arcsec),
            coordsys="icrs",
            rotation_angle=Angle(0 * units.deg),
            format="jpg",
            min_cut=0.5,
            max_cut=99.5,
            stretch="linear",
            cmap="Greys_r",
        )


def _checked(content: bytes, side: int) -> bytes:
    image, width, height, _ = read_square(content, DecodeSettings(sizes=(side,)))
    if (width, height) != (side, side):
        raise Refused("wrong-shape", f"{width} x {height} px")
    if blank_share(np.asarray(image)) > BLANK_SHARE:
        raise Refused("no-coverage")
    return content


def blank_share(image: np.ndarray) -> float:
    """Return the share, in [0, 1], of the 8 px blocks of an image, (H, W, 3) uint8, in which all pixels are alike."""
    rows, columns = image.shape[0] // 8, image.shape[1] // 8
    blocks = image[: rows * 8, : columns * 8].reshape(rows, 8, columns, 8, -1)
    return float((np.ptp(blocks, axis=(1, 3)).max(axis=-1) == 0).mean())


def _asked_pause(header: str | None) -> float:
    """Seconds that a Retry-After header asks for; 0 where it gives none."""
    try:
        seconds = float(header or 0)
    except ValueError:  # a date: our own pause does
        return 0.0
    return min(max(seconds, 0.0), LONGEST_PAUSE) if math.isfinite(seconds) else 0.0


def _title(response: Any) -> str:
    """What a rejection says."""
    try:
        answer = response.json()
        words = " ".join(str(answer.get(key, "")) for key in ("title", "description"))
    except (ValueError, AttributeError):
        words = str(response.reason or "no reason given")
    return " ".join(words.split())[:160]
