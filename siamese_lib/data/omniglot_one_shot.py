"""Lake's 20 one-shot runs (all_runs.zip): 20 characters of an alphabet, each drawn by two people."""

import os
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

from siamese_lib.data.archives import Archive
from siamese_lib.data.omniglot import downloaded, reduce_drawings
from siamese_lib.data.omniglot_parts import GET_RUNS, drawn_ink
from siamese_lib.errors import InputError, NotThere
from siamese_lib.files import data_folder

RUNS, WAYS = 20, 20
_LINE = re.compile(r"(run\d\d)/test/item(\d\d)\.png \1/training/class(\d\d)\.png")


class OneShotRuns(NamedTuple):
    """Drawings and answers of all runs.

    Attributes:
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
        path: all_runs.zip; default `omniglot/all_runs.zip` in the data folder, else it is downloaded into the
            cache.
        framing: see `siamese_lib.data.omniglot.reduce_drawings`.

    Raises:
        NotThere: no such file, and it could not be downloaded.
        InputError: a damaged file, or a drawing or an answer that is missing.
    """
    if path is None:
        path = data_folder() / "omniglot" / "all_runs.zip"
        path = path if path.exists() else downloaded("one-shot-classification/all_runs.zip")
    if not os.path.lexists(path):
        raise NotThere(f"no {path}; {GET_RUNS}")
    archive = Archive(Path(path), GET_RUNS)
    training, test = (
        np.stack([_drawings(archive, f"run{run:02}/{kind}", framing) for run in range(1, RUNS + 1)])
        for kind in ("training/class", "test/item")
    )
    answers = np.stack([_answers(archive, f"run{run:02}/class_labels.txt") for run in range(1, RUNS + 1)])
    return OneShotRuns(training, test, answers)


def _drawings(archive: Archive, start: str, framing: str) -> np.ndarray:
    names = [f"{start}{number:02}.png" for number in range(1, WAYS + 1)]
    ink = [drawn_ink(archive.read(name), f"{archive.path}: {name}") for name in names]
    return reduce_drawings(np.stack(ink), framing)


def _answers(archive: Archive, name: str) -> np.ndarray:
    lines = archive.read(name).decode("ascii", "replace").splitlines()
    answers = np.full(WAYS, -1, np.int64)
    for line in filter(None, map(str.strip, lines)):
        match = _LINE.fullmatch(line)
        if match is None or not (1 <= int(match[2]) <= WAYS and 1 <= int(match[3]) <= WAYS):
            raise InputError(
                f"{archive.path}: {name} holds {line[:80]!r} in place of run/test/itemNN.png "
                f"run/training/classNN.png; {GET_RUNS}"
            )
        answers[int(match[2]) - 1] = int(match[3]) - 1
    if sorted(answers) != list(range(WAYS)):
        raise InputError(f"{archive.path}: {name} does not name each of {WAYS} classes once; {GET_RUNS}")
    return answers
