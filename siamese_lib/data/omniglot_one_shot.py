"""Lake's 20 one-shot runs (all_runs.zip): 20 characters of one alphabet, drawn once each by one person and once by another."""

import re
import zipfile
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from siamese_lib.data.omniglot import downloaded, drawn_ink, reduce_drawings
from siamese_lib.errors import InputError, NotThere
from siamese_lib.files import data_folder

RUNS, WAYS = 20, 20
GET_IT = "get all_runs.zip from https://github.com/brendenlake/omniglot/tree/master/python/one-shot-classification and put it beside the others"
_LINE = re.compile(r"(run\d\d)/test/item(\d\d)\.png \1/training/class(\d\d)\.png")


class OneShotRuns(NamedTuple):
    """Attributes:
    training: (20, 20, 37, 37) uint8, by run and class.
    test: (20, 20, 37, 37) uint8, by run and item.
    answers: (20, 20) long, the class of each item.
    """

    training: np.ndarray
    test: np.ndarray
    answers: np.ndarray


def load_one_shot(path: Path | str | None = None, framing: str = "canvas") -> OneShotRuns:
    """The official 400 trials, reduced as `load_omniglot` reduces drawings.

    Args:
        path: all_runs.zip; default `omniglot/all_runs.zip` in the data folder, else it is downloaded into the cache.
        framing: see `siamese_lib.data.omniglot.reduce_drawings`.

    Raises:
        NotThere: no such file, and it could not be downloaded.
        InputError: a damaged file, a drawing or an answer that is missing.
    """
    if path is None:
        path = data_folder() / "omniglot" / "all_runs.zip"
        path = path if path.exists() else downloaded("one-shot-classification/all_runs.zip")
    path = Path(path)
    try:
        archive = zipfile.ZipFile(path)
        found = {
            kind: [_drawings(archive, path, kind, run, framing) for run in range(1, RUNS + 1)]
            for kind in ("training/class", "test/item")
        }
        answers = np.stack([_answers(archive, path, run) for run in range(1, RUNS + 1)])
    except FileNotFoundError as error:
        raise NotThere(f"no {path}; {GET_IT}") from error
    except (OSError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(f"{path} is damaged ({error}); {GET_IT}") from error
    return OneShotRuns(np.stack(found["training/class"]), np.stack(found["test/item"]), answers)


def _read(archive: zipfile.ZipFile, path: Path, name: str) -> bytes:
    try:
        return archive.read(name)
    except KeyError:
        raise InputError(f"{path} lacks {name}; {GET_IT}") from None


def _drawings(archive: zipfile.ZipFile, path: Path, kind: str, run: int, framing: str) -> np.ndarray:
    names = [f"run{run:02}/{kind}{number:02}.png" for number in range(1, WAYS + 1)]
    return reduce_drawings(
        np.stack([drawn_ink(_read(archive, path, name), f"{path}: {name}") for name in names]), framing
    )


def _answers(archive: zipfile.ZipFile, path: Path, run: int) -> np.ndarray:
    name = f"run{run:02}/class_labels.txt"
    lines = _read(archive, path, name).decode("ascii", "replace").split("\n")
    answers = np.full(WAYS, -1, np.int64)
    for line in filter(None, map(str.strip, lines)):
        match = _LINE.fullmatch(line)
        if match is None or not (1 <= int(match[2]) <= WAYS and 1 <= int(match[3]) <= WAYS):
            raise InputError(
                f"{path}: {name} holds {line!r} in place of run/test/itemNN.png run/training/classNN.png; {GET_IT}"
            )
        answers[int(match[2]) - 1] = int(match[3]) - 1
    if sorted(answers) != list(range(WAYS)):
        raise InputError(f"{path}: {name} does not name each of {WAYS} classes once; {GET_IT}")
    return answers
