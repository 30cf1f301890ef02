"""How all figures look: theme, fonts, one colour a row."""

import functools
import os
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import seaborn as sns
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.ft2font import FT2Font

from siamese_lib.experiments.tables import Row

# Okabe and Ito's palette, which people with any kind of colour vision can tell apart.
# Grey is the row that all others are measured against.
ROW_COLOURS = {
    "random": "#7A7A7A",
    "auto-clustering": "#0072B2",
    "auto-probabilistic": "#E69F00",
    "auto-probabilistic+auto-clustering": "#009E73",
    "hard": "#CC79A7",
    "distance": "#56B4E9",
}
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7", "#56B4E9")
ROW_MARKERS = {
    "random": "o",
    "auto-clustering": "s",
    "auto-probabilistic": "D",
    "auto-probabilistic+auto-clustering": "^",
    "hard": "v",
    "distance": "P",
}
LINES = {"metric": "-", "contrastive": "--", "triplet": ":", "prototype": "-."}
SHADES = {
    "metric": ("white", 0.0),
    "contrastive": ("black", 0.4),
    "triplet": ("white", 0.4),
    "prototype": ("black", 0.65),
}
INK, MUTED, PALE = "#262626", "#737373", "#D9D9D9"
ANCHOR, POSITIVE, NEGATIVE = PALETTE[0], PALETTE[2], PALETTE[1]  # the three images of a triplet

HANGUL_NAMES = (
    "NanumGothic",
    "Noto Sans KR",
    "Noto Sans CJK KR",
    "Noto Sans CJK JP",
    "NanumBarunGothic",
    "UnDotum",
    "Baekmuk Dotum",
    "Malgun Gothic",
)
HANGUL_FILES = (
    "NanumGothic.ttf",
    "NotoSansKR-Regular.otf",
    "NotoSansCJK-Regular.ttc",
    "NanumBarunGothic.ttf",
    "UnDotum.ttf",
)
_HANGUL = (0xAC00, 0xB620, 0xD7A3)  # first, some, last syllable


def use_style() -> None:
    """The one style of all figures; call it before drawing.

    Latin is DejaVu Sans, which comes with matplotlib; Hangul comes from the first font that has it. Where
    there is none, `label` writes code points, and glyphs are still drawn, as pictures.
    """
    # the theme comes first, as it would undo a font chosen before it
    sns.set_theme(context="notebook", style="ticks", palette=list(PALETTE), font_scale=0.85)
    hangul = _hangul_font()
    mpl.rcParams.update(
        {
            # by name: matplotlib falls back from glyph to glyph along this list, not along font.sans-serif
            "font.family": ["DejaVu Sans"] + ([hangul] if hangul else []),
            "axes.edgecolor": MUTED,
            "axes.labelcolor": INK,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "axes.grid.axis": "y",
            "axes.axisbelow": True,
            "grid.color": "#EBEBEB",
            "xtick.color": MUTED,
            "ytick.color": MUTED,
            "xtick.labelcolor": INK,
            "ytick.labelcolor": INK,
            "legend.frameon": False,
            "figure.dpi": 110,
            "savefig.dpi": 150,
        }
    )


def label(text: str) -> str:
    """`text` with code points (U+AC00) in place of the characters that the fonts of the style cannot draw."""
    covered = _covered(tuple(mpl.rcParams["font.family"]))
    parts = [character if ord(character) in covered else f"U+{ord(character):04X}" for character in text]
    return "".join(parts) if all(len(part) == 1 for part in parts) else " ".join(parts)


def row_style(row: str) -> dict:
    """A colour for each mining, a shade of it and a line for each loss."""
    parsed = Row.parse(row)
    other, share = SHADES[parsed.loss]
    mixed = [
        (1 - share) * one + share * two
        for one, two in zip(to_rgb(ROW_COLOURS[parsed.mining]), to_rgb(other), strict=True)
    ]
    return {"color": to_hex(mixed), "linestyle": LINES[parsed.loss]}


def row_marker(row: str) -> str:
    """Marker by mining, for those who see the colours as one."""
    return ROW_MARKERS[Row.parse(row).mining]


def row_title(row: str) -> str:
    """A row as figures write it."""
    return Row.parse(row).title


def row_order(rows) -> list[str]:
    """Different rows in the order of the tables, those that name a loss after the others."""
    return sorted(set(rows), key=lambda row: Row.parse(row).sort_key)


