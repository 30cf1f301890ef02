import pytest

from siamese_lib.data import faces
from siamese_lib.data.hangul import font_manifest, load_hangul
from siamese_lib.data.inventory import inventory, pack
from siamese_lib.errors import InputError


def test_a_packed_folder_replaces_the_fonts(debian_faces, tmp_path, monkeypatch):
    few = [chr(0xAC00), chr(0xAC01), chr(0xB098)]
    before = {split: load_hangul(split=split, characters=few).sha256() for split in faces.SPLITS}
    manifest = font_manifest(characters=few)
    files = pack(tmp_path / "pack")
    assert len(files) >= 19 and all((tmp_path / "pack" / file).is_file() for file in files)
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("SIAMESE_FONTS", str(tmp_path / "empty"))
    monkeypatch.setenv("SIAMESE_CACHE", str(tmp_path / "pack"))
    assert {split: load_hangul(split=split, characters=few).sha256() for split in faces.SPLITS} == before
    assert font_manifest(characters=few) == manifest  # so the run ids agree on both machines


def test_inventory_says_what_is_missing(monkeypatch, tmp_path):
    monkeypatch.setenv("SIAMESE_DATA", str(tmp_path))
    found = inventory()
    assert found["SIAMESE_DATA"] == str(tmp_path)
    assert found["phd08"].startswith("not found: ") and found["omniglot"].startswith("not found: ")


def test_pypi_faces_are_not_packed(monkeypatch, tmp_path):
    pytest.importorskip("koreanize_matplotlib", reason="the PyPI faces are not installed")
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("SIAMESE_FONTS", str(tmp_path / "empty"))
    monkeypatch.setenv("SIAMESE_CACHE", str(tmp_path / "cache"))
    with pytest.raises(InputError, match="make fonts"), pytest.warns(UserWarning):
        pack(tmp_path / "pack")
