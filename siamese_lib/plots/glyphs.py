"""Figures made of glyph pictures. The pictures come from an ImageBank, so they need no Hangul font."""

from collections.abc import Iterable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.offsetbox import AnnotationBbox, OffsetImage, TextArea

from siamese_lib.data.bank import ImageBank
from siamese_lib.data.framing import SIDE
from siamese_lib.errors import InputError
from siamese_lib.plots.style import INK, MUTED, empty_figure, label, new_figure

GAP = 7  # pixels between the glyphs of a sheet


def pictures(bank: ImageBank) -> tuple[np.ndarray, np.ndarray]:
    """The first image of each class (C, 37, 37) uint8, and which classes have one (C,) bool."""
    images, drawn = np.zeros((bank.num_classes, SIDE, SIDE), np.uint8), np.zeros(bank.num_classes, bool)
    labels, first = np.unique(bank.labels, return_index=True)
    images[labels], drawn[labels] = bank.images[first], True
    return images, drawn


def glyph_grid(
    banks: ImageBank | Iterable[ImageBank],
    columns: int = 16,
    titles: Sequence[str] | None = None,
    title: str = "",
    note: str = "",
) -> Figure:
    """All images of a small bank, or of several, in their order.

    Args:
        banks: what is shown.
        columns: images a line.
        titles: names of the lines.
        title, note: the heading.
    """
    banks = [banks] if isinstance(banks, ImageBank) else list(banks)
    images = np.concatenate([bank.images for bank in banks])
    count = len(images)
    lines = [list(range(start, min(start + columns, count))) for start in range(0, count, columns)]
    figure = new_figure(9, 8 / columns * len(lines) + 0.1, title, note)
    ax = figure.add_subplot()
    tiles(ax, lines, images, np.ones(count, bool), [""] * count)
    if titles is not None:
        line_titles(ax, titles)
    return figure


def cluster_sheet(
    clusters: np.ndarray,
    bank: ImageBank,
    rows: int = 8,
    columns: int = 16,
    title: str = "Largest clusters of classes",
    note: str = "",
) -> Figure:
    """The largest clusters of auto-clustering, a line of glyphs each.

    Args:
        clusters: (C,) int, the cluster's number of each class.
        bank: one image or more of the classes; its class list names them.
        rows: clusters shown.
        columns: glyphs shown of a cluster, evenly spaced in the order of the classes.
        title, note: the heading.
    """
    same_classes("clusters", clusters, bank)
    shown = largest_clusters(clusters, rows)
    if not shown:
        return empty_figure("Every class is alone in its cluster.", title)
    images, drawn = pictures(bank)
    lines = [
        [int(i) for i in members[np.linspace(0, len(members) - 1, min(columns, len(members))).astype(int)]]
        for members in shown
    ]
    sizes = np.bincount(np.unique(clusters, return_inverse=True)[1])
    facts = (
        f"{(sizes > 1).sum():,} clusters hold {sizes[sizes > 1].sum():,} of {len(clusters):,} classes; "
        f"{(sizes == 1).sum():,} classes are alone"
    )
    longest = max(map(len, lines))
    figure = new_figure(
        max(0.5 * longest + 1.9, 7.5), 0.5 * len(lines), title, f"{note}\n{facts}" if note else facts
    )
    ax = figure.add_subplot()
    tiles(ax, lines, images, drawn, bank.classes)
    line_titles(ax, [f"{len(members):,} classes" for members in shown])
    for row, (members, line) in enumerate(zip(shown, lines, strict=True)):
        if len(members) > len(line):
            ax.text(
                longest * (SIDE + GAP),
                row * (SIDE + GAP) + SIDE / 2,
                f"+ {len(members) - len(line):,}",
                va="center",
                color=MUTED,
            )
    ax.set_anchor("W")
    return figure


def largest_clusters(clusters: np.ndarray, count: int) -> list[np.ndarray]:
    """Members of the `count` largest clusters of two classes or more, largest first.

    Clusters of one size come in the order of their first members.
    """
    _, first, number, sizes = np.unique(clusters, return_index=True, return_inverse=True, return_counts=True)
    order = np.lexsort((first, -sizes))[:count]
    return [np.flatnonzero(number == cluster) for cluster in order if sizes[cluster] > 1]


