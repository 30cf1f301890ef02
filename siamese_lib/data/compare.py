"""How far simulated bitmaps are from real ones: the roughness of their straight edges, and whether a classifier can tell them apart by it.

Glyphs of two typefaces are never of one shape, their straight edges are. A strip is a piece of such an edge: `LENGTH` rows in a row, each with
paper, one change to ink within `REACH` pixels, and ink. Its positions are whole pixels; what differs from a straight line is roughness.
"""

import numpy as np

from siamese_lib.errors import InputError

LENGTH = 12  # rows
REACH = 2  # pixels within which the edge lies
PAPER, INK = 2, 1  # pixels of pure paper before, and of pure ink after it


def edge_strips(bits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Straight vertical edges with paper on the left and ink on the right.

    Args:
        bits: (N, H, W), nonzero = ink; zeros outside the glyph.

    Returns:
        positions (M, LENGTH) int8 in 0..REACH, and the number of its bitmap for each strip (M,). Strips of a bitmap do not overlap. An edge that
        leans by more than a pixel over the strip is none.
    """
    ink = np.pad(np.asarray(bits) != 0, ((0, 0), (0, 0), (PAPER + REACH, 0)))
    width = PAPER + REACH + INK
    rows = np.lib.stride_tricks.sliding_window_view(ink, width, axis=2)  # (N, H, W', width)
    middle = rows[..., PAPER:-INK]
    fits = ~rows[..., :PAPER].any(-1) & rows[..., -INK:].all(-1) & ~(middle[..., :-1] & ~middle[..., 1:]).any(-1)
    place = np.where(fits, REACH - middle.sum(-1), -1).astype(np.int8)  # (N, H, W'): paper pixels before the edge
    whole = place.shape[1] // LENGTH * LENGTH
    blocks = place[:, :whole].reshape(len(place), whole // LENGTH, LENGTH, place.shape[2]).swapaxes(2, 3)  # (N, blocks, W', LENGTH)
    half = LENGTH // 2
    lean = np.abs(blocks[..., half:].mean(-1) - blocks[..., :half].mean(-1)) * LENGTH / half / 2
    centred = np.abs(blocks.mean(-1) - REACH / 2) <= 0.5  # of the windows that hold an edge, the one in whose middle it lies
    image, block, column = np.nonzero((blocks >= 0).all(-1) & centred & (lean <= 1))
    first = np.r_[True, (np.diff(image) != 0) | (np.diff(block) != 0) | (np.diff(column) > 1)] if len(image) else np.zeros(0, bool)
    return blocks[image, block, column][first], image[first]


def all_strips(bits: np.ndarray) -> np.ndarray:
    """Strips (M, LENGTH) of the straight edges of bitmaps (N, H, W) on all four sides of ink: left, right, top, bottom."""
    sides = [each for turned in (bits, np.swapaxes(bits, 1, 2)) for each in (turned, turned[:, :, ::-1])]
    return np.concatenate([edge_strips(each)[0] for each in sides])


def roughness(strips: np.ndarray) -> float:
    """Sd in pixels of the positions (M, LENGTH) about the straight line of each strip.

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


def separability(real: np.ndarray, simulated: np.ndarray, real_fonts: np.ndarray, simulated_fonts: np.ndarray, seed: int = 0) -> float:
    """Two-sample test: area under the ROC curve of a random forest that is to tell real strips (M, LENGTH) from simulated ones (K, LENGTH).

    It learns on two thirds of the fonts and is tested on the others; 0.5 is guessing, 1 is certainty. Font letters are (M,) and (K,).

    Raises:
        InputError: fewer than three fonts in common.
    """
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import GroupKFold, cross_val_predict

    fonts = np.concatenate([real_fonts, simulated_fonts])
    if len(set(real_fonts) & set(simulated_fonts)) < 3:
        raise InputError("the two-sample test needs three fonts that both sides have")
    residuals = np.concatenate([_residuals(real), _residuals(simulated)])
    steps = np.abs(np.diff(np.concatenate([real, simulated]).astype(float), axis=1))
    lag = (residuals[:, 1:] * residuals[:, :-1]).sum(1)
    features = np.column_stack([residuals, residuals.std(1), steps.sum(1), steps.max(1), (steps > 0).sum(1), lag, np.ptp(residuals, axis=1)])
    target = np.r_[np.ones(len(real)), np.zeros(len(simulated))]
    forest = RandomForestClassifier(300, min_samples_leaf=20, class_weight="balanced", random_state=seed)
    score = cross_val_predict(forest, features, target, groups=fonts, cv=GroupKFold(3), method="predict_proba")[:, 1]
    return float(roc_auc_score(target, score))
