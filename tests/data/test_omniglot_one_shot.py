import zipfile

import numpy as np
import pytest

from siamese_lib.data.omniglot import reduce_drawings
from siamese_lib.data.omniglot_one_shot import load_one_shot
from siamese_lib.errors import InputError


def test_the_official_runs(omniglot_folder):
    runs = load_one_shot(omniglot_folder / "all_runs.zip")
    assert runs.training.shape == runs.test.shape == (20, 20, 37, 37) and runs.training.dtype == np.uint8
    assert (np.sort(runs.answers, axis=1) == np.arange(20)).all()
    assert (runs.training.max((2, 3)) > 100).all() and (
        np.median(runs.training, (2, 3)) == 0
    ).all()  # bright ink on black
    with zipfile.ZipFile(omniglot_folder / "all_runs.zip") as archive:
        lines = archive.read("run07/class_labels.txt").decode().split("\n")
    for line in filter(None, lines):
        item, answer = (int(name[-6:-4]) for name in line.split())
        assert runs.answers[6, item - 1] == answer - 1
    assert reduce_drawings(np.zeros((1, 105, 105))).max() == 0


def damaged(source, target, leave_out=(), replace=None):
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            if name not in leave_out:
                new.writestr(name, (replace or {}).get(name, old.read(name)))
    return target


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"leave_out": ("run03/test/item04.png",)}, r"lacks run03/test/item04.png; get all_runs.zip from"),
        ({"leave_out": ("run03/class_labels.txt",)}, r"lacks run03/class_labels.txt"),
        (
            {"replace": {"run02/class_labels.txt": b"run02/test/item01.png run02/training/class21.png\n"}},
            "run02/class_labels.txt holds 'run02/test",
        ),
        (
            {"replace": {"run02/class_labels.txt": b"run02/test/item01.png run02/training/class01.png\n"}},
            "does not name each of 20 classes once",
        ),
        (
            {"replace": {"run01/training/class01.png": b"no picture"}},
            "run01/training/class01.png cannot be decoded",
        ),
    ],
)
def test_damage_is_named(omniglot_folder, tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        load_one_shot(damaged(omniglot_folder / "all_runs.zip", tmp_path / "all_runs.zip", **changes))


def test_no_file_and_no_zip(tmp_path):
    with pytest.raises(InputError, match=r"no .*all_runs\.zip; get all_runs\.zip from"):
        load_one_shot(tmp_path / "all_runs.zip")
    (tmp_path / "all_runs.zip").write_bytes(b"PK but no zip")
    with pytest.raises(InputError, match=r"all_runs\.zip is damaged"):
        load_one_shot(tmp_path / "all_runs.zip")
