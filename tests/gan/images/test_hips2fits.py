"""Cutouts from a local server that answers as hips2fits does, and fails as services do."""

import io
import time

import numpy as np
import pytest
from PIL import Image

from gan.images.hips2fits import Service, blank_share
from gan.images.rejections import Refused


@pytest.mark.parametrize(
    "trouble", [(503, {"Retry-After": "0"}, b""), (429, {}, b""), (200, {}, b"\xff\xd8 cut short")]
)
def test_troubles_of_the_moment_are_tried_again(server, trouble):
    server.state["troubles"] = [trouble, trouble]
    content = Service(server.url, rate=50, pause=0.01).cutout("CDS/P/SDSS9/color", 1.0, 0.0, 60.0, 32)
    assert len(server.state["requests"]) == 3 and Image.open(io.BytesIO(content)).size == (32, 32)


def test_a_pause_that_the_service_asks_for_is_kept(server):
    server.state["troubles"] = [(503, {"Retry-After": "0.4"}, b"")]
    Service(server.url, rate=50, pause=0.01).cutout("CDS/P/SDSS9/color", 1, 0, 60, 32)
    (first, _), (second, _) = server.state["requests"]
    assert second - first >= 0.4


def test_requests_keep_to_the_rate(server):
    service, start = Service(server.url, rate=10), time.monotonic()
    for ra in range(4):
        service.cutout("CDS/P/SDSS9/color", ra, 0, 60, 32)
    assert server.state["requests"][-1][0] - start >= 0.3


def test_what_the_service_rejects_is_refused_with_its_words(server):
    with pytest.raises(Refused, match="unknown HiPS"):
        Service(server.url, rate=50).cutout("CDS/P/unknown", 1, 0, 60, 32)
    assert len(server.state["requests"]) == 1


def test_blank_frames_are_told_from_dark_skies():
    rng = np.random.default_rng(0)
    dark = np.maximum(rng.normal(-1, 2, (64, 64, 3)), 0).astype(np.uint8)
    half = dark.copy()
    half[:, 20:] = 0
    assert blank_share(dark) < 0.05 and blank_share(half) > 0.5
