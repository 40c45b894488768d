"""The report of a study of enhancers: one HTML page with its table, the best trial beside its input, and triptychs."""

from __future__ import annotations

import base64
from html import escape
from pathlib import Path
from typing import Any

from study.config.search_space import short
from study.config.study import Study
from study.reporting.style import SORT_SCRIPT, STYLE
from study.results.trials import TrialRow, setting, varying

CAPTIONS = {
    "triptychs": "Input, prediction, target: one galaxy a row, the same at every evaluation.",
    "differences": "Input minus target, prediction minus target, four times enhanced: mid-grey is no difference.",
}


def read_rows(study: Study, folder: Path) -> list[TrialRow]:
    """The trials of a study, best first."""
    from study.reporting.optuna_history import open_database
    from study.results.trials import collect

    with open_database(folder / "optuna.db") as history:
        return [] if history is None else collect(study, history, folder)


def page(study: Study, folder: Path, rows: list[TrialRow]) -> str:
    """The whole page."""
    leader = next((row for row in rows if row.best), None)
    sections = [("Trials, best first", _ranking(study, rows))]
    if leader is not None:
        sections += [(f"The best trial, {leader.name}", _beside(leader)), ("What it makes", _pictures(folder, leader))]
    sections.append(("How to reproduce this", f"<pre>{escape(study.as_yaml())}</pre>"))
    body = "".join(f"<section><h2>{escape(title)}</h2>{content}</section>" for title, content in sections)
    order = f"{', '.join(study.objective.metrics)} ({study.kind.order(study.objective.metrics)})"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(study.name)}</title><style>{STYLE}</style></head><body><main>"
        f"<header><p class='eyebrow'>Study of enhancers</p><h1>{escape(study.name)}</h1>"
        f"<p class='lead'>{escape(study.description)}</p><p>Ranked by {escape(order)}.</p></header>{body}"
        f"</main><script>{SORT_SCRIPT}</script></body></html>\n"
    )


def _ranking(study: Study, rows: list[TrialRow]) -> str:
    paths, kind, names = varying(study, rows), study.kind, study.objective.metrics
    heads = ["trial", *map(short, paths), *names, *(title for title, _, _ in kind.columns), "epochs", "ended"]
    lines = []
    for row in rows:
        found: Any = row.final or row.best
        cells = [f"{row.name} {row.role}", *(setting(study, row, path) for path in paths)]
        cells += [f"{kind.shown(name, found['objectives'][name]):.3f}" if found else "-" for name in names]
        metrics = found["metrics"] if found else {}
        cells += [f"{metrics[metric]:{how}}" if metric in metrics else "-" for _, metric, how in kind.columns]
        lines.append([*cells, str(row.epochs), row.ending])
    return _table(heads, lines)


def _beside(row: TrialRow) -> str:
    """Every metric of the best trial, beside the input's own."""
    found: Any = row.final or row.best
    metrics = found["metrics"]
    lines = []
    for name, value in metrics.items():
        if name.endswith("/input") or "_input/" in name:
            continue
        head, slash, tail = name.partition("/")
        before = metrics.get(f"{name}/input", metrics.get(f"{head}_input/{tail}") if slash else None)
        lines.append([name, f"{value:.4g}", "" if before is None else f"{before:.4g}"])
    of = f"{found['samples']:,} pairs that chose nothing" if "samples" in found else "the pairs of the search"
    return f"<p>Epoch {found['epoch']}, judged on {of}.</p>" + _table(["metric", "enhanced", "input"], lines)


def _pictures(folder: Path, row: TrialRow) -> str:
    found: Any = row.final or row.best
    final = folder / "finalists" / row.name
    home = final if row.final else row.folder / "evaluations" / f"epoch-{found['epoch']:05d}"
    figures = []
    for name, caption in CAPTIONS.items():
        path = home / f"{name}.png"
        if path.exists():
            data = base64.b64encode(path.read_bytes()).decode()
            image = f'<img alt="{escape(name)}" src="data:image/png;base64,{data}">'
            figures.append(f'<figure class="narrow">{image}<figcaption>{escape(caption)}</figcaption></figure>')
    return "".join(figures)


def _table(heads: list[str], lines: list[list[str]]) -> str:
    head = "".join(f"<th>{escape(text)}</th>" for text in heads)
    body = "".join("<tr>" + "".join(f"<td>{escape(text)}</td>" for text in line) + "</tr>" for line in lines)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