def new_figure(width: float, height: float, title: str = "", note: str = "") -> Figure:
    """A figure of so many inches below its heading, which is a bold line and pale ones.

    pyplot forgets the figure at once: a notebook shows it where it is a cell's value, and only there.
    """
    head = 0.26 * bool(title) + 0.21 * len(note.splitlines())  # inches
    total = height + head
    figure = plt.figure(figsize=(width, total), layout="constrained")
    plt.close(figure)
    figure.get_layout_engine().set(rect=(0, 0, 1, height / total), w_pad=0.06, h_pad=0.06)
    left = 0.08 / width
    if title:
        # a Hangul font may lack a bold face, of which matplotlib complains even where a text has no Hangul
        latin = all(ord(character) in _covered(("DejaVu Sans",)) for character in title)
        weight = {"fontweight": "bold", "fontfamily": "DejaVu Sans"} if latin else {}
        figure.text(
            left, 1 - 0.08 / total, title, ha="left", va="top", fontsize="medium", color=INK, **weight
        )
    if note:
        figure.text(
            left,
            1 - (0.08 + 0.24 * bool(title)) / total,
            note,
            ha="left",
            va="top",
            fontsize="small",
            color=MUTED,
            linespacing=1.4,
        )
    return figure


def label_ends(ax: Axes, ends: list[tuple[float, float, str, str]]) -> None:
    """Write the name of each line at its right end, in its colour; where ends are near, names move apart.

    Args:
        ax: with its final limits.
        ends: x, y, name and colour of each line.
    """
    low, high = ax.get_ylim()
    apart = 0.055 * (high - low)
    ends = sorted(ends, key=lambda end: end[1])
    places = [y for _, y, *_ in ends]
    for _ in range(100):
        for n in range(len(places) - 1):
            overlap = apart - (places[n + 1] - places[n])
            if overlap > 1e-9:
                places[n] -= overlap / 2
                places[n + 1] += overlap / 2
    for (x, y, name, colour), place in zip(ends, places, strict=True):
        ax.annotate(
            name,
            (x, y),
            (1.03, place),
            textcoords=("axes fraction", "data"),
            va="center",
            color=colour,
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.6, "shrinkA": 1, "shrinkB": 3},
        )


def empty_figure(text: str, title: str = "") -> Figure:
    """A figure that says why there is nothing to draw."""
    figure = new_figure(7, 0.8, title)
    figure.add_subplot().set_axis_off()  # IPython shows no figure without axes
    figure.text(0.5, 0.4, text, ha="center", va="center", color=MUTED)
    return figure


@functools.lru_cache(maxsize=8)
def _covered(family: tuple[str, ...]) -> frozenset[int]:
    """Code points that some font of these names can draw."""
    names = {*family, "DejaVu Sans"}
    files = {
        entry.fname
        for entry in font_manager.fontManager.ttflist
        if entry.name in names and entry.weight == 400 and entry.style == "normal"
    }
    return frozenset().union(*(_characters(file) for file in files if Path(file).is_file()))


@functools.lru_cache(maxsize=32)
def _characters(file: str) -> frozenset[int]:
    return frozenset(FT2Font(file).get_charmap())


def _hangul_font() -> str | None:
    """Name of a Hangul font: one that matplotlib knows, else a file in the folders of the typefaces."""
    from siamese_lib.data.faces import font_folders

    known = {}
    for entry in font_manager.fontManager.ttflist:
        if entry.name in HANGUL_NAMES and entry.style == "normal" and entry.weight == 400:
            known.setdefault(entry.name, entry.fname)
    for name in HANGUL_NAMES:
        if name in known and _has_hangul(known[name]):
            return name
    paths = {
        name: Path(place) / name
        for folder in font_folders()
        for place, _, names in os.walk(folder)
        for name in names
        if name in HANGUL_FILES
    }
    for file in HANGUL_FILES:
        if file in paths and _has_hangul(str(paths[file])):
            font_manager.fontManager.addfont(paths[file])
            _covered.cache_clear()
            return font_manager.FontProperties(fname=paths[file]).get_name()
    return None


def _has_hangul(file: str) -> bool:
    try:
        return Path(file).is_file() and all(code in _characters(file) for code in _HANGUL)
    except (OSError, RuntimeError):
        return False
