"""Small worked examples of mining: what the package's own samplers make of made-up classes."""

import numpy as np
import torch
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from torch import Tensor

from siamese_lib.mining import AutoClustering, AutoProbabilistic
from siamese_lib.nearest import smallest_pairs
from siamese_lib.plots.style import INK, MUTED, PALE, PALETTE, new_figure
from siamese_lib.statistics import ClassStatistics


def mining_example(
    d: list[float], settings=((1.0, 0.0), (2.0, 0.0), (1.0, 0.5), (2.0, 0.5)), updates: int = 3
) -> Figure:
    """Class spreads d and what AutoProbabilistic makes of them, a panel for each (gamma, w).

    Args:
        d: N spreads, one a class.
        settings: pairs (gamma, w).
        updates: how many updates with the same d, where w > 0; with w = 0 every update gives the same.
    """
    figure = new_figure(
        10.4,
        3.1,
        "From the spreads of classes to the probability of drawing them",
        "dashed: uniform, which is $P_0$; the spreads stay the same",
    )
    first, *rest = figure.subplots(1, 1 + len(settings))
    places = np.arange(len(d))
    names = [chr(ord("A") + i) for i in places]
    first.bar(places, d, color=MUTED, width=0.7)
    first.set(title="spread $d$", ylabel="mean distance to ideal vector", ylim=(0, 1.22 * max(d)))
    first.bar_label(first.containers[0], fmt="%g", fontsize="small", padding=2)
    for ax, (gamma, w) in zip(rest, settings, strict=True):
        sampler = AutoProbabilistic(len(d), gamma, w)
        count = updates if w else 1
        for k in range(1, count + 1):
            sampler.update(ClassStatistics(torch.zeros(len(d), 2), torch.tensor(d)))
            width = 0.84 / count if w else 0.7
            bars = ax.bar(
                places + (k - (count + 1) / 2) * width,
                sampler.probabilities.numpy(),
                width,
                color=PALETTE[3],
                alpha=0.35 + 0.65 * k / count,
            )
            if w:
                bars.set_label(f"$P_{k}$")
            ax.bar_label(
                bars,
                fmt="%.3f",
                fontsize=6.5 if w else 7.5,
                padding=2,
                rotation=90 if w else 0,
                bbox={"fc": "w", "ec": "none", "pad": 0.4},
            )
        ax.axhline(1 / len(d), color=INK, linestyle=(0, (4, 3)), linewidth=1, zorder=0.5)
        ax.set(
            title=rf"$\gamma$ = {gamma:g}, $w$ = {w:g}" + ("" if w else ", any $k$"),
            ylim=(0, 1.2),
            yticks=[0, 0.5, 1],
        )
        if w:
            ax.legend(loc="upper left", fontsize="small", handlelength=1, borderpad=0)
    rest[0].set_ylabel("probability $P_k$")
    for ax in figure.axes:
        ax.set_xticks(places, names)
        ax.tick_params(axis="x", length=0)
    first.set_xlabel("class", loc="left")
    return figure


def example_points(seed: int = 1) -> Tensor:
    """26 made-up ideal vectors (26, 2).

    Three tight groups of five, a chain of seven from the first group to the second, four on their own.
    """
    rng = np.random.default_rng(seed)
    groups = [rng.normal(centre, 0.33, (5, 2)) for centre in ((0, 0), (7, 0.6), (3.2, 3.6))]
    chain = np.stack([np.linspace(0.95, 6.1, 7), 0.3 + 0.5 * np.sin(np.linspace(0, 6, 7))], 1) + rng.normal(
        0, 0.06, (7, 2)
    )
    alone = np.array([[-0.6, 3.4], [6.6, 4.2], [1.2, -2.3], [5.2, -2.1]])
    return torch.from_numpy(np.concatenate([*groups, chain, alone]))


def cluster_example(points: Tensor | None = None, etas=(12, 28, 46)) -> Figure:
    """The eta smallest distances as edges, the clusters of AutoClustering in colour, a panel for each eta.

    Args:
        points: ideal vectors (C, 2); default `example_points()`.
        etas: ascending. A cluster keeps its colour from one to the next; where several join, the first one's.
    """
    points = example_points() if points is None else points
    figure = new_figure(
        10.4,
        3.3,
        r"The $\eta$ smallest distances between ideal vectors make the clusters",
        "grey: alone; bar: the longest distance that makes an edge",
    )
    colour = {}  # of each class that is in a cluster
    unused = list(PALETTE)
    for ax, eta in zip(figure.subplots(1, len(etas), sharex=True, sharey=True), etas, strict=True):
        sampler = AutoClustering(len(points), eta=eta)
        sampler.update(ClassStatistics(points, torch.ones(len(points))))
        sizes = torch.bincount(sampler.clusters)
        for cluster in torch.nonzero(sizes > 1).flatten().tolist():
            members = torch.nonzero(sampler.clusters == cluster).flatten().tolist()
            known = [colour[m] for m in members if m in colour]
            colour.update(dict.fromkeys(members, known[0] if known else unused.pop(0) if unused else INK))
        i, j, d = smallest_pairs(points, eta)
        ax.add_collection(
            LineCollection(
                torch.stack([points[i], points[j]], 1).numpy(), color=MUTED, linewidth=0.9, zorder=1
            )
        )
        ax.scatter(
            *points.T.numpy(),
            c=[colour.get(m, PALE) for m in range(len(points))],
            edgecolor="white",
            linewidth=0.6,
            s=48,
            zorder=2,
        )
        several = sorted(sizes[sizes > 1].tolist(), reverse=True)
        count = f"{len(several)} cluster{'s' if len(several) != 1 else ''}"
        text = f"{count} ({', '.join(map(str, several))}), {int((sizes == 1).sum())} alone"
        ax.set_title(rf"$\eta$ = {eta}: {text}", fontsize="medium")
        low = points.min(0).values.tolist()
        ax.plot(
            [low[0], low[0] + float(d.max())],
            [low[1] - 0.5] * 2,
            color=INK,
            linewidth=2,
            solid_capstyle="butt",
        )
        ax.set(xticks=[], yticks=[], aspect="equal")
        ax.margins(0.08)
        ax.grid(False)
        ax.set_frame_on(False)
    return figure
