import hashlib
import importlib.util
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from siamese_lib.data import faces
from siamese_lib.data.faces import (
    FALLBACK_FACES,
    SPLITS,
    TEST_FACES,
    TRAIN_FACES,
    VALIDATION_FACES,
    WIDE,
    Face,
    declared_faces,
    find_faces,
    font_file,
)
from siamese_lib.data.glyphs import masters
from siamese_lib.errors import InputError

SHAPES = {"가": [(100, 0, 400, 700)], "나": [(100, 0, 800, 200)]}
has_stopgap = all(importlib.util.find_spec(package) for package in faces.PYPI_PACKAGES)


def test_declared_counts_letters_and_hashes():
    assert (len(TRAIN_FACES), len(VALIDATION_FACES), len(TEST_FACES)) == (8, 2, 9)
    assert list(TEST_FACES) == ["S", "G", "M", "N", "B", "D", "Y", "H1", "H2"]
    assert [face.letter for face in declared_faces("test")] == list(TEST_FACES)
    every = [face for split in SPLITS for face in declared_faces(split)]
    assert len({face.key for face in every}) == len({face.file for face in every}) == 19
    assert all(len(face.sha256) == 64 for face in every)


def test_no_family_in_two_splits():
    families = {split: {face.family for face in declared_faces(split)} for split in SPLITS}
    assert not families["train"] & families["validation"]
    assert not (families["train"] | families["validation"]) & families["test"]
    # A family is at least what the files' names say: UnPilgi and UnPilgia are one.
    assert (
        TEST_FACES["B"].family == TEST_FACES["Y"].family and TEST_FACES["S"].family == TEST_FACES["N"].family
    )
    assert not {face.family for part in ("train", "validation") for face in FALLBACK_FACES[part]} & {
        face.family for face in FALLBACK_FACES["test"]
    }


def test_more_training_faces_are_of_no_family_that_validates_or_tests():
    wide = declared_faces(WIDE)
    others = {face.family for split in ("validation", "test") for face in declared_faces(split)}
    assert wide[:8] == TRAIN_FACES and len(wide) == 37 and not {face.family for face in wide} & others
    assert len({face.key for face in wide}) == len({face.file for face in wide}) == len(wide)
    packages = {face.package for split in SPLITS for face in declared_faces(split)}
    assert {face.package for face in wide} - packages == {"fonts-lexi-saebom"}  # `make fonts` has it too


def test_debian_files_are_the_declared_ones(debian_faces):
    for split in (*SPLITS, WIDE):
        for found in find_faces(split):
            assert not found.fallback
            assert found.sha256 == found.face.sha256 and found.note == "", (
                f"{found.path} differs from the declared file"
            )


@pytest.fixture
def small_set(tiny_font, monkeypatch, tmp_path, cache):
    """Three declared faces, one a split, in a folder; no stopgap; returns the folder."""
    paths = [
        tiny_font(f"{split}.ttf", {"가": [(100, 0, 300 + 100 * place, 700)], "나": SHAPES["나"]})
        for place, split in enumerate(SPLITS)
    ]
    made = [
        Face(path.stem, path.stem, path.name, "fonts-tiny", hashlib.sha256(path.read_bytes()).hexdigest(), "")
        for path in paths
    ]
    monkeypatch.setattr(faces, "TRAIN_FACES", made[:1])
    monkeypatch.setattr(faces, "VALIDATION_FACES", made[1:2])
    monkeypatch.setattr(faces, "TEST_FACES", {"S": made[2]})
    monkeypatch.setattr(faces, "PYPI_PACKAGES", ())
    monkeypatch.setenv("SIAMESE_FONTS", str(paths[0].parent))
    return paths[0].parent


def test_folders_of_the_variable_replace_the_system_ones(small_set, tmp_path, monkeypatch):
    (found,) = find_faces("validation")
    assert found.path == small_set / "validation.ttf" and not found.fallback and found.note == ""
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("SIAMESE_FONTS", os.pathsep.join([str(tmp_path / "empty"), str(small_set)]))
    assert find_faces("test")[0].path == small_set / "test.ttf"
    monkeypatch.setenv("SIAMESE_FONTS", str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match="nowhere.*not a folder"):
        find_faces("test")


def test_declared_edition_is_preferred_and_another_is_noted(small_set, tiny_font, tmp_path):
    shutil.copy(tiny_font("other.ttf", SHAPES), small_set / "train.ttf.tmp")
    other = small_set / "a" / "train.ttf"
    other.parent.mkdir()
    shutil.move(small_set / "train.ttf.tmp", other)
    assert find_faces("train")[0].path == small_set / "train.ttf"
    (small_set / "train.ttf").unlink()
    (found,) = find_faces("train")
    assert (
        found.path == other
        and found.sha256 != found.face.sha256
        and "another edition of train.ttf" in found.note
    )


