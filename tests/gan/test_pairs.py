"""`python -m gan.pairs` against a local server that answers as hips2fits does, and fails as services do."""

import io
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from gan import pairs
from gan.datasets.pair_set import PairSet
from gan.images.hips2fits import Service, Unreachable, blank_share
from gan.images.rejections import Refused


def sky(ra: float, dec: float, field: float, side: int, survey: str) -> bytes:
    """The same sources for the same position, in any survey; SDSS is dimmer."""
    rng = np.random.default_rng([int(ra * 1e5), int((dec + 90) * 1e5)])
    y, x = (np.mgrid[:side, :side] + 0.5) / side - 0.5
    grey = 20 + 100 * np.exp(-np.hypot(x, y) / 0.06)
    for px, py in rng.uniform(-0.45, 0.45, (8, 2)):
        grey += 60 * np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * 0.02**2))
    grey = grey * (0.6 if "SDSS" in survey else 1.0) + np.random.default_rng(1).normal(0, 1, grey.shape)
    image = np.clip(grey[..., None] * [1, 0.9, 0.8], 0, 255).astype(np.uint8)
    out = io.BytesIO()
    Image.fromarray(image).save(out, "JPEG", quality=95)
    return out.getvalue()


class Handler(BaseHTTPRequestHandler):
    """As the service: parameters in the query, JPEG out, errors as JSON with a title."""

    def do_GET(self):
        asked = {key: values[0] for key, values in parse_qs(urlsplit(self.path).query).items()}
        state = self.server.state
        state["requests"].append((time.monotonic(), asked))
        if state["troubles"]:
            code, headers, body = state["troubles"].pop(0)
        else:
            code, headers, body = self.answer(asked)
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def answer(self, asked):
        if asked["hips"].startswith("CDS/P/unknown"):
            body = json.dumps({"title": "Bad Request", "description": "unknown HiPS"}).encode()
            return 400, {"Content-Type": "application/json"}, body
        side = int(asked["width"])
        assert asked["format"] == "jpg" and asked["projection"] == "TAN" and asked["height"] == asked["width"]
        if float(asked["dec"]) < -40 and "SDSS" in asked["hips"]:  # outside the footprint: black
            out = io.BytesIO()
            Image.new("RGB", (side, side)).save(out, "JPEG")
            return 200, {"Content-Type": "image/jpeg"}, out.getvalue()
        body = sky(float(asked["ra"]), float(asked["dec"]), float(asked["fov"]), side, asked["hips"])
        return 200, {"Content-Type": "image/jpeg"}, body

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as served:
        served.state = {"requests": [], "troubles": []}
        served.url = f"http://127.0.0.1:{served.server_address[1]}/hips-image-services/hips2fits"
        thread = threading.Thread(target=served.serve_forever, daemon=True)
        thread.start()
        yield served
        served.shutdown()


def table(path, **columns):
    pd.DataFrame(columns).to_csv(path, index=False)
    return path


def run(path, out, server, *more):
    options = ["--server", server.url, "--rate", "50", "--pause", "0.01", "--size", "32", "--jobs", "1", "--quiet"]
    return pairs.main([str(path), "--out", str(out), *options, *map(str, more)])


def test_positions_become_a_pair_set_on_one_grid(server, tmp_path, capsys):
    path = table(tmp_path / "t.csv", ra=[150.0, 10.5, 200.0], dec=[2.0, -1.0, -50.0], size=[60.0, None, 80.0],
                 id=["a", "b/../c", "south"], label=["spiral", "smooth", "spiral"])  # fmt: skip
    assert run(path, tmp_path / "out", server, "--scale", 2) == 0
    printed = capsys.readouterr().out
    assert "2 pairs of 3 positions" in printed and "no-coverage" in printed and "south" in printed
    made = PairSet.open(tmp_path / "out" / "set")
    assert made.inputs.shape == (2, 32, 32, 3) and made.targets.shape == (2, 64, 64, 3)
    assert made.labels.tolist() == ["spiral", "smooth"] and made.index["ra"].tolist() == [150.0, 10.5]
    for shallow, deep in zip(made.inputs, made.targets, strict=True):  # the same sky, pixel upon pixel
        reduced = np.asarray(Image.fromarray(deep).resize((32, 32), Image.Resampling.BOX)).mean(axis=2)
        assert np.corrcoef(shallow.mean(axis=2).ravel(), reduced.ravel())[0, 1] > 0.95
    asked = server.state["requests"][0][1]
    assert asked["hips"] == pairs.INPUT_SURVEY and float(asked["fov"]) == pytest.approx(60 / 3600)
    assert float(server.state["requests"][2][1]["fov"]) == pytest.approx(90 / 3600)  # the row without a size
    assert not [file for file in (tmp_path / "out").rglob("*") if file.name.startswith(".pairs")]


