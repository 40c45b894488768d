"""The parts of a report on what was found: effects of an ablation, the best trial, all distances."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from eval.properties import PROPERTIES
from study.config.search_space import shown
from study.config.sections import METRICS
from study.reporting.data import Judged, ReportData
from study.reporting.labels import effective, trial_title, words_of
from study.reporting.render import data_uri, file_uri, png_uri
from study.reporting.tables import Cell, Line, Table
from study.results.history import judged

NAMES = {name: known.label for name, known in PROPERTIES.items()} | {
    "ks_mean": "mean of four",
    "position_angle_elongated": "position angle, ellipticity > 0.1",
    "color_rg": "color r/g",
    "color_gb": "color g/b",
    "energy": "energy distance in 5 dimensions",
}
"""What a report calls distances."""


def effects_table(data: ReportData) -> Table | None:
    """Return paired effects beside the paper's verdicts; None for samplers other than `ablation`."""
    if not data.levels:
        return None
    properties = [effect.metric.removeprefix("ks/") for effect in data.levels[0].effects[1:]]
    heads = ["factor", "seeds", METRICS[data.study.objective.metrics[0]], *(NAMES.get(p, p) for p in properties)]
    lines = []
    for level in data.levels:
        main = level.main
        cells = [Cell(level.label), Cell(f"{main.pairs}/{level.asked}", css="n")]
        cells.append(Cell(main.in_words() + ("" if level.rankable else " !"), css=main.verdict.split()[0]))
        for effect in level.effects[1:]:
            text = f"{effect.mean:+.3f}" if effect.pairs else "–"
            mark = "*" if effect.verdict in ("worse", "better") else ""
            cells.append(Cell(text + mark, css=f"n {effect.verdict.split()[0]}"))
        cells += [Cell(level.paper.words if level.paper else "–"), Cell(level.agreement)]
        lines.append(Line(cells))
    return Table([Cell(head) for head in (*heads, "the paper saw", "")], lines)


@dataclass(frozen=True)
class Best:
    """The best trial.

    Attributes
    ----------
    settings : list of (str, str)
        Names and values.
    pictures : list of (str, str)
        Galaxies as data URIs, with a caption each.
    histograms : str or None
        Of the four properties, a data URI.
    """

    settings: list[tuple[str, str]]
    pictures: list[tuple[str, str]]
    histograms: str | None


def best_trial(data: ReportData) -> Best | None:
    """Return settings, galaxies and histograms of the best trial; None before the first evaluation."""
    found = judged(data.rows[0], data.folder) if data.rows else None
    if found is None:
        return None
    row, (evaluation, folder) = data.rows[0], found
    settings = [("trial", trial_title(row))]
    settings += [(words_of(path), shown(effective(data, row, path))) for path in data.paths]
    pictures = []
    generated = file_uri(folder / "samples.png")
    if generated:
        pictures.append((generated, f"Generated: trial {row.name}, epoch {evaluation['epoch']}, not selected."))
    if data.reference_images is not None:
        from eval.plots.distributions import contact_sheet

        sheet = contact_sheet(data.reference_images, columns=8)
        what = "Synthetic galaxies of the reference" if data.study.data.set == "synthetic" else "Reference galaxies"
        pictures.append((png_uri(sheet), f"{what}, not selected."))
    compared = next((entry for entry in data.judged if entry.row is row), None)
    return Best(settings, pictures, None if compared is None else _histograms(data, compared))


def _histograms(data: ReportData, found: Judged) -> str:
    from eval.plots.distributions import histogram_figure

    title = f"Trial {found.row.name}, epoch {found.epoch}"
    buffer = io.BytesIO()
    figure = histogram_figure(data.reference, found.catalogue, found.comparison, title=title)
    figure.savefig(buffer, format="png", dpi=130)
    return data_uri(buffer.getvalue())


def compared(data: ReportData) -> str:
    """Return what the distances are between, in words; empty where nothing was compared."""
    if not data.judged:
        return ""
    first = data.judged[0]
    fresh = (
        "fresh galaxies, which chose neither trial nor epoch" if first.final else "the galaxies that chose the epoch"
    )
    sizes = f"{first.comparison.n_real:,} real and {first.comparison.n_generated:,} generated galaxies"
    return f"{sizes}; {fresh}"


def distances_table(data: ReportData) -> Table | None:
    """Return every distance of the finalists beside its floor; None where nothing was compared."""
    if not data.judged:
        return None
    found, first = data.judged, data.judged[0].comparison
    heads = [Cell("distance"), Cell("floor", css="n")]
    heads += [Cell(entry.row.name, css="n", small=f"epoch {entry.epoch}") for entry in found]
    lines = []
    for title, distances in _groups(found):
        if distances:
            lines.append(Line([Cell(title)], "group"))
            lines += [_line(distance) for distance in distances]
    lines.append(Line([Cell("Galaxies without a fit (real: the floor)")], "group"))
    shares = [Cell("share"), Cell(f"{first.failed['real']:.1%}", css="n")]
    for entry in found:
        mark = "" if entry.comparison.rankable else " !"
        shares.append(Cell(f"{entry.comparison.failed['generated']:.1%}{mark}", css="n"))
    return Table(heads, [*lines, Line(shares)])


@dataclass(frozen=True)
class _Distance:
    """One distance: label, floor, the value up to which it is near the floor, value of each judged trial."""

    label: str
    floor: float
    near: float
    values: Sequence[float | None]


def _groups(found: Sequence[Judged]) -> list[tuple[str, list[_Distance]]]:
    """Distances that have a floor, by kind."""
    first = found[0].comparison
    metrics = [entry.comparison.metrics() for entry in found]

    def distances(prefix: str, floor: Callable[[str], float | None], bound: float | None = None) -> list[_Distance]:
        keys = [key for key in metrics[0] if key.startswith(prefix)]
        return [
            _Distance(NAMES.get(name, name), mean, bound or 1.5 * mean, [values.get(key) for values in metrics])
            for key in keys
            if (mean := floor(key)) is not None
            for name in (key.rpartition("/")[2],)
        ]

    ks = distances("ks/", lambda key: None if "color" in key else first.floor, first.floor_95)
    mean = distances("ks_mean", lambda key: first.floor_split or first.floor, first.floor_95)
    energy = distances("energy", lambda key: first.energy_floor if key == "energy" else None, first.energy_floor_95)
    unseen = distances("ks/color", first.floors.get)
    floor = found[0].spectrum_floor
    if floor is not None:
        spectra = [entry.spectrum for entry in found]
        unseen.append(_Distance("mean power spectrum [dex]", floor, 1.5 * floor, spectra))
    return [
        ("Shapes: KS, a galaxy without a fit counting as a value below all others", mean + ks),
        ("The paper's version: KS of fitted galaxies only", distances("ks_dropped/", first.floors.get)),
        ("Angle on its circle: Kuiper", distances("kuiper/", first.floors.get)),
        ("Wasserstein-1 in units of the real spread", distances("wasserstein/", first.floors.get)),
        ("All shapes at once", energy),
        ("What shapes do not see", unseen),
    ]


def _line(distance: _Distance) -> Line:
    cells = [Cell(distance.label), Cell(f"{distance.floor:.3f}", css="n")]
    for value in distance.values:
        if value is None:
            cells.append(Cell("–", css="n"))
            continue
        near = " near" if value <= distance.near else ""
        times = f"{value / distance.floor:.1f}×" if distance.floor else ""
        cells.append(Cell(f"{value:.3f}", css=f"n{near}", small=times))
    return Line(cells)
