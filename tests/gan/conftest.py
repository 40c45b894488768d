"""A folder of synthetic galaxies as a user has them."""

import pytest
import torch

from gan.datasets.synthetic import draw
from tests.gan.hips2fits_server import served_cutouts
from tests.gan.preparing import SIDE, jpeg


@pytest.fixture(scope="module")
def galaxies():
    images, _ = draw(48, size=SIDE, field=False)
    return {f"{100 + i}.jpg": jpeg(image) for i, image in enumerate(images)}


@pytest.fixture
def folder(tmp_path, galaxies):
    (tmp_path / "in" / "deep").mkdir(parents=True)
    for name, content in galaxies.items():
        (tmp_path / "in" / ("deep" if int(name[:3]) % 2 else ".") / name).write_bytes(content)
    return tmp_path / "in"


@pytest.fixture
def server():
    """A hips2fits server of this test alone."""
    with served_cutouts() as running:
        yield running


@pytest.fixture
def one_thread():
    """PyTorch on one thread: tiny networks are faster so, and the same everywhere."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
