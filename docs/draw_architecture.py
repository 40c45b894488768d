"""Draws the rooms of the house and the imports between them: docs/architecture.svg.

    python docs/draw_architecture.py

Rooms and floors are those of the import contracts in pyproject.toml, arrows are counted from the code by grimp, imports
inside functions included. Red arrows go against the rule. Prints rooms, arrows, arrows against the rule, and lines.
"""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from pathlib import Path

import grimp
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("study", "eval", "gan", "common")
COLOURS = {"study": "#cfe2f3", "eval": "#d9ead3", "gan": "#fce5cd", "common": "#eeeeee"}
WIDTH, HEIGHT = 1.75, 0.62


def floors(package: str) -> list[list[str]]:
    """Rooms of a package from the top floor down, as its contract in pyproject.toml has them."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    for contract in contracts:
        layers = contract.get("layers", [])
        if layers and all(word.startswith(f"{package}.") for word in layers):
            return [re.split(r"\s*[|:]\s*", layer) for layer in layers]
    return [[package]]


def lines(room: str) -> int:
    """Lines of Python in a room."""
    path = ROOT / room.replace(".", "/")
    files = path.rglob("*.py") if path.is_dir() else [path.with_suffix(".py")]
    return sum(len(file.read_text().splitlines()) for file in files)


def room_of(module: str, rooms: list[str]) -> str | None:
    """The room that holds a module."""
    return next((room for room in rooms if module == room or module.startswith(f"{room}.")), None)


def main() -> None:
    """Measure, draw and print."""
    graph = grimp.build_graph(*PACKAGES)
    plan = {package: floors(package) for package in PACKAGES}
    rooms = [room for package in PACKAGES for floor in plan[package] for room in floor]
    level = {room: k for package in PACKAGES for k, floor in enumerate(plan[package]) for room in floor}
    arrows: Counter[tuple[str, str]] = Counter()
    for module in graph.modules:
        for imported in graph.find_modules_directly_imported_by(module):
            ends = room_of(module, rooms), room_of(imported, rooms)
            if ends[0] and ends[1] and ends[0] != ends[1]:
                arrows[ends[0], ends[1]] += 1
    order = {package: k for k, package in enumerate(PACKAGES)}

    def against(a: str, b: str) -> bool:
        pa, pb = a.split(".")[0], b.split(".")[0]
        return level[a] > level[b] if pa == pb else order[pa] > order[pb]

    draw(plan, arrows, against)
    wrong = sorted(ends for ends in arrows if against(*ends))
    print(f"{len(graph.modules)} modules in {len(rooms)} rooms, {len(arrows)} arrows, {len(wrong)} against the rule")
    for a, b in wrong:
        print(f"  {a} -> {b}")
    for package in PACKAGES:
        print(f"{package:7} {lines(package):6,} lines")


def draw(plan: dict[str, list[list[str]]], arrows: Counter[tuple[str, str]], against) -> None:  # type: ignore[no-untyped-def]
    """Write the picture; imports of common, which everybody has, are left out of it."""
    figure = Figure(figsize=(19, 9.5))
    axes = figure.subplots()
    places: dict[str, tuple[float, float]] = {}
    left = 0.0
    for package, levels in plan.items():
        across = max(len(floor) for floor in levels) if package != "common" else 1
        axes.text(left, 0.75, f"{package}: {lines(package):,} lines", fontsize=14, fontweight="bold")
        for k, floor in enumerate(levels):
            for j, room in enumerate(floor):
                x, y = left + (j + (across - len(floor)) / 2) * (WIDTH + 0.3), -k * 1.35
                places[room] = x + WIDTH / 2, y + HEIGHT / 2
                look = {"boxstyle": "round,pad=0.05", "fc": COLOURS[package], "ec": "#444444"}
                axes.add_patch(FancyBboxPatch((x, y), WIDTH, HEIGHT, **look))
                name = room.split(".", 1)[-1]
                axes.text(*places[room], f"{name}\n{lines(room):,} lines", ha="center", va="center", fontsize=8.5)
        left += across * (WIDTH + 0.3) + 0.6
    for (a, b), count in sorted(arrows.items(), key=lambda item: against(*item[0])):
        if b == "common":
            continue
        same = a.split(".")[0] == b.split(".")[0]
        wrong = against(a, b)
        colour = "#cc0000" if wrong else "#335577" if same else "#999999"
        axes.add_patch(
            FancyArrowPatch(
                places[a], places[b], arrowstyle="-|>", mutation_scale=9, shrinkA=18, shrinkB=18, color=colour,
                lw=0.4 + 0.25 * min(count, 8), alpha=1.0 if wrong else 0.55 if same else 0.22,
                connectionstyle="arc3,rad=0.12",
            )
        )  # fmt: skip
    axes.set_xlim(-0.4, left)
    axes.set_ylim(-13, 1.4)
    axes.set_axis_off()
    figure.savefig(ROOT / "docs" / "architecture.svg", bbox_inches="tight", metadata={"Date": None})


if __name__ == "__main__":
    main()
