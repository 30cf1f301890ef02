"""Picture files as grey levels: whatever has one meaning is converted, real colour is refused."""

import contextlib
import functools
import io
import math
import os
import warnings
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from siamese_lib.data.framing import frame_one
from siamese_lib.errors import InputError
from siamese_lib.files import read_bytes
from siamese_lib.model import SIDE

if TYPE_CHECKING:
    from PIL.Image import Image


LARGEST = 100_000_000  # bytes of a picture file
CONTRAST = 24  # grey levels between paper and ink, at least
NOISE = 0.1  # share of the contrast that counts as paper
INKS = ("dark", "light")
INK = 64  # of 255: what is fainter does not widen the box that is framed
# Ink is light where more than this share is dark, the mean of edge and whole picture: bold characters that
# are cropped tight are dark along most of their edge. Above one half, as most print is dark: of tight dark
# glyphs fewer are mistaken, of light ones more.
LIGHT = 0.55
MOST = 0.85  # of the same mean, at most this share is ink


def read_glyph(path: str | os.PathLike, ink: str | None = None) -> np.ndarray:
    """A picture of one character -> (H, W) uint8, ink = 255 on paper = 0.

    Colours become grey levels, what is transparent lies on white paper; it is turned as its EXIF data says.

    Args:
        path: any format that Pillow reads.
        ink: "dark" on light paper or "light" on dark; None: dark, unless most of the picture is dark,
            its edge above all (LIGHT). The paper is the median of the lighter or darker half of the edge, the
            ink the grey that is farthest from it.

    Raises:
        InputError: no such file, no picture, too large, nothing to be seen on it, or nearly all of it ink.
    """
    from PIL import Image

    remedy = "give a picture of one character"
    content = read_bytes(path, LARGEST, remedy)
    with _decoding(str(path), "it is no picture that Pillow reads", remedy), warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        picture = Image.open(io.BytesIO(content))
        picture.load()
    return on_black(grey_levels(picture, str(path)), ink, str(path))


def grey_levels(picture: "Image", shown: str) -> np.ndarray:
    """A picture of Pillow of any mode -> (H, W) uint8, turned as its EXIF data says; what is transparent lies
    on white paper.
    """
    from PIL import ImageOps

    with _decoding(shown, "it is no picture that Pillow reads", "give a picture of one character"):
        picture = ImageOps.exif_transpose(picture)  # as cameras say that they were held
        return _grey(picture) if picture.mode.startswith("I") else _luminance(picture)


def check_ink(ink: str | None) -> None:
    """InputError where it is none of INKS, nor None."""
    if ink not in (None, *INKS):
        raise InputError(f"ink={ink!r}: choose one of {', '.join(INKS)}, or leave it out")


