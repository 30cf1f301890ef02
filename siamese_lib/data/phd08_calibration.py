"""How far simulated PHD08 bitmaps are from real ones.

The measures are size, ink, the roughness of straight edges, and whether a classifier tells them apart. Glyphs
of two typefaces have different shapes, but straight edges are alike. A strip is a piece of such an edge:
`LENGTH` successive rows, each with paper, one change to ink within `REACH` pixels, and ink. Its positions are
whole pixels; the deviation from a straight line is roughness.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from siamese_lib.data.glyphs import masters
from siamese_lib.data.hangul_classes import hangul_classes
from siamese_lib.data.phd08 import class_files
from siamese_lib.data.phd08_records import parse_file
from siamese_lib.data.phd08_simulated import scans, simulated_faces
from siamese_lib.data.phd08_variants import FIELDS, chosen_variants
from siamese_lib.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

LENGTH = 12  # rows
REACH = 2  # pixels within which the edge lies
PAPER, INK = 2, 1  # pixels of pure paper before, and of pure ink after it


class Measures(NamedTuple):
    """What is compared of N bitmaps.

    Attributes:
        table: one row a bitmap: character, font, fs, cp, re, th, sl, height, width and ink in pixels.
        strips: (M, LENGTH) int8 of their straight edges on all four sides, see `edge_strips`.
        owner: (M,) row of `table` that a strip belongs to.
    """

    table: "pd.DataFrame"
    strips: np.ndarray
    owner: np.ndarray

    def roughness(self, column: str) -> dict:
        """Value of a column of `table` -> roughness of the strips of its bitmaps."""
        values = self.table[column].to_numpy()[self.owner]
        return {value: roughness(self.strips[values == value]) for value in sorted(set(values))}

    def fonts(self) -> np.ndarray:
        """(M,) font letter of each strip."""
        return self.table.font.to_numpy()[self.owner]


def measure_real(
    folder: Path | str | None = None, variants: int | Iterable[Sequence[int]] | None = None
) -> Measures:
    """Measures of all real class files in `folder` (default: phd08/ in the data folder).

    Raises:
        InputError: see `siamese_lib.data.phd08.iter_phd08`.
    """
    parts = []
    for label, path in class_files(folder).items():
        for bits, heights, widths, columns in parse_file(path, variants=variants):
            parts.append((columns | {"character": hangul_classes(2350)[label]}, bits, heights, widths))
    return _measures(parts)


def measure_simulated(
    characters: Sequence[str],
    variants: int | Iterable[Sequence[int]] | None = None,
    fonts: str | Iterable[str] | None = None,
    seed: int = 0,
) -> Measures:
    """Measures of simulated bitmaps of these characters; see `iter_simulated_phd08` for the arguments."""
    parts = []
    for letter, found in simulated_faces(fonts).items():
        for variant, pieces in scans(
            letter,
            masters(found, characters),
            np.arange(len(characters)),
            chosen_variants(variants),
            seed,
            "cpu",
        ):
            for numbers, *bitmaps in pieces():
                columns = {
                    "font": letter,
                    **dict(zip(FIELDS, variant, strict=True)),
                    "character": [characters[number] for number in numbers],
                }
                parts.append((columns, *(tensor.numpy() for tensor in bitmaps)))
    return _measures(parts)


def _measures(parts: list[tuple[dict, np.ndarray, np.ndarray, np.ndarray]]) -> Measures:
    import pandas as pd

    tables, strips, owners, before = [], [], [], 0
    for columns, bits, heights, widths in parts:
        tables.append(
            pd.DataFrame(columns | {"height": heights, "width": widths, "ink": (bits != 0).sum((1, 2))})
        )
        for turned in (bits, np.swapaxes(bits, 1, 2)):
            for side in (turned, turned[:, :, ::-1]):
                on_this_side, bitmap = edge_strips(side)
                strips.append(on_this_side)
                owners.append(bitmap + before)
        before += len(bits)
    return Measures(pd.concat(tables, ignore_index=True), np.concatenate(strips), np.concatenate(owners))


def size_and_ink(table: "pd.DataFrame") -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Mean size and ink of the rows of `Measures.table`.

    Returns:
        Height and width by FS and by RE, relative to index 0, (3,) each; ink (3, 3) [CP][TH], relative to CP
        0 and TH 1.
    """
    sizes = {
        index: table.groupby(index)[["height", "width"]].mean().mean(axis=1).to_numpy()
        for index in ("fs", "re")
    }
    ink = table.groupby(["cp", "th"]).ink.mean().unstack().to_numpy()
    return {index: size / size[0] for index, size in sizes.items()}, ink / ink[0, 1]


