"""How all figures look: theme, fonts, one colour a row."""

import functools
import os
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import seaborn as sns
from matplotlib import font_manager
from matplotlib.figure import Figure
from matplotlib.ft2font import FT2Font

from siamese_lib.config import ROWS

# Okabe and Ito's palette, which people with any kind of colour vision can tell apart; grey for the row all others are measured against.
ROW_COLOURS = {
    "random": "#7A7A7A",
    "auto-clustering": "#0072B2",
    "auto-probabilistic": "#E69F00",
    "auto-probabilistic+auto-clustering": "#009E73",
    "hard": "#CC79A7",
    "distance": "#56B4E9",
}
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7", "#56B4E9")
LINES = {"metric": "-", "contrastive": "--", "triplet": ":"}
INK, MUTED, PALE = "#262626", "#737373", "#D9D9D9"

HANGUL_NAMES = ("NanumGothic", "Noto Sans KR", "Noto Sans CJK KR", "Noto Sans CJK JP", "NanumBarunGothic", "UnDotum", "Baekmuk Dotum", "Malgun Gothic")
HANGUL_FILES = ("NanumGothic.ttf", "NotoSansKR-Regular.otf", "NotoSansCJK-Regular.ttc", "NanumBarunGothic.ttf", "UnDotum.ttf")
_HANGUL = (0xAC00, 0xB620, 0xD7A3)  # first, some, last syllable


def use_style() -> None:
    """The one style of all figures; call it before drawing.

    seaborn's theme comes first, as it would undo a font chosen before it. Latin is DejaVu Sans, which comes with matplotlib; Hangul comes from the
    first font that has it. Where there is none, `label` writes code points, and glyphs are still drawn, as pictures.
    """
    sns.set_theme(context="notebook", style="ticks", palette=list(PALETTE), font_scale=0.85)
    hangul = _hangul_font()
    mpl.rcParams.update(
        {
            "font.family": "sans-serif",
            "font.sans-serif": ["DejaVu Sans"] + ([hangul] if hangul else []),
            "axes.edgecolor": MUTED,
            "axes.labelcolor": INK,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.titlelocation": "left",
            "axes.titlesize": "medium",
            "axes.titleweight": "bold",
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
    """`text` where the fonts of the style can draw it, else with code points (U+AC00) in place of what they cannot."""
    covered = _covered(tuple(mpl.rcParams["font.family"]), tuple(mpl.rcParams["font.sans-serif"]))
    parts = [character if ord(character) in covered else f"U+{ord(character):04X}" for character in text]
    return "".join(parts) if all(len(part) == 1 for part in parts) else " ".join(parts)


def row_style(row: str) -> dict:
    """Colour by mining, line by loss: `contrastive/random` has the colour of `random`."""
    loss, _, mining = row.rpartition("/")
    return {"color": ROW_COLOURS.get(mining, INK), "linestyle": LINES.get(loss or "metric", "-")}


def row_name(row: str) -> str:
    """A row as figures write it."""
    return row.replace("+", " + ").replace("/", ", ")


def row_order(rows) -> list[str]:
    """Different rows in the order of the tables, other losses after the metric one."""
    known = list(ROWS)

    def place(row: str) -> tuple:
        loss, _, mining = row.rpartition("/")
        return loss, known.index(mining) if mining in known else len(known), row

    return sorted(set(rows), key=place)


def new_figure(width: float, height: float, **layout) -> Figure:
    """A figure of so many inches. pyplot forgets it at once: a notebook shows it where it is a cell's value, and only there."""
    figure = plt.figure(figsize=(width, height), layout="constrained", **layout)
    plt.close(figure)
    return figure


def empty_figure(text: str) -> Figure:
    """A figure that says why there is nothing to draw."""
    figure = new_figure(7, 1.2)
    figure.text(0.5, 0.5, text, ha="center", va="center", color=MUTED)
    return figure


@functools.lru_cache(maxsize=8)
def _covered(family: tuple[str, ...], sans: tuple[str, ...]) -> frozenset[int]:
    """Code points that some font of these families can draw; a family that is not there has none."""
    names = [name for entry in family for name in (sans if entry == "sans-serif" else (entry,))]
    files = {entry.fname for entry in font_manager.fontManager.ttflist if entry.name in names and entry.weight == 400 or entry.name == "DejaVu Sans"}
    return frozenset().union(*(_characters(file) for file in files if Path(file).is_file()))


@functools.lru_cache(maxsize=32)
def _characters(file: str) -> frozenset[int]:
    return frozenset(FT2Font(file).get_charmap())


def _hangul_font() -> str | None:
    """Name of a Hangul font: one that matplotlib knows, else a file in the folders of the face table (the PyPI packages among them)."""
    from siamese_lib.data.faces import font_folders

    known = {}
    for entry in font_manager.fontManager.ttflist:
        if entry.name in HANGUL_NAMES and entry.style == "normal" and entry.weight == 400:
            known.setdefault(entry.name, entry.fname)
    for name in HANGUL_NAMES:
        if name in known and _has_hangul(known[name]):
            return name
    paths = {name: Path(place) / name for folder in font_folders() for place, _, names in os.walk(folder) for name in names if name in HANGUL_FILES}
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
