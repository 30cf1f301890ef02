"""Sheets of glyphs that show what samplers draw, what hard mining keeps, and what a network reads."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from siamese_lib.data.bank import ImageBank
from siamese_lib.data.framing import SIDE
from siamese_lib.plots.glyphs import GAP, line_titles, pictures, tiles
from siamese_lib.plots.style import INK, label, new_figure

RIGHT, WRONG = "#1b7837", "#b2182b"


def answers_sheet(
    images: np.ndarray, shown: Sequence[str], read: Sequence[str], columns: int = 9, title: str = ""
) -> Figure:
    """Images with what is read below each: green where that is right, else red with what it should be.

    Args:
        images: (N, 37, 37) uint8, ink = 255.
        shown, read: N names.
        columns: images a line.
        title: the heading.
    """
    lines = -(-len(images) // columns)
    figure = new_figure(columns, 1.35 * lines, title, "below each: what is read; red: wrong")
    for place, (picture, true, guess) in enumerate(zip(images, shown, read, strict=True)):
        ax = figure.add_subplot(lines, columns, place + 1)
        ax.imshow(255 - picture, cmap="gray", vmin=0, vmax=255)
        ax.set(xticks=[], yticks=[])
        text = label(guess) if true == guess else f"{label(guess)} (is {label(true)})"
        ax.set_xlabel(text, color=RIGHT if true == guess else WRONG, fontsize=13 if true == guess else 11)
    return figure


def negatives_sheet(
    negatives: Mapping[int, Mapping[str, Sequence[int]]],
    bank: ImageBank,
    title: str = "A class, and negatives drawn for it",
    note: str = "",
) -> Figure:
    """Classes and the negatives that samplers draw for them, a line for each sampler.

    Args:
        negatives: class number -> name of the sampler -> class numbers of the negatives.
        bank: images of the classes.
        title, note: the heading.
    """
    images, drawn = pictures(bank)
    blank = bank.num_classes
    lines, titles = [], []
    for positive, samplers in negatives.items():
        for place, (sampler, found) in enumerate(samplers.items()):
            lines.append([blank if place else int(positive), blank, *map(int, found)])
            titles.append(sampler)
    images = np.concatenate([images, np.zeros((1, SIDE, SIDE), np.uint8)])
    columns = max(map(len, lines))
    figure = new_figure(9, 8 / columns * len(lines) + 0.1, title, note)
    ax = figure.add_subplot()
    tiles(ax, lines, images, np.append(drawn, True), [*bank.classes, ""])
    line_titles(ax, titles)
    ax.text(SIDE / 2, -GAP, "class", ha="center", va="bottom", color=INK, fontsize="small")
    ax.text(2 * (SIDE + GAP), -GAP, "negatives", va="bottom", color=INK, fontsize="small")
    return figure


def pairs_sheet(
    pairs: Mapping[str, tuple[np.ndarray, np.ndarray]], columns: int = 14, title: str = "", note: str = ""
) -> Figure:
    """Groups of pairs, the first image of each pair above the second.

    Args:
        pairs: name of the group -> first and second images, (n, 37, 37) uint8 each.
        columns: pairs shown of a group.
        title, note: the heading.
    """
    images, lines, titles, before = [np.zeros((0, SIDE, SIDE), np.uint8)], [], [], 0
    for name, sides in pairs.items():
        for side, text in zip(sides, (name, ""), strict=True):
            few = side[:columns]
            lines.append(list(range(before, before + len(few))))
            before += len(few)
            images.append(few)
            titles.append(text)
    images = np.concatenate(images)
    figure = new_figure(9, 8 / columns * len(lines) + 0.1, title, note)
    ax = figure.add_subplot()
    tiles(ax, lines, images, np.ones(len(images), bool), [""] * len(images))
    line_titles(ax, titles)
    return figure


def picture_figure(picture: np.ndarray, title: str) -> Figure:
    """A grey picture (H, W) as it is."""
    height, width = picture.shape
    figure = new_figure(9, 9 * height / width, title)
    ax = figure.add_subplot()
    ax.imshow(picture, cmap="gray", vmin=0, vmax=255)
    ax.set_axis_off()
    return figure
