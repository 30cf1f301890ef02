"""Ideal vectors flattened to a map with a glyph at each point."""

import os
import warnings

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from siamese_lib.data.bank import ImageBank
from siamese_lib.data.framing import SIDE
from siamese_lib.errors import InputError
from siamese_lib.files import private_folder
from siamese_lib.plots.glyphs import pictures, same_classes
from siamese_lib.plots.style import INK, MUTED, PALE, PALETTE, new_figure

FEWEST_FOR_UMAP = 10  # below, umap-learn has no neighbourhoods to work with


def glyph_map(
    centroids: np.ndarray,
    bank: ImageBank,
    labels: list[str] | None = None,
    title: str = "Ideal vectors of the classes",
    note: str = "",
    seed: int = 0,
) -> Figure:
    """Ideal vectors flattened to a plane by UMAP, with a glyph at each point.

    A class whose glyph would hide another's is a dot. Below ten classes the map is a principal component
    analysis, and its axes say so.

    Args:
        centroids: (C, D) ideal vectors.
        bank: images of the C classes.
        labels: a group of each class, for colours; at most six groups, and "" for none, in grey.
        title, note: the heading.
        seed: of UMAP. The same on one machine gives the same map; another machine's map differs in detail.
    """
    centroids = np.asarray(centroids, np.float32)
    same_classes("centroids", centroids, bank)
    groups = sorted(set(labels or []) - {""})
    if labels is not None and (len(labels) != len(centroids) or len(groups) > len(PALETTE)):
        raise InputError(
            f"{len(labels)} labels in {len(groups)} groups for {len(centroids)} classes; "
            f"give one a class and at most {len(PALETTE)} groups"
        )
    points, names = flatten(centroids, seed)
    shades = {"": MUTED} | dict(zip(groups, PALETTE, strict=False))
    colours = (
        np.array([to_rgb(shades[group]) for group in labels])
        if groups
        else np.tile(to_rgb(INK), (len(points), 1))
    )
    images, drawn = pictures(bank)

    # One canvas in which a glyph has its own 37 pixels: its size decides how large glyphs look on the
    # figure's 9 inches.
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
    """Vectors (N, D) -> points (N, 2) and the names of the two axes.

    By UMAP, or below ten vectors by a principal component analysis.
    """
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

    import torch

    mapper = umap.UMAP(
        n_neighbors=min(15, len(vectors) - 1),
        min_dist=0.8,
        init="pca",
        n_epochs=200,
        random_state=seed,
        n_jobs=1,
    )
    threads = torch.get_num_threads()
    try:
        return mapper.fit_transform(vectors), ("UMAP dimension 1", "UMAP dimension 2")
    finally:  # numba sets the threads of the OpenMP that torch computes with, and with them a run's bits
        torch.set_num_threads(threads)


def hangul_layout(syllables: list[str]) -> list[str]:
    """Where the parts of each syllable stand.

    The vowel is right of, below, or around the first consonant; a final consonant is there or not.
    """
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


def _thin(pixels: np.ndarray, distance: float, seed: int) -> list[int]:
    """Indices of points at least `distance` apart in x or in y, taken in a seeded order."""
    chosen: list[int] = []
    for i in np.random.default_rng(seed).permutation(len(pixels)):
        if not chosen or (np.abs(pixels[chosen] - pixels[i]).max(1) >= distance).all():
            chosen.append(int(i))
    return chosen