def test_what_was_fetched_is_not_fetched_again(server, tmp_path, capsys):
    path = table(tmp_path / "t.csv", ra=[1.0, 2.0], dec=[0.0, -60.0])
    assert run(path, tmp_path / "out", server) == 0
    before = len(server.state["requests"])
    assert run(path, tmp_path / "out", server) == 0
    assert len(server.state["requests"]) == before and "no-coverage" in capsys.readouterr().out
    table(tmp_path / "t.csv", ra=[1.0, 2.0, 3.0], dec=[0.0, -60.0, 1.0])
    assert run(path, tmp_path / "out", server) == 0
    assert len(server.state["requests"]) == before + 2
    assert len(PairSet.open(tmp_path / "out" / "set")) == 2
    assert run(path, tmp_path / "out", server, "--scale", 2) == 2
    assert "other settings" in capsys.readouterr().err


@pytest.mark.parametrize(
    "trouble", [(503, {"Retry-After": "0"}, b""), (429, {}, b""), (200, {}, b"\xff\xd8 cut short")]
)
def test_troubles_of_the_moment_are_tried_again(server, tmp_path, trouble):
    server.state["troubles"] = [trouble, trouble]
    assert run(table(tmp_path / "t.csv", ra=[1.0], dec=[0.0]), tmp_path / "out", server) == 0
    assert len(server.state["requests"]) == 4
    assert len(PairSet.open(tmp_path / "out" / "set")) == 1


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


def test_a_service_that_stays_silent_ends_the_run_and_keeps_what_is_there(server, tmp_path, capsys):
    path = table(tmp_path / "t.csv", ra=np.arange(6.0), dec=np.zeros(6))
    server.state["troubles"] = []
    assert run(table(tmp_path / "one.csv", ra=[0.0], dec=[0.0]), tmp_path / "out", server) == 0
    server.state["troubles"] = [(500, {}, b"")] * 100
    assert run(path, tmp_path / "out", server, "--tries", 2) == 1
    assert "no answer" in capsys.readouterr().err
    assert len(server.state["requests"]) == 2 + 3 * 2  # three rows, twice each
    server.state["troubles"] = []
    assert run(path, tmp_path / "out", server) == 0
    assert len(PairSet.open(tmp_path / "out" / "set")) == 6
    with pytest.raises(Unreachable):
        Service("http://127.0.0.1:9/none", rate=50, tries=2, pause=0).cutout("x", 1, 0, 60, 32)


def test_rows_that_are_no_positions_are_refused_one_by_one(server, tmp_path, capsys):
    path = table(tmp_path / "t.csv", ra=[5.0, 400.0, "x", 5.0], dec=[1.0, 0.0, 0.0, 1.0])
    assert run(path, tmp_path / "out", server) == 0
    printed = capsys.readouterr().out
    assert printed.count("bad-position:") == 2 and printed.count("duplicate-row:") == 1


@pytest.mark.parametrize(
    ("columns", "options", "message"),
    [
        ({"alpha": [1.0], "dec": [2.0]}, (), "no column 'ra'"),
        ({"ra": [999.0], "dec": [2.0]}, (), "no row that can be asked for"),
        ({"ra": [1.0], "dec": [2.0]}, ("--scale", 3), "scale"),
        ({"ra": [1.0], "dec": [2.0]}, ("--server", "ftp://x"), "server"),
        ({"ra": [1.0], "dec": [2.0]}, ("--rate", 0), "rate"),
    ],
)
def test_wrong_input_is_one_message(server, tmp_path, capsys, columns, options, message):
    assert run(table(tmp_path / "t.csv", **columns), tmp_path / "out", server, *options) == 2
    printed = capsys.readouterr().err
    assert message in printed and printed.count("\n") == 1
    assert server.state["requests"] == []


def test_blank_frames_are_told_from_dark_skies():
    rng = np.random.default_rng(0)
    dark = np.maximum(rng.normal(-1, 2, (64, 64, 3)), 0).astype(np.uint8)
    half = dark.copy()
    half[:, 20:] = 0
    assert blank_share(dark) < 0.05 and blank_share(half) > 0.5
