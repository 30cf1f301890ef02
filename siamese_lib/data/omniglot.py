"""Omniglot: 1,623 handwritten characters of 50 alphabets, each drawn once by 20 people (Lake, Salakhutdinov, Tenenbaum, Science 2015; MIT licence).

A class is a character of an alphabet, never an alphabet. Drawings are 105 x 105 with dark ink on white; here they become 37 x 37 with ink = 255.
"""

import hashlib
import io
import re
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from siamese_lib.data.bank import ImageBank
from siamese_lib.data.framing import FRAMINGS, SIDE, frame, tight
from siamese_lib.errors import InputError, NotThere
from siamese_lib.files import atomic_write, cache_folder, data_folder

CANVAS = 105  # pixels a side of a drawing
DRAWERS = 20
VERSION = 2  # of the cached images: raise it whenever they may change

# Characters of every alphabet, in the two parts that are published.
ALPHABETS = {
    "background": {
        "Alphabet_of_the_Magi": 20,
        "Anglo-Saxon_Futhorc": 29,
        "Arcadian": 26,
        "Armenian": 41,
        "Asomtavruli_(Georgian)": 40,
        "Balinese": 24,
        "Bengali": 46,
        "Blackfoot_(Canadian_Aboriginal_Syllabics)": 14,
        "Braille": 26,
        "Burmese_(Myanmar)": 34,
        "Cyrillic": 33,
        "Early_Aramaic": 22,
        "Futurama": 26,
        "Grantha": 43,
        "Greek": 24,
        "Gujarati": 48,
        "Hebrew": 22,
        "Inuktitut_(Canadian_Aboriginal_Syllabics)": 16,
        "Japanese_(hiragana)": 52,
        "Japanese_(katakana)": 47,
        "Korean": 40,
        "Latin": 26,
        "Malay_(Jawi_-_Arabic)": 40,
        "Mkhedruli_(Georgian)": 41,
        "N_Ko": 33,
        "Ojibwe_(Canadian_Aboriginal_Syllabics)": 14,
        "Sanskrit": 42,
        "Syriac_(Estrangelo)": 23,
        "Tagalog": 17,
        "Tifinagh": 55,
    },
    "evaluation": {
        "Angelic": 20,
        "Atemayar_Qelisayer": 26,
        "Atlantean": 26,
        "Aurek-Besh": 26,
        "Avesta": 26,
        "Ge_ez": 26,
        "Glagolitic": 45,
        "Gurmukhi": 45,
        "Kannada": 41,
        "Keble": 26,
        "Malayalam": 47,
        "Manipuri": 40,
        "Mongolian": 30,
        "Old_Church_Slavonic_(Cyrillic)": 45,
        "Oriya": 46,
        "Sylheti": 28,
        "Syriac_(Serto)": 23,
        "Tengwar": 25,
        "Tibetan": 42,
        "ULOG": 26,
    },
}

# Upstream's files, MD5; the one-shot runs are checked by their content.
SOURCE = "https://raw.githubusercontent.com/brendenlake/omniglot/master/python/"
DOWNLOADS = {
    "images_background.zip": "md5:68d2efa1b9178cc56df9314c21c6e718",
    "images_evaluation.zip": "md5:6b91aef0f799c5bb55b94e3f2daec811",
    "one-shot-classification/all_runs.zip": None,
}
GET_IT = (
    "put images_background.zip and images_evaluation.zip, from https://github.com/brendenlake/omniglot/tree/master/python, in a folder omniglot/ "
    "and set SIAMESE_DATA to the folder that holds omniglot/"
)
_DRAWING = re.compile(r"([^/]+)/(character\d\d)/\d{4}_(\d\d)\.png")


@dataclass(frozen=True, eq=False)
class _Part:
    """One of the two parts: a zip file or a folder."""

    subset: str
    place: Path
    drawings: dict[tuple[str, str, int], str]  # (alphabet, character, drawer) -> name within `place`
    read: Callable[[str], bytes]
    fingerprint: str


def load_omniglot(
    folder: Path | str | None = None, framing: str = "canvas", download: bool = True
) -> ImageBank:
    """All 32,460 drawings.

    Args:
        folder: holds images_background.zip and images_evaluation.zip, or the same unpacked (a zip file is preferred); default `omniglot/` in the
            data folder. Decoding takes ten seconds the first time; the result is kept in the cache under the hash of the files.
        framing: see `reduce_drawings`.
        download: whether files that the default folder lacks are downloaded into the cache (14 MB).

    Returns:
        Bank of 1,623 classes named `alphabet/characterNN`: the 964 of the background set, then the 659 of the evaluation set, each sorted by alphabet
        and character. 20 drawings a class, by drawer. meta columns: alphabet, character, drawer (1..20), subset ("background" or "evaluation").

    Raises:
        InputError: no Omniglot there, a damaged file, a missing or surplus alphabet, character or drawing, the two sets swapped, or a drawing that is
            not 105 x 105, dark on white.
    """
    import pandas as pd

    places = {subset: _place(folder, subset, download) for subset in ALPHABETS}
    parts = [_open_part(subset, place) for subset, place in places.items()]
    for part in parts:
        _check_complete(part)
    keys = [(part, key) for part in parts for key in sorted(part.drawings)]
    rows = [(*key, part.subset) for part, key in keys]
    classes = list(dict.fromkeys(f"{alphabet}/{character}" for alphabet, character, _, _ in rows))
    labels = np.arange(len(rows), dtype=np.int64) // DRAWERS
    images = _cached_images(parts, len(rows), framing)
    return ImageBank(
        images, labels, classes, pd.DataFrame(rows, columns=["alphabet", "character", "drawer", "subset"])
    )


