"""Omniglot: 1,623 handwritten characters of 50 alphabets, each drawn once by 20 people.

From Lake, Salakhutdinov, Tenenbaum (Science 2015), MIT licence. A class is a character of an alphabet, never
an alphabet. Drawings are 105 x 105 with dark ink on white; here they become 37 x 37 with ink = 255.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from siamese_lib.data.bank import ImageBank
from siamese_lib.data.framing import FRAMINGS, frame, tight
from siamese_lib.data.omniglot_alphabets import ALPHABETS, CANVAS, DRAWERS
from siamese_lib.data.omniglot_parts import GET_IT, GET_RUNS, Part, check_complete, open_part
from siamese_lib.errors import InputError, NotThere
from siamese_lib.files import atomic_write, cache_target, cached, data_folder, load_arrays
from siamese_lib.model import SIDE

VERSION = 2  # of the cached images: raise it whenever they may change

# Upstream's files with their MD5; the one-shot runs are checked by their content.
SOURCE = "https://raw.githubusercontent.com/brendenlake/omniglot/master/python/"
DOWNLOADS = {
    "images_background.zip": "md5:68d2efa1b9178cc56df9314c21c6e718",
    "images_evaluation.zip": "md5:6b91aef0f799c5bb55b94e3f2daec811",
    "one-shot-classification/all_runs.zip": None,
}


def load_omniglot(
    folder: Path | str | None = None, framing: str = "canvas", download: bool = True
) -> ImageBank:
    """All 32,460 drawings.

    Args:
        folder: holds images_background.zip and images_evaluation.zip, or the same unpacked (a zip archive is
            preferred); default `omniglot/` in the data folder. Decoding takes ten seconds the first time; the
            result is kept in the cache under the hash of the files.
        framing: see `reduce_drawings`.
        download: whether files that the default folder lacks are downloaded into the cache (14 MB).

    Returns:
        Bank of 1,623 classes named `alphabet/characterNN`: the 964 of the background set, then the 659 of the
        evaluation set, each sorted by alphabet and character. 20 drawings a class, by drawer. meta columns:
        alphabet, character, drawer (1..20), subset ("background" or "evaluation").

    Raises:
        NotThere: no Omniglot there, and it could not be downloaded.
        InputError: a damaged file, a missing or surplus alphabet, character or drawing, the two sets swapped,
            or a drawing that is not 105 x 105, dark on white.
    """
    import pandas as pd

    sources = {subset: _source(folder, subset, download) for subset in ALPHABETS}
    parts = [open_part(subset, source) for subset, source in sources.items()]
    for part in parts:
        check_complete(part, ALPHABETS, DRAWERS)
    rows = [(*key, part.subset) for part in parts for key in sorted(part.drawings)]
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
        framing: "canvas" reduces the whole canvas, so where and how large somebody drew is kept; "aspect" and
            "square" cut out the ink and frame it as printed glyphs are framed
            (`siamese_lib.data.framing.frame`).

    Raises:
        InputError: unknown framing, or ink outside [0, 1].
    """
    ink = np.asarray(ink)
    if ink.size and not (ink.min() >= 0 and ink.max() <= 1):
        raise InputError(f"ink runs from {ink.min():g} to {ink.max():g}; give numbers in [0, 1], ink = 1")
    if framing in FRAMINGS:
        return frame(*tight(ink * np.float32(255)), framing).numpy()
    if framing != "canvas":
        raise InputError(f"framing {framing!r} is unknown; use one of canvas, {', '.join(FRAMINGS)}")
    edges = np.arange(SIDE + 1) * CANVAS / SIDE
    source = np.arange(CANVAS)
    covered = np.minimum(edges[1:, None], source + 1) - np.maximum(edges[:-1, None], source)
    weights = (np.maximum(covered, 0) * SIDE / CANVAS).astype(np.float32)
    return np.clip(weights @ ink.astype(np.float32) @ weights.T * 255 + 0.5, 0, 255).astype(np.uint8)


def downloaded(name: str) -> Path:
    """A file of DOWNLOADS in the cache, fetched and checked the first time.

    Raises:
        NotThere: no network, or a file of another checksum.
    """
    import pooch

    known, file = DOWNLOADS[name], name.rpartition("/")[2]
    for path in cached(f"omniglot/{file}"):
        if known is None or known == f"md5:{pooch.file_hash(str(path), alg='md5')}":
            return path
    target = cache_target(f"omniglot/{file}")
    try:
        return Path(pooch.retrieve(SOURCE + name, known, fname=file, path=target.parent))
    except (OSError, ValueError) as error:  # requests' errors are OSErrors; another checksum is a ValueError
        reason, remedy = str(error).replace("\n", " "), GET_IT if name.startswith("images_") else GET_RUNS
        raise NotThere(
            f"{SOURCE}{name} could not be downloaded into {target.parent} ({reason}); {remedy}"
        ) from error


def _source(folder: Path | str | None, subset: str, download: bool) -> Path:
    given = data_folder() / "omniglot" if folder is None else Path(folder)
    for source in (given / f"images_{subset}.zip", given / f"images_{subset}"):
        if source.exists():
            return source
    if folder is None and download:
        return downloaded(f"images_{subset}.zip")
    raise NotThere(f"no images_{subset}.zip and no images_{subset}/ in {given}; {GET_IT}")


def _cached_images(parts: list[Part], count: int, framing: str) -> np.ndarray:
    key = hashlib.sha256(
        f"{VERSION} {SIDE} {framing} {' '.join(part.fingerprint for part in parts)}".encode()
    ).hexdigest()[:32]
    name = f"omniglot-{key}.npz"

    def fits(arrays: dict[str, np.ndarray]) -> bool:
        return arrays["images"].shape == (count, SIDE, SIDE) and arrays["images"].dtype == np.uint8

    for path in cached(name):
        if (stored := load_arrays(path, ["images"], fits)) is not None:
            return stored["images"]
    images = np.concatenate([batch for part in parts for batch in _decoded(part, framing)])
    with atomic_write(cache_target(name)) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, images=images)
    return images


def _decoded(part: Part, framing: str, batch: int = 1000) -> Iterator[np.ndarray]:
    """Reduced drawings in order, (at most `batch`, 37, 37) uint8 at a time."""
    keys = sorted(part.drawings)
    for start in range(0, len(keys), batch):
        ink = np.stack([part.ink(key) for key in keys[start : start + batch]])
        yield reduce_drawings(ink, framing)
