"""Picture files as grey levels: whatever has one meaning is converted, real colour is refused."""

import io
from typing import TYPE_CHECKING

import numpy as np

from siamese_lib.errors import InputError

if TYPE_CHECKING:
    from PIL.Image import Image


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

    try:
        picture = Image.open(io.BytesIO(content), formats=("PNG",))
        if picture.size == (side, side):
            picture.load()
    except Image.UnidentifiedImageError:
        raise InputError(f"{shown} cannot be decoded (it is no PNG image); {remedy}") from None
    except Exception as error:  # Pillow raises many kinds for damaged files
        raise InputError(
            f"{shown} cannot be decoded ({str(error) or type(error).__name__}); {remedy}"
        ) from error
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
