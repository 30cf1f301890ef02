"""Figures of result tables: verdicts on the paper's orders, ablations, simulated against real scans."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from siamese_lib.experiments.tables import BATCHES, LOSSES
from siamese_lib.plots.style import (
    INK,
    MUTED,
    PALE,
    PALETTE,
    empty_figure,
    new_figure,
    row_title,
)

VERDICTS = {"holds": PALETTE[2], "undecided": MUTED, "fails": PALETTE[1]}


def claims_figure(
    frame: pd.DataFrame, title: str = "By how much the higher row is above the lower"
) -> Figure:
    """Difference of two rows with its 95 % interval, a line a claim, and the paper's difference.

    Args:
        frame: lines of `report.claims.claims_frame` of one table.
        title: the heading.
    """
    if frame.empty:
        return empty_figure("No claim has two seeds yet.", title)
    note = "dot and bar: ours, mean over seeds paired, 95 % t interval; diamond: the paper"
    figure = new_figure(9.5, 0.36 * len(frame) + 1.0, title, note)
    ax = figure.add_subplot()
    several = frame.groupby(["dataset", "protocol"]).ngroups > 1
    names = []
    for y, line in enumerate(frame.itertuples()):
        colour = VERDICTS[line.verdict]
        low, high = (
            line.difference_mean - line.difference_ci95,
            line.difference_mean + line.difference_ci95,
        )
        ax.plot([low, high], [y, y], color=colour, linewidth=2, solid_capstyle="round")
        ax.plot(line.difference_mean, y, "o", color=colour, markersize=7)
        ax.plot(line.paper_difference, y, "D", color=INK, markerfacecolor="white", markersize=5)
        ax.annotate(line.verdict, (1.01, y), xycoords=("axes fraction", "data"), va="center", color=colour)
        where = f"  ({line.protocol or line.dataset})" if several else ""
        names.append(f"{row_title(line.lower)} < {row_title(line.higher)}{where}")
    ax.axvline(0, color=INK, linewidth=0.8)
    ax.set(xlabel="difference (points)", ylim=(len(frame) - 0.5, -0.5))
    ax.set_yticks(range(len(frame)), names)
    ax.grid(True, axis="x")
    ax.grid(False, axis="y")
    return figure


def ablation_figure(lines: pd.DataFrame, title: str) -> Figure:
    """Accuracy with each change beside that of the row as it is.

    Args:
        lines: columns `changed` (empty for the row as it is), `accuracy_mean` and `accuracy_ci95`.
        title: the heading.
    """
    if lines.empty:
        return empty_figure("Not run yet.", title)
    figure = new_figure(8.5, 0.36 * len(lines) + 0.9, title, "dot: mean over seeds; bar: 95 % t interval")
    ax = figure.add_subplot()
    plain = lines[lines.changed == ""].accuracy_mean
    if len(plain):
        ax.axvline(plain.iloc[0], color=PALETTE[0], linewidth=1, linestyle=(0, (3, 2)))
    for y, line in enumerate(lines.itertuples()):
        colour = PALETTE[0] if line.changed == "" else INK
        if pd.notna(line.accuracy_ci95):
            reach = line.accuracy_mean - line.accuracy_ci95, line.accuracy_mean + line.accuracy_ci95
            ax.plot(reach, [y, y], color=colour, linewidth=2)
        ax.plot(line.accuracy_mean, y, "o", color=colour, markersize=7)
        ax.annotate(
            f"{line.accuracy_mean:.1f}",
            (1.01, y),
            xycoords=("axes fraction", "data"),
            va="center",
            color=colour,
        )
    ax.set_yticks(range(len(lines)), [line.changed or "as it is" for line in lines.itertuples()])
    ax.set(xlabel="simulated scans read (%)", ylim=(len(lines) - 0.5, -0.7), xlim=(0, 100))
    ax.grid(True, axis="x")
    ax.grid(False, axis="y")
    return figure


def simulated_and_real(records: list[dict], title: str = "Simulated and real scans, run by run") -> Figure:
    """Accuracy on both of every run that was tested on both: a colour a loss, a shape a batch, open marks for
    11,172 classes. The line is equality.
    """
    both = [record for record in records if {"phd08-sim", "phd08"} <= record["evaluations"].keys()]
    if not both:
        return empty_figure("No run was tested on both.", title)
    real = both[0]["evaluations"]["phd08"]["classes"]
    values = np.array([[r["evaluations"][name]["accuracy"] for name in ("phd08-sim", "phd08")] for r in both])
    note = f"{len(both)} runs; {real} real classes; open: 11,172 classes"
    if len(both) > 2:
        note += f"; rank correlation {pd.DataFrame(values).corr('spearman').iloc[0, 1]:.2f}"
    figure = new_figure(7.6, 5.2, title, note)
    ax = figure.add_subplot()
    ax.plot([0, 100], [0, 100], color=PALE, linewidth=1.5)
    colours, shapes = dict(zip(LOSSES, PALETTE, strict=False)), dict(zip(BATCHES, "^osD", strict=True))
    marks = {}
    for record, (x, y) in zip(both, values, strict=True):
        config = record["config"]
        loss, batch = config["loss"], config["batch"]
        mark = {"color": colours[loss], "marker": shapes[batch], "markersize": 7, "linestyle": ""}
        name = f"{loss} loss, {batch}"
        marks[name] = Line2D([], [], label=name, **mark)
        face = colours[loss] if config["table"] == "table3" else "white"
        ax.plot(x, y, markerfacecolor=face, alpha=0.85, **mark)
    ax.set(xlabel="simulated PHD08 read (%)", ylabel="real PHD08 read (%)", xlim=(0, 100), ylim=(0, 100))
    ax.set_aspect("equal")
    ax.grid(True, axis="both")
    figure.legend(handles=[marks[name] for name in sorted(marks)], loc="outside right center")
    return figure
