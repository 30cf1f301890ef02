"""What data and fonts this machine has, and packing rendered glyphs for a machine without fonts."""

import itertools
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from siamese_lib.data.faces import SPLITS, WIDE, find_faces
from siamese_lib.data.glyphs import cache_name, masters, render_missing
from siamese_lib.data.hangul import font_manifest
from siamese_lib.data.hangul_classes import hangul_classes
from siamese_lib.errors import InputError
from siamese_lib.files import atomic_write, cache_folder, cached, data_folder

# Split -> numbers of classes that its typefaces are drawn for: PHD08 has 2,350, whatever was trained on.
ALPHABETS = {"train": (2350, 11172), WIDE: (2350, 11172), "validation": (2350, 11172), "test": (2350,)}


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


def pack(folder: str | os.PathLike) -> list[str]:
    """Copy the rendered glyphs of all typefaces into `folder`, laid out as a cache.

    On a machine without the fonts `SIAMESE_CACHE=folder` replaces them; the folder may be read-only there.
    What is not in the cache yet is rendered.

    Returns:
        The files, relative to `folder`.

    Raises:
        InputError: no fonts, fonts whose hashes are not the declared ones (the other machine could not know
            them), or an unwritable folder.
    """
    target, written = Path(os.path.expanduser(folder)), []
    faces = {split: find_faces(split) for split in ALPHABETS}
    for found in itertools.chain.from_iterable(faces.values()):
        if found.fallback or found.sha256 != found.face.sha256:
            raise InputError(
                f"{found.path} is not the declared version of {found.face.file}; install it with `make "
                "fonts` before packing"
            )
    for split, counts in ALPHABETS.items():
        for classes in map(hangul_classes, counts):
            render_missing(faces[split], classes)
            for found in faces[split]:
                name = cache_name(found, classes)
                if name not in written:  # train-wide has the typefaces of train
                    masters(found, classes)  # renders it where the cache has none, or a damaged one
                    for source in cached(name)[-1:]:  # the last is sound where an earlier one is damaged
                        with atomic_write(target / name) as temporary:
                            shutil.copyfile(source, temporary)
                        written.append(name)
    return written
