"""Figures of the benchmarks: results/benchmarks/*.csv."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullFormatter

from siamese_lib.plots.style import INK, MUTED, PALE, PALETTE, empty_figure, new_figure


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
    ax.set_yticks(place, [f"{line.batch}, {line.device}" for _, line in table.iterrows()])
    ax.set_xlabel("images a second")
    ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.0f}"))
    ax.grid(False)
    ax.set_xlim(0, 1.12 * table.bare_images_per_s.max())
    return figure


def time_to_accuracy_figure(table: pd.DataFrame) -> Figure:
    """Seconds to each target, a row of dots a method; columns of time_to_accuracy.csv.

    A method that missed a target has no dot there.
    """
    if table.empty:
        return empty_figure("No runs to draw.", "Time to accuracy")
    methods = list(dict.fromkeys(table.method))
    figure = new_figure(
        8.5,
        0.4 * len(methods) + 1.5,
        "How long until the network reads the validation typefaces",
        "median of the seeds that reached the target",
    )
    ax = figure.subplots()
    for colour, (target, part) in zip(PALETTE, table.groupby("target"), strict=False):
        part = part.dropna(subset="seconds_median")
        y = [len(methods) - 1 - methods.index(method) for method in part.method]
        ax.plot(part.seconds_median, y, "o", color=colour, markersize=9, label=f"{target} %")
        for seconds, at in zip(part.seconds_median, y, strict=True):
            ax.annotate(
                f"{seconds:.0f} s",
                (seconds, at),
                (0, 8),
                textcoords="offset points",
                ha="center",
                fontsize="small",
                color=MUTED,
            )
    ax.set_yticks(range(len(methods)), methods[::-1])
    ax.set(xscale="log", xlabel="seconds of training", ylim=(-0.6, len(methods) - 0.2))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.grid(True, axis="both")
    figure.legend(
        *ax.get_legend_handles_labels(),
        loc="outside lower center",
        ncols=2,
        title="accuracy on validation typefaces",
    )
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
    """Accuracy over the rate, a panel a loss, a colour a batch, a dash a pool size; columns of rates.csv."""
    families = {
        "metric": "metric loss",
        "contrastive": "contrastive loss",
        "triplet": "triplet loss",
        "pml": "pytorch-metric-learning",
    }
    table = table[(table.images == table.images.min()) & (table.schedule == "one-cycle")]
    table = table.assign(
        family=table.loss.str.partition("/")[0],
        name=table.batch.where(~table.loss.str.startswith("pml/"), table.loss.str[4:]),
    )
    shown = [family for family in families if (table.family == family).any()]
    note = (
        "validation typefaces, one seed that no table uses; 120,000 images, one-cycle; "
        "solid: 256 images a pool (literal: 768), dashed: 128, dotted: 64"
    )
    figure = new_figure(3.2 * len(shown) + 1.5, 4, "Accuracy over the learning rate", note)
    for ax, family in zip(figure.subplots(1, len(shown), sharey=True, squeeze=False)[0], shown, strict=True):
        part = table[table.family == family]
        colours = dict(zip(dict.fromkeys(part.name), PALETTE, strict=False))
        for (name, images), line in part.sort_values("rate").groupby(["name", "pool_images"], sort=False):
            ax.plot(
                line.rate,
                line.accuracy,
                {128: "--", 64: ":"}.get(images, "-"),
                marker="o",
                color=colours[name],
                markersize=4,
            )
        rates = sorted(set(part.rate))
        ax.set(xscale="log", title=families[family], xlabel="learning rate", ylim=(0, 100))
        ax.set_xticks(rates, [f"{rate:g}" for rate in rates], rotation=45)
        ax.xaxis.set_minor_formatter(NullFormatter())
        handles = [
            Line2D([], [], color=colour, marker="o", markersize=4, label=name)
            for name, colour in colours.items()
        ]
        ax.legend(
            handles=handles, fontsize="x-small", loc="upper center", bbox_to_anchor=(0.5, -0.3), ncols=2
        )
    figure.axes[0].set_ylabel("accuracy (%)")
    return figure
