"""Figures are made of odd catalogues too, and a contact sheet puts every image in its place."""

import numpy as np
import pandas as pd
import pytest

from eval.catalogue import PROPERTIES
from eval.distances import compare
from eval.plots.distributions import contact_sheet, histogram_figure, save_figure, spectrum_figure
from eval.statistics.spectra import compare_spectra


def catalogue(n: int, seed: int, failed: float = 0.1) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    size = 20 * 1.1 ** rng.binomial(30, 0.6, n)
    values = [rng.beta(2, 4, n), rng.uniform(-90, 90, n), size**2 * rng.lognormal(3, 0.5, n), size]
    table = pd.DataFrame(dict(zip(PROPERTIES, values, strict=True)))
    misses = rng.random(n) < failed
    table.loc[misses] = np.nan
    return table.assign(status=np.where(misses, "failed", "ok"))


def texts(figure) -> str:
    from matplotlib.text import Text

    return "\n".join(text.get_text() for text in figure.findobj(Text))


def test_the_histograms_state_every_figure_with_its_floor(tmp_path):
    real, generated = catalogue(500, 1), catalogue(300, 2, failed=0.5)
    comparison = compare(real, generated)
    figure = histogram_figure(real, generated, comparison, title="DCGAN 64")
    said = texts(figure)
    for name in PROPERTIES:
        assert f"KS {comparison.ks[name]:.3f}   floor {comparison.floor:.3f}" in said
    assert "DCGAN 64" in said and "too few fits to rank" in said
    assert f"generated: n = 300, no fit {comparison.failed['generated']:.1%}" in said
    path = save_figure(figure, tmp_path / "deep" / "histograms.png")
    assert path.read_bytes()[:4] == b"\x89PNG"
    assert [file.name for file in path.parent.iterdir()] == ["histograms.png"]


def test_every_galaxy_is_in_the_histogram_or_in_the_bar_of_failures():
    from matplotlib.patches import StepPatch

    real, generated = catalogue(500, 1), catalogue(300, 2)
    generated.loc[generated.index[:3], "flux"] *= 1e9  # far beyond the last bin
    figure = histogram_figure(real, generated, compare(real, generated))
    for axis in figure.axes:
        outlines = [patch.get_data() for patch in axis.findobj(StepPatch)]
        sides = {"filled": outlines[0], "line": outlines[2]}
        bars = {"filled": outlines[3], "line": outlines[4]}
        for side in sides:
            assert sides[side].values.sum() + bars[side].values.sum() == pytest.approx(100)


@pytest.mark.parametrize("failed", [0.0, 1.1])
@pytest.mark.parametrize("n", [1, 60])
def test_all_or_none_fitted_still_makes_a_figure(n, failed, tmp_path):
    real, generated = catalogue(n, 1, failed=0.0), catalogue(n, 2, failed=failed)
    save_figure(histogram_figure(real, generated, compare(real, generated)), tmp_path / "h.png")
    nothing = catalogue(n, 3, failed=1.1)
    save_figure(histogram_figure(nothing, nothing, compare(nothing, nothing)), tmp_path / "n.png")


def test_the_spectrum_figure_shows_distance_and_floor(tmp_path):
    images = np.random.default_rng(0).integers(0, 255, (40, 32, 32, 3), dtype=np.uint8)
    comparison = compare_spectra(images[:20], images[20:])
    figure = spectrum_figure(comparison)
    assert f"distance {comparison.distance:.3f} dex,  floor {comparison.floor:.3f}" in texts(figure)
    save_figure(figure, tmp_path / "s.png")
    save_figure(spectrum_figure(compare_spectra(images[:1], images[1:3])), tmp_path / "few.png")


def test_a_contact_sheet_puts_images_in_rows():
    images = np.arange(5, dtype=np.uint8)[:, None, None, None] * np.ones((1, 4, 6, 3), np.uint8)
    sheet = contact_sheet(images, columns=3, padding=1, background=200)
    assert sheet.shape == (2 * 5 + 1, 3 * 7 + 1, 3) and sheet.dtype == np.uint8
    for index in range(5):
        top, left = 1 + index // 3 * 5, 1 + index % 3 * 7
        assert (sheet[top : top + 4, left : left + 6] == index).all()
    assert (sheet[6:, 15:] == 200).all()  # the place of the sixth stays empty


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        (np.array([[[7]]], np.uint8), [7, 7, 7]),
        (np.array([[[[1, 2, 3, 4]]]], np.uint8), [1, 2, 3]),
        (np.array([[[[10, 20]]]], np.uint8), [15, 15, 15]),
        (np.array([[[-1.0]], [[3.0]]]), [0, 0, 0]),
        (np.array([[[np.nan]], [[3.0]]]), [0, 0, 0]),
    ],
    ids=["grey", "four bands", "two bands", "floats stretched", "hole"],
)
def test_a_contact_sheet_takes_any_channels_and_values(images, expected):
    assert contact_sheet(images, columns=1, padding=0)[0, 0].tolist() == expected


@pytest.mark.parametrize(
    ("images", "options"), [(np.zeros((0, 4, 4, 3)), {}), (np.zeros((4, 4)), {}), (np.zeros((1, 4, 4)), {"columns": 0})]
)
def test_what_makes_no_sheet_is_refused(images, options):
    with pytest.raises(ValueError, match="expected"):
        contact_sheet(images, **options)