def edge_strips(bits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Straight vertical edges with paper on the left and ink on the right.

    Args:
        bits: (N, H, W), nonzero = ink; zeros outside the glyph.

    Returns:
        Positions (M, LENGTH) int8 in 0..REACH, and the number of each strip's bitmap (M,). Strips of a bitmap
        do not overlap. An edge that leans by more than a pixel over the strip does not count.
    """
    ink = np.pad(np.asarray(bits) != 0, ((0, 0), (0, 0), (PAPER + REACH, 0)))
    width = PAPER + REACH + INK
    rows = np.lib.stride_tricks.sliding_window_view(ink, width, axis=2)  # (N, H, W', width)
    middle = rows[..., PAPER:-INK]
    fits = (
        ~rows[..., :PAPER].any(-1) & rows[..., -INK:].all(-1) & ~(middle[..., :-1] & ~middle[..., 1:]).any(-1)
    )
    # (N, H, W'): paper pixels before the edge
    place = np.where(fits, REACH - middle.sum(-1), -1).astype(np.int8)
    whole = place.shape[1] // LENGTH * LENGTH
    # (N, blocks, W', LENGTH)
    blocks = place[:, :whole].reshape(len(place), whole // LENGTH, LENGTH, place.shape[2]).swapaxes(2, 3)
    half = LENGTH // 2
    lean = np.abs(blocks[..., half:].mean(-1) - blocks[..., :half].mean(-1)) * LENGTH / half / 2
    # of the windows that hold an edge, the one in whose middle it lies
    centred = np.abs(blocks.mean(-1) - REACH / 2) <= 0.5
    image, block, column = np.nonzero((blocks >= 0).all(-1) & centred & (lean <= 1))
    first = (
        np.r_[True, (np.diff(image) != 0) | (np.diff(block) != 0) | (np.diff(column) > 1)]
        if len(image)
        else np.zeros(0, bool)
    )
    return blocks[image, block, column][first], image[first]


def roughness(strips: np.ndarray) -> float:
    """Standard deviation in pixels of positions (M, LENGTH) about the straight line of each strip.

    Raises:
        InputError: no strip.
    """
    return float(np.sqrt((_residuals(strips) ** 2).sum() / (len(strips) * (LENGTH - 2))))


def _residuals(strips: np.ndarray) -> np.ndarray:
    if not len(strips):
        raise InputError("no straight edge in these bitmaps; take more of them")
    row = np.arange(LENGTH) - (LENGTH - 1) / 2
    centred = strips - strips.mean(1, keepdims=True)
    return centred - (centred @ row / (row @ row))[:, None] * row


def separability(real: Measures, simulated: Measures, seed: int = 0) -> float:
    """Two-sample test of real against simulated strips.

    It is the area under the ROC curve of a random forest that tells them apart. The forest learns on two
    thirds of the fonts and is tested on the others, three times; 0.5 is guessing, 1
    is certainty.

    Raises:
        InputError: fewer than three fonts in common.
    """
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import GroupKFold, cross_val_predict

    if len(set(real.fonts()) & set(simulated.fonts())) < 3:
        raise InputError("the two-sample test needs three fonts that both sides have")
    fonts = np.concatenate([real.fonts(), simulated.fonts()])
    strips = np.concatenate([real.strips, simulated.strips])
    residuals, steps = _residuals(strips), np.abs(np.diff(strips.astype(float), axis=1))
    lag = (residuals[:, 1:] * residuals[:, :-1]).sum(1)
    of_residuals = [residuals, residuals.std(1), np.ptp(residuals, axis=1), lag]
    features = np.column_stack([*of_residuals, steps.sum(1), steps.max(1), (steps > 0).sum(1)])
    is_real = np.arange(len(strips)) < len(real.strips)
    forest = RandomForestClassifier(300, min_samples_leaf=20, class_weight="balanced", random_state=seed)
    score = cross_val_predict(
        forest, features, is_real, groups=fonts, cv=GroupKFold(3), method="predict_proba"
    )[:, 1]
    return float(roc_auc_score(is_real, score))
