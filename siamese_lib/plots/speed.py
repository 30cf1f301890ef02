"""Figures of the benchmarks: results/benchmarks/*.csv."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullFormatter

from siamese_lib.plots.style import INK, PALE, PALETTE, empty_figure, new_figure


def step_figure(table: pd.DataFrame) -> Figure:
    """Images a second of the whole training step within those of the bare network; columns of step.csv."""
    figure = new_figure(
        8,
        0.55 * len(table) + 1.2,
        "How much of the network's speed a training step keeps",
        "grey: forward and backward pass alone",
    )
    ax = figure.subplots()
    place = np.arange(len(table))[::-1]
    ax.barh(place, table.bare_images_per_s, color=PALE, height=0.7)
    ax.barh(place, table.images_per_s, color=PALETTE[0], height=0.45)
    for y, (_, line) in zip(place, table.iterrows(), strict=True):
        ax.annotate(
            f"{100 * line.ratio:.0f} %",
            (line.bare_images_per_s, y),
            (5, 0),
            textcoords="offset points",
            va="center",
            color=INK,
        )
    names = [
        f"{line.batch}, {line.device}" + (f", {_threads(line.threads)}" if line.device == "cpu" else "")
        for _, line in table.iterrows()
    ]
    ax.set_yticks(place, names)
    ax.set_xlabel("images a second")
    ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.0f}"))
    ax.grid(False)
    ax.set_xlim(0, 1.12 * table.bare_images_per_s.max())
    return figure


def _threads(n: int) -> str:
    return "1 thread" if n == 1 else f"{n} threads"


def target_title(target: str) -> str:
    """A target of time_to_accuracy.csv as readers see it: `clean-80` is `80 % of clean glyphs`."""
    images, percent = target.split("-")
    return f"{percent} % of {'clean glyphs' if images == 'clean' else images}"


def time_to_accuracy_figure(runs: list[dict]) -> Figure:
    """Seconds to each target, a panel a target, a line a method, a dot a run.

    A dot is open where the run ended below its target; the figure is the median of those that reached it, and
    how many did where not all.

    Args:
        runs: those of time_to_accuracy.json.
    """
    title = "How long until the network reads the validation typefaces"
    if not runs:
        return empty_figure("No runs to draw.", title)
    methods = list(dict.fromkeys(run["method"] for run in runs))[::-1]
    targets = list(dict.fromkeys(run["target"] for run in runs))
    figure = new_figure(
        3 * len(targets) + 2, 0.36 * len(methods) + 1.6, title, "a dot is a seed; open: missed"
    )
    for ax, target in zip(
        figure.subplots(1, len(targets), sharey=True, squeeze=False)[0], targets, strict=True
    ):
        for y, method in enumerate(methods):
            mine = [run for run in runs if (run["method"], run["target"]) == (method, target)]
            colour = PALETTE[1] if method.startswith("pml/") else PALETTE[0]
            for run in mine:
                face = colour if run["reached"] else "white"
                ax.plot(run["curve"][-1][1], y, "o", color=colour, markerfacecolor=face, markersize=6)
            if ends := [run["curve"][-1][1] for run in mine if run["reached"]]:
                count = "" if len(ends) == len(mine) else f" ({len(ends)} of {len(mine)})"
                ax.annotate(
                    f"{np.median(ends):.0f} s{count}",
                    (max(run["curve"][-1][1] for run in mine), y),
                    (7, 0),
                    textcoords="offset points",
                    va="center",
                    color=INK,
                    fontsize="small",
                )
        ax.set(title=target_title(target), xlabel="seconds of training", ylim=(-0.6, len(methods) - 0.4))
        ax.set_xlim(0, 1.25 * ax.get_xlim()[1])
        ax.grid(True, axis="both")
    figure.axes[0].set_yticks(range(len(methods)), methods)
    return figure


def compared_figure(table: pd.DataFrame) -> Figure:
    """Simulated scans read by each method, a dot a seed, a bar their mean; columns of
    benchmarks/comparison.csv.
    """
    means = table.groupby("method").accuracy.mean().sort_values()
    note = f"after {table['images'].iloc[0]:,} images; a dot is a seed, a bar the mean; blue: ours"
    figure = new_figure(8, 0.36 * len(means) + 0.9, f"One network, {len(means)} ways to train it", note)
    ax = figure.add_subplot()
    for y, (method, mean) in enumerate(means.items()):
        colour = PALETTE[0] if method.startswith("ours: ") else PALETTE[1]
        seeds = table[table.method == method].accuracy
        ax.plot(seeds, [y] * len(seeds), "o", color=colour, markersize=6, alpha=0.7)
        ax.plot(mean, y, "|", color=colour, markersize=16, markeredgewidth=2)
        edge = {"xycoords": ("axes fraction", "data"), "va": "center"}
        ax.annotate(f"{mean:.1f}", (1.01, y), color=colour, **edge)
    ax.set_yticks(range(len(means)), [method.removeprefix("ours: ") for method in means.index])
    ax.set(xlabel="simulated PHD08 read (%)", ylim=(-0.6, len(means) - 0.4))
    ax.grid(True, axis="x")
    ax.grid(False, axis="y")
    return figure


def scale_figure(table: pd.DataFrame) -> Figure:
    """What grows with the number of classes, and what does not; columns of scale.csv."""
    figure = new_figure(
        10,
        3.3,
        "What more classes cost",
        "8 images a class; both axes of the last two panels are logarithmic",
    )
    panels = (
        ("images_per_s", "images a second"),
        ("update_seconds", "update of the samplers (s)"),
        ("peak_mb", "peak memory (MB)"),
    )
    for ax, (column, text) in zip(figure.subplots(1, 3), panels, strict=True):
        for colour, (batch, part) in zip(PALETTE, table.groupby("batch"), strict=False):
            ax.plot(part.classes, part[column], "o-", color=colour, label=batch, markersize=4.5)
        ax.set(xscale="log", xlabel="classes", title=text)
        if column == "images_per_s":
            ax.set_ylim(0, None)
        else:
            ax.set_yscale("log")
        ticks = sorted(set(table.classes))[::2]
        ax.set_xticks(ticks, [f"{c:,}" for c in ticks], rotation=30)
        ax.xaxis.set_minor_formatter(NullFormatter())
    figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def rates_figure(table: pd.DataFrame) -> Figure:
    """Accuracy on validation scans over the learning rate, a panel a loss; columns of rates.csv.

    Lines that change a reading or the augmentation are left out.
    """
    families = {
        "metric": "metric loss",
        "contrastive": "contrastive loss",
        "triplet": "triplet loss",
        "pml": "pytorch-metric-learning",
    }
    table = table[table.other.isna()]
    mined = table.batch + np.where(table.mining == "auto-clustering", ", auto-clustering", "")
    name = mined.where(~table.loss.str.startswith("pml/"), table.loss.str[4:])
    table = table.assign(
        family=table.loss.str.partition("/")[0],
        name=name + np.where(table.optimiser == "adam", ", Adam", ""),
        style=np.where(table.pool_images == 128, "--", "-"),
    )
    shown = [family for family in families if (table.family == family).any()]
    note = (
        f"one seed that no table uses; {table['images'].min():,} images; SOAP where no optimiser is named; "
        "dashed: pools of 128 images in place of 256"
    )
    figure = new_figure(3.3 * len(shown) + 1, 4.2, "Scans read, over the learning rate", note)
    for ax, family in zip(figure.subplots(1, len(shown), sharey=True, squeeze=False)[0], shown, strict=True):
        part = table[table.family == family]
        rates = sorted(set(part.rate))
        colours = dict(zip(dict.fromkeys(part.name), PALETTE, strict=False))
        for (name, style), line in part.sort_values("rate").groupby(["name", "style"], sort=False):
            place = [rates.index(rate) for rate in line.rate]
            ax.plot(place, line.accuracy, style, marker="o", color=colours[name], markersize=4)
        ax.set(title=families[family], xlabel="learning rate", ylim=(0, 100))
        ax.set_xticks(range(len(rates)), [f"{rate:g}" for rate in rates], rotation=45)
        handles = [
            Line2D([], [], color=colour, marker="o", markersize=4, label=name)
            for name, colour in colours.items()
        ]
        ax.legend(
            handles=handles, fontsize="x-small", loc="upper center", bbox_to_anchor=(0.5, -0.3), ncols=1
        )
    figure.axes[0].set_ylabel("validation scans read (%)")
    return figure
