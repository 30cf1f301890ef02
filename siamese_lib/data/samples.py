"""What an estimator is given, as rows of numbers and as images: pictures, framed images, tables."""

import math
import os

import numpy as np
import torch
from torch.nn.functional import adaptive_avg_pool2d

from siamese_lib.data.framing import check_framing
from siamese_lib.data.pictures import check_ink, framed, grey_levels, on_black, read_glyph
from siamese_lib.errors import InputError
from siamese_lib.model import SIDE

PIXELS = SIDE * SIDE


def as_rows(X, framing: str, ink: str | None):
    """Pictures and framed images as flat rows (n, 1369); whatever is none of these as it is.

    Args:
        X: a list of pictures of any size: grey arrays (H, W), paths, or of Pillow; or framed images
            (n, 37, 37).
        framing: of the pictures, see siamese_lib.data.framing.frame.
        ink: of the pictures, see siamese_lib.data.pictures.read_glyph.

    Raises:
        InputError: colour images, or others that are no pictures of one character; unknown framing or ink.
    """
    check_framing(framing)
    check_ink(ink)
    if isinstance(X, (str, os.PathLike)):
        raise InputError(f"X is the single picture {os.fspath(X)}; give a list of pictures, [X]")
    if isinstance(X, (list, tuple)) and not len(X):
        raise InputError("X is empty; give one picture or more")
    a_list = isinstance(X, (list, tuple)) or getattr(X, "ndim", 0) == 1  # a column of a table, too
    if a_list and len(X) and _is_picture(next(iter(X))):
        glyphs = [_glyph(picture, number, ink) for number, picture in enumerate(X)]
        return framed(glyphs, framing).reshape(len(glyphs), PIXELS)
    shape = tuple(getattr(X, "shape", ()))
    if len(shape) < 3:
        return X
    if shape[1:] != (SIDE, SIDE):
        what = "colour images" if len(shape) == 4 else "images"
        raise InputError(
            f"X holds {what} {shape}; give grey ones (n, {SIDE}, {SIDE}), or a list of grey pictures of any "
            "size"
        )
    return np.reshape(X, (len(X), PIXELS))


def _is_picture(x: object) -> bool:
    if isinstance(x, np.ndarray):
        return x.ndim in (2, 3)
    return isinstance(x, (str, os.PathLike)) or _of_pillow(x)


def _of_pillow(x: object) -> bool:
    return type(x).__module__.startswith("PIL.") and hasattr(x, "getbands")


def _glyph(picture, number: int, ink: str | None) -> np.ndarray:
    if isinstance(picture, (str, os.PathLike)):
        return read_glyph(picture, ink)
    if not isinstance(picture, np.ndarray) and _of_pillow(picture):
        picture = grey_levels(picture, f"picture {number}")
    if isinstance(picture, np.ndarray) and picture.ndim == 2 and picture.size:
        return on_black(picture, ink, f"picture {number}")
    if isinstance(picture, np.ndarray):
        what = f"is {'a colour image' if picture.ndim == 3 else 'empty'}, {picture.shape}"
    else:
        what = f"is a {type(picture).__name__}"
    raise InputError(f"picture {number} {what}; give grey levels (height, width), or the path of a picture")


def scale(rows: np.ndarray) -> tuple[float, float]:
    """The numbers that are paper and ink: 0 and 255 for uint8, 0 and 1 for pixels within that, else the
    least and the largest.
    """
    if rows.dtype == np.uint8:
        return 0.0, 255.0
    low, high = float(rows.min()), float(rows.max())
    return (0.0, 1.0) if rows.shape[1] == PIXELS and 0 <= low <= high <= 1 else (low, high)


def drawn(rows: np.ndarray, low: float, high: float) -> np.ndarray:
    """Rows of numbers (n, m) -> uint8 images (n, 37, 37).

    Of 1,369 numbers each is a pixel; bool and uint8 mean the same there whether fractions or bytes were
    learned from. Fewer are drawn as squares, row by row, of more some share a pixel.

    Args:
        rows: any numbers.
        low, high: the numbers that are paper (0) and ink (255); what lies beyond them is cut.

    Raises:
        InputError: pixels on another scale than those that were learned from: all would be paper, or ink.
    """
    pixels = rows.shape[1] == PIXELS
    if pixels and rows.dtype == bool:
        rows = rows * np.uint8(255)
    if pixels and rows.dtype == np.uint8 and high <= 1:  # learned from fractions
        low, high = 0.0, 255.0
    most = float(rows.max()) if pixels and len(rows) else 0.0
    if low >= 0 and high >= 16 and 0 < most <= 1:
        what = "fractions" if rows.dtype.kind == "f" else "numbers"
        text = (
            f"X holds {what} up to {most:.3g}, but ink is {high:g} here; give {high:g} * X, or uint8 images"
        )
        raise InputError(text)
    if high <= 1 and most >= 2 and np.median(rows[rows > 0]) >= 2:  # not a few that lie beyond
        raise InputError(f"X holds numbers up to {most:.3g}, but ink is {high:g} here; give uint8 images")
    if rows.dtype != np.uint8 or (low, high) != (0, 255):
        share = (rows.astype(np.float64) - low) / ((high - low) or 1.0)
        rows = np.clip(255 * share + 0.5, 0, 255).astype(np.uint8)
    if rows.shape[1] == PIXELS:
        return rows.reshape(-1, SIDE, SIDE).copy()
    side = math.ceil(math.sqrt(rows.shape[1]))
    squares = np.zeros((len(rows), side * side), np.float32)
    squares[:, : rows.shape[1]] = rows
    images = adaptive_avg_pool2d(torch.from_numpy(squares).view(-1, side, side), (SIDE, SIDE))
    return (images + 0.5).to(torch.uint8).numpy()
