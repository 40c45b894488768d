"""The parts of a report on what was found: effects of an ablation, the best trial, all distances."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from html import escape

from study.config.search_space import shown
from study.config.study import METRICS
from study.reporting.charts import effect_chart
from study.reporting.data import Judged, ReportData
from study.reporting.labels import NAMES, data_uri, effective, file_uri, png_uri, trial_title, words_of
from study.results.ablation import explanation

GROUPS = (
    ("Shapes: KS, a galaxy without a fit counting as a value below all others", "ks/"),
    ("The paper's version: KS of fitted galaxies only", "ks_dropped/"),
    ("Angle on its circle: Kuiper", "kuiper/"),
    ("Wasserstein-1 in units of the real spread", "wasserstein/"),
)
"""Distances by kind: heading and beginning of their MLflow names."""


def ablation_part(data: ReportData) -> str:
    """Paired effects beside the paper's verdicts; empty for other samplers."""
    if not data.levels:
        return ""
    metric = METRICS[data.study.objective.metrics[0]]
    effects = [
        (level.label, level.main.differences, level.main.mean, level.main.half_width, level.main.verdict)
        for level in data.levels
    ]
    noise = max((level.main.noise for level in data.levels), default=0.0)
    chart = effect_chart(effects, metric=metric, noise=noise)
    properties = [effect.metric for effect in data.levels[0].effects[1:]]
    heads = ["factor", "seeds", metric, *(NAMES.get(p.removeprefix("ks/"), p) for p in properties), "the paper saw", ""]
    lines = []
    for level in data.levels:
        main = level.main
        mark = "" if level.rankable else " !"
        cells = [f"<td>{escape(level.label)}</td><td class='n'>{main.pairs}/{level.asked}</td>"]
        cells.append(f"<td class='{main.verdict.split()[0]}'>{escape(main.in_words())}{mark}</td>")
        for effect in level.effects[1:]:
            clear = effect.verdict in ("worse", "better")
            text = f"{effect.mean:+.3f}" if effect.pairs else "–"
            cells.append(f"<td class='n {effect.verdict.split()[0]}'>{text}{'*' if clear else ''}</td>")
        cells.append(f"<td>{escape(level.paper.words) if level.paper else '–'}</td><td>{escape(level.agreement)}</td>")
        lines.append(f"<tr>{''.join(cells)}</tr>")
    head = "".join(f"<th>{escape(name)}</th>" for name in heads)
    said = "".join(f"<li>{escape(text)}</li>" for text in explanation(data.study, data.levels))
    return (
        f"<figure>{chart}<figcaption>Filled: mean over seeds, with its 95% interval; hollow: single seeds; grey band: "
        "the noise of drawing galaxies.</figcaption></figure>"
        f"<div class='wide'><table><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table></div>"
        f"<ul class='notes'>{said}</ul><p class='caption'>The paper: Fussell &amp; Moews (2019), sec. 3.2, by eye.</p>"
    )


def best_part(data: ReportData) -> str:
    """Settings, galaxies and histograms of the best trial."""
    if not data.rows or data.rows[0].best is None:
        return ""
    row = data.rows[0]
    judged = next((j for j in data.judged if j.row is row), None)
    settings = "".join(
        f"<tr><th>{escape(words_of(path))}</th><td>{escape(shown(effective(data, row, path)))}</td></tr>"
        for path in data.paths
    )
    epoch = judged.epoch if judged else row.best["epoch"] if row.best else 0
    folder = judged.folder if judged else row.folder / "evaluations" / f"epoch-{epoch:05d}"
    pictures = []
    generated = file_uri(folder / "samples.png")
    if generated:
        pictures.append((generated, f"Generated: trial {row.name}, epoch {epoch}, not selected"))
    if data.reference_images is not None:
        from eval.plots.distributions import contact_sheet

        sheet = contact_sheet(data.reference_images, columns=8)
        what = "Synthetic galaxies of the reference" if data.study.data.set == "synthetic" else "Reference galaxies"
        pictures.append((png_uri(sheet), f"{what}, not selected"))
    grid = "".join(
        f"<figure><img src='{uri}' alt='{escape(text)}'><figcaption>{escape(text)}.</figcaption></figure>"
        for uri, text in pictures
    )
    return (
        f"<table class='facts'><tr><th>trial</th><td>{escape(trial_title(row))}</td></tr>{settings}</table>"
        f"<div class='pair'>{grid}</div>{_histograms(data, judged)}"
    )