def confusion_sheet(
    confusions: list,
    bank: ImageBank,
    pairs: int = 16,
    title: str = "Most frequent mistakes",
    note: str = "",
    mistakes: np.ndarray | None = None,
) -> Figure:
    """The most frequent mistakes: what was shown, what was read, and how many images.

    Args:
        confusions: [true, predicted, images] with class names, most frequent first, as a record has them.
        bank: images of the classes.
        pairs: mistakes shown.
        title, note: the heading.
        mistakes: uint8 (n, 37, 37), an image that was misread for each of the first confusions; without them
            the class that was shown is drawn from the bank.
    """
    shown = list(confusions)[: pairs if mistakes is None else min(pairs, len(mistakes))]
    if not shown:
        return empty_figure("No image was read as another class.", title)
    number = {name: place for place, name in enumerate(bank.classes)}
    unknown = sorted({name for pair in shown for name in pair[:2]} - number.keys())
    if unknown:
        raise InputError(
            f"confusions name {' '.join(unknown[:5])}, which the bank's {bank.num_classes} classes lack; "
            "give the bank of the run"
        )
    images, drawn = pictures(bank)
    halves = [shown] if len(shown) < 6 else [shown[: -(-len(shown) // 2)], shown[-(-len(shown) // 2) :]]
    figure = new_figure(9, 0.42 * len(halves[0]) + 0.8, title, note)
    axes = figure.subplots(1, len(halves), sharex=True, squeeze=False)[0]
    most = max(count for _, _, count in shown)
    for ax, half, place in zip(axes, halves, (0, len(halves[0])), strict=False):
        counts = [count for _, _, count in half]
        ax.barh(range(len(half)), counts, height=0.5, color="#9FB8CC")
        for y, (true, predicted, count) in enumerate(half):
            for offset, name in ((-58, true), (-20, predicted)):
                image, is_drawn = images[number[name]], drawn[number[name]]
                if name == true and mistakes is not None:
                    image, is_drawn = mistakes[place + y], True
                place_glyph(ax, name, image, is_drawn, (0, y), (offset, 0), 23)
            ax.annotate(
                "→",
                (0, y),
                (-39, 0),
                textcoords="offset points",
                ha="center",
                va="center",
                color=MUTED,
                annotation_clip=False,
            )
            ax.annotate(
                f"{count:,}",
                (count, y),
                (4, 0),
                textcoords="offset points",
                va="center",
                color=INK,
                fontsize="small",
            )
        ax.set(
            ylim=(len(halves[0]) - 0.4, -0.6),
            yticks=[],
            xlim=(0, 1.12 * most),
            xlabel="images read wrongly (count)",
        )
        ax.spines["left"].set_visible(False)
        ax.grid(False)
        ax.locator_params(axis="x", integer=True, nbins=5)
        ax.annotate(
            "shown → read",
            (0, 1),
            (-39, 3),
            xycoords="axes fraction",
            textcoords="offset points",
            ha="center",
            color=MUTED,
            fontsize="small",
        )
    return figure


def place_glyph(
    ax: Axes,
    name: str,
    picture: np.ndarray,
    drawn: bool,
    at,
    offset,
    points: float,
    colour: str = INK,
    **more,
) -> AnnotationBbox:
    """A glyph `points` high, `offset` points away from the data point `at`; if not `drawn`, its name.

    `more` goes to AnnotationBbox.
    """
    if drawn:
        tinted = np.empty((*picture.shape, 4))
        tinted[..., :3], tinted[..., 3] = to_rgb(colour), picture / 255
        content = OffsetImage(tinted, zoom=points / SIDE, interpolation="antialiased")
    else:
        content = TextArea(
            label(name), textprops={"color": colour, "fontsize": "small" if len(label(name)) == 1 else 6}
        )
    box = AnnotationBbox(
        content,
        at,
        offset,
        boxcoords=more.pop("boxcoords", "offset points"),
        frameon=False,
        pad=0,
        annotation_clip=False,
        **more,
    )
    ax.add_artist(box)
    return box


def tiles(ax: Axes, lines: list[list[int]], images: np.ndarray, drawn: np.ndarray, names: list[str]) -> None:
    """Lines of glyphs as one picture; a class without an image is written instead."""
    step = SIDE + GAP
    sheet = np.zeros((len(lines) * step - GAP, max(map(len, lines)) * step - GAP), np.uint8)
    for row, line in enumerate(lines):
        for column, i in enumerate(line):
            y, x = row * step, column * step
            sheet[y : y + SIDE, x : x + SIDE] = images[i]
            if not drawn[i]:
                text = label(names[i])
                ax.text(
                    x + SIDE / 2,
                    y + SIDE / 2,
                    text,
                    ha="center",
                    va="center",
                    fontsize="large" if len(text) == 1 else 6,
                    color=INK,
                )
    ax.imshow(
        255 - sheet,
        cmap="gray",
        vmin=0,
        vmax=255,
        interpolation="antialiased",
        extent=(0, sheet.shape[1], sheet.shape[0], 0),
    )
    ax.set_axis_off()


def line_titles(ax: Axes, titles: Sequence[str]) -> None:
    for row, text in enumerate(titles):
        ax.text(
            -GAP, row * (SIDE + GAP) + SIDE / 2, text, ha="right", va="center", color=INK, fontsize="small"
        )


def same_classes(what: str, values: np.ndarray, bank: ImageBank) -> None:
    if len(values) != bank.num_classes:
        raise InputError(
            f"{what} of {len(values)} classes and a bank of {bank.num_classes}; give the bank of the run"
        )
