"""Degradation does to light what it says: seeing, pixels, noise, nothing moved and nothing lost."""

import math

import numpy as np
import pytest

from common.errors import FieldError
from gan.images.degradation import FWHM, Degradation, DegradeSettings, degrade, degraded, sky_noise, stretch, unstretch

SETTINGS = DegradeSettings()
SIDE = 128


def sky(level=0.02, noise=0.0, side=SIDE, seed=0):
    """Light of an empty sky, (side, side, 3)."""
    return level + np.random.default_rng(seed).normal(0, noise, (side, side, 3))


def star(fwhm, total=1.0, side=SIDE, at=(0.0, 0.0)):
    """Light of one star, (side, side, 1); width and place in px from the centre."""
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    sigma = fwhm / FWHM
    profile = np.exp(-((x - at[0]) ** 2 + (y - at[1]) ** 2) / (2 * sigma**2))
    return (total * profile / profile.sum())[..., None]


def light_of(drawn, deep_light, size=SIDE, seed=1):
    shallow = degrade(stretch(deep_light, SETTINGS.softening), size, drawn, SETTINGS, np.random.default_rng(seed))
    return unstretch(shallow, SETTINGS.softening)


def test_the_stretch_is_undone_to_the_grey_level():
    colours = np.random.default_rng(0).uniform(0.0005, 0.3, (64, 64, 3))
    image = stretch(colours, 43.8)
    assert (stretch(unstretch(image, 43.8), 43.8) == image).all()
    unclipped = image.max(axis=2) < 255
    assert unstretch(image, 43.8)[unclipped] == pytest.approx(colours[unclipped], rel=0.2, abs=5e-4)
    black = np.zeros((8, 8, 3), np.uint8)
    assert (stretch(unstretch(black, 43.8), 43.8) == black).all()


def test_a_star_gets_the_width_of_the_shallow_seeing_and_keeps_its_light_and_place():
    pixel = 0.2  # arcsec; frame of 128 px
    for dx, dy in ((0.0, 0.0), (0.3, 0.8)):
        drawn = Degradation(seeing=2.4, deep_seeing=1.2, depth_loss=0.0, field=SIDE * pixel, dx=dx, dy=dy)
        deep = sky() + star(1.2 / pixel, total=4.0)
        before = unstretch(stretch(deep, 43.8), 43.8)
        light, before = (image.mean(axis=2) - np.median(image) for image in (light_of(drawn, deep), before))
        y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
        near = np.hypot(x, y) < 25
        total = light[near].sum()
        assert total == pytest.approx(before[near].sum(), rel=0.05)
        assert (light * x)[near].sum() / total == pytest.approx(0, abs=0.15)
        assert (light * y)[near].sum() / total == pytest.approx(0, abs=0.15)
        # pixels and interpolation widen it further: one pixel of 0.396 arcsec has a variance of 1/12
        sigma = math.sqrt((2.4 / FWHM) ** 2 + 0.396**2 / 12) / pixel
        assert math.sqrt((light * (x**2 + y**2))[near].sum() / total / 2) == pytest.approx(sigma, rel=0.08)


@pytest.mark.parametrize("depth_loss", [0.8, 2.0])
def test_noise_for_the_same_sky_is_that_of_the_lost_depth(depth_loss):
    pixel = 0.262
    drawn = Degradation(seeing=1.4, deep_seeing=1.2, depth_loss=depth_loss, field=256 * pixel, dx=0.4, dy=0.1)
    assert drawn.noise_ratio == pytest.approx(10 ** (0.4 * depth_loss) * 1.2 / 1.4)
    deep = sky(0.03, 0.003, side=256)
    before = unstretch(stretch(deep, 43.8), 43.8)
    after = light_of(drawn, deep, size=256)
    binned = [image.reshape(16, 16, 16, 16, 3).mean(axis=(1, 3)).std() for image in (before, after)]
    assert binned[1] / binned[0] == pytest.approx(drawn.noise_ratio, rel=0.12)


def test_the_sky_noise_is_found_under_sources():
    noisy = sky(0.05, 0.004, seed=2) + star(8, total=30.0)
    assert sky_noise(noisy, 43.8) == pytest.approx(np.full(3, 0.004), rel=0.1)
    assert (sky_noise(sky(), 43.8) > 0).all()  # a sky without noise has that of rounding


def test_draws_follow_their_distributions():
    drawn = [SETTINGS.draw(np.random.default_rng(seed)) for seed in range(3000)]
    seeing, depth = np.array([d.seeing for d in drawn]), np.array([d.depth_loss for d in drawn])
    assert np.percentile(seeing, [25, 50, 75]) == pytest.approx([1.30, 1.43, 1.58], abs=0.02)  # quartiles of SDSS
    assert (np.mean(depth), np.std(depth)) == (pytest.approx(0.84, abs=0.02), pytest.approx(0.2, abs=0.02))
    assert all(d.deep_seeing <= d.seeing and d.noise_ratio >= 1 for d in drawn)


def test_an_image_depends_on_seed_and_name_only():
    deep = stretch(sky(0.03, 0.003) + star(6, 5.0), 43.8)
    first, drawn = degraded(deep, 64, SETTINGS, seed=1, name="a.jpg")
    again, same = degraded(deep, 64, SETTINGS, seed=1, name="a.jpg")
    assert (first == again).all() and drawn == same
    for seed, name in ((2, "a.jpg"), (1, "b.jpg")):
        assert degraded(deep, 64, SETTINGS, seed=seed, name=name)[1] != drawn


@pytest.mark.parametrize(
    "wrong", [{"seeing": (0, 0.1)}, {"field": (80, -1)}, {"pixel": 0}, {"softening": -1}, {"depth_loss": (np.nan, 0)}]
)
def test_settings_name_what_is_wrong(wrong):
    with pytest.raises(FieldError, match=next(iter(wrong))):
        DegradeSettings(**wrong)


DRAWN = Degradation(seeing=2.4, deep_seeing=1.2, depth_loss=0.0, field=25.0, dx=0.0, dy=0.0)
DEEP = np.zeros((16, 16, 3), np.uint8)


@pytest.mark.parametrize(
    ("deep", "size", "drawn", "named"),
    [
        (DEEP.astype(float), 8, DRAWN, "deep"),
        (DEEP[:8], 8, DRAWN, "deep"),
        (DEEP[..., 0], 8, DRAWN, "deep"),
        (DEEP[:0, :0], 8, DRAWN, "deep"),
        (DEEP, 0, DRAWN, "size"),
        (DEEP, 8, DRAWN._replace(field=0.0), "field"),
        (DEEP, 8, DRAWN._replace(seeing=1.0), "seeing"),
    ],
)
def test_what_cannot_be_degraded_is_refused(deep, size, drawn, named):
    with pytest.raises(FieldError, match=named):
        degrade(deep, size, drawn, SETTINGS, np.random.default_rng(0))


def test_a_stretch_without_softening_and_no_pixels_are_refused():
    for function in (stretch, unstretch, sky_noise):
        with pytest.raises(FieldError, match="softening"):
            function(DEEP, 0.0)
    with pytest.raises(FieldError, match="light"):
        sky_noise(np.zeros((0, 3)), 43.8)
    with pytest.raises(FieldError, match="seed"):
        degraded(DEEP, 8, SETTINGS, seed=-1, name="a")
