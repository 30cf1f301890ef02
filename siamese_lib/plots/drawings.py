"""Our own drawings of the paper's Figures 2, 3 and 6, and small worked examples; every number and arrow comes from the package's own classes."""

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyBboxPatch
from torch import Tensor, nn

from siamese_lib.losses import ContrastiveLoss, MetricLoss, TripletLoss, distance
from siamese_lib.mining import AutoClustering, AutoProbabilistic
from siamese_lib.model import EMBEDDING_SIZE, SIDE, EmbeddingNet
from siamese_lib.nearest import smallest_pairs
from siamese_lib.plots.style import INK, MUTED, PALE, PALETTE, new_figure
from siamese_lib.statistics import ClassStatistics

ANCHOR, POSITIVE, NEGATIVE = PALETTE[0], PALETTE[2], PALETTE[1]
PLAIN = {"color": "white", "fontweight": "bold", "ha": "center", "va": "center_baseline", "fontsize": "small"}


def contrastive_figure(alpha: float = 2.0) -> Figure:
    """Fig. 2, Eq. 1: images of the anchor's class are pulled to it, images of other classes pushed out of the circle alpha.

    Left: two positives and three negatives around an anchor that is held still; an arrow is one step down the gradient of ContrastiveLoss.
    Right: the loss over the distance, with the same five images on it.
    """
    rate, names = 0.3, ["P1", "P2", "N1", "N2", "N3"]
    d, angle = (
        torch.tensor([0.55, 1.3, 0.3, 0.7, 1.25]) * alpha,
        torch.deg2rad(torch.tensor([205.0, 150.0, 60.0, -50.0, 12.0])),
    )
    points = torch.stack([d * angle.cos(), d * angle.sin()], 1).requires_grad_()
    same = torch.tensor([name.startswith("P") for name in names])
    loss = ContrastiveLoss(alpha, reduction="sum")
    loss(torch.zeros_like(points), points, same).backward()
    steps = -rate * points.grad / alpha * 2  # the picture looks alike for every alpha
    figure = new_figure(
        10,
        3.6,
        "Contrastive loss: one pair at a time",
        "arrow: one step down the gradient, the anchor held still",
    )
    plane, cost = figure.subplots(1, 2, width_ratios=(1.15, 1))
    _plane(plane, 1.75 * alpha, 1.2 * alpha)
    plane.add_patch(Circle((0, 0), alpha, fill=False, linestyle=(0, (4, 3)), color=MUTED))
    plane.annotate(
        r"distance $\alpha$",
        (0, alpha),
        (0, -4),
        textcoords="offset points",
        color=MUTED,
        ha="center",
        va="top",
        bbox={"fc": "w", "ec": "w", "pad": 1},
    )
    _point(plane, (0, 0), "A", ANCHOR)
    curve = torch.linspace(0, 1.6 * alpha, 161)
    for mask, colour, text, place in (
        (torch.tensor(True), POSITIVE, "one class ($y = 1$):\n$d^2$", (1.05, 0.6)),
        (
            torch.tensor(False),
            NEGATIVE,
            "two classes ($y = 0$):\n" + r"$\max(0, \alpha - d)^2$",
            (0.12, 1.25),
        ),
    ):
        cost.plot(
            curve, loss.from_distances(curve, mask.expand_as(curve)), color=colour, linewidth=2, zorder=2
        )
        cost.text(place[0] * alpha, place[1] * alpha**2, text, color=colour, va="center")
    values = loss.from_distances(d, same)
    for i, name in enumerate(names):
        colour = POSITIVE if same[i] else NEGATIVE
        _point(plane, points[i].tolist(), name, colour)
        if steps[i].norm() > 0:
            _arrow(plane, points[i].tolist(), (points[i] + steps[i]).tolist(), colour)
        _point(cost, (float(d[i]), float(values[i])), name, colour)
    cost.axvline(alpha, color=MUTED, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    cost.set(
        xlabel="distance $d$ of the pair",
        ylabel="loss of the pair",
        xlim=(0, 1.6 * alpha),
        ylim=(-0.12 * alpha**2, 2.1 * alpha**2),
    )
    cost.set_xticks([0, alpha], ["0", r"$\alpha$"])
    cost.set_yticks([0, alpha**2], ["0", r"$\alpha^2$"])
    return figure


def triplet_figure(alpha: float = 1.0) -> Figure:
    """Fig. 3, Eq. 2: before and after descent on TripletLoss. Only the difference of the two distances counts, and only until it is alpha."""
    loss, rate = TripletLoss(alpha, reduction="sum"), 0.02
    start = torch.tensor([[0.0, 0.0], [-1.75, 1.0], [1.35, 0.55]]) * alpha
    path = [start]
    while True:  # all three move, as their network does
        x = path[-1].clone().requires_grad_()
        value = loss(x[:1], x[1:2], x[2:])
        if value == 0:
            break
        value.backward()
        path.append((x - rate * alpha * x.grad).detach())
    path = torch.stack(path)
    figure = new_figure(
        10.4,
        3.6,
        "Triplet loss: one comparison at a time",
        r"inner circle: as far from A as P is; outer circle: farther by $\alpha$, where N may rest",
    )
    before, after, cost = figure.subplots(1, 3, width_ratios=(1, 1, 0.8))
    differences = []
    for ax, x, title in ((before, path[0], "before"), (after, path[-1], "after")):
        _plane(ax, 3.4 * alpha, 3.2 * alpha, title)
        d_ap, d_an = float(distance(x[0], x[1])), float(distance(x[0], x[2]))
        for radius, colour in ((d_ap, POSITIVE), (d_ap + alpha, MUTED)):
            ax.add_patch(Circle(x[0].tolist(), radius, fill=False, linestyle=(0, (4, 3)), color=colour))
        for i, name, colour in ((1, "$d_{AP}$", POSITIVE), (2, "$d_{AN}$", NEGATIVE)):
            ax.plot(*x[[0, i]].T, color=colour, linewidth=1.5, zorder=2)
            middle = x[[0, i]].mean(0).tolist()
            ax.annotate(
                name, middle, (0, 8), textcoords="offset points", color=colour, ha="center", va="bottom"
            )
        for i, name, colour in ((0, "A", ANCHOR), (1, "P", POSITIVE), (2, "N", NEGATIVE)):
            if ax is after:
                ax.plot(*path[:, i].T, color=colour, linewidth=1.2, linestyle=(0, (1, 1.5)), zorder=1)
                ax.plot(
                    *path[0, i],
                    "o",
                    markersize=15,
                    markerfacecolor="white",
                    markeredgecolor=colour,
                    markeredgewidth=1,
                    alpha=0.6,
                    zorder=1,
                )
            _point(ax, x[i].tolist(), name, colour)
        differences.append(d_an - d_ap)
    for i in range(3):
        _arrow(before, path[0, i].tolist(), path[-1, i].tolist(), (ANCHOR, POSITIVE, NEGATIVE)[i])
    curve = torch.linspace(-1.2 * alpha, 2 * alpha, 161)
    cost.plot(curve, loss.from_distances(torch.zeros(()), curve), color=INK, linewidth=2, zorder=2)
    for difference, name in zip(differences, ("before", "after"), strict=True):
        value = float(loss.from_distances(torch.zeros(()), torch.tensor(difference)))
        cost.plot(difference, value, "o", color=NEGATIVE, markersize=9, zorder=3, label=name)
        cost.annotate(name, (difference, value), (7, 7), textcoords="offset points", color=NEGATIVE)
    cost.set(xlabel="$d_{AN} - d_{AP}$", ylabel="loss of the triplet", xlim=(-1.2 * alpha, 2 * alpha))
    cost.set_xticks([0, alpha], ["0", r"$\alpha$"])
    cost.set_yticks([0, alpha], ["0", r"$\alpha$"])
    return figure


def _plane(ax: Axes, width: float, height: float, title: str = "") -> None:
    ax.set(xlim=(-width, width), ylim=(-height, height), aspect="equal", title=title)
    ax.set_axis_off()


def _point(ax: Axes, at, name: str, colour: str) -> None:
    ax.plot(*at, "o", markersize=18, color=colour, zorder=4, label=name, clip_on=False)
    ax.text(*at, name, zorder=5, **PLAIN)


def _arrow(ax: Axes, start, end, colour: str) -> None:
    ax.annotate(
        "",
        end,
        start,
        arrowprops={"arrowstyle": "-|>", "color": colour, "linewidth": 2, "shrinkA": 9, "shrinkB": 0},
        zorder=3,
    )


def network_figure() -> Figure:
    """Fig. 6 and Table 1: three images through one network, two distances, three terms of the loss. Sizes are read off EmbeddingNet."""
    net, sizes = EmbeddingNet(), []
    layers = list(net.children())
    for layer in layers:
        layer.register_forward_hook(lambda _, __, output: sizes.append(tuple(output.shape[1:])))
    with torch.no_grad():
        net(torch.zeros(1, 1, SIDE, SIDE))
    total = sum(parameter.numel() for parameter in net.parameters())
    figure = new_figure(
        11,
        4.6,
        "The metric network: three images, one set of weights",
        f"top: layers and their output sizes; below: parameters, {total:,} in all",
    )
    ax = figure.add_subplot()
    ax.set(xlim=(0, 22), ylim=(-1.1, 8.4))
    ax.set_axis_off()
    rows = {
        "P": (6.0, POSITIVE),
        "A": (4.0, ANCHOR),
        "N": (2.0, NEGATIVE),
    }  # the anchor in the middle: both distances are its own
    xs = [3.0 + 1.6 * i for i in range(len(layers))]
    ax.add_patch(
        FancyBboxPatch(
            (2.15, 0.35),
            xs[-1] - 1.3,
            7.75,
            boxstyle="round,pad=0,rounding_size=0.25",
            fc="#F6F6F6",
            ec=PALE,
            zorder=0,
        )
    )
    for x, layer in zip(xs, layers, strict=True):
        ax.text(
            x,
            7.55,
            _layer_name(layer),
            ha="center",
            va="center",
            fontsize="small",
            color=INK,
            linespacing=1.2,
        )
        ax.text(
            x,
            0.75,
            f"{sum(p.numel() for p in layer.parameters()):,}",
            ha="center",
            va="center",
            fontsize="small",
            color=MUTED,
        )
    space, dist, term = xs[-1] + 2.0, xs[-1] + 4.0, xs[-1] + 6.1
    for name, (y, colour) in rows.items():
        ax.plot([0.9, space], [y, y], color=MUTED, linewidth=1, zorder=1)
        _box(ax, 0.9, y, 1.35, 1.5, f"{name}\n{SIDE}×{SIDE}", colour)
        for x, size in zip(xs, sizes, strict=True):
            side = size[1] if len(size) == 3 else 0
            _box(
                ax,
                x,
                y,
                1.3,
                0.7 + 0.025 * side,
                f"{size[1]}×{size[2]}\n×{size[0]}" if side else f"{size[0]}",
                MUTED,
            )
        _box(ax, space, y, 1.1, 0.8, f"$a(x_{name})$", colour)
    for y, name, ends in ((5.0, "AP", "PA"), (3.0, "AN", "AN")):
        for end in ends:
            _line(ax, (space + 0.55, rows[end][0]), (dist - 0.55, y))
        _box(ax, dist, y, 1.1, 0.8, f"$d_{{{name}}}$", INK)
    for start, end in (((dist, 5.0), (term, 6.0)), ((dist, 5.0), (term, 4.0)), ((dist, 3.0), (term, 4.0))):
        _line(ax, (start[0] + 0.55, start[1]), (end[0] - 0.65, end[1]))
    ax.plot(
        [space, space, term - 0.65], [6.0, 0.0, 0.0], color=MUTED, linewidth=1, zorder=1
    )  # behind the boxes: all three are compared with c
    _box(ax, dist, 0.0, 1.7, 0.9, "ideal vectors\n$c_A, c_P, c_N$", INK)
    for y, name in ((6.0, "$g_1^2$"), (4.0, "$g_2^2$"), (0.0, "$g_3$")):
        _box(ax, term, y, 1.3, 0.8, name, INK)
        _line(ax, (term + 0.65, y), (term + 1.55, 3.0))
    _box(ax, term + 2.1, 3.0, 1.1, 1.0, "loss", INK)
    ax.text(space, 7.55, "Eq. 5", ha="center", va="center", fontsize="small", color=INK)
    ax.text(dist, 7.55, "Eq. 6", ha="center", va="center", fontsize="small", color=INK)
    ax.text(term, 7.55, "Section 3.4", ha="center", va="center", fontsize="small", color=INK)
    assert sizes[-1] == (EMBEDDING_SIZE,)
    return figure


def _layer_name(layer: nn.Module) -> str:
    if isinstance(layer, nn.Linear):
        return "linear"
    stride = layer.stride[0]
    return f"conv {layer.kernel_size[0]}×{layer.kernel_size[1]}\n" + (
        f"stride {stride}" if stride > 1 else ""
    )


def _line(ax: Axes, start, end) -> None:
    ax.plot(*zip(start, end, strict=True), color=MUTED, linewidth=1, zorder=1)


def _box(ax: Axes, x: float, y: float, width: float, height: float, text: str, colour: str) -> None:
    corner, style = (x - width / 2, y - height / 2), "round,pad=0,rounding_size=0.12"
    ax.add_patch(
        FancyBboxPatch(corner, width, height, boxstyle=style, fc="white", ec="none", zorder=2)
    )  # no line shines through
    ax.add_patch(
        FancyBboxPatch(corner, width, height, boxstyle=style, fc=(colour, 0.15), ec=(colour, 0.6), zorder=3)
    )
    ax.text(x, y, text, ha="center", va="center", fontsize="small", color=INK, zorder=4)


def loss_surfaces(alpha: float = 10.0, largest: float = 25.0) -> Figure:
    """Eq. 1, 2 and g1^2 + g2^2 of Section 3.4 over d_AP and d_AN, with the directions of steepest descent.

    The contrastive panel adds the losses of the pair (A, P) and the pair (A, N).
    """
    contrastive = ContrastiveLoss(alpha)

    def both_pairs(d_ap: Tensor, d_an: Tensor) -> Tensor:
        d_ap, d_an = torch.broadcast_tensors(d_ap, d_an)
        same = torch.ones_like(d_ap, dtype=torch.bool)
        return contrastive.from_distances(d_ap, same) + contrastive.from_distances(d_an, ~same)

    panels = {
        "contrastive (Eq. 1)\nof the pairs (A, P) and (A, N)": (both_pairs, True),
        "triplet (Eq. 2)\n": (TripletLoss(alpha).from_distances, False),
        "metric (Section 3.4)\n$g_1^2 + g_2^2$": (MetricLoss(alpha=alpha).from_distances, True),
    }
    figure = new_figure(
        10.4,
        4.1,
        rf"What a triplet costs, $\alpha$ = {alpha:g}",
        r"lines: equal loss; arrows: steepest descent; dashed: $d_{AN} = d_{AP} + \alpha$; white: below 1 % of $\alpha$ or $\alpha^2$",
    )
    grid, coarse = torch.linspace(0, largest, 201), torch.linspace(0, largest, 12)[1:-1]
    blues = [(1 - 0.75 * t, 1 - 0.45 * t, 1 - 0.22 * t) for t in (0, *np.linspace(0.08, 1, 8))]
    for ax, (title, (function, squared)) in zip(
        figure.subplots(1, 3, sharey=True), panels.items(), strict=True
    ):
        value = function(grid[None, :], grid[:, None])
        steps = np.array(
            [0, 0.1, 0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4]
        )  # of equal meaning: a squared loss is drawn at their squares
        levels = alpha**2 * steps**2 if squared else alpha * np.where(steps == 0.1, 0.01, steps)
        ax.contourf(grid, grid, value, levels=levels, colors=blues)
        lines = ax.contour(grid, grid, value, levels=levels[1:], colors="white", linewidths=0.8)
        ax.clabel(lines, fmt="%g", fontsize="x-small", colors=INK)
        x, y = (axis.clone().requires_grad_() for axis in torch.meshgrid(coarse, coarse, indexing="xy"))
        slope = torch.stack(torch.autograd.grad(function(x, y).sum(), (x, y)))
        size = slope.norm(dim=0)
        u, v = torch.where(size > 0, -slope / size, torch.nan).numpy()
        ax.quiver(x.detach(), y.detach(), u, v, color=NEGATIVE, scale=17, width=0.006, pivot="mid", zorder=3)
        ax.plot([0, largest - alpha], [alpha, largest], color=INK, linewidth=1.2, linestyle=(0, (4, 3)))
        ax.set(xlabel="$d_{AP}$", aspect="equal", xlim=(0, largest), ylim=(0, largest))
        ax.set_title(title, fontsize="medium")
        ax.grid(False)
    figure.axes[0].set_ylabel("$d_{AN}$")
    return figure


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
    """26 made-up ideal vectors (26, 2): three tight groups of five, a chain of seven from the first group to the second, four on their own."""
    rng = np.random.default_rng(seed)
    groups = [rng.normal(centre, 0.33, (5, 2)) for centre in ((0, 0), (7, 0.6), (3.2, 3.6))]
    chain = np.stack([np.linspace(0.95, 6.1, 7), 0.3 + 0.5 * np.sin(np.linspace(0, 6, 7))], 1) + rng.normal(
        0, 0.06, (7, 2)
    )
    alone = np.array([[-0.6, 3.4], [6.6, 4.2], [1.2, -2.3], [5.2, -2.1]])
    return torch.from_numpy(np.concatenate([*groups, chain, alone]))


def cluster_example(points: Tensor | None = None, etas=(12, 28, 46)) -> Figure:
    """The eta smallest distances as edges, the connected components of AutoClustering in colour, a panel for each eta.

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
        text = f"{len(several)} cluster{'s' if len(several) != 1 else ''} ({', '.join(map(str, several))}), {int((sizes == 1).sum())} alone"
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
