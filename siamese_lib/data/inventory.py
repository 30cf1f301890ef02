"""What data and fonts this machine has, and packing rendered glyphs for a machine without fonts."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from siamese_lib.data.faces import SPLITS, find_faces, masters_name
from siamese_lib.data.glyphs import masters, render_missing
from siamese_lib.data.hangul import font_manifest
from siamese_lib.data.hangul_classes import hangul_classes
from siamese_lib.errors import InputError
from siamese_lib.files import atomic_write, cache_folder, cached, data_folder


def inventory() -> dict:
    """What is found, or how to get what is missing.

    Returns:
        Folders, fonts by split with their fingerprints, number of PHD08 class files, Omniglot counts; a text
        that begins with "not found: " in place of what is missing.
    """
    return {
        "SIAMESE_DATA": str(data_folder()),
        "SIAMESE_CACHE": str(cache_folder()),
        "fonts": _or_reason(lambda: font_manifest(*SPLITS)),
        "phd08": _or_reason(_phd08),
        "omniglot": _or_reason(_omniglot),
    }


def _or_reason(find: Callable[[], dict]) -> dict | str:
    try:
        return find()
    except InputError as error:
        return f"not found: {error}"


def _phd08() -> dict:
    from siamese_lib.data.phd08 import class_files

    files = class_files().values()
    return {
        "class files": len(files),
        "of": len(hangul_classes(2350)),
        "bytes": sum(file.stat().st_size for file in files if file.exists()),
    }


def _omniglot() -> dict:
    from siamese_lib.data.omniglot import load_omniglot

    bank = load_omniglot(download=False)
    return {"classes": bank.num_classes, "drawings": len(bank), "sha256": bank.sha256()}


def pack(folder: str | os.PathLike, num_classes: int = 2350) -> list[str]:
    """Copy the rendered glyphs of all typefaces into `folder`, laid out as a cache.

    On a machine without the fonts `SIAMESE_CACHE=folder` replaces them; the folder may be read-only there.

    Returns:
        The files, relative to `folder`.

    Raises:
        InputError: no fonts, fonts whose hashes are not the declared ones (the other machine could not know
            them), or an unwritable folder.
    """
    target, classes = Path(os.path.expanduser(folder)), hangul_classes(num_classes)
    faces = [found for split in SPLITS for found in find_faces(split)]
    for found in faces:
        if found.fallback or found.sha256 != found.face.sha256:
            raise InputError(
                f"{found.path} is not the declared version of {found.face.file}; install it with `make "
                "fonts` before packing"
            )
    render_missing(faces, classes)
    written = []
    for found in faces:
        masters(found, classes)
        for source in cached(masters_name(found.sha256, found.face.index)):
            name = Path(source.parent.name, source.name)
            with atomic_write(target / name) as temporary:
                shutil.copyfile(source, temporary)
            written.append(str(name))
    return written
