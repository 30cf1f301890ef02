import io
import zipfile

import numpy as np
import pooch
import pytest
from forged import forge
from PIL import Image

from siamese_lib.data.omniglot import reduce_drawings
from siamese_lib.data.omniglot_one_shot import load_one_shot
from siamese_lib.errors import InputError, NotThere


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


@pytest.fixture
def made_up(tmp_path):
    """An all_runs.zip of the right layout; every drawing is the same bar."""
    path, file = tmp_path / "all_runs.zip", io.BytesIO()
    ink = np.full((105, 105), 255, np.uint8)
    ink[20:30, 20:90] = 0
    Image.fromarray(ink).save(file, "PNG")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for run in (f"run{number:02}" for number in range(1, 21)):
            for number in range(1, 21):
                for kind in ("training/class", "test/item"):
                    archive.writestr(f"{run}/{kind}{number:02}.png", file.getvalue())
            lines = (f"{run}/test/item{k:02}.png {run}/training/class{21 - k:02}.png" for k in range(1, 21))
            archive.writestr(f"{run}/class_labels.txt", "\r\n".join(lines))
    return path


def test_a_made_up_file(made_up):
    runs = load_one_shot(made_up)
    assert (runs.answers == np.arange(19, -1, -1)).all() and (runs.training == runs.test[0, 0]).all()


@pytest.mark.parametrize("name", ["run03/test/item04.png", "run03/class_labels.txt"])
@pytest.mark.parametrize(
    "what, says",
    [
        ({"method": 99}, "has compression 99; pack it with plain zip"),
        ({"method": 14}, "has compression 14"),
        ({"flags": 1}, "is encrypted"),
        ({"size": 4_000_000_000}, "declares 4,000,000,000 bytes, at most 1,000,000 are expected"),
        ({"size": 20}, r"cannot be decoded \(Bad CRC-32"),
    ],
)
def test_members_that_cannot_be_unpacked(made_up, name, what, says):
    forge(made_up, name, **what)
    with pytest.raises(InputError, match=rf"all_runs\.zip: {name} {says}.*get all_runs\.zip from"):
        load_one_shot(made_up)


def test_members_outside_the_folder(made_up):
    with zipfile.ZipFile(made_up, "a") as archive:
        archive.writestr("/run01/class_labels.txt", "")
    with pytest.raises(
        InputError, match=r"all_runs\.zip: '/run01/class_labels\.txt' leads out of the archive"
    ):
        load_one_shot(made_up)


def test_the_message_of_a_failed_download_names_this_file(monkeypatch, tmp_path):
    def unreachable(*_, **__):
        raise OSError("no network\nat all")

    monkeypatch.setattr(pooch, "retrieve", unreachable)
    monkeypatch.setenv("SIAMESE_DATA", str(tmp_path))
    monkeypatch.setenv("SIAMESE_CACHE", str(tmp_path / "cache"))
    with pytest.raises(
        NotThere, match=r"all_runs\.zip could not .* \(no network at all\); get all_runs\.zip from"
    ):
        load_one_shot()


def test_no_file_and_no_zip(tmp_path):
    with pytest.raises(InputError, match=r"no .*all_runs\.zip; get all_runs\.zip from"):
        load_one_shot(tmp_path / "all_runs.zip")
    (tmp_path / "all_runs.zip").write_bytes(b"PK but no zip")
    with pytest.raises(InputError, match=r"all_runs\.zip is damaged"):
        load_one_shot(tmp_path / "all_runs.zip")
