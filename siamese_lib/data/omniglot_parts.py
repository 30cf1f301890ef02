"""The two published parts of Omniglot, as zip archives or folders, and whether they are complete."""

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from siamese_lib.data.archives import LARGEST_MEMBER, Archive, is_hidden
from siamese_lib.data.omniglot_alphabets import CANVAS
from siamese_lib.data.pictures import read_png
from siamese_lib.errors import InputError
from siamese_lib.files import files_beneath, read_bytes

GET_IT = (
    "put images_background.zip and images_evaluation.zip, from "
    "https://github.com/brendenlake/omniglot/tree/master/python, in a folder omniglot/ and set SIAMESE_DATA "
    "to the folder that holds omniglot/"
)
GET_RUNS = (
    "get all_runs.zip from "
    "https://github.com/brendenlake/omniglot/tree/master/python/one-shot-classification and put it beside "
    "the others"
)
_DRAWING = re.compile(r"([^/]+)/(character\d\d)/\d{4}_(\d\d)\.(?i:png)")


@dataclass(frozen=True, eq=False)
class Part:
    """One of the two parts.

    Attributes:
        subset: "background" or "evaluation".
        source: the zip archive or folder.
        drawings: (alphabet, character, drawer) -> name within `source`.
        read: name -> content of the file.
        fingerprint: of the archive's content; of names, sizes and times of a folder's files.
    """

    subset: str
    source: Path
    drawings: dict[tuple[str, str, int], str]
    read: Callable[[str], bytes]
    fingerprint: str

    def ink(self, key: tuple[str, str, int]) -> np.ndarray:
        """(105, 105) bool of one drawing, True = ink."""
        name = self.drawings[key]
        return drawn_ink(self.read(name), f"{self.source}: {name}")


def open_part(subset: str, source: Path) -> Part:
    """Find the drawings of a part; hidden files are ignored.

    Raises:
        InputError: a damaged archive, the other part's archive, a name that does not fit, two files for one
            drawing.
    """
    return (_open_folder if source.is_dir() else _open_archive)(subset, source)


def _open_folder(subset: str, folder: Path) -> Part:
    files = {path.relative_to(folder): path for path in files_beneath(folder)}
    files = {
        name.as_posix(): files[name]
        for name in sorted(files)
        if name.suffix.lower() == ".png" and not is_hidden(name.as_posix())
    }
    # Size and time stand for the content: hashing 32,460 files takes as long as decoding them.
    states = {name: path.stat() for name, path in files.items()}
    listing = "\n".join(f"{name} {state.st_size} {state.st_mtime_ns}" for name, state in states.items())
    return Part(
        subset,
        folder,
        _drawings(folder, files),
        lambda name: read_bytes(files[name], LARGEST_MEMBER, GET_IT),
        hashlib.sha256(listing.encode(errors="surrogateescape")).hexdigest(),
    )


def _open_archive(subset: str, path: Path) -> Part:
    archive = Archive(path, GET_IT)
    names = [name for name in archive.names if name.lower().endswith(".png")]
    other = {"background": "evaluation", "evaluation": "background"}[subset]
    if names and all(name.startswith(f"images_{other}/") for name in names):
        raise InputError(
            f"{path} holds images_{other}/: the two sets are swapped; rename the file to images_{other}.zip"
        )
    top = f"images_{subset}/"
    prefix = top if all(name.startswith(top) for name in names) else ""
    drawings = _drawings(path, [name.removeprefix(prefix) for name in names])
    fingerprint = hashlib.sha256(archive.content).hexdigest()
    return Part(subset, path, drawings, lambda name: archive.read(prefix + name), fingerprint)


def _drawings(source: Path, names: Iterable[str]) -> dict[tuple[str, str, int], str]:
    drawings: dict[tuple[str, str, int], str] = {}
    for name in sorted(names):
        match = _DRAWING.fullmatch(name)
        if match is None:
            raise InputError(
                f"{source}: {name} does not fit alphabet/characterNN/NNNN_NN.png; restore the layout of the "
                "original, or remove the file"
            )
        key = (match[1], match[2], int(match[3]))
        if key in drawings:
            raise InputError(
                f"{source}: {drawings[key]} and {name} are both of drawer {key[2]:02}; remove the one that "
                "does not belong there"
            )
        drawings[key] = name
    return drawings


def check_complete(part: Part, alphabets: Mapping[str, Mapping[str, int]], drawers: int) -> None:
    """Compare a part with what was published: whole alphabets first, then characters, then drawings.

    Args:
        part: to be checked.
        alphabets: subset -> alphabet -> number of characters.
        drawers: drawings of each character.

    Raises:
        InputError: names what is missing or surplus, or says that the two parts are swapped.
    """
    found: dict[str, dict[str, set[int]]] = {}
    for alphabet, character, drawer in part.drawings:
        found.setdefault(alphabet, {}).setdefault(character, set()).add(drawer)
    expected = alphabets[part.subset]
    count = sum(map(len, found.values()))
    numbers = f"{count:,} of {sum(expected.values()):,} characters"
    others = {name for subset, names in alphabets.items() if subset != part.subset for name in names}
    if found and found.keys() <= others:
        raise InputError(
            f"{part.source} holds the alphabets of the other set ({count:,} characters): the two sets are "
            "swapped; exchange their names"
        )
    _refuse(f"{part.source} ({numbers})", "alphabet", expected.keys(), found.keys())
    full = {f"{name}/character{k:02}" for name, size in expected.items() for k in range(1, size + 1)}
    there = {f"{name}/{character}" for name, characters in found.items() for character in characters}
    _refuse(f"{part.source} ({numbers})", "character", full, there)
    everyone = {f"{drawer:02}" for drawer in range(1, drawers + 1)}
    for alphabet, characters in found.items():
        for character, drawn in characters.items():
            where = f"{part.source}: {alphabet}/{character}"
            ending = f" (each character has {drawers})"
            _refuse(where, "drawer", everyone, {f"{drawer:02}" for drawer in drawn}, ending)


def _refuse(where: str, what: str, expected: Iterable[str], found: Iterable[str], ending: str = "") -> None:
    for problem, names in (
        ("lacks", set(expected) - set(found)),
        ("has unknown", set(found) - set(expected)),
    ):
        if names:
            listed = sorted(names)
            more = f" and {len(listed) - 5} more" if len(listed) > 5 else ""
            raise InputError(f"{where} {problem} {what} {', '.join(listed[:5])}{more}{ending}; {GET_IT}")


def drawn_ink(content: bytes, shown: str) -> np.ndarray:
    """A drawing's file -> (105, 105) bool, True = ink.

    Args:
        content: of the PNG file.
        shown: name of the file in messages.

    Raises:
        InputError: it cannot be decoded, or is not 105 x 105, dark on white.
    """
    remedy = "use the original drawings"
    ink = read_png(content, CANVAS, shown, remedy) < 128
    share = ink.mean()
    if not 0 < share < 0.5:
        what = "is blank" if share == 0 else f"is {share:.0%} dark: inverted, it should be dark ink on white"
        raise InputError(f"{shown} {what}; {remedy}")
    return ink