def _histograms(data: ReportData, judged: Judged | None) -> str:
    if judged is None:
        return ""
    from eval.catalogue import read_catalogue
    from eval.plots.distributions import histogram_figure

    real = read_catalogue(data.folder / "reference.parquet")
    generated = read_catalogue(judged.folder / "generated.parquet")
    title = f"Trial {judged.row.name}, epoch {judged.epoch}"
    buffer = io.BytesIO()
    histogram_figure(real, generated, judged.comparison, title=title).savefig(buffer, format="png", dpi=130)
    return f"<figure><img src='{data_uri(buffer.getvalue())}' alt='histograms of four properties'></figure>"


def distances_part(data: ReportData) -> str:
    """Every distance of the finalists beside its floor."""
    if not data.judged:
        return ""
    first = data.judged[0]
    sizes = f"{first.comparison.n_real:,} real and {first.comparison.n_generated:,} generated galaxies"
    fresh = (
        "fresh galaxies, which chose neither trial nor epoch" if first.final else "the galaxies that chose the epoch"
    )
    head = "".join(f"<th class='n'>{escape(j.row.name)} <small>epoch {j.epoch}</small></th>" for j in data.judged)
    lines = []
    for title, names in _rows_of(data.judged):
        lines.append(f"<tr class='group'><th colspan='{2 + len(data.judged)}'>{escape(title)}</th></tr>")
        for label, floor, bound, values in names:
            cells = "".join(_distance_cell(value, floor, bound) for value in values)
            text = f"{floor:.3f}" if floor is not None else "–"
            lines.append(f"<tr><td>{escape(label)}</td><td class='n'>{text}</td>{cells}</tr>")
    shares = "".join(
        f"<td class='n'>{j.comparison.failed['generated']:.1%}{'' if j.comparison.rankable else ' !'}</td>"
        for j in data.judged
    )
    lines.append(
        f"<tr class='group'><th colspan='{2 + len(data.judged)}'>Galaxies without a fit (real: the floor)</th></tr>"
    )
    lines.append(f"<tr><td>share</td><td class='n'>{first.comparison.failed['real']:.1%}</td>{shares}</tr>")
    return (
        f"<p>{escape(sizes)}; {escape(fresh)}. The floor is what two samples of real galaxies of these sizes give; the "
        "small figures are multiples of it.</p><div class='wide'><table class='distances'><thead><tr><th>distance</th>"
        f"<th class='n'>floor</th>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table></div>"
    )


Line = tuple[str, float | None, float | None, list[float | None]]


def _rows_of(judged: Sequence[Judged]) -> Iterable[tuple[str, list[Line]]]:
    """Groups of distances: label, floor, 95% of the floor, value of each judged trial."""
    first = judged[0].comparison
    metrics = [j.comparison.metrics() for j in judged]

    def line(key: str, floor: float | None, bound: float | None = None) -> Line:
        name = key.partition("/")[2] or key
        return NAMES.get(name, name), floor, bound, [m.get(key) for m in metrics]

    for title, prefix in GROUPS:
        keys = [key for key in metrics[0] if key.startswith(prefix) and "color" not in key]
        floor = (lambda key: first.floor) if prefix == "ks/" else first.floors.get
        bound = first.floor_95 if prefix == "ks/" else None
        lines = [line(key, floor(key), bound) for key in keys]
        if prefix == "ks/":
            lines.insert(0, line("ks_mean", first.floor_split or first.floor, first.floor_95))
        yield title, [entry for entry in lines if entry[1] is not None]
    energy = line("energy", first.energy_floor, first.energy_floor_95)
    yield "All shapes at once", [("energy distance in 5 dimensions", *energy[1:])]
    unseen = [line(key, first.floors.get(key)) for key in metrics[0] if key.startswith("ks/color")]
    if judged[0].spectrum_floor is not None:
        spectra = [j.spectrum for j in judged]
        unseen.append(("mean power spectrum [dex]", judged[0].spectrum_floor, None, spectra))
    if unseen:
        yield "What shapes do not see", [entry for entry in unseen if entry[1] is not None]


def _distance_cell(value: float | None, floor: float | None, bound: float | None) -> str:
    if value is None:
        return "<td class='n'>–</td>"
    times = f" <small>{value / floor:.1f}×</small>" if floor else ""
    near = " near" if value <= (bound or (1.5 * floor if floor else -1)) else ""
    return f"<td class='n{near}'>{value:.3f}{times}</td>"
