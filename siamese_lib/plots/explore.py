"""Figures of notebook 11: one syllable, two syllables, one picture."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from siamese_lib.data.framing import SIDE
from siamese_lib.plots.glyphs import line_titles, tiles
from siamese_lib.plots.style import INK, MUTED, PALETTE, label, new_figure

COLUMNS = 10  # glyphs of a line


@dataclass(frozen=True)
class Glyphs:
    """Glyphs with something written below each.

    Attributes:
        title: of all of them.
        images: (n, 37, 37) uint8, ink = 255.
        texts: n, with `label` where they have Hangul.
    """

    title: str
    images: np.ndarray
    texts: Sequence[str]


def sheet_of_glyphs(title: str, groups: Sequence[Glyphs], chances: np.ndarray | None = None) -> Figure:
    """Groups of glyphs, one below the other; at the end how often the class was drawn.

    Args:
        title: the heading.
        groups: those without an image are left out.
        chances: (T,) probability of being drawn after each update, times the number of classes; None: no
            curve.
    """
    groups = [group for group in groups if len(group.images)]
    lines = [-(-len(group.images) // COLUMNS) for group in groups]
    heights = [1.02 * count + 0.3 for count in lines] + ([1.9] if chances is not None else [])
    figure = new_figure(9, sum(heights), title)
    axes = figure.subplots(len(heights), 1, gridspec_kw={"height_ratios": heights}, squeeze=False)[:, 0]
    for ax, group in zip(axes, groups, strict=False):
        _glyphs(ax, group)
    if chances is not None:
        _chances(axes[-1], chances)
    return figure


def _glyphs(ax: Axes, group: Glyphs) -> None:
    count, wide, high = len(group.images), SIDE + 12, SIDE + 22
    lines = -(-count // COLUMNS)
    canvas = np.zeros((lines * high, COLUMNS * wide), np.uint8)
    for place, (image, text) in enumerate(zip(group.images, group.texts, strict=True)):
        y, x = place // COLUMNS * high, place % COLUMNS * wide
        canvas[y : y + SIDE, x : x + SIDE] = image
        ax.text(x + SIDE / 2, y + SIDE + 3, text, ha="center", va="top", fontsize=7, color=INK)
    ax.imshow(255 - canvas, cmap="gray", vmin=0, vmax=255, interpolation="antialiased")
    ax.set_title(group.title, loc="left", fontsize="small", color=MUTED)
    ax.set_axis_off()


def _chances(ax: Axes, chances: np.ndarray) -> None:
    ax.plot(np.arange(len(chances)), chances, color=PALETTE[0], marker="o", markersize=3)
    ax.axhline(1, color=MUTED, linewidth=0.8)
    ax.annotate(
        "every class alike",
        (1, 1),
        (4, 0),
        xycoords=("axes fraction", "data"),
        textcoords="offset points",
        ha="left",
        va="center",
        fontsize=8,
        color=MUTED,
    )
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_title(
        "How often it was drawn to practise (auto-probabilistic mining, profile cpu)",
        loc="left",
        fontsize="small",
        color=MUTED,
    )
    ax.set(xlabel="updates", ylabel="times the mean", ylim=(0, max(2, 1.15 * float(chances.max()))))


def differences_sheet(title: str, note: str, lines: Sequence[tuple[str, Sequence[np.ndarray]]]) -> Figure:
    """Two syllables, typeface by typeface: each as it is, and where erasing a spot moves it to the other.

    Args:
        title, note: the heading.
        lines: name of the typeface, and images (37, 37): uint8 ones are glyphs, float ones maps: how much
            nearer to the other's ideal vector, as a share of the distance between both.
    """
    columns = max(len(images) for _, images in lines)
    figure = new_figure(1.5 * columns + 1.2, 1.5 * len(lines), title, note)
    axes = figure.subplots(len(lines), columns, squeeze=False)
    largest = max(
        (float(np.abs(m).max()) for _, images in lines for m in images if m.dtype != np.uint8), default=1
    )
    for row, (name, images) in zip(axes, lines, strict=True):
        row[0].set_ylabel(name, fontsize=8, rotation=0, ha="right", va="center")
        for ax, image in zip(row, images, strict=True):
            if image.dtype == np.uint8:
                ax.imshow(255 - image, cmap="gray", vmin=0, vmax=255)
            else:
                ax.imshow(image, cmap="RdBu_r", vmin=-largest, vmax=largest)
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set_visible(False)
    return figure


def answer_sheet(
    image: np.ndarray, answers: Sequence[str], distances: np.ndarray, glyphs: np.ndarray
) -> Figure:
    """A picture as the network sees it, and its nearest classes.

    Args:
        image: (37, 37) uint8, framed.
        answers, distances, glyphs: the k nearest classes, how far away, and a glyph (k, 37, 37) of each.
    """
    figure = new_figure(9, 1.6, f"Read as {label(answers[0])}")
    left, right = figure.subplots(1, 2, gridspec_kw={"width_ratios": [1, 6]})
    left.imshow(255 - image, cmap="gray", vmin=0, vmax=255)
    left.set(xticks=[], yticks=[])
    left.set_title("as framed", fontsize="small", color=MUTED)
    left.spines[:].set_visible(False)
    tiles(right, [list(range(len(answers)))], glyphs, np.ones(len(answers), bool), list(answers))
    for place, (name, distance) in enumerate(zip(answers, distances, strict=True)):
        text = f"{label(name)}  {distance:.1f}"
        right.text(
            place * (SIDE + 7) + SIDE / 2, SIDE + 4, text, ha="center", va="top", fontsize=9, color=INK
        )
    line_titles(right, ["nearest"])
    return figure