def on_black(grey: np.ndarray, ink: str | None = None, shown: str = "the picture") -> np.ndarray:
    """Grey levels (H, W) of one character, or bool (True is white) -> uint8, ink = 255 on paper = 0; see
    `read_glyph`.
    """
    check_ink(ink)
    if grey.dtype == bool:
        grey = grey * np.uint8(255)
    if grey.dtype.kind not in "uif" or (grey.dtype.kind == "f" and not np.isfinite(grey).all()):
        what = "numbers that are not finite" if grey.dtype.kind == "f" else f"{grey.dtype}"
        raise InputError(f"{shown} holds {what}; give grey levels, 0 to 255")
    low, high = float(grey.min()), float(grey.max())
    if 0 <= low < high <= 1:
        raise InputError(f"{shown} holds numbers from {low:g} to {high:g}; give grey levels, 0 to 255")
    edge = np.sort(np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]]))
    middle = grey.dtype.type(math.ceil((low + high) / 2))  # of one type: comparing is far faster
    below = int(edge.searchsorted(middle))
    share = (below / len(edge) + np.count_nonzero(grey < middle) / grey.size) / 2
    dark = below < len(edge) and share <= LIGHT if ink is None else ink == "dark"
    half = edge[below:] if dark else edge[:below]
    paper = high if dark else low
    if len(half):  # its median; np.median takes three times as long
        paper = (float(half[(len(half) - 1) // 2]) + float(half[len(half) // 2])) / 2
    contrast = paper - low if dark else high - paper
    inked = contrast >= CONTRAST and (share if dark else 1 - share) > MOST
    if inked or contrast < CONTRAST:
        why = f", nearly all of them ink if ink={ink!r}" if inked else ""
        raise InputError(
            f"{shown} shows nothing: its greys run from {low:g} to {high:g}{why}; give a picture of one "
            "character, or say whether its ink is dark or light"
        )
    if grey.dtype == np.uint8:
        return _table(paper, contrast, dark).take(grey)
    return _inked(grey.astype(np.float64), paper, contrast, dark)


@functools.lru_cache(maxsize=1024)
def _table(paper: float, contrast: float, dark: bool) -> np.ndarray:
    """uint8 (256,): what each grey level becomes; pictures of one source share it."""
    return _inked(np.arange(256.0), paper, contrast, dark)


def _inked(levels: np.ndarray, paper: float, contrast: float, dark: bool) -> np.ndarray:
    """Grey levels as uint8, ink = 255 on paper = 0."""
    share = (paper - levels if dark else levels - paper) / contrast
    return np.where(share < NOISE, 0, np.minimum(255 * share + 0.5, 255)).astype(np.uint8)


def framed(glyphs: Iterable[np.ndarray], framing: str) -> np.ndarray:
    """Glyphs of any size, uint8 (H, W) with ink = 255 -> uint8 (n, 37, 37), framed as `framing` says."""
    found = [frame_one(glyph, framing, INK) for glyph in glyphs]
    return np.array(found, np.uint8).reshape(-1, SIDE, SIDE)


@contextlib.contextmanager
def _decoding(shown: str, no_picture: str, remedy: str) -> Iterator[None]:
    """Whatever Pillow raises inside becomes an InputError that names the file."""
    from PIL import Image

    try:
        yield
    except Image.UnidentifiedImageError:
        raise InputError(f"{shown} cannot be decoded ({no_picture}); {remedy}") from None
    except Exception as error:  # Pillow raises many kinds for damaged files
        raise InputError(
            f"{shown} cannot be decoded ({str(error) or type(error).__name__}); {remedy}"
        ) from error


def _luminance(picture: "Image") -> np.ndarray:
    from PIL import Image

    if "A" in picture.getbands() or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    return np.asarray(picture.convert("L"))


def read_png(content: bytes, side: int, shown: str, remedy: str) -> np.ndarray:
    """Content of a PNG file -> (side, side) uint8 grey, white = 255.

    Bits, bytes, 16 bits and palettes give the same grey. What is transparent lies on white paper.

    Args:
        content: of the file.
        side: height and width that it must declare; checked before any pixel is decoded.
        shown: name of the file in messages.
        remedy: how messages end.

    Raises:
        InputError: no PNG, damaged, another size, or colour.
    """
    from PIL import Image

    with _decoding(shown, "it is no PNG image", remedy):
        picture = Image.open(io.BytesIO(content), formats=("PNG",))
        if picture.size == (side, side):
            picture.load()
    if picture.size != (side, side):
        raise InputError(
            f"{shown} has {picture.width} x {picture.height} pixels instead of {side} x {side}; {remedy}"
        )
    grey = _grey(picture)
    if grey is None:
        raise InputError(
            f"{shown} is a colour image (mode {picture.mode}); convert it to grey levels, or {remedy}"
        )
    return grey


def _grey(picture: "Image") -> np.ndarray | None:
    """(H, W) uint8; None where red, green and blue differ anywhere."""
    if picture.mode.startswith("I"):  # 16 bits
        return (np.asarray(picture).astype(np.uint32) >> 8).astype(np.uint8)
    if picture.mode in ("1", "L") and "transparency" not in picture.info:
        return np.asarray(picture.convert("L"))
    channels = np.asarray(picture.convert("RGBA")).astype(np.uint32)
    colour, opacity = channels[..., :3], channels[..., 3:]
    on_paper = ((colour * opacity + 255 * (255 - opacity) + 127) // 255).astype(np.uint8)
    return on_paper[..., 0] if (on_paper == on_paper[..., :1]).all() else None