def test_cached_glyphs_stand_in_for_absent_files(small_set, cache):
    before = {split: masters(find_faces(split)[0], ["가", "나"]) for split in SPLITS}
    shutil.rmtree(small_set)
    small_set.mkdir()
    for split in SPLITS:
        (found,) = find_faces(split)
        assert found.path is None and "cache" in found.note and not found.fallback
        assert np.array_equal(masters(found, ["가", "나"]).images, before[split].images)
    with pytest.raises(InputError, match="train.ttf is not on this machine.*make fonts"):
        masters(find_faces("train")[0], ["다"])
    shutil.rmtree(cache)
    with pytest.raises(
        InputError,
        match="3 of 3 Hangul typefaces.*train.ttf, validation.ttf, test.ttf.*make fonts.*fonts-tiny",
    ):
        find_faces("train")


def test_a_dangling_link_hides_no_font(small_set, monkeypatch, tmp_path):
    """Nor does a damaged file of the same name: another folder has the font."""
    first = tmp_path / "first"
    first.mkdir()
    (first / "train.ttf").symlink_to(tmp_path / "removed.ttf")
    (first / "test.ttf").write_text("half a font")
    monkeypatch.setenv("SIAMESE_FONTS", f"{first}{os.pathsep}{small_set}")
    for split in ("train", "test"):
        assert find_faces(split)[0].path == small_set / f"{split}.ttf"
    monkeypatch.setenv("SIAMESE_FONTS", str(first))
    with pytest.raises(InputError, match=r"first/test\.ttf .*cannot be read"):
        find_faces("train")
    (first / "test.ttf").unlink()
    with pytest.raises(InputError, match=r"3 of 3 Hangul typefaces were not found \(train\.ttf"):
        find_faces("train")


def test_font_folders_that_link_to_themselves(small_set):
    """Two such links double the paths with every level: the search would not end in the life of the user."""
    for name in ("one", "two"):
        (small_set / name).symlink_to(small_set)
    (small_set / "deep").mkdir()
    (small_set / "test.ttf").rename(small_set / "deep" / "test.ttf")
    assert find_faces("test")[0].path == small_set / "deep" / "test.ttf"


def test_linked_font_folders_are_entered(small_set, monkeypatch, tmp_path):
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "fonts").symlink_to(small_set)
    monkeypatch.setenv("SIAMESE_FONTS", str(tmp_path / "linked"))
    assert find_faces("train")[0].path == tmp_path / "linked" / "fonts" / "train.ttf"


def test_font_folders_may_be_relative_or_at_home(small_set, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(small_set.parent))
    monkeypatch.setattr("siamese_lib.files.repository_root", lambda: small_set.parent)
    for given in ("fonts", "~/fonts"):
        monkeypatch.setenv("SIAMESE_FONTS", given)
        for current in (tmp_path, small_set):
            monkeypatch.chdir(current)
            assert find_faces("train")[0].path == small_set / "train.ttf"


def test_a_user_without_home_has_the_fonts_of_the_system(monkeypatch):
    import pwd

    def unknown(uid):
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.delenv("SIAMESE_FONTS", raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    monkeypatch.setattr(faces, "PYPI_PACKAGES", ())
    assert faces.font_folders() == [Path("/usr/share/fonts")]


def test_another_edition_that_is_variable_says_so(small_set, tiny_font):
    shutil.move(tiny_font("other.ttf", SHAPES, weights=(100, 400, 900)), small_set / "train.ttf")
    (found,) = find_faces("train")
    assert "another edition of train.ttf" in found.note and "drawn at its defaults wght=400" in found.note
    assert found.face.key == "train"  # keys of declared typefaces stay


@pytest.mark.skipif(not has_stopgap, reason="koreanize-matplotlib and pylopdf-fonts-ko are not installed")
def test_stopgap_where_one_declared_face_is_missing(small_set, monkeypatch):
    monkeypatch.setattr(faces, "PYPI_PACKAGES", ("koreanize_matplotlib", "pylopdf_fonts_ko"))
    (small_set / "test.ttf").unlink()
    with pytest.warns(UserWarning, match="test.ttf not found.*make fonts"):
        found = {split: find_faces(split) for split in SPLITS}
    assert [len(found[split]) for split in SPLITS] == [4, 1, 1]
    assert all(face.fallback and face.note == "" for listed in found.values() for face in listed)
    assert found["test"][0].face.key == "NotoSansKR" and isinstance(found["test"][0].path, Path)


def test_own_font_file(tiny_font):
    path = tiny_font("mine.ttf", SHAPES)
    found = font_file(str(path))
    assert found.face.key == "mine" and found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(InputError, match="absent.ttf does not exist"):
        font_file(path.with_name("absent.ttf"))


def test_unknown_split():
    with pytest.raises(InputError, match="'dev'"):
        find_faces("dev")
