"""Our own drawings of the paper's Figures 2, 3 and 6, and small worked examples; every number comes from the package's own classes."""

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyBboxPatch

from siamese_lib.losses import ContrastiveLoss, MetricLoss, TripletLoss
from siamese_lib.mining import AutoClustering, AutoProbabilistic
from siamese_lib.model import EmbeddingNet
from siamese_lib.neighbours import smallest_pairs
from siamese_lib.plots.style import INK, MUTED, PALE, PALETTE, new_figure
from siamese_lib.statistics import ClassStatistics

ANCHOR, POSITIVE, NEGATIVE = PALETTE[0], PALETTE[2], PALETTE[1]


def _plane(ax: Axes, title: str) -> None:
    ax.set(xlim=(-3.2, 3.2), ylim=(-2.5, 2.5), aspect="equal", title=title)
    ax.set_axis_off()


def _point(ax: Axes, at, name: str, colour: str) -> None:
    ax.plot(*at, "o", markersize=22, color=colour, zorder=3)
    ax.text(*at, name, ha="center", va="center_baseline", color="white", fontweight="bold", fontfamily="DejaVu Sans", zorder=4)


def _move(ax: Axes, start, end, colour: str) -> None:
    ax.annotate("", end, start, arrowprops={"arrowstyle": "-|>", "color": colour, "linewidth": 2, "shrinkA": 13, "shrinkB": 0}, zorder=2)


def contrastive_figure(alpha: float = 1.9) -> Figure:
    """Fig. 2, Eq. 1: a pair of one class is pulled together, a pair of two classes pushed apart up to the distance alpha."""
    figure = new_figure(9, 3.2, "Contrastive loss: pairs")
    left, right = figure.subplots(1, 2)
    _plane(left, "one class: pulled together, always")
    _point(left, (-1.6, 0), "A", ANCHOR), _point(left, (1.6, 0), "P", POSITIVE)
    _move(left, (-1.6, 0), (-0.3, 0), ANCHOR), _move(left, (1.6, 0), (0.3, 0), POSITIVE)
    _plane(right, "two classes: pushed apart inside alpha, left alone outside")
    right.add_patch(Circle((-1.0, 0), alpha, fill=False, linestyle="--", color=MUTED))
    right.text(-1.0, -alpha - 0.35, "distance alpha", ha="center", color=MUTED)
    _point(right, (-1.0, 0), "A", ANCHOR), _point(right, (-0.1, 0.7), "N", NEGATIVE), _point(right, (2.4, -1.0), "N", NEGATIVE)
    _move(right, (-0.1, 0.7), (0.55, 1.2), NEGATIVE)
    return figure


def triplet_figure() -> Figure:
    """Fig. 3, Eq. 2: only the difference of the two distances counts, and only until it is alpha."""
    figure = new_figure(9, 3.2, "Triplet loss: one comparison")
    before, after = figure.subplots(1, 2)
    for ax, title, p, n in (
        (before, "before: N nearer than P", (1.3, 1.2), (1.2, -0.8)),
        (after, "after: N farther than P by alpha", (0.1, 0.9), (2.6, -1.2)),
    ):
        _plane(ax, title)
        a = (-1.6, 0)
        for end, name, colour in ((p, "d_AP", POSITIVE), (n, "d_AN", NEGATIVE)):
            ax.plot(*zip(a, end, strict=True), color=colour, linewidth=1.5, zorder=1)
            middle = np.mean([a, end], axis=0)
            ax.text(middle[0], middle[1] + (0.3 if end is p else -0.45), name, color=colour, ha="center")
        _point(ax, a, "A", ANCHOR), _point(ax, p, "P", POSITIVE), _point(ax, n, "N", NEGATIVE)
    _move(before, (1.3, 1.2), (0.5, 1.0), POSITIVE), _move(before, (1.2, -0.8), (2.2, -1.1), NEGATIVE)
    return figure


def network_figure() -> Figure:
    """Fig. 6 and Table 1: three images, one network (sizes read off EmbeddingNet), two distances, one loss."""
    net, sizes = EmbeddingNet(), []
    for layer in net.children():
        layer.register_forward_hook(lambda _, __, output: sizes.append(tuple(output.shape[1:])))
    net(torch.zeros(1, 1, 37, 37))
    figure = new_figure(
        10, 3.6, "The network sees three images; its weights are the same for each", f"{sum(p.numel() for p in net.parameters()):,} weights"
    )
    ax = figure.add_subplot()
    ax.set(xlim=(0, 20), ylim=(0, 7.2))
    ax.set_axis_off()
    names = [f"{size[1]}×{size[2]}\n×{size[0]}" if len(size) == 3 else f"{size[0]}" for size in sizes]
    for y, letter, colour in ((6, "A", ANCHOR), (3.6, "P", POSITIVE), (1.2, "N", NEGATIVE)):
        _box(ax, 0.9, y, 1.3, 1.3, f"{letter}\n37×37", colour)
        for place, (name, size) in enumerate(zip(names, sizes, strict=True)):
            height = 0.9 + 0.8 * (size[1] / 35 if len(size) == 3 else 0.2)
            _box(ax, 3.1 + 1.6 * place, y, 1.3, height, name, MUTED)
            ax.annotate("", (3.1 + 1.6 * place - 0.65, y), (1.55 + 1.6 * place - 0.02, y), arrowprops={"arrowstyle": "-", "color": PALE})
    for y, name in ((4.8, "d_AP"), (2.4, "d_AN")):
        _box(ax, 15.6, y, 1.5, 0.9, name, INK)
        for branch in (y + 1.2, y - 1.2):
            ax.annotate("", (14.85, y), (13.35, branch), arrowprops={"arrowstyle": "-", "color": PALE})
        ax.annotate("", (17.5, 3.6), (16.35, y), arrowprops={"arrowstyle": "-", "color": PALE})
    _box(ax, 18.3, 3.6, 1.6, 1.1, "loss", INK)
    for place, name in enumerate(("conv 3", "conv 5 /2", "conv 3", "conv 5 /2", "conv 3", "conv 3", "linear")):
        ax.text(3.1 + 1.6 * place, 0.05, name, ha="center", color=MUTED, fontsize="small")
    return figure


