"""Class files of PHD08: reading and writing the records of one syllable.

A record is a header `FONT_FS_CP_RE_TH_SL`, a line `height width`, `height` lines of `width` digits (1 = ink)
and a blank line.
"""

import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from siamese_lib.data.checks import whole_number
from siamese_lib.data.phd08_variants import FIELDS, FONTS, chosen_fonts, chosen_variants
from siamese_lib.errors import InputError
from siamese_lib.files import atomic_write, read_bytes

RECORDS = 2187  # of a complete class file
MAX_SIDE = 128  # real bitmaps are at most 54 pixels high or wide
PIECE = 729  # bitmaps held at once while a file is read

_HEADER = re.compile(rf"({'|'.join(FONTS)})_([012])_([012])_([012])_([012])_([012])".encode())
_SIZE = re.compile(rb"(\d{1,3}) (\d{1,3})")
_LARGEST_FILE = 64_000_000  # bytes; real files have about 3 MB


def parse_file(
    path: Path | str,
    fonts: str | Iterable[str] | None = None,
    variants: int | Iterable[Sequence[int]] | None = None,
    chunk: int = PIECE,
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, dict[str, np.ndarray]]]:
    """Read one class file, whose lines end in LF, CRLF or CR.

    A file of fewer than 2,187 whole records gives a warning.

    Args:
        path: the file; its name does not matter here.
        fonts, variants: which records to keep, see `chosen_fonts` and `chosen_variants`. Of the others only
            sizes and headers are checked.
        chunk: at most this many bitmaps at once.

    Yields:
        bits (n, H, W) uint8 of 0 and 1, each bitmap at the top left; heights (n,), widths (n,) int64; and a
        dict of columns font, fs, cp, re, th, sl, each (n,).

    Raises:
        InputError: the file cannot be read, is UTF-16 text, or breaks the format; names the record and line.
    """
    path, chunk = Path(path), whole_number("chunk", chunk, 1)
    kept_fonts = set(chosen_fonts(fonts))
    kept = {
        f"{font}_{'_'.join(map(str, variant))}".encode()
        for font in kept_fonts
        for variant in chosen_variants(variants)
    }
    data = _read(path)
    blocks: list[tuple[bytes, int, int, int, int]] = []  # header, line of the header, offset, height, width
    seen: set[bytes] = set()
    position, line = 0, 1
    while True:
        while data.startswith(b"\n", position):
            position, line = position + 1, line + 1
        if position >= len(data):
            break
        header, position = _line(data, position)
        if not _HEADER.fullmatch(header):
            raise _broken(
                path,
                header,
                line,
                "is no header FONT_FS_CP_RE_TH_SL (truncated, or a line too many before it?): "
                f"{_shown(header)}",
            )
        if header in seen:
            raise _broken(path, header, line, "appears a second time")
        seen.add(header)
        size, position = _line(data, position)
        match = _SIZE.fullmatch(size)
        height, width = map(int, match.groups()) if match else (0, 0)
        if not (1 <= height <= MAX_SIDE and 1 <= width <= MAX_SIDE):
            raise _broken(
                path,
                header,
                line + 1,
                f"should be `height width`, each from 1 to {MAX_SIDE}, but is {_shown(size)}",
            )
        end = position + height * (width + 1)
        # A line of another length shifts what follows, so that a blank line, header or newline is misplaced.
        if (
            end > len(data)
            or data[end - 1 : end] != b"\n"
            or not (end == len(data) or data.startswith(b"\n", end))
        ):
            raise _diagnosis(path, data, header, line, position, height, width)
        if header in kept:
            blocks.append((header, line, position, height, width))
        position, line = end, line + 2 + height
        if len(blocks) == chunk:
            yield _bits(path, data, blocks)
            blocks = []
    if not seen:
        raise InputError(f"{path} holds no PHD08 record; copy the file again")
    if len(seen) != RECORDS:
        warnings.warn(
            f"{path} holds {len(seen):,} of {RECORDS:,} records; copy the file again if it should hold all",
            stacklevel=2,
        )
    if blocks:
        yield _bits(path, data, blocks)


def write_phd08(
    path: Path | str, records: Iterable[tuple[str, Sequence[int], np.ndarray]], newline: str = "\r\n"
) -> None:
    """Write a class file in the format of PHD08, atomically.

    Args:
        path: the file, named by its syllable.
        records: (font, (fs, cp, re, th, sl), bits) each; bits (height, width), nonzero = ink.
        newline: CRLF as in the originals, or LF.
    """
    with atomic_write(path) as temporary, open(temporary, "wb") as file:
        for font, variant, bits in records:
            bits = np.asarray(bits)
            rows = [
                row.tobytes().decode() for row in np.where(bits != 0, ord("1"), ord("0")).astype(np.uint8)
            ]
            lines = [
                f"{font}_{'_'.join(map(str, variant))}",
                f"{bits.shape[0]} {bits.shape[1]}",
                *rows,
                "",
                "",
            ]
            file.write(newline.join(lines).encode())


