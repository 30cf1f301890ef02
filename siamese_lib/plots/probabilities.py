"""How often each class is drawn, from one update of auto-probabilistic mining to the next."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from siamese_lib.data.bank import ImageBank
from siamese_lib.data.framing import SIDE
from siamese_lib.errors import InputError
from siamese_lib.plots.glyphs import pictures, place_glyph
from siamese_lib.plots.style import INK, MUTED, PALETTE, new_figure

HIGH, LOW = PALETTE[1], PALETTE[0]  # often and seldom drawn


def probability_evolution(
    probabilities: np.ndarray,
    classes: list[str],
    bank: ImageBank | None = None,
    named: int = 4,
    title: str = "Probabilities of the classes",
    note: str = "",
) -> Figure:
    """How the probability of each class changes from one update of auto-probabilistic mining to the next.

    Left: the range of all classes, with those that the last update draws most and least often. Right: every
    class, sorted by the last update, so that one can see whether the order of classes is stable.

    Args:
        probabilities: (U + 1, C), P_k times C for k = 0 ... U: 1 is uniform, 2 is drawn twice as often.
        classes: C names.
        bank: images of the classes, for the pictures; without it they are named.
        named: how many of the most and of the least often drawn classes are shown.
        title, note: the heading.
    """
    p = np.asarray(probabilities, np.float64)
    if p.ndim != 2 or p.shape[1] != len(classes) or not np.isfinite(p).all() or (p < 0).any():
        raise InputError(
            f"probabilities {p.shape} for {len(classes)} classes; "
            "give an array (updates + 1, classes), finite and not negative"
        )
    images, drawn = (
        pictures(bank)
        if bank is not None
        else (np.zeros((len(classes), SIDE, SIDE), np.uint8), np.zeros(len(classes), bool))
    )
    factor = np.log2(np.maximum(p, 2.0**-8))
    order = np.argsort(-factor[-1], kind="stable")
    updates = np.arange(len(factor))

    figure = new_figure(10, 4.6, title, note)
    left, right = figure.subplots(1, 2, width_ratios=(1.35, 1))
    for low, high, alpha, text in (
        (0, 100, 0.1, "all classes"),
        (5, 95, 0.18, "90 % of classes"),
        (25, 75, 0.35, "half of the classes"),
    ):
        left.fill_between(
            updates,
            *np.percentile(factor, (low, high), axis=1),
            color=MUTED,
            alpha=alpha,
            linewidth=0,
            label=text,
        )
    left.plot(updates, np.median(factor, axis=1), color=INK, linewidth=1.8, label="median class")
    if np.ptp(factor[-1]) > 0:
        count = min(named, len(classes) // 2)
        _extremes(left, factor, [*order[:count], *order[len(order) - count :]], count, images, drawn, classes)
    left.axhline(0, color=MUTED, linewidth=0.8, linestyle=(0, (2, 2)))
    left.set(
        xlabel="update k of the class statistics (count)",
        ylabel="drawn how often (1 = uniform)",
        xlim=(0, max(1, updates[-1])),
    )
    left.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    _factors(left.yaxis, *left.get_ylim())
    figure.legend(
        *left.get_legend_handles_labels(),
        loc="outside lower left",
        ncols=4,
        fontsize="small",
        handlelength=1.4,
    )

    limit = max(float(np.percentile(np.abs(factor), 99.5)), 0.1)
    picture = right.imshow(
        factor[:, order].T,
        aspect="auto",
        cmap="PuOr_r",
        vmin=-limit,
        vmax=limit,
        interpolation="nearest",
        extent=(-0.5, updates[-1] + 0.5, len(order), 0),
    )
    right.set(
        xlabel="update k of the class statistics (count)",
        ylabel="class, by how often drawn at the end (rank)",
    )
    right.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    right.grid(False)
    bar = figure.colorbar(picture, ax=right, aspect=30, pad=0.05)
    bar.outline.set_visible(False)
    _factors(bar.ax.yaxis, -limit, limit)
    bar.set_label("drawn how often (1 = uniform)")
    return figure


def _factors(axis: Axis, low: float, high: float) -> None:
    """Ticks of log2 values, written as factors: 1/2, 1, 2, or where they are close 0.7, 1, 1.4."""
    if high - low > 3:
        step = int(np.ceil((high - low) / 8))
        ticks = [k for k in range(int(np.ceil(low)), int(np.floor(high)) + 1) if k % step == 0]
        axis.set_major_formatter(FuncFormatter(lambda x, _: f"{2**x:g}" if x >= 0 else f"1/{2**-x:g}"))
    else:
        marks = (
            (0.25, 0.35, 0.5, 0.7, 1, 1.4, 2, 3, 4)
            if high - low > 1.2
            else (0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.1, 1.2, 1.3, 1.4, 1.6, 1.8)
        )
        ticks = [float(np.log2(mark)) for mark in marks if low <= np.log2(mark) <= high]
        axis.set_major_formatter(FuncFormatter(lambda x, _: f"{2**x:.2g}"))
    axis.set_major_locator(FixedLocator(ticks))
    axis.set_minor_locator(NullLocator())


def _extremes(
    ax: Axes,
    factor: np.ndarray,
    chosen: list[int],
    high: int,
    images: np.ndarray,
    drawn: np.ndarray,
    classes: list[str],
) -> None:
    """Lines of some classes with their glyphs, pushed apart, right of the axes.

    The first `high` of them are the often drawn ones.
    """
    low, top = ax.get_ylim()
    wanted = (factor[-1, chosen] - low) / (top - low)
    place = spread_out(wanted, 0.085)
    for rank, (i, y) in enumerate(zip(chosen, place, strict=True)):
        colour = HIGH if rank < high else LOW
        ax.plot(factor[:, i], color=colour, linewidth=1, alpha=0.8)
        line = {
            "arrowstyle": "-",
            "color": colour,
            "linewidth": 0.7,
            "alpha": 0.6,
            "shrinkA": 0,
            "shrinkB": 2,
        }
        place_glyph(
            ax,
            classes[i],
            images[i],
            drawn[i],
            (len(factor) - 1, factor[-1, i]),
            (1.08, y),
            18,
            colour,
            boxcoords="axes fraction",
            arrowprops=line,
        )
        ax.text(
            1.12,
            y,
            f"{2 ** factor[-1, i]:.2g}×",
            transform=ax.transAxes,
            va="center",
            fontsize="small",
            color=colour,
        )
    ax.set_ylim(low, top)


def spread_out(wanted: np.ndarray, gap: float) -> np.ndarray:
    """Positions near the wanted ones, in their order, `gap` apart or more.

    Where they do not fit into 0 ... 1 they are centred on one half.
    """
    order = np.argsort(wanted, kind="stable")
    steps = np.arange(len(wanted)) * gap
    pushed = np.maximum.accumulate(wanted[order] - steps) + steps  # each at least a gap above the one below
    over = max(0.0, pushed[-1] - 1) if len(pushed) else 0.0
    if over:
        ceiling = 1 - (len(wanted) - 1) * gap + steps
        pushed = np.minimum(pushed, ceiling) if ceiling[0] >= 0 else steps + (1 - (len(wanted) - 1) * gap) / 2
    result = np.empty(len(wanted))
    result[order] = pushed
    return result
