"""Our own drawings of the paper's Figures 2 and 3, and the three losses side by side.

Every number and arrow comes from the package's own losses.
"""

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from torch import Tensor

from siamese_lib.losses import ContrastiveLoss, MetricLoss, TripletLoss, distance
from siamese_lib.plots.style import ANCHOR, INK, MUTED, NEGATIVE, POSITIVE, new_figure

PLAIN = {"color": "white", "fontweight": "bold", "ha": "center", "va": "center_baseline", "fontsize": "small"}


def contrastive_figure(alpha: float = 2.0) -> Figure:
    """Fig. 2, Eq. 1: positives are pulled to the anchor, negatives pushed out of a circle around it.

    Left: two positives and three negatives around an anchor that is held still; an arrow is one step down the
    gradient of ContrastiveLoss. Right: the loss over the distance, with the same five images on it.
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
    """Fig. 3, Eq. 2: before and after descent on TripletLoss.

    Only the difference of the two distances counts, and only until it is alpha.
    """
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
        r"lines: equal loss; arrows: steepest descent; dashed: $d_{AN} = d_{AP} + \alpha$; "
        r"white: below 1 % of $\alpha$ or $\alpha^2$",
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
