"""The parts of a report on what was found: effects of an ablation, the best trial, all distances."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

from eval.metrics import GALAXIES
from eval.metrics.registry import FLOOR, FLOOR_95
from study.config.search_space import shown
from study.reporting.data import Judged, ReportData
from study.reporting.labels import effective, trial_title, words_of
from study.reporting.render import data_uri, file_uri, png_uri
from study.reporting.tables import Cell, Line, Table
from study.results.history import judged


def effects_table(data: ReportData) -> Table | None:
    """Return paired effects beside the paper's verdicts; None for samplers other than `ablation`."""
    if not data.levels:
        return None
    labels = {metric.key: metric.label for metric in GALAXIES}
    first, *others = (effect.metric for effect in data.levels[0].effects)
    heads = ["factor", "seeds", first, *(labels[key] for key in others)]
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
    for title, distances in _groups(found).items():
        lines += [Line([Cell(title)], "group"), *distances]
    lines.append(Line([Cell("Galaxies without a fit (real: the floor)")], "group"))
    shares = [Cell("share"), Cell(f"{first.failed['real']:.1%}", css="n")]
    for entry in found:
        mark = "" if entry.comparison.rankable else " !"
        shares.append(Cell(f"{entry.comparison.failed['generated']:.1%}{mark}", css="n"))
    return Table(heads, [*lines, Line(shares)])


def _groups(found: Sequence[Judged]) -> dict[str, list[Line]]:
    """Distances that have a floor, by the headings of their metrics."""
    groups: dict[str, list[Line]] = {}
    first = found[0].metrics
    for metric in GALAXIES:
        floor = first.get(FLOOR + metric.key)
        if floor is not None and metric.key in first:
            near = first.get(FLOOR_95 + metric.key, 1.5 * floor)
            line = _line(metric.label, floor, near, [entry.metrics.get(metric.key) for entry in found])
            groups.setdefault(metric.group, []).append(line)
    return groups


def _line(label: str, floor: float, near: float, values: Sequence[float | None]) -> Line:
    """One distance: label, floor, and the value of each judged trial; marked up to `near`."""
    cells = [Cell(label), Cell(f"{floor:.3f}", css="n")]
    for value in values:
        if value is None:
            cells.append(Cell("–", css="n"))
            continue
        times = f"{value / floor:.1f}×" if floor else ""
        cells.append(Cell(f"{value:.3f}", css="n near" if value <= near else "n", small=times))
    return Line(cells)
