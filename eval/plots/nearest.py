"""The figures of `eval.closest`: nearest matches (F&M fig. 7) and the distribution of their distances."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from eval.plots.distributions import GENERATED_COLOR, INK, REAL_COLOR, REAL_EDGE, as_rgb, headline, new_figure
from eval.statistics.nearest import Nearest, centre, flipped

if TYPE_CHECKING:
    from eval.statistics.memorisation import Memorisation


def match_figure(
    generated: np.ndarray,
    training: np.ndarray,
    closest: Nearest,
    *,
    crop: float = 0.5,
    columns: int = 8,
    seed: int = 0,
    title: str | None = None,
) -> Figure:
    """Generated images, their nearest training images and the absolute differences, in columns (F&M fig. 7).

    Above, generated images taken at random as in the paper; below, the closest of all matches,
    where a copy would be. Shown are the centres that were compared, generated ones flipped as they match.

    Parameters
    ----------
    generated, training : ndarray
        (N, H, H, C) and (M, H, H, C) uint8.
    closest : Nearest
        Of the generated images among the training images.
    crop : float
        The share of the side that was compared.
    columns : int
        Images in a row.
    seed : int
        Draws the random ones.
    title : str, optional
        First line of the figure.
    """
    columns = min(columns, len(generated))
    chosen = np.random.default_rng(seed).permutation(len(generated))[:columns]
    blocks = (
        ("generated images at random", chosen),
        ("the closest of all generated images", np.argsort(closest.distance, kind="stable")[:columns]),
    )
    figure = new_figure(1.15 * columns + 1.3, 8.4)
    halves: Any = figure.subfigures(2, 1, hspace=0.03)
    for half, (name, rows) in zip(halves, blocks, strict=True):
        axes = half.subplots(3, columns, squeeze=False)
        half.suptitle(name, x=0.01, ha="left", fontsize=11, color=INK)
        for column, row in enumerate(rows):
            query = flipped(centre(generated[row][None], crop)[0], int(closest.flip[row]))
            match = centre(training[closest.index[row]][None], crop)[0]
            difference = np.abs(query.astype(np.int16) - match).astype(np.uint8)
            for axis, image in zip(axes[:, column], (query, match, difference), strict=True):
                axis.imshow(as_rgb(image[None])[0], interpolation="nearest")
                axis.set(xticks=[], yticks=[])
                axis.spines[:].set_visible(False)
            axes[2, column].set_xlabel(f"{closest.distance[row]:.1f} DN", fontsize=9)
        for axis, label in zip(axes[:, 0], ("generated", "nearest real", "|difference|"), strict=True):
            axis.set_ylabel(label, fontsize=10)
    headline(figure, title or f"{len(generated):,} generated images and the nearest of {len(training):,} in training")
    return figure


def distance_figure(closest: Nearest, held_out: Nearest, figures: Memorisation, *, title: str | None = None) -> Figure:
    """Distribution of the nearest distances of generated images beside that of held-out real ones.

    Parameters
    ----------
    closest, held_out : Nearest
        Nearest training images of generated and of held-out images.
    figures : Memorisation
        What `eval.statistics.memorisation.memorisation` says of them.
    title : str, optional
        First line of the figure.
    """
    figure = new_figure(8, 4.6)
    axis: Any = figure.subplots()
    both = np.concatenate([closest.distance, held_out.distance])
    edges = np.linspace(0, np.quantile(both, 0.998) * 1.05 + 1e-9, 61)
    shares = [
        100 * np.histogram(np.minimum(side.distance, edges[-1]), edges)[0] / len(side.distance)
        for side in (held_out, closest)
    ]
    axis.stairs(shares[0], edges, fill=True, color=REAL_COLOR, label=f"held-out real, n = {figures.n_held_out:,}")
    axis.stairs(shares[0], edges, color=REAL_EDGE, linewidth=0.8)
    axis.stairs(shares[1], edges, color=GENERATED_COLOR, linewidth=1.8, label=f"generated, n = {figures.n_generated:,}")
    percentile = float(np.quantile(held_out.distance, 0.01))
    axis.axvline(percentile, color=REAL_EDGE, linewidth=1, linestyle=":")
    axis.annotate(
        "1% of held-out", (percentile, axis.get_ylim()[1]), (-3, -2), textcoords="offset points",
        rotation=90, ha="right", va="top", fontsize=8.5, color=INK,
    )  # fmt: skip
    axis.set(
        xlim=(0, edges[-1]), xlabel=f"distance to the nearest of {figures.n_training:,} training images [DN per value]"
    )
    axis.set_ylabel("share of images [%]")
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(frameon=False, loc="upper right")
    error = 1.96 * figures.in_training_error
    note = (
        f"generated closer than held-out: {figures.share:.1%} (50%)     "
        f"closer than 99% of them: {figures.share_1pct:.1%} (1%)\n"
        f"nearest real image is a training image: {figures.in_training:.1%} "
        f"({figures.in_training_expected:.1%} ± {error:.1%})     in brackets: without memorisation"
    )
    axis.set_title(note, fontsize=9.5, loc="left", color=INK)
    headline(figure, title or "Distance to the nearest training image")
    return figure
