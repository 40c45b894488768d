"""A local server that answers as hips2fits does, and fails as services do."""

import io
import json
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import numpy as np
from PIL import Image


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


@contextmanager
def served_cutouts():
    """The server while it runs; `state` lists requests, and the troubles to answer with next."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as served:
        served.state = {"requests": [], "troubles": []}
        served.url = f"http://127.0.0.1:{served.server_address[1]}/hips-image-services/hips2fits"
        thread = threading.Thread(target=served.serve_forever, daemon=True)
        thread.start()
        yield served
        served.shutdown()
