"""Figures of simulated beside real PHD08: numbers alone, never glyphs."""

import numpy as np
from matplotlib.figure import Figure

from siamese_lib.data.phd08 import FONTS
from siamese_lib.data.phd08_calibration import Measures, size_and_ink
from siamese_lib.data.phd08_simulated import INK, SIZE
from siamese_lib.plots.style import INK as DARK
from siamese_lib.plots.style import MUTED, PALETTE, new_figure

COPIES = ("original", "one copy", "two copies")


def calibration_figure(simulated: Measures, real: Measures | None = None) -> Figure:
    """Size by point size and resolution, ink by photocopies and threshold, roughness of edges by photocopies.

    Crosses in the first two panels are what was measured on real classes and is stored with the simulator;
    those of the roughness are of `real`, where it is given.
    """
    sizes, ink = size_and_ink(simulated.table)
    figure = new_figure(
        10,
        3.2,
        "Simulated scans beside what was measured on real ones",
        "lines: simulated; crosses: real (three classes)",
    )
    left, middle, right = figure.subplots(1, 3)
    for colour, (index, name) in zip(
        PALETTE, {"fs": "12, 13, 14 points", "re": "200, 240, 280 dpi"}.items(), strict=False
    ):
        left.plot(range(3), sizes[index], color=colour, label=name)
        left.plot(range(3), SIZE[index], "x", color=DARK, zorder=3)
    left.set(title="height and width", ylabel="relative to the smallest", xticks=range(3), xlabel="index")
    for colour, name, line, measured in zip(PALETTE, COPIES, ink, INK, strict=False):
        middle.plot(range(3), line, color=colour, label=name)
        middle.plot(range(3), measured, "x", color=DARK, zorder=3)
    middle.set(
        title="ink",
        ylabel="relative to original, middle",
        xticks=range(3),
        xticklabels=["140", "180", "220"],
        xlabel="threshold",
    )
    right.plot(range(3), list(simulated.roughness("cp").values()), color=MUTED)
    if real is not None:
        right.plot(range(3), list(real.roughness("cp").values()), "x", color=DARK, zorder=3)
    right.set(
        title="roughness of straight edges",
        ylabel="sd (pixels)",
        ylim=(0, None),
        xticks=range(3),
        xticklabels=COPIES,
    )
    left.legend(fontsize="small"), middle.legend(fontsize="small")
    return figure


def fonts_against(simulated: dict[str, dict], real: dict[str, dict]) -> Figure:
    """Accuracy by font on simulated (x) and real scans (y): two `by_font` of one record."""
    figure = new_figure(
        4.6, 4.2, "The nine fonts, simulated and real", "each point a font, named by its PHD08 letter"
    )
    ax = figure.subplots()
    fonts = [font for font in FONTS if font in simulated and font in real]
    x, y = (np.array([each[font]["accuracy"] for font in fonts]) for each in (simulated, real))
    ax.plot([0, 100], [0, 100], color=MUTED, linewidth=0.8, linestyle=(0, (3, 3)))
    ax.plot(x, y, "o", color=PALETTE[0])
    for font, at in zip(fonts, zip(x, y, strict=True), strict=True):
        ax.annotate(font, at, (5, 4), textcoords="offset points", color=DARK)
    ax.set(
        xlabel="simulated, all classes (%)",
        ylabel="real, the classes found (%)",
        xlim=(0, 100),
        ylim=(0, 100),
    )
    ax.grid(True, axis="both")
    return figure


def variants_figure(
    by_variant: dict[str, dict[str, dict]], title: str = "What each treatment costs"
) -> Figure:
    """Accuracy by each index of the variant; `by_variant` of a record's evaluation."""
    names = {
        "fs": ("size", ["12 pt", "13 pt", "14 pt"]),
        "cp": ("photocopies", ["0", "1", "2"]),
        "re": ("resolution", ["200", "240", "280"]),
        "th": ("threshold", ["140", "180", "220"]),
        "sl": ("tilt", ["right", "none", "left"]),
    }
    figure = new_figure(
        10, 2.4, title, "accuracy in percent by each of the five indices, all others averaged"
    )
    axes = figure.subplots(1, len(names), sharey=True)
    for ax, (index, (name, values)) in zip(axes, names.items(), strict=True):
        found = by_variant.get(index, {})
        places = [k for k in range(3) if str(k) in found]
        ax.plot(places, [found[str(k)]["accuracy"] for k in places], "o-", color=PALETTE[0])
        ax.set(title=name, xticks=range(3), xticklabels=values, xlim=(-0.4, 2.4))
    axes[0].set_ylabel("accuracy (%)")
    return figure