def reduce_drawings(ink: np.ndarray, framing: str = "canvas") -> np.ndarray:
    """(N, 105, 105) ink in [0, 1] -> (N, 37, 37) uint8, every pixel an average over the area that it covers.

    Args:
        ink: of drawings, dark on white as 1 on 0.
        framing: "canvas" reduces the whole canvas, so where and how large somebody drew is kept; "aspect" and "square" cut out the ink and frame it
            as printed glyphs are framed (`siamese_lib.data.framing.frame`).

    Raises:
        InputError: unknown framing.
    """
    if framing in FRAMINGS:
        return frame(*tight(np.asarray(ink) * np.float32(255)), framing).numpy()
    if framing != "canvas":
        raise InputError(f"framing {framing!r} is unknown; use one of canvas, {', '.join(FRAMINGS)}")
    edges = np.arange(SIDE + 1) * CANVAS / SIDE
    source = np.arange(CANVAS)
    covered = np.minimum(edges[1:, None], source + 1) - np.maximum(edges[:-1, None], source)
    weights = (np.maximum(covered, 0) * SIDE / CANVAS).astype(np.float32)
    return np.clip(weights @ ink.astype(np.float32) @ weights.T * 255 + 0.5, 0, 255).astype(np.uint8)


def _place(folder: Path | str | None, subset: str, download: bool) -> Path:
    given = data_folder() / "omniglot" if folder is None else Path(folder)
    for place in (given / f"images_{subset}.zip", given / f"images_{subset}"):
        if place.exists():
            return place
    if folder is None and download:
        return downloaded(f"images_{subset}.zip")
    raise InputError(f"no images_{subset}.zip and no images_{subset}/ in {given}; {GET_IT}")


def downloaded(name: str) -> Path:
    """A file of DOWNLOADS in the cache, fetched and checked the first time.

    Raises:
        NotThere: no network, or a file of another checksum.
    """
    import pooch

    folder = cache_folder() / "omniglot"
    try:
        return Path(
            pooch.retrieve(SOURCE + name, DOWNLOADS[name], fname=name.rpartition("/")[2], path=folder)
        )
    except (OSError, ValueError) as error:  # requests' errors are OSErrors; another checksum is a ValueError
        raise NotThere(f"{SOURCE}{name} could not be downloaded into {folder} ({error}); {GET_IT}") from error


def _open_part(subset: str, place: Path) -> _Part:
    if place.is_dir():
        # size and time stand for the content: hashing 32,460 files takes as long as decoding them
        files = {
            path.relative_to(place).as_posix(): path.stat()
            for path in sorted(place.rglob("*.png"))
            if not path.name.startswith(".")
        }
        listing = "\n".join(f"{name} {state.st_size} {state.st_mtime_ns}" for name, state in files.items())
        return _Part(
            subset,
            place,
            _drawings(place, files),
            lambda name: (place / name).read_bytes(),
            hashlib.sha256(listing.encode()).hexdigest(),
        )
    try:
        content = place.read_bytes()
        archive = zipfile.ZipFile(io.BytesIO(content))
    except OSError as error:
        raise InputError(f"cannot read {place}: {error.strerror}; check its permissions") from error
    except zipfile.BadZipFile as error:
        raise InputError(f"{place} is damaged ({error}); {GET_IT}") from error
    names = [
        name
        for name in archive.namelist()
        if name.lower().endswith(".png") and not name.startswith("__MACOSX/")
    ]
    other = {"background": "evaluation", "evaluation": "background"}[subset]
    if names and all(name.startswith(f"images_{other}/") for name in names):
        raise InputError(
            f"{place} holds images_{other}/: the two sets are swapped; rename the file to images_{other}.zip"
        )
    top = f"images_{subset}/"
    prefix = top if all(name.startswith(top) for name in names) else ""
    drawings = _drawings(place, [name.removeprefix(prefix) for name in names])
    return _Part(
        subset, place, drawings, lambda name: archive.read(prefix + name), hashlib.sha256(content).hexdigest()
    )


def _drawings(place: Path, names) -> dict[tuple[str, str, int], str]:
    drawings = {}
    for name in sorted(names):
        match = _DRAWING.fullmatch(name)
        if match is None:
            raise InputError(
                f"{place}: {name} does not fit alphabet/characterNN/NNNN_NN.png; restore the layout of the original, or remove the file"
            )
        key = (match[1], match[2], int(match[3]))
        if key in drawings:
            raise InputError(
                f"{place}: {drawings[key]} and {name} are both of drawer {key[2]:02}; remove the one that does not belong there"
            )
        drawings[key] = name
    return drawings


