"""PHD08: printed Hangul, one text file a class, 2,187 bitmaps each (Ham, Lee, Jung, Oh, 2008).

A record is a header `FONT_FS_CP_RE_TH_SL`, a line `height width`, `height` lines of `width` digits (1 = ink) and a blank line. The five indices run
over 0, 1, 2: size (12, 13, 14 point), photocopies (none, one, two), resolution (200, 240, 280 dpi), threshold, and tilt (clockwise, upright,
counter-clockwise). A file is named by its syllable, `가.txt`.
"""

import itertools
import re
import unicodedata
import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from siamese_lib.data.bank import ImageBank
from siamese_lib.data.framing import FRAMINGS, frame
from siamese_lib.data.hangul_classes import hangul_classes
from siamese_lib.errors import InputError
from siamese_lib.files import atomic_write, data_folder

FONTS = ("S", "G", "M", "N", "B", "D", "Y", "H1", "H2")  # in the order of the files
FIELDS = ("fs", "cp", "re", "th", "sl")
RECORDS = 2187
MAX_SIDE = 128  # real bitmaps are at most 54 pixels high or wide

_HEADER = re.compile(rf"({'|'.join(FONTS)})_([012])_([012])_([012])_([012])_([012])".encode())
_SIZE = re.compile(rb"(\d{1,3}) (\d{1,3})")
_LARGEST_FILE = 64_000_000  # bytes; real files have about 3 MB
_PIECE = 729  # bitmaps held at once while a file is read
# Each equation, in indices counted from the centre (-1, 0, 1) and modulo 3, keeps a third of the variants that the ones before it keep.
_EQUATIONS = ((1, 1, 1, 1, 1), (0, 1, -1, 0, -1), (1, 0, -1, 0, 0), (1, 0, 0, -1, 0))

GET_IT = (
    "PHD08 cannot be downloaded by a program: get the archive from the laboratory that publishes it, unpack the .alz (`unalz`), put the files "
    "가.txt ... 힝.txt in a folder phd08/ and set SIAMESE_DATA to the folder that holds phd08/"
)


def variant_indices(count: int = 243) -> list[tuple[int, int, int, int, int]]:
    """The variants (fs, cp, re, th, sl) of a font, in the order of the files: FS, CP, RE, TH ascending, SL in the order 1, 0, 2.

    Args:
        count: 243 for all of them, or a balanced subset. In subsets of 81, 27, 9 and 3 every value of every index occurs equally often. In 81 every
            combination of four indices does, in 27 every combination of two, and in 9 every combination of two except that FS equals RE and TH
            equals SL throughout; in 3 only single values are balanced. 1 is the centre, (1, 1, 1, 1, 1). Each subset contains the smaller ones.

    Raises:
        InputError: any other count.
    """
    kept = {243: 0, 81: 1, 27: 2, 9: 3, 3: 4}
    if isinstance(count, bool) or count not in (1, *kept):
        raise InputError(f"{count!r} variants of a font are not offered; use 1, 3, 9, 27, 81 or 243")
    if count == 1:
        return [(1, 1, 1, 1, 1)]
    every = itertools.product((0, 1, 2), (0, 1, 2), (0, 1, 2), (0, 1, 2), (1, 0, 2))
    equations = _EQUATIONS[: kept[count]]
    return [
        variant
        for variant in every
        if all(sum(k * (i - 1) for k, i in zip(row, variant, strict=True)) % 3 == 0 for row in equations)
    ]


def chosen_variants(variants: int | Iterable[Sequence[int]] | None) -> list[tuple[int, ...]]:
    """None (all 243), a count for `variant_indices`, or tuples (fs, cp, re, th, sl) -> list of tuples, each once, in the order of the files.

    Raises:
        InputError: a count or a tuple that does not exist, or none at all.
    """
    every = variant_indices(243)
    if variants is None:
        return every
    if isinstance(variants, (int, np.integer)):
        return variant_indices(variants)
    try:
        wanted = {tuple(int(index) for index in variant) for variant in variants}
    except (TypeError, ValueError):
        raise InputError(
            f"variants must be a count or tuples (fs, cp, re, th, sl), got {variants!r}"
        ) from None
    if not wanted or not wanted <= set(every):
        bad = sorted(wanted - set(every))[:1] or "none"
        raise InputError(
            f"variants must be tuples (fs, cp, re, th, sl) of 0, 1 or 2, got {bad}; use None for all 243"
        )
    return [variant for variant in every if variant in wanted]