def _read(path: Path) -> bytes:
    """The file's bytes with LF line ends, and one after the last line."""
    data = read_bytes(path, _LARGEST_FILE, "a class file has about 3 million, give one file a class")
    start = data[:64]
    # It has a byte order mark, or a header with zeros between its letters.
    spread = b"\0" in start and _HEADER.match(start.replace(b"\0", b""))
    if spread or start.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InputError(
            f"{path} is UTF-16 text, class files are plain ASCII; save it as UTF-8, or convert it with "
            "`iconv -f UTF-16 -t UTF-8`"
        )
    data = data.removeprefix(b"\xef\xbb\xbf")
    for newline in (b"\r\r\n", b"\r\n", b"\r"):  # the first is CRLF converted to CRLF once more
        data = data.replace(newline, b"\n")
    return data if data.endswith(b"\n") else data + b"\n"


def _line(data: bytes, position: int) -> tuple[bytes, int]:
    """The line that starts at `position`, and where the next one starts."""
    end = data.find(b"\n", position)
    return (data[position:end], end + 1) if end >= 0 else (data[position:], len(data))


def _bits(
    path: Path, data: bytes, blocks: list[tuple[bytes, int, int, int, int]]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    digits = np.frombuffer(data, np.uint8)
    heights, widths = (np.array([block[k] for block in blocks], np.int64) for k in (3, 4))
    bits = np.full((len(blocks), heights.max(), widths.max()), ord("0"), np.uint8)
    ends = np.empty(sum(heights), np.uint8)
    row = 0
    for image, (_, _, position, height, width) in zip(bits, blocks, strict=True):
        lines = digits[position : position + height * (width + 1)].reshape(height, width + 1)
        image[:height, :width] = lines[:, :width]
        ends[row : row + height] = lines[:, width]
        row += height
    bits -= ord("0")  # wraps round to more than 1 for anything but the two digits
    if bits.max() > 1 or (ends != ord("\n")).any():
        for header, line, position, height, width in blocks:
            lines = data[position : position + height * (width + 1)]
            if lines.translate(None, b"01\n") or any(
                len(text) != width for text in lines.split(b"\n")[:height]
            ):
                raise _diagnosis(path, data, header, line, position, height, width)
    values = np.array([_HEADER.fullmatch(block[0]).groups() for block in blocks])
    columns = {"font": values[:, 0].astype("U2")} | {
        field: values[:, k + 1].astype(np.int64) for k, field in enumerate(FIELDS)
    }
    return bits, heights, widths, columns


def _diagnosis(
    path: Path, data: bytes, header: bytes, line: int, position: int, height: int, width: int
) -> InputError:
    """What is wrong with a record whose bitmap is known to break the format."""
    for number in range(height):
        at = line + 2 + number
        if position >= len(data):
            return _broken(
                path,
                header,
                at,
                f"is missing: the file ends after {number} of {height} lines of the bitmap (truncated?)",
            )
        text, position = _line(data, position)
        wrong = text.translate(None, b"01")
        if wrong and not (number and _HEADER.fullmatch(text)):
            column = text.index(wrong[:1]) + 1
            what = f"has {_shown(wrong[:1])} at column {column}, where only 0 and 1 may stand"
            return _broken(path, header, at, what)
        if len(text) != width:
            found = (
                f"has {len(text)} characters"
                if text and not wrong
                else "is blank"
                if not text
                else f"is the next header {_shown(text)}"
            )
            short = " (the file ends here: truncated?)" if position >= len(data) else ""
            return _broken(
                path,
                header,
                at,
                f"{found} instead of the {width} digits of line {number + 1} of {height}{short}",
            )
    text, _ = _line(data, position)
    return _broken(
        path,
        header,
        line + 2 + height,
        f"should be blank after the {height} lines of the bitmap, but is {_shown(text)}",
    )


def _broken(path: Path, header: bytes, line: int, what: str) -> InputError:
    return InputError(
        f"{path}, record {_shown(header)}, line {line}: {what}; copy the file again from the archive"
    )


def _shown(text: bytes) -> str:
    return repr(text[:24].decode("utf-8", "replace")) + ("..." if len(text) > 24 else "")
