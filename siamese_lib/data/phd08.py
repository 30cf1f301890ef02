"""PHD08: printed Hangul, one text file a class, 2,187 bitmaps each (Ham, Lee, Jung, Oh, 2008).

A file is named by its syllable, `가.txt`. `phd08_records` reads and writes one file, `phd08_variants` names
fonts and variants; what users need of both can be imported from here.
"""

import os
import unicodedata
import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from siamese_lib.data.bank import ImageBank
from siamese_lib.data.checks import whole_number
from siamese_lib.data.framing import FRAMINGS, frame
from siamese_lib.data.hangul_classes import hangul_classes
from siamese_lib.data.phd08_records import PIECE, RECORDS, parse_file, write_phd08
from siamese_lib.data.phd08_variants import FIELDS, FONTS, chosen_fonts, chosen_variants, variant_indices
from siamese_lib.errors import InputError, NotThere
from siamese_lib.files import data_folder

__all__ = [
    "FIELDS",
    "FONTS",
    "RECORDS",
    "chosen_fonts",
    "chosen_variants",
    "class_files",
    "iter_phd08",
    "load_phd08",
    "parse_file",
    "variant_indices",
    "write_phd08",
]

GET_IT = (
    "PHD08 cannot be downloaded by a program: get the archive from the laboratory that publishes it, unpack "
    "the .alz (`unalz`), put the files 가.txt ... 힝.txt in a folder phd08/ and set SIAMESE_DATA to the "
    "folder that holds phd08/"
)


def class_files(folder: Path | str | None = None) -> dict[int, Path]:
    """The class files that lie directly in a folder.

    A class file is named by a KS X 1001 syllable, in composed or decomposed Unicode, and ends in `.txt` or
    `.TXT`. Hidden files, folders and other names are no class files.

    Args:
        folder: default `phd08/` in the data folder.

    Returns:
        Label (index in `hangul_classes(2350)`) -> file, in the order of the labels.

    Raises:
        NotThere: no folder, or no class file in it.
        InputError: two files for one class, or a folder that cannot be read.
    """
    return _sort_out(folder)[0]


def _sort_out(folder: Path | str | None) -> tuple[dict[int, Path], str]:
    """Class files as in `class_files`, and a list of the text files that are none, as text."""
    folder = data_folder() / "phd08" if folder is None else Path(folder)
    try:
        paths = [folder / name for name in sorted(os.listdir(folder))]
    except (FileNotFoundError, NotADirectoryError):
        raise NotThere(f"no class files in {folder}, which is no folder. {GET_IT}") from None
    except OSError as error:
        raise InputError(
            f"cannot read the folder {folder}: {error.strerror}; check its permissions"
        ) from error
    label_of = {syllable: label for label, syllable in enumerate(hangul_classes(2350))}
    found: dict[int, Path] = {}
    strays = []
    for path in paths:
        if path.suffix.lower() != ".txt" or path.name.startswith("."):
            continue
        label = label_of.get(unicodedata.normalize("NFC", path.stem))
        if label is None or os.path.isdir(path):
            strays.append(path.name)
        elif label in found:
            raise InputError(
                f"{folder} has two files for one class, {found[label].name!a} and {path.name!a}; remove one "
                "of them"
            )
        else:
            found[label] = path
    listed = ", ".join(strays[:5]) + (f" and {len(strays) - 5} more" if len(strays) > 5 else "")
    if not found:
        named = (
            f" (only {listed}, not named by a KS X 1001 syllable; was the archive unpacked in another "
            "encoding?)"
            if strays
            else ", such as 가.txt"
        )
        raise NotThere(f"no class files in {folder}{named}. {GET_IT}")
    return dict(sorted(found.items())), listed


def iter_phd08(
    folder: Path | str | None = None,
    fonts: str | Iterable[str] | None = None,
    variants: int | Iterable[Sequence[int]] | None = None,
    framing: str = "aspect",
    chunk: int = 20_000,
) -> Iterator[ImageBank]:
    """All PHD08 images of the class files that are there, class by class, within bounded memory.

    Text files that are no class files are skipped with a warning.

    Args:
        folder: default `phd08/` in the data folder.
        fonts: letters among S G M N B D Y H1 H2; None for all.
        variants: None (all 243 a font), a count (1, 9, 27, 81: see `variant_indices`) or tuples (fs, cp, re,
            th, sl).
        framing: "aspect" or "square", see `siamese_lib.data.framing.frame`.
        chunk: at most so many images a bank.

    Yields:
        ImageBank whose label is the index in `hangul_classes(2350)`, whatever files exist; meta columns font,
        fs, cp, re, th, sl.

    Raises:
        NotThere: see `class_files`.
        InputError: see `class_files` and `parse_file`; an unknown framing or chunk.
    """
    if framing not in FRAMINGS:
        raise InputError(f"framing {framing!r} is unknown; use one of {', '.join(FRAMINGS)}")
    chunk = whole_number("chunk", chunk, 1)
    fonts, variants = chosen_fonts(fonts), chosen_variants(variants)
    files, strays = _sort_out(folder)
    if strays:
        warnings.warn(
            f"{next(iter(files.values())).parent}: skipped {strays}, not named by a KS X 1001 syllable",
            stacklevel=2,
        )
    pending: list[tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]] = []
    held = 0
    for label, path in files.items():
        for bits, heights, widths, columns in parse_file(path, fonts, variants, min(chunk, PIECE)):
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
    """The images of `iter_phd08` as one bank; all of PHD08 would take 7 GB.

    Raises:
        InputError: see `iter_phd08`; or none of the files has such a record.
    """
    import pandas as pd

    banks = list(iter_phd08(folder, fonts, variants, framing))
    if not banks:
        raise InputError(
            f"the PHD08 files in {folder or data_folder() / 'phd08'} have no record of these fonts and "
            "variants; choose others"
        )
    images, labels = (
        np.concatenate([getattr(bank, name) for bank in banks]) for name in ("images", "labels")
    )
    return ImageBank(
        images, labels, banks[0].classes, pd.concat([bank.meta for bank in banks], ignore_index=True)
    )


def _bank(pending: list[tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]]) -> ImageBank:
    import pandas as pd

    images, labels = (np.concatenate([piece[k] for piece in pending]) for k in (0, 1))
    columns = {name: np.concatenate([piece[2][name] for piece in pending]) for name in ("font", *FIELDS)}
    return ImageBank(images, labels, hangul_classes(2350), pd.DataFrame(columns))
