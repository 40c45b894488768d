"""Synthetic galaxies: repeatable, with a truth that their pixels bear out, like real ones in plain statistics."""

import numpy as np
import pytest

from gan.data import DataError
from gan.datasets.synthetic import draw, synthetic_set
from tests.gan.places import REAL

GZ2 = REAL / "gz2"


def test_the_same_seed_gives_the_same_images_whatever_n_and_jobs():
    images, truth = draw(21, seed=5, jobs=1)
    more, more_truth = draw(40, seed=5, jobs=3)
    np.testing.assert_array_equal(images, more[:21])
    assert truth.equals(more_truth.head(21))
    assert images.dtype == np.uint8 and images.shape == (21, 64, 64, 3)
    assert not np.array_equal(images, draw(21, seed=6)[0])
    assert len({image.tobytes() for image in more}) == 40


def test_every_size_shows_the_same_galaxies():
    small, truth = draw(24, size=64, noise=False)
    large, large_truth = draw(24, size=128, noise=False)
    np.testing.assert_allclose(large_truth["semi_major_axis"], 2 * truth["semi_major_axis"])
    assert (truth["ellipticity"] == large_truth["ellipticity"]).all()
    halved = large.reshape(24, 64, 2, 64, 2, 3).mean((2, 4))
    assert np.abs(halved - small).mean() < 1.5
    for a, b in zip(halved, small, strict=True):
        assert np.corrcoef(a.ravel(), b.ravel())[0, 1] > 0.97


def moments(image):
    """Axis ratio's ellipticity and angle (deg, y up) of the light of one grey image."""
    light = np.clip(image - 12.0, 0, None)
    y, x = np.mgrid[: image.shape[0], : image.shape[1]] - (image.shape[0] - 1) / 2
    total = light.sum()
    x, y = x - (light * x).sum() / total, y - (light * y).sum() / total
    xx, yy, xy = (light * x * x).sum(), (light * y * y).sum(), (light * x * y).sum()
    root = np.hypot(xx - yy, 2 * xy)
    return 1 - np.sqrt((xx + yy - root) / (xx + yy + root)), -np.degrees(0.5 * np.arctan2(2 * xy, xx - yy))


def test_the_truth_is_what_the_pixels_show():
    images, truth = draw(200, size=128, seed=2, field=False, noise=False)
    assert truth["position_angle"].between(-90, 90, inclusive="right").all()
    found = np.array([moments(image.mean(-1)) for image in images])
    elongated = (truth["ellipticity"] > 0.4).to_numpy()
    off = (found[:, 1] - truth["position_angle"] + 90) % 180 - 90
    assert elongated.sum() > 40
    assert np.abs(off[elongated]).max() < 12 and np.median(np.abs(off[elongated])) < 2
    assert np.corrcoef(found[:, 0], truth["ellipticity"])[0, 1] > 0.95
    grey = np.clip(images.mean(-1) - 12.0, 0, None).sum((1, 2))
    assert np.corrcoef(np.log(grey), np.log(truth["flux"]))[0, 1] > 0.7


def test_orientations_and_inclinations_are_random():
    _, truth = draw(600, size=8, field=False, noise=False)
    counts, _ = np.histogram(truth["position_angle"], bins=6, range=(-90, 90))
    assert counts.min() > 60 and counts.max() < 140  # 100 expected
    discs = truth[truth["kind"] == "disc"]
    assert 0.6 < len(discs) / 600 < 0.8
    assert 0.15 < (discs["ellipticity"] > 0.6).mean() < 0.6


def test_noise_and_field_can_be_left_out():
    empty, _ = draw(16, field=False, noise=False)
    field, truth = draw(16, noise=False)
    corners = empty[:, :6, :6].astype(float)
    assert corners.std((1, 2)).max() < 3
    assert truth["n_stars"].sum() > 0 and (field >= empty).mean() > 0.99
    assert draw(16, field=False)[0][:, :6, :6].astype(float).std((1, 2)).mean() > 1.5


@pytest.mark.parametrize("wrong", [{"n": 0}, {"n": 1, "size": 4}, {"n": 1, "seed": -1}])
def test_wrong_arguments_are_named(wrong):
    with pytest.raises(DataError, match="expected"):
        draw(**wrong)


def test_a_set_is_made_once_and_reused(tmp_path):
    made = synthetic_set(tmp_path / "set", 30, sizes=(32, 16), seed=1)
    assert made.sizes == (16, 32) and len(made) == 30
    np.testing.assert_array_equal(made.images(32), draw(30, size=32, seed=1)[0])
    assert {"id", "source", "sha256", "width", "height", "ellipticity"} <= set(made.index.columns)
    before = (made.path / "16.npy").stat().st_mtime_ns
    again = synthetic_set(tmp_path / "set", 30, sizes=(16, 32), seed=1)
    assert again.content_hash == made.content_hash and (made.path / "16.npy").stat().st_mtime_ns == before
    for other in ({"n": 31, "seed": 1}, {"n": 30, "seed": 2}):
        with pytest.raises(DataError, match="holds another galaxy set"):
            synthetic_set(tmp_path / "set", **other, sizes=(16, 32))
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


@pytest.mark.skipif(not GZ2.is_dir(), reason="no real galaxies beside the repository")
def test_plain_statistics_are_those_of_real_thumbnails():
    from PIL import Image

    files = sorted(GZ2.glob("*.jpg"))[::39]
    real = np.stack([np.asarray(Image.open(file).resize((64, 64), Image.Resampling.NEAREST)) for file in files])
    drawn, _ = draw(len(real))
    y, x = np.mgrid[:64, :64] - 31.5
    radius = np.hypot(x, y)

    def statistics(images):
        images = images.astype(float)
        corners = np.concatenate([images[:, :8, :8], images[:, -8:, -8:]], 1).reshape(len(images), -1, 3)
        return {
            "sky": np.median(corners, (0, 1)),
            "noise": np.median(corners.std(1), 0),
            "mean": images.mean((0, 1, 2)),
            **{f"radius {r}": images[:, np.abs(radius - r) < 1].mean((0, 1)) for r in (1, 4, 8, 12)},
        }

    expected, found = statistics(real), statistics(drawn)
    for key, value in expected.items():
        np.testing.assert_allclose(found[key], value, rtol=0.35, atol=1.5, err_msg=key)
