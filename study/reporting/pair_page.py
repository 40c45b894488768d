"""The report of a study of enhancers: its table, the best trial beside its input, and triptychs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from study.config.search_space import short
from study.config.study import Study
from study.reporting.render import file_uri, render
from study.reporting.tables import Line, Table, texts
from study.results.history import judged
from study.results.trials import TrialRow, setting, varying
from study.tasks.enhancement.objective import PairObjective

CAPTIONS = {
    "triptychs": "Input, prediction, target: one galaxy a row, the same at every evaluation.",
    "differences": "Input minus target, prediction minus target, four times enhanced: mid-grey is no difference.",
}


def page(study: Study, folder: Path, rows: list[TrialRow]) -> str:
    """Return the text of the page.

    Parameters
    ----------
    study : Study
        Of a family of enhancers.
    folder : Path
        Its folder.
    rows : list of TrialRow
        Best first.
    """
    leader = next((row for row in rows if row.best), None)
    found = judged(leader, folder) if leader is not None else None
    return render(
        "pairs.html",
        study=study,
        order=f"{', '.join(study.objective.metrics)} ({PairObjective().order(study.objective.metrics)})",
        ranking=_ranking(study, rows),
        leader=leader,
        **({} if found is None else _best(*found)),
    )


def _ranking(study: Study, rows: list[TrialRow]) -> Table:
    paths, objective, names = varying(study, rows), PairObjective(), study.objective.metrics
    heads = ["trial", *map(short, paths), *names, *(title for title, _, _ in objective.columns), "epochs", "ended"]
    lines = []
    for row in rows:
        found: Any = row.final or row.best
        cells = [f"{row.name} {row.role}", *(setting(study, row, path) for path in paths)]
        cells += [f"{objective.shown(name, found['objectives'][name]):.3f}" if found else "-" for name in names]
        metrics = found["metrics"] if found else {}
        cells += [f"{metrics[metric]:{how}}" if metric in metrics else "-" for _, metric, how in objective.columns]
        lines.append(Line(texts([*cells, str(row.epochs), row.ending])))
    return Table(texts(heads), lines)


def _best(evaluation: dict[str, Any], home: Path) -> dict[str, Any]:
    """The best trial: its metrics beside the input's own, and its pictures."""
    metrics = evaluation["metrics"]
    lines = []
    for name, value in metrics.items():
        if name.endswith("/input") or "_input/" in name:
            continue
        head, slash, tail = name.partition("/")
        before = metrics.get(f"{name}/input", metrics.get(f"{head}_input/{tail}") if slash else None)
        lines.append(Line(texts([name, f"{value:.4g}", "" if before is None else f"{before:.4g}"])))
    fresh = f"{evaluation['samples']:,} pairs that chose nothing" if "samples" in evaluation else None
    pictures = ((file_uri(home / f"{name}.png"), caption) for name, caption in CAPTIONS.items())
    return {
        "epoch": evaluation["epoch"],
        "judged_on": fresh or "the pairs of the search",
        "metrics": Table(texts(["metric", "enhanced", "input"]), lines),
        "pictures": [(uri, caption) for uri, caption in pictures if uri],
    }