def _check_complete(part: _Part) -> None:
    """Names what is missing or surplus against `ALPHABETS`: whole alphabets first, then characters, then drawings."""
    found: dict[str, dict[str, set[int]]] = {}
    for alphabet, character, drawer in part.drawings:
        found.setdefault(alphabet, {}).setdefault(character, set()).add(drawer)
    expected = ALPHABETS[part.subset]
    others = {
        alphabet for subset, alphabets in ALPHABETS.items() if subset != part.subset for alphabet in alphabets
    }
    count = sum(map(len, found.values()))
    numbers = f"{count:,} of {sum(expected.values()):,} characters"
    if found and found.keys() <= others:
        raise InputError(
            f"{part.place} holds the alphabets of the other set ({count:,} characters): the two sets are swapped; exchange their names"
        )
    for what, names in (
        ("lacks", sorted(expected.keys() - found.keys())),
        ("has unknown", sorted(found.keys() - expected.keys())),
    ):
        if names:
            raise InputError(f"{part.place} ({numbers}) {what} alphabet {_listed(names)}; {GET_IT}")
    full = {
        alphabet: {f"character{number:02}" for number in range(1, size + 1)}
        for alphabet, size in expected.items()
    }
    missing = [
        f"{alphabet}/{character}"
        for alphabet in expected
        for character in sorted(full[alphabet] - found[alphabet].keys())
    ]
    surplus = [
        f"{alphabet}/{character}"
        for alphabet in expected
        for character in sorted(found[alphabet].keys() - full[alphabet])
    ]
    for what, names in (("lacks", missing), ("has unknown", surplus)):
        if names:
            raise InputError(f"{part.place} ({numbers}) {what} character {_listed(names)}; {GET_IT}")
    everyone = set(range(1, DRAWERS + 1))
    for alphabet, characters in found.items():
        for character, drawers in characters.items():
            if drawers != everyone:
                what, numbers = (
                    ("lacks", everyone - drawers)
                    if everyone - drawers
                    else ("has unknown", drawers - everyone)
                )
                names = [f"{number:02}" for number in sorted(numbers)]
                raise InputError(
                    f"{part.place}: {alphabet}/{character} {what} drawer {_listed(names)} (each character has {DRAWERS}); {GET_IT}"
                )


def _listed(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _cached_images(parts: list[_Part], count: int, framing: str) -> np.ndarray:
    key = hashlib.sha256(
        f"{VERSION} {SIDE} {framing} {' '.join(part.fingerprint for part in parts)}".encode()
    ).hexdigest()[:32]
    path = cache_folder() / f"omniglot-{key}.npz"
    if path.is_file():
        try:
            with np.load(path, allow_pickle=False) as stored:
                images = stored["images"]
            if images.shape == (count, SIDE, SIDE) and images.dtype == np.uint8:
                return images
        except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile, zlib.error):
            pass
        warnings.warn(f"cached drawings {path} are damaged; decoding them again", stacklevel=3)
    images = np.concatenate([batch for part in parts for batch in _decoded(part, framing)])
    with atomic_write(path) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, images=images)
    return images


def _decoded(part: _Part, framing: str, batch: int = 1000) -> Iterator[np.ndarray]:
    """Reduced drawings in order, (at most `batch`, 37, 37) uint8 at a time."""
    keys = sorted(part.drawings)
    for start in range(0, len(keys), batch):
        yield reduce_drawings(
            np.stack([_ink(part, part.drawings[key]) for key in keys[start : start + batch]]), framing
        )


def _ink(part: _Part, name: str) -> np.ndarray:
    """(105, 105) bool, True = ink."""
    shown = f"{part.place}: {name}"
    try:
        content = part.read(name)
    except (OSError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(f"{shown} cannot be decoded ({error}); {GET_IT}") from error
    return drawn_ink(content, shown)


def drawn_ink(content: bytes, shown: str) -> np.ndarray:
    """A drawing's file -> (105, 105) bool, True = ink; `shown` names it in messages.

    Raises:
        InputError: it cannot be decoded, or is not 105 x 105, dark on white.
    """
    from PIL import Image

    try:
        picture = Image.open(io.BytesIO(content))
        picture.load()
    except (OSError, RuntimeError, SyntaxError, ValueError, EOFError, zlib.error) as error:
        raise InputError(f"{shown} cannot be decoded ({error}); {GET_IT}") from error
    if picture.size != (CANVAS, CANVAS):
        raise InputError(
            f"{shown} has {picture.width} x {picture.height} pixels instead of {CANVAS} x {CANVAS}; use the original drawings"
        )
    if picture.mode not in ("1", "L"):
        raise InputError(
            f"{shown} is a colour image (mode {picture.mode}) instead of black on white; use the original drawings"
        )
    ink = np.asarray(picture.convert("L")) < 128
    share = ink.mean()
    if not 0 < share < 0.5:
        what = "is blank" if share == 0 else f"is {share:.0%} dark: inverted, it should be dark ink on white"
        raise InputError(f"{shown} {what}; use the original drawings")
    return ink