def chosen_fonts(fonts: str | Iterable[str] | None) -> list[str]:
    """None (all nine), a font letter or several -> list of letters in the order of the files.

    Raises:
        InputError: an unknown letter, or none at all.
    """
    wanted = set(FONTS) if fonts is None else {fonts} if isinstance(fonts, str) else set(fonts)
    unknown = sorted(map(str, wanted - set(FONTS)))
    if unknown or not wanted:
        raise InputError(
            f"PHD08 has no font {', '.join(unknown) or '(an empty list)'}; use some of {' '.join(FONTS)}, or None for all"
        )
    return [font for font in FONTS if font in wanted]


def class_files(folder: Path | str | None = None) -> dict[int, Path]:
    """Label (index in `hangul_classes(2350)`) -> file, in label order, of the class files that lie directly in `folder`.

    Names may be composed or decomposed Unicode. Text files named otherwise are skipped with one warning, hidden files and other types silently.

    Args:
        folder: default `phd08/` in the data folder.

    Raises:
        InputError: no folder, no class file in it, or two files for one class.
    """
    folder = data_folder() / "phd08" if folder is None else Path(folder)
    if not folder.is_dir():
        raise InputError(f"no PHD08 folder {folder}. {GET_IT}")
    label_of = {syllable: label for label, syllable in enumerate(hangul_classes(2350))}
    found: dict[int, Path] = {}
    strays = []
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() != ".txt" or path.name.startswith("."):
            continue
        label = label_of.get(unicodedata.normalize("NFC", path.stem))
        if label is None:
            strays.append(path.name)
        elif label in found:
            raise InputError(
                f"{folder} has two files for one class, {found[label].name!a} and {path.name!a}; remove one of them"
            )
        else:
            found[label] = path
    listed = ", ".join(strays[:5]) + (f" and {len(strays) - 5} more" if len(strays) > 5 else "")
    if not found:
        named = (
            f" (only {listed}, which are not named by a KS X 1001 syllable; was the archive unpacked in another encoding?)"
            if strays
            else ""
        )
        raise InputError(f"no PHD08 class file such as 가.txt in {folder}{named}. {GET_IT}")
    if strays:
        warnings.warn(f"{folder}: skipped {listed}, not named by a KS X 1001 syllable", stacklevel=2)
    return dict(sorted(found.items()))


def parse_file(
    path: Path | str,
    fonts: str | Iterable[str] | None = None,
    variants: int | Iterable[Sequence[int]] | None = None,
    chunk: int = _PIECE,
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, dict[str, np.ndarray]]]:
    """Read one class file, lines ending in LF or CRLF.

    Args:
        path: the file; its name does not matter here.
        fonts, variants: which records to keep, see `chosen_fonts` and `chosen_variants`. Of the others only sizes and headers are checked.
        chunk: at most so many bitmaps at once.

    Yields:
        bits (n, H, W) uint8 of 0 and 1, each bitmap at the top left; heights (n,), widths (n,) int64; and a dict of columns
        font, fs, cp, re, th, sl, each (n,).

    Raises:
        InputError: the file cannot be read or breaks the format: names the record and line. A whole file of fewer than 2,187 records only warns.
    """
    path = Path(path)
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
                f"is no header FONT_FS_CP_RE_TH_SL (truncated, or a line too many before it?): {_shown(header)}",
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
        # A line of another length moves what follows, so that the blank line, the next header or the newlines are not where they belong.
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
            f"{path} holds {len(seen):,} of {RECORDS:,} records; copy the file again if it should be complete",
            stacklevel=2,
        )
    if blocks:
        yield _bits(path, data, blocks)


