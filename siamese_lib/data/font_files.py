"""What a font file holds: fingerprint, characters that it maps, place in a collection, axes."""

import contextlib
import hashlib
import struct
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from siamese_lib.errors import InputError

if TYPE_CHECKING:
    from fontTools.ttLib import TTFont

_LARGEST_FONT = 512_000_000  # bytes after decompression; collections of CJK fonts have up to 150 million
_REMEDY = "give a .ttf, .otf or .ttc file"


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, computed once per process for as long as size and time of the file stay the same.

    Raises:
        InputError: the file cannot be read.
    """
    try:
        state = path.stat()
        return _file_sha256(str(path), state.st_size, state.st_mtime_ns)
    except OSError as error:
        raise InputError(
            f"font file {path} cannot be read ({error.strerror}); check its permissions, or remove it"
        ) from error


@cache
def _file_sha256(path: str, size: int, changed: int) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def code_points(path: Path, index: int = 0) -> set[int]:
    """Code points that a font maps to glyphs.

    Args:
        path: the file.
        index: of the typeface in a collection.

    Raises:
        InputError: no font, a damaged one, one that declares more than it can hold, or WOFF2 without brotli.
    """
    with _opened(path, index) as font:
        _check_cmap(font.reader["cmap"])
        # Glyph names are not needed, and fontTools complains about the tables of some fonts that hold them.
        font.setGlyphOrder([f"glyph{number}" for number in range(font["maxp"].numGlyphs)])
        return set(font.getBestCmap() or {})


def designation(path: Path, index: int = 0) -> tuple[str, str]:
    """What tells a typeface from others in the same file.

    Returns:
        Suffix of its key and a note: ("", "") for a file with one typeface; ("[2]", ...) for the third of a
        collection; ("[wght=400]", ...) for a variable font, which is drawn where its axes have their default
        values.

    Raises:
        InputError: see `code_points`.
    """
    parts, notes = [], []
    with _opened(path, index) as font:
        fonts = getattr(font.reader, "numFonts", 1)  # only collections have it
        if index >= fonts:
            raise ValueError(f"it holds {fonts}, number 0 to {fonts - 1}")
        if fonts > 1:
            parts.append(str(index))
            notes.append(f"number {index} of the {fonts} typefaces 0 to {fonts - 1} in {path.name}")
        if "fvar" in font:
            defaults = [f"{axis.axisTag}={axis.defaultValue:g}" for axis in font["fvar"].axes]
            ranges = [f"({axis.minValue:g} to {axis.maxValue:g})" for axis in font["fvar"].axes]
            drawn = ", ".join(map(" ".join, zip(defaults, ranges, strict=True)))
            parts += defaults
            notes.append(
                f"variable font, drawn at its defaults {drawn}; for others make a static font with "
                "`fonttools varLib.instancer`"
            )
    return (f"[{','.join(parts)}]" if parts else ""), "; ".join(notes)


@contextlib.contextmanager
def _opened(path: Path, index: int) -> Iterator["TTFont"]:
    from fontTools.ttLib import TTFont, woff2

    try:
        with open(path, "rb") as file:
            start = file.read(20)
        if start.startswith(b"wOF2") and not woff2.haveBrotli:
            raise InputError(f"font file {path} is WOFF2, which needs `pip install brotli`; or {_REMEDY}")
        if start.startswith(b"wOF") and (size := int.from_bytes(start[16:20])) > _LARGEST_FONT:
            raise ValueError(f"it declares {size:,} bytes")
        with TTFont(path, fontNumber=index, lazy=True) as font:
            yield font
    except InputError:
        raise
    except Exception as error:  # fontTools raises many kinds for a font that is cut short or damaged
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(
            f"font file {path} (typeface {index}) cannot be read ({reason}); {_REMEDY}"
        ) from error


def _check_cmap(table: bytes) -> None:
    """Refuse groups of characters that declare more than Unicode has: fontTools would write them all out."""
    (subtables,) = struct.unpack_from(">H", table, 2)
    for number in range(subtables):
        (offset,) = struct.unpack_from(">L", table, 8 + 8 * number)
        (kind,) = struct.unpack_from(">H", table, offset)
        if kind in (12, 13):
            (count,) = struct.unpack_from(">L", table, offset + 12)
            groups = np.frombuffer(table, ">u4", 3 * count, offset + 16).reshape(-1, 3).astype(np.int64)
            declared = int(np.maximum(groups[:, 1] - groups[:, 0] + 1, 0).sum())
            if declared > 0x110000:
                raise ValueError(f"its cmap declares {declared:,} characters")
