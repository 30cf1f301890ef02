"""Figures of numbers: accuracy over a run, probabilities of the classes, accuracy by font."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from siamese_lib.data.bank import ImageBank
from siamese_lib.data.framing import SIDE
from siamese_lib.errors import InputError
from siamese_lib.experiments.records import run_kind
from siamese_lib.plots.glyphs import pictures, place_glyph
from siamese_lib.plots.style import (
    INK,
    MUTED,
    PALE,
    PALETTE,
    empty_figure,
    new_figure,
    row_marker,
    row_order,
    row_style,
    row_title,
)

HIGH, LOW = PALETTE[1], PALETTE[0]  # often and seldom drawn


def accuracy_curves(records: list[dict], title: str = "Validation accuracy") -> Figure:
    """Validation accuracy over images seen and over seconds of training; a line a row, a band from the lowest to the highest seed.

    Raises:
        InputError: the records differ in profile, batch, classes or budget.
    """
    data = curves(records)
    if not data:
        return empty_figure("No runs to draw.", title)
    figure = new_figure(9.5, 4.1, title, describe(records))
    axes = figure.subplots(1, 2, sharey=True)
    for row, line in data.items():
        for ax, x in zip(axes, ("images", "seconds"), strict=True):
            ax.plot(
                line[x],
                line["mean"],
                label=row_title(row),
                linewidth=2,
                marker="o",
                markersize=3.5,
                markeredgewidth=0,
                **row_style(row),
            )
            if line["seeds"] > 1:
                ax.fill_between(
                    line[x], line["low"], line["high"], color=row_style(row)["color"], alpha=0.18, linewidth=0
                )
    config = records[0]["config"]
    chance = 100 / records[0]["evaluations"].get("validation", config).get("classes", config["num_classes"])
    for ax, text in zip(axes, ("images seen (thousands)", "training time (s)"), strict=True):
        ax.axhline(chance, color=MUTED, linewidth=0.8, linestyle=(0, (2, 2)))
        ax.set(xlabel=text, xlim=(0, None), ylim=(0, None))
        ax.xaxis.set_major_locator(MaxNLocator(6))
    axes[0].xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x / 1000:g}"))
    what = {"": "faces", "drawers": "drawers", "alphabets": "alphabets"}[config.get("protocol", "")]
    axes[0].set_ylabel(f"accuracy on validation {what} (%)")
    axes[1].annotate(
        f"chance {chance:.2g} %",
        (1, chance),
        (0, 3),
        xycoords=("axes fraction", "data"),
        textcoords="offset points",
        ha="right",
        color=MUTED,
    )
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=min(len(data), 4))
    return figure


def probability_evolution(
    probabilities: np.ndarray,
    classes: list[str],
    bank: ImageBank | None = None,
    named: int = 4,
    title: str = "Probabilities of the classes",
    note: str = "",
) -> Figure:
    """How the probability of drawing each class changes from one update of auto-probabilistic mining to the next.

    Args:
        probabilities: (U + 1, C), P_k times C for k = 0 ... U: 1 is uniform, 2 is drawn twice as often.
        classes: C names.
        bank: images of the classes, for the pictures; without it they are named.
        named: how many of the most and of the least often drawn classes are shown.
        title, note: the heading.

    Left: the spread of all classes with the extremes of the last update; right: every class, sorted by the last update, so that one can see whether
    the order of classes is stable.
    """
    p = np.asarray(probabilities, np.float64)
    if p.ndim != 2 or p.shape[1] != len(classes) or not np.isfinite(p).all() or (p < 0).any():
        raise InputError(
            f"probabilities {p.shape} for {len(classes)} classes; give an array (updates + 1, classes), finite and not negative"
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


def accuracy_by_font(records: list[dict], dataset: str = "phd08-sim", title: str = "") -> Figure:
    """Accuracy on each font of an evaluation set: a dot a row, a bar from the lowest to the highest seed; hardest font at the bottom."""
    data = by_font(records, dataset)
    if not data:
        return empty_figure(f"No run was evaluated on {dataset}.", title)
    fonts = sorted(
        {font for row in data.values() for font in row},
        key=lambda font: np.mean([row[font][0] for row in data.values() if font in row]),
    )
    figure = new_figure(8.5, 0.4 * len(fonts) + 1.3, title or _tested(records, dataset), describe(records))
    ax = figure.add_subplot()
    for y, font in enumerate(fonts):
        means = [row[font][0] for row in data.values() if font in row]
        ax.plot(
            [min(means), max(means)],
            [y, y],
            color=PALE,
            linewidth=9,
            alpha=0.55,
            zorder=1,
            solid_capstyle="round",
        )
    for (row, values), shift in zip(
        data.items(), np.linspace(0.16, -0.16, len(data)) if len(data) > 1 else [0.0], strict=True
    ):
        colour, seen = row_style(row)["color"], [y for y, font in enumerate(fonts) if font in values]
        mean, low, high = np.array([values[fonts[y]] for y in seen]).T
        places = np.array(seen) + shift  # rows of equal accuracy do not hide each other
        ax.hlines(places, low, high, color=colour, linewidth=1.2, zorder=2)
        ax.scatter(
            mean,
            places,
            s=52,
            marker=row_marker(row),
            color=colour,
            edgecolor="white",
            linewidth=0.8,
            zorder=3,
            label=row_title(row),
        )
    ax.set_yticks(range(len(fonts)), [_font_name(font) for font in fonts])
    ax.set(xlabel="accuracy (%)", ylabel="font", ylim=(-0.6, len(fonts) - 0.4))
    ax.grid(True, axis="x")
    ax.grid(False, axis="y")
    figure.legend(loc="outside lower center", ncols=min(len(data), 4))
    return figure


def describe(records: list[dict]) -> str:
    """What the runs of one kind have in common, for a heading."""
    config, seeds = records[0]["config"], {record["seed"] for record in records}
    text = f"{config['num_classes']:,} classes, {config['batch']} batches, {config['images']:,} images a run (profile {config['profile']})"
    return text + (f"; mean and range of {len(seeds)} seeds" if len(seeds) > 1 else f"; seed {min(seeds)}")


def _by_row(records: list[dict]) -> dict[str, list[dict]]:
    if len({run_kind(record) for record in records}) > 1:
        raise InputError(
            "records of different profiles, batches, classes, budgets, fonts or devices cannot share a figure; draw them one kind at a time"
        )
    return {
        row: [record for record in records if record["config"]["row"] == row]
        for row in row_order(record["config"]["row"] for record in records)
    }


def _tested(records: list[dict], dataset: str) -> str:
    test = next(record["evaluations"][dataset] for record in records if dataset in record["evaluations"])
    return f"Accuracy by font on {dataset}: {test['images']:,} images of {test['classes']:,} classes"


def curves(records: list[dict]) -> dict[str, dict]:
    """row -> images, seconds (mean over seeds), mean, low, high of the accuracy, each a list over updates; seeds."""
    found = {}
    for row, runs in _by_row(records).items():
        histories = [[line for line in run["history"] if line["accuracy"] is not None] for run in runs]
        length = min(map(len, histories))
        if length:
            accuracy = np.array([[line["accuracy"] for line in history[:length]] for history in histories])
            seconds = np.array(
                [[line["seconds"] for line in history[:length]] for history in histories]
            ).mean(0)
            found[row] = {
                "images": [line["images"] for line in histories[0][:length]],
                "seconds": seconds.tolist(),
                "seeds": len(runs),
            }
            found[row] |= {
                "mean": accuracy.mean(0).tolist(),
                "low": accuracy.min(0).tolist(),
                "high": accuracy.max(0).tolist(),
            }
    return found


def by_font(records: list[dict], dataset: str) -> dict[str, dict[str, list[float]]]:
    """row -> font -> mean, lowest and highest accuracy over seeds."""
    found: dict[str, dict[str, list[float]]] = {}
    for row, runs in _by_row(records).items():
        values: dict[str, list[float]] = {}
        for run in runs:
            for font, result in run["evaluations"].get(dataset, {}).get("by_font", {}).items():
                values.setdefault(font, []).append(result["accuracy"])
        if values:
            found[row] = {font: [float(np.mean(v)), min(v), max(v)] for font, v in sorted(values.items())}
    return found


def _font_name(font: str) -> str:
    from siamese_lib.data.faces import TEST_FACES

    return f"{TEST_FACES[font].look}  {font}" if font in TEST_FACES else font


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
    """Lines of some classes with their glyphs, pushed apart, right of the axes; the first `high` of them are the often drawn ones."""
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
    """Positions near the wanted ones, in their order, `gap` apart or more; centred on one half where they would not fit into 0 ... 1."""
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