def iter_phd08(
    folder: Path | str | None = None,
    fonts: str | Iterable[str] | None = None,
    variants: int | Iterable[Sequence[int]] | None = None,
    framing: str = "aspect",
    chunk: int = 20_000,
) -> Iterator[ImageBank]:
    """All PHD08 images of the class files that are there, class by class, within bounded memory.

    Args:
        folder: default `phd08/` in the data folder.
        fonts: letters among S G M N B D Y H1 H2; None for all.
        variants: None (all 243 a font), a count (1, 9, 27, 81: see `variant_indices`) or tuples (fs, cp, re, th, sl).
        framing: "aspect" or "square", see `siamese_lib.data.framing.frame`.
        chunk: at most so many images a bank.

    Yields:
        ImageBank whose label is the index in `hangul_classes(2350)`, whatever files exist; meta columns font, fs, cp, re, th, sl.

    Raises:
        InputError: see `class_files` and `parse_file`.
    """
    if framing not in FRAMINGS:
        raise InputError(f"framing {framing!r} is unknown; use one of {', '.join(FRAMINGS)}")
    if chunk < 1:
        raise InputError(f"chunk must be at least 1, got {chunk}")
    fonts, variants = chosen_fonts(fonts), chosen_variants(variants)
    pending: list[tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]] = []
    held = 0
    for label, path in class_files(folder).items():
        for bits, heights, widths, columns in parse_file(path, fonts, variants, min(chunk, _PIECE)):
            if held + len(bits) > chunk:
                yield _bank(pending)
                pending, held = [], 0
            pending.append(
                (
                    frame(bits * np.uint8(255), heights, widths, framing).numpy(),
                    np.full(len(bits), label, np.int64),
                    columns,
                )
            )
            held += len(bits)
    if pending:
        yield _bank(pending)


def load_phd08(
    folder: Path | str | None = None,
    fonts: str | Iterable[str] | None = None,
    variants: int | Iterable[Sequence[int]] | None = None,
    framing: str = "aspect",
) -> ImageBank:
    """The same as one bank. All of PHD08 takes 7 GB so: choose variants, or use `iter_phd08`.

    Raises:
        InputError: see `iter_phd08`; or the files there are have none of these records.
    """
    import pandas as pd

    banks = list(iter_phd08(folder, fonts, variants, framing))
    if not banks:
        raise InputError(
            f"the PHD08 files in {folder or data_folder() / 'phd08'} have no record of these fonts and variants; choose others"
        )
    images, labels = (
        np.concatenate([getattr(bank, name) for bank in banks]) for name in ("images", "labels")
    )
    return ImageBank(
        images, labels, banks[0].classes, pd.concat([bank.meta for bank in banks], ignore_index=True)
    )


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
    """The file's bytes with LF ends, a newline after the last line."""
    try:
        size = path.stat().st_size
        if size > _LARGEST_FILE:
            raise InputError(
                f"{path} has {size:,} bytes, a PHD08 class file about 3 million; give one file a class"
            )
        data = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"cannot read {path}: {error.strerror}; check the path and its permissions"
        ) from error
    data = data.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n")
    return data if data.endswith(b"\n") else data + b"\n"


def _line(data: bytes, position: int) -> tuple[bytes, int]:
    """The line that starts at `position`, and where the next one starts."""
    end = data.find(b"\n", position)
    return (data[position:end], end + 1) if end >= 0 else (data[position:], len(data))


def _bits(
    path: Path, data: bytes, blocks: list[tuple[bytes, int, int, int, int]]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    digits = np.frombuffer(data, np.uint8)
    heights, widths = (np.array([block[place] for block in blocks], np.int64) for place in (3, 4))
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
        field: values[:, place + 1].astype(np.int64) for place, field in enumerate(FIELDS)
    }
    return bits, heights, widths, columns


def _bank(pending: list[tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]]) -> ImageBank:
    import pandas as pd

    images, labels = (np.concatenate([piece[place] for piece in pending]) for place in (0, 1))
    columns = {name: np.concatenate([piece[2][name] for piece in pending]) for name in ("font", *FIELDS)}
    return ImageBank(images, labels, hangul_classes(2350), pd.DataFrame(columns))


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
            return _broken(
                path,
                header,
                at,
                f"has {_shown(wrong[:1])} at column {text.index(wrong[:1]) + 1}, where only 0 and 1 may stand",
            )
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
