"""Figures made of glyph pictures. The pictures come from an ImageBank, so they need no Hangul font."""

import os
import warnings

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.offsetbox import AnnotationBbox, OffsetImage, TextArea

from siamese_lib.data.bank import ImageBank
from siamese_lib.data.framing import SIDE
from siamese_lib.errors import InputError
from siamese_lib.files import private_folder
from siamese_lib.plots.style import INK, MUTED, PALE, PALETTE, empty_figure, label, new_figure

FEWEST_FOR_UMAP = 10  # below, umap-learn has no neighbourhoods to work with
GAP = 7  # pixels between the glyphs of a sheet


def pictures(bank: ImageBank) -> tuple[np.ndarray, np.ndarray]:
    """The first image of each class (C, 37, 37) uint8, and which classes have one (C,) bool."""
    images, drawn = np.zeros((bank.num_classes, SIDE, SIDE), np.uint8), np.zeros(bank.num_classes, bool)
    labels, first = np.unique(bank.labels, return_index=True)
    images[labels], drawn[labels] = bank.images[first], True
    return images, drawn


def glyph_grid(
    bank: ImageBank, columns: int = 16, titles: list[str] | None = None, title: str = "", note: str = ""
) -> Figure:
    """All images of a small bank, `columns` a line, in the order of the bank; `titles` name the lines."""
    lines = [list(range(start, min(start + columns, len(bank)))) for start in range(0, len(bank), columns)]
    figure = new_figure(9, 8 / columns * len(lines) + 0.1, title, note)
    ax = figure.add_subplot()
    _tiles(ax, lines, bank.images, np.ones(len(bank), bool), [""] * len(bank))
    if titles:
        _line_titles(ax, titles)
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
    _same_classes("clusters", clusters, bank)
    shown = largest_clusters(clusters, rows)
    if not shown:
        return empty_figure("Every class is alone in its cluster.", title)
    images, drawn = pictures(bank)
    lines = [
        [int(i) for i in members[np.linspace(0, len(members) - 1, min(columns, len(members))).astype(int)]]
        for members in shown
    ]
    sizes = np.bincount(np.unique(clusters, return_inverse=True)[1])
    facts = f"{(sizes > 1).sum():,} clusters hold {sizes[sizes > 1].sum():,} of {len(clusters):,} classes; {(sizes == 1).sum():,} classes are alone"
    longest = max(map(len, lines))
    figure = new_figure(
        max(0.5 * longest + 1.9, 7.5), 0.5 * len(lines), title, f"{note}\n{facts}" if note else facts
    )
    ax = figure.add_subplot()
    _tiles(ax, lines, images, drawn, bank.classes)
    _line_titles(ax, [f"{len(members):,} classes" for members in shown])
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
    """Members of the `count` largest clusters of two classes or more, largest first, ties by the first member."""
    _, first, number, sizes = np.unique(clusters, return_index=True, return_inverse=True, return_counts=True)
    order = np.lexsort((first, -sizes))[:count]
    return [np.flatnonzero(number == cluster) for cluster in order if sizes[cluster] > 1]


