"""What data and fonts this machine has, and packing them for a machine without fonts."""

import os
import shutil
from pathlib import Path

from siamese_lib.data.faces import SPLITS, find_faces, masters_folder, masters_stem
from siamese_lib.data.glyphs import masters, render_missing
from siamese_lib.data.hangul import font_manifest
from siamese_lib.data.hangul_classes import hangul_classes
from siamese_lib.errors import InputError
from siamese_lib.files import atomic_write, cache_folder, data_folder


def inventory() -> dict:
    """Folders, fonts by split with their fingerprints, PHD08 class files and Omniglot counts; what is missing comes with how to get it."""
    return {
        "SIAMESE_DATA": str(data_folder()),
        "SIAMESE_CACHE": str(cache_folder()),
        "fonts": _or_reason(lambda: font_manifest(*SPLITS)),
        "phd08": _or_reason(_phd08),
        "omniglot": _or_reason(_omniglot),
    }


def _or_reason(find) -> object:
    try:
        return find()
    except InputError as error:
        return f"not found: {error}"


def _phd08() -> dict:
    from siamese_lib.data.phd08 import GET_IT

    files = sorted((data_folder() / "phd08").glob("*.txt"))
    if not files:
        raise InputError(GET_IT)
    return {
        "class files": len(files),
        "of": len(hangul_classes(2350)),
        "bytes": sum(file.stat().st_size for file in files),
    }


def _omniglot() -> dict:
    from siamese_lib.data.omniglot import load_omniglot

    bank = load_omniglot(download=False)
    return {"classes": bank.num_classes, "drawings": len(bank), "sha256": bank.sha256()}


def pack(folder: str | os.PathLike, num_classes: int = 2350) -> list[str]:
    """Copy the rendered glyphs of all faces into `folder`, laid out as a cache: `SIAMESE_CACHE=folder` then replaces the fonts.

    Returns:
        The files, relative to `folder`.

    Raises:
        InputError: no fonts, fonts whose hashes are not the declared ones (the other machine could not know them), or an unwritable folder.
    """
    target, written = Path(folder), []
    render_missing([found for split in SPLITS for found in find_faces(split)], hangul_classes(num_classes))
    for split in SPLITS:
        for found in find_faces(split):
            if found.fallback or found.sha256 != found.face.sha256:
                raise InputError(
                    f"{found.path} is not the declared version of {found.face.file}; install it with `make fonts` before packing"
                )
            masters(found, hangul_classes(num_classes))
            for source in sorted(
                masters_folder().glob(f"{masters_stem(found.sha256, found.face.index)}*.npz")
            ):
                copy = target / masters_folder().name / source.name
                with atomic_write(copy) as temporary:
                    shutil.copyfile(source, temporary)
                written.append(str(copy.relative_to(target)))
    return written
