"""A line of text cut into its characters, by projection: how much ink stands in each column."""

import os

import numpy as np

from siamese_lib.data.pictures import INK, on_black, read_glyph
from siamese_lib.errors import InputError

PITCHES = np.linspace(0.9, 1.5, 61)  # widths of a cell that are tried, in heights of the line's ink
MARGIN = 2  # pixels around a character, so that `on_black` finds its paper
BLUR = 0.1  # of a cell: how far from ink a cut should stay


def split_line(
    picture: np.ndarray | str | os.PathLike, cells: bool = True, ink: str | None = None
) -> list[np.ndarray]:
    """The characters of a picture of one line, from left to right.

    The height of a line is that of its ink: one of flat strokes only (a single dash) is cut into too many
    cells.

    Args:
        picture: grey levels (H, W), or a file.
        cells: whether the script is written in cells of one width, as Hangul, kana and Hanja are; else every
            piece between two columns without ink is a character.
        ink: "dark", "light" or None, see siamese_lib.data.pictures.read_glyph.

    Returns:
        uint8 (h, w) with ink = 255 on paper = 0, MARGIN pixels of it around their ink; spaces are left out.

    Raises:
        InputError: no grey picture, or nothing to be seen on it.
    """
    if isinstance(picture, np.ndarray):
        if picture.ndim != 2 or not picture.size:
            raise InputError(f"the picture of a line has shape {picture.shape}; give grey levels (H, W)")
        line = on_black(picture, ink, "the picture of a line")
    else:
        line = read_glyph(picture, ink)
    rows, columns = (np.flatnonzero((line >= INK).any(axis)) for axis in (1, 0))
    line = line[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    cuts = _grid(line) if cells else _gaps(line)
    pieces = [line[:, start:end] for start, end in zip(cuts[:-1], cuts[1:], strict=True)]
    return [_cropped(piece) for piece in pieces if (piece >= INK).any()]


def _gaps(line: np.ndarray) -> list[int]:
    """Where columns without ink begin, with both ends of the line."""
    inked = (line >= INK).any(0)
    return [0, *(np.flatnonzero(inked[:-1] & ~inked[1:]) + 1).tolist(), line.shape[1]]


def _grid(line: np.ndarray) -> list[int]:
    """Cuts of equal distance that meet the least ink; of those that do, the narrowest cells."""
    height, width = line.shape
    profile = (line >= INK).sum(0) / height
    best, cuts = np.inf, [0, width]
    if width <= 1.1 * height:  # a single character
        return cuts
    for pitch in PITCHES * height:
        reach = max(1, round(BLUR * pitch))
        near = np.convolve(profile, np.ones(2 * reach + 1) / (2 * reach + 1), "same")
        for first in np.arange(-0.5 * pitch, 1):  # ink need not fill its cell
            places = np.arange(first, width + pitch, pitch)
            edge = 0.2 * pitch  # ink that is no character of its own
            inside = places[(places > edge) & (places < width - edge)].astype(int)
            # ink in a cut weighs more than ink near it
            cost = (near[inside] + 4 * profile[inside]).mean() if len(inside) else near.mean()
            if cost < best - 1e-9:
                best, cuts = cost, [0, *inside.tolist(), width]
    return cuts


def _cropped(piece: np.ndarray) -> np.ndarray:
    rows, columns = (np.flatnonzero((piece >= INK).any(axis)) for axis in (1, 0))
    return np.pad(piece[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1], MARGIN)