def confusion_sheet(
    confusions: list, bank: ImageBank, pairs: int = 16, title: str = "Most frequent mistakes", note: str = ""
) -> Figure:
    """The most frequent mistakes: what was shown, what was read, and how many images.

    Args:
        confusions: [true, predicted, images] with class names, most frequent first, as in a record's evaluation.
        bank: images of the classes.
        pairs: mistakes shown.
        title, note: the heading.
    """
    shown = list(confusions)[:pairs]
    if not shown:
        return empty_figure("No image was read as another class.", title)
    number = {name: place for place, name in enumerate(bank.classes)}
    unknown = sorted({name for pair in shown for name in pair[:2]} - number.keys())
    if unknown:
        raise InputError(
            f"confusions name {' '.join(unknown[:5])}, which the bank's {bank.num_classes} classes lack; give the bank of the run"
        )
    images, drawn = pictures(bank)
    halves = [shown] if len(shown) < 6 else [shown[: -(-len(shown) // 2)], shown[-(-len(shown) // 2) :]]
    figure = new_figure(9, 0.42 * len(halves[0]) + 0.8, title, note)
    axes = figure.subplots(1, len(halves), sharex=True, squeeze=False)[0]
    most = max(count for _, _, count in shown)
    for ax, half in zip(axes, halves, strict=True):
        counts = [count for _, _, count in half]
        ax.barh(range(len(half)), counts, height=0.5, color="#9FB8CC")
        for y, (true, predicted, count) in enumerate(half):
            for offset, name in ((-58, true), (-20, predicted)):
                place_glyph(ax, name, images[number[name]], drawn[number[name]], (0, y), (offset, 0), 23)
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


def glyph_map(
    centroids: np.ndarray,
    bank: ImageBank,
    labels: list[str] | None = None,
    title: str = "Ideal vectors of the classes",
    note: str = "",
    seed: int = 0,
) -> Figure:
    """Ideal vectors flattened to a plane by UMAP, with glyphs at their points; a class whose glyph would hide another's is a dot.

    Args:
        centroids: (C, D) ideal vectors.
        bank: images of the C classes.
        labels: a group of each class, for colours; at most six groups, and "" for none, in grey.
        title, note: the heading.
        seed: of UMAP. The same on one machine gives the same map; another machine's map differs in detail.

    Below ten classes the map is a principal component analysis, and its axes say so.
    """
    centroids = np.asarray(centroids, np.float32)
    _same_classes("centroids", centroids, bank)
    groups = sorted(set(labels or []) - {""})
    if labels is not None and (len(labels) != len(centroids) or len(groups) > len(PALETTE)):
        raise InputError(
            f"{len(labels)} labels in {len(groups)} groups for {len(centroids)} classes; give one a class and at most {len(PALETTE)} groups"
        )
    points, names = flatten(centroids, seed)
    shades = {"": MUTED} | dict(zip(groups, PALETTE, strict=False))
    colours = (
        np.array([to_rgb(shades[group]) for group in labels])
        if groups
        else np.tile(to_rgb(INK), (len(points), 1))
    )
    images, drawn = pictures(bank)

    # One canvas in which a glyph has its own 37 pixels: the canvas's size decides how large glyphs look on the figure's 9 inches.
    wide = int(np.clip(31 * np.sqrt(len(points)) + 300, 450, 1800))
    low, span = points.min(0), np.ptp(points, axis=0) + 1e-9
    points = (points - low) / max(span[0], span[1] / 1.1)  # one scale for both axes, x from 0 to 1
    points[:, 0] += (1 - np.ptp(points[:, 0])) / 2
    pixels = np.round(points * (wide - 1)).astype(int) + SIDE // 2 + 4
    shape = (max(pixels[:, 1].max() + SIDE // 2 + 5, int(0.45 * wide)), wide + SIDE + 8)
    chosen = [i for i in _thin(pixels, SIDE + 1, seed) if drawn[i]]
    canvas = np.zeros((*shape, 4))
    for i in chosen:
        x, y = pixels[i] - SIDE // 2
        part = canvas[y : y + SIDE, x : x + SIDE]
        ink = images[i][::-1] / 255  # the canvas has its origin at the bottom
        part[..., :3] = np.where(ink[..., None] >= part[..., 3:], colours[i], part[..., :3])
        part[..., 3] = np.maximum(part[..., 3], ink)

    rest = np.setdiff1d(np.arange(len(points)), chosen)
    facts = (
        f"{len(chosen):,} of {len(points):,} classes are drawn as glyphs, the others as dots"
        if len(rest)
        else f"all {len(points):,} classes"
    )
    figure = new_figure(
        9, 8.7 * shape[0] / shape[1] + 0.3 + 0.6 * bool(groups), title, f"{note}\n{facts}" if note else facts
    )
    ax = figure.add_subplot()
    ax.scatter(*pixels[rest].T, s=5 if len(points) > 500 else 16, c=colours[rest], alpha=0.4, linewidths=0)
    ax.imshow(
        canvas, origin="lower", extent=(0, shape[1], 0, shape[0]), interpolation="antialiased", zorder=3
    )
    ax.set(xticks=[], yticks=[], xlim=(0, shape[1]), ylim=(0, shape[0]), xlabel=names[0], ylabel=names[1])
    ax.grid(False)
    ax.spines[["left", "bottom"]].set_color(PALE)
    if groups:
        marks = [
            Line2D([], [], color=PALETTE[place], marker="s", linestyle="", markersize=7)
            for place in range(len(groups))
        ]
        figure.legend(marks, groups, loc="outside lower center", ncols=3, handletextpad=0.2, fontsize="small")
    return figure


def flatten(vectors: np.ndarray, seed: int = 0) -> tuple[np.ndarray, tuple[str, str]]:
    """(N, D) -> (N, 2) and the names of the two axes; UMAP, or below ten vectors the first two principal components."""
    if len(vectors) < FEWEST_FOR_UMAP:
        centred = vectors - vectors.mean(0)
        u, s, _ = np.linalg.svd(centred, full_matrices=False)
        share = 100 * s**2 / max((s**2).sum(), 1e-12)
        points = np.zeros((len(vectors), 2))
        points[:, : min(2, len(s))] = (u * s)[:, :2]
        shares = [*share[:2], 0.0, 0.0][:2]
        return points, tuple(
            f"principal component {i + 1} ({share:.0f} % of the variance; too few classes for UMAP)"
            for i, share in enumerate(shares)
        )
    os.environ.setdefault("NUMBA_CACHE_DIR", str(private_folder("numba")))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its progress bars would like ipywidgets
        import umap

    mapper = umap.UMAP(
        n_neighbors=min(15, len(vectors) - 1),
        min_dist=0.8,
        init="pca",
        n_epochs=200,
        random_state=seed,
        n_jobs=1,
    )
    return mapper.fit_transform(vectors), ("UMAP dimension 1 (no unit)", "UMAP dimension 2 (no unit)")


def hangul_layout(syllables: list[str]) -> list[str]:
    """Where the parts of each syllable stand: the vowel right of, below, or around the first consonant, with or without a final consonant."""
    return [_layout(ord(syllable) - 0xAC00) for syllable in syllables]


def _layout(code: int) -> str:
    if not 0 <= code < 11172:
        return "no Hangul syllable"
    vowel = code // 28 % 21
    place = (
        "below"
        if vowel in (8, 12, 13, 17, 18)
        else "around"
        if vowel in (9, 10, 11, 14, 15, 16, 19)
        else "right"
    )
    return f"vowel {place}, {'with' if code % 28 else 'no'} final"


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
    """A glyph `points` high, `offset` points away from the data point `at`; without a picture its name in letters."""
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


def _tiles(ax: Axes, lines: list[list[int]], images: np.ndarray, drawn: np.ndarray, names: list[str]) -> None:
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


def _line_titles(ax: Axes, titles: list[str]) -> None:
    for row, text in enumerate(titles):
        ax.text(
            -GAP, row * (SIDE + GAP) + SIDE / 2, text, ha="right", va="center", color=INK, fontsize="small"
        )


def _thin(pixels: np.ndarray, distance: float, seed: int) -> list[int]:
    """Indices of points no two of which are nearer than a square of side `distance` allows; which ones is left to a seeded order."""
    chosen: list[int] = []
    for i in np.random.default_rng(seed).permutation(len(pixels)):
        if not chosen or (np.abs(pixels[chosen] - pixels[i]).max(1) >= distance).all():
            chosen.append(int(i))
    return chosen


def _same_classes(what: str, values: np.ndarray, bank: ImageBank) -> None:
    if len(values) != bank.num_classes:
        raise InputError(
            f"{what} of {len(values)} classes and a bank of {bank.num_classes}; give the bank of the run"
        )