def _box(ax: Axes, x: float, y: float, width: float, height: float, text: str, colour: str) -> None:
    ax.add_patch(FancyBboxPatch((x - width / 2, y - height / 2), width, height, boxstyle="round,pad=0,rounding_size=0.15", color=colour, alpha=0.15))
    ax.text(x, y, text, ha="center", va="center", fontsize="small", color=INK)


def loss_surfaces(alpha: float = 10.0, largest: float = 25.0) -> Figure:
    """Eq. 1, 2 and g1^2 + g2^2 of Section 3.4 over d_AP and d_AN. The contrastive panel adds the losses of the pair (A, P) and the pair (A, N)."""
    grid = torch.linspace(0, largest, 101)
    d_ap, d_an = grid[None, :], grid[:, None]
    contrastive, ones = ContrastiveLoss(alpha), torch.ones(101, dtype=torch.bool)
    values = {
        "contrastive (Eq. 1)": contrastive.from_distances(grid, ones)[None, :] + contrastive.from_distances(grid, ~ones)[:, None],
        "triplet (Eq. 2)": TripletLoss(alpha).from_distances(d_ap, d_an),
        "metric (3.4), g1² + g2²": MetricLoss(alpha=alpha).from_distances(d_ap, d_an),
    }
    figure = new_figure(10, 3.3, f"What a triplet costs, alpha = {alpha:g}", "dashed: d_AN = d_AP + alpha")
    for ax, (name, value) in zip(figure.subplots(1, 3, sharey=True), values.items(), strict=True):
        levels = float(value.max()) * np.linspace(0, 1, 13) ** 2
        shown = ax.contourf(grid, grid, value, levels=levels, cmap="cividis_r")
        ax.plot([0, largest - alpha], [alpha, largest], "--", color=INK, linewidth=1)
        ax.set(title=name, xlabel="d_AP", ylabel="d_AN" if ax.get_subplotspec().is_first_col() else "", aspect="equal")
        figure.colorbar(shown, ax=ax, format="%.0f", shrink=0.9)
    return figure


def mining_example(d: list[float], settings=((1.0, 0.0), (2.0, 0.0), (1.0, 0.5))) -> Figure:
    """Class spreads d and the P_1 that AutoProbabilistic makes of them, a panel for each (gamma, w)."""
    figure = new_figure(10, 2.6, "From spreads to probabilities", "dashed: uniform, which is P_0")
    first, *rest = figure.subplots(1, 1 + len(settings))
    names = [chr(65 + place) for place in range(len(d))]
    first.bar(names, d, color=MUTED)
    first.set(title="spread d", ylabel="mean distance to the ideal vector")
    for ax, (gamma, w) in zip(rest, settings, strict=True):
        sampler = AutoProbabilistic(len(d), gamma, w)
        sampler.update(ClassStatistics(torch.zeros(len(d), 2), torch.tensor(d)))
        bars = ax.bar(names, sampler.probabilities.numpy(), color=PALETTE[3])
        ax.bar_label(bars, fmt="%.2f", fontsize="small")
        ax.axhline(1 / len(d), color=INK, linestyle="--", linewidth=1)
        ax.set(title=f"P_1, gamma = {gamma:g}, w = {w:g}", ylim=(0, 1.1))
    return figure


def example_points(seed: int = 1) -> torch.Tensor:
    """24 made-up ideal vectors (24, 2): three loose groups and a few on their own."""
    rng = np.random.default_rng(seed)
    groups = [rng.normal(centre, 0.5, (6, 2)) for centre in ((0, 0), (4, 1), (1.5, 4))]
    return torch.from_numpy(np.concatenate([*groups, rng.uniform(-2, 6, (6, 2))]))


def cluster_example(points: torch.Tensor, etas=(6, 14, 30)) -> Figure:
    """Ideal vectors (C, 2): the eta smallest distances as edges, the connected components of AutoClustering in colour, a panel for each eta."""
    figure = new_figure(10, 3.4, "The eta smallest distances make the clusters", "grey: alone in its cluster")
    for ax, eta in zip(figure.subplots(1, len(etas), sharex=True, sharey=True), etas, strict=True):
        sampler = AutoClustering(len(points), eta=eta)
        sampler.update(ClassStatistics(points, torch.ones(len(points))))
        i, j, _ = smallest_pairs(points, eta)
        for a, b in zip(points[i], points[j], strict=True):
            ax.plot([float(a[0]), float(b[0])], [float(a[1]), float(b[1])], color=MUTED, linewidth=0.8, zorder=1)
        sizes = torch.bincount(sampler.clusters)
        several = sorted(torch.nonzero(sizes > 1).flatten().tolist(), key=lambda cluster: -int(sizes[cluster]))
        colours = {cluster: PALETTE[rank % len(PALETTE)] for rank, cluster in enumerate(several)}
        ax.scatter(*points.T.numpy(), c=[colours.get(cluster, MUTED) for cluster in sampler.clusters.tolist()], s=40, zorder=2)
        ax.set(title=f"eta = {eta}: {len(several)} clusters, the largest of {int(sizes.max())}", xticks=[], yticks=[], aspect="equal")
    return figure
