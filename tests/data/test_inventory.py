import warnings

import pytest
from read_only import make_read_only

from siamese_lib.data import faces
from siamese_lib.data import inventory as data_inventory
from siamese_lib.data.glyphs import cache_name
from siamese_lib.data.hangul import font_manifest, load_hangul
from siamese_lib.data.hangul_classes import hangul_classes
from siamese_lib.data.inventory import inventory, pack
from siamese_lib.errors import InputError


@pytest.fixture
def small_pack(monkeypatch):
    """2,350 classes and the three splits: the rest takes minutes to render."""
    monkeypatch.setattr(data_inventory, "ALPHABETS", dict.fromkeys(faces.SPLITS, (2350,)))


def test_a_packed_folder_replaces_the_fonts(debian_faces, small_pack, tmp_path, monkeypatch):
    few = [chr(0xAC00), chr(0xAC01), chr(0xB098)]
    before = {split: load_hangul(split=split, characters=few).sha256() for split in faces.SPLITS}
    manifest = font_manifest(characters=few)
    files = pack(tmp_path / "pack")
    assert len(files) == 19 and all((tmp_path / "pack" / file).is_file() for file in files)
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("SIAMESE_FONTS", str(tmp_path / "empty"))
    monkeypatch.setenv("SIAMESE_CACHE", str(tmp_path / "pack"))
    assert {split: load_hangul(split=split, characters=few).sha256() for split in faces.SPLITS} == before
    assert font_manifest(characters=few) == manifest  # so the run ids agree on both machines


def test_a_packed_folder_may_be_read_only(debian_faces, small_pack, tmp_path, monkeypatch):
    """Packed here, run there: the fonts come from the folder, not from the PyPI fallback, without a word."""
    before = load_hangul().sha256()
    pack(tmp_path / "pack")
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("SIAMESE_FONTS", str(tmp_path / "empty"))
    monkeypatch.setenv("SIAMESE_CACHE", str(tmp_path / "pack"))
    make_read_only(monkeypatch, tmp_path / "pack")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load_hangul().sha256() == before
        assert not any(found.fallback for found in faces.find_faces("train"))


def test_a_packed_folder_has_all_typefaces_and_both_alphabets(debian_faces, tmp_path, monkeypatch):
    """Whatever lies in the cache: nothing is rendered here, files stand for renders."""
    cache = tmp_path / "cache"

    def rendered(face, characters):
        path = cache / cache_name(face, characters)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(face.face.key.encode())

    monkeypatch.setenv("SIAMESE_CACHE", str(cache))
    monkeypatch.setattr(data_inventory, "render_missing", lambda *_: None)
    monkeypatch.setattr(data_inventory, "masters", rendered)
    rendered(faces.find_faces("train")[0], ["가"])  # asked for once; not part of a pack
    files = set(pack(tmp_path / "pack"))
    assert files == {str(path.relative_to(tmp_path / "pack")) for path in (tmp_path / "pack").rglob("*.npz")}

    alphabets = hangul_classes(2350), hangul_classes(11172)
    learned = [*faces.find_faces(faces.WIDE), *faces.find_faces("validation")]
    expected = {cache_name(face, alphabet) for face in learned for alphabet in alphabets}
    assert files == expected | {cache_name(face, alphabets[0]) for face in faces.find_faces("test")}
    assert len(files) == 2 * (37 + 2) + 9


def test_inventory_counts_class_files_as_the_reader_does(monkeypatch, tmp_path):
    monkeypatch.setenv("SIAMESE_DATA", str(tmp_path))
    (tmp_path / "phd08").mkdir()
    for name in ("readme.txt", "._가.txt", "뷁.txt"):  # none is a class file
        (tmp_path / "phd08" / name).write_text("12")
    monkeypatch.setattr("siamese_lib.data.inventory.font_manifest", lambda *_: {})
    assert inventory()["phd08"].startswith("not found: no class files in ")
    for name in ("가.TXT", "각.txt"):
        (tmp_path / "phd08" / name).write_text("12")
    assert inventory()["phd08"] == {"class files": 2, "of": 2350, "bytes": 4}


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
