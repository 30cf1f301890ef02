import shutil
import struct
import warnings
import zipfile
import zlib
from collections import Counter

import numpy as np
import pooch
import pytest
from forged import forge
from PIL import Image
from read_only import make_read_only

from siamese_lib.data import omniglot
from siamese_lib.data.omniglot import load_omniglot, reduce_drawings
from siamese_lib.errors import InputError, NotThere

SMALL = {"background": {"Alef": 2, "Bet": 1}, "evaluation": {"Gimel": 2}}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SIAMESE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def small(monkeypatch):
    """The reader expects the few characters of `SMALL` by three drawers."""
    monkeypatch.setattr(omniglot, "ALPHABETS", SMALL)
    monkeypatch.setattr(omniglot, "DRAWERS", 3)


def drawing(number, side=105):
    image = np.full((side, side), 255, np.uint8)
    image[10 : 13 + number, 20:90] = 0
    return Image.fromarray(image).convert("1")


@pytest.fixture
def tree(tmp_path, small):
    folder = tmp_path / "omniglot"
    number = 0
    for subset, alphabets in SMALL.items():
        for alphabet, size in alphabets.items():
            for character in range(1, size + 1):
                number += 1
                place = folder / f"images_{subset}" / alphabet / f"character{character:02}"
                place.mkdir(parents=True)
                for drawer in (1, 2, 3):
                    drawing(3 * number + drawer).save(place / f"{number:04}_{drawer:02}.png")
    return folder


@pytest.fixture
def zipped(tree, tmp_path):
    folder = tmp_path / "zipped"
    folder.mkdir()
    for subset in SMALL:
        shutil.make_archive(str(folder / f"images_{subset}"), "zip", tree, f"images_{subset}")
    return folder


def test_reduction_is_the_area_average():
    rng = np.random.default_rng(0)
    ink = rng.random((3, 105, 105))
    fine = ink.repeat(37, axis=1).repeat(37, axis=2).reshape(3, 37, 105, 37, 105)
    assert np.abs(reduce_drawings(ink) - fine.mean(axis=(2, 4)) * 255).max() <= 0.51
    assert (reduce_drawings(np.ones((1, 105, 105))) == 255).all()


def test_folder_and_zip_give_the_same(tree, zipped):
    bank, other = load_omniglot(tree), load_omniglot(zipped)
    assert bank.classes == [
        "Alef/character01",
        "Alef/character02",
        "Bet/character01",
        "Gimel/character01",
        "Gimel/character02",
    ]
    assert bank.labels.tolist() == sorted(list(range(5)) * 3)
    assert bank.meta.iloc[4].to_dict() == {
        "alphabet": "Alef",
        "character": "character02",
        "drawer": 2,
        "subset": "background",
    }
    assert bank.meta.subset.tolist() == ["background"] * 9 + ["evaluation"] * 6
    assert bank.sha256() == other.sha256() and bank.meta.equals(other.meta)
    expected = reduce_drawings(1 - np.asarray(drawing(8))[None])
    assert np.array_equal(bank.images[4], expected[0]) and expected.max() == 255 and expected[0, 0, 0] == 0


def test_cache_follows_the_content(tree, zipped, cache):
    for folder in (tree, zipped):
        load_omniglot(folder)
    files = sorted(cache.glob("omniglot-*.npz"))
    assert len(files) == 2
    load_omniglot(zipped)
    assert sorted(cache.glob("omniglot-*.npz")) == files
    before = load_omniglot(tree)
    drawing(40).save(tree / "images_evaluation" / "Gimel" / "character02" / "0005_03.png")
    after = load_omniglot(tree)
    assert (before.images != after.images).any(axis=(1, 2)).tolist() == [False] * 14 + [True]


def test_damaged_cache_is_made_again(zipped, cache):
    bank = load_omniglot(zipped)
    (file,) = cache.glob("omniglot-*.npz")
    file.write_bytes(file.read_bytes()[:200])
    with pytest.warns(UserWarning, match="damaged"):
        assert load_omniglot(zipped).sha256() == bank.sha256()
    assert load_omniglot(zipped).sha256() == bank.sha256()


def test_missing_data_says_how_to_get_it(tmp_path, tree, monkeypatch):
    monkeypatch.setenv("SIAMESE_DATA", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir(exist_ok=True)
    with pytest.raises(
        InputError, match=r"no images_background.zip .*images_evaluation.zip.*github.com.*SIAMESE_DATA"
    ):
        load_omniglot(download=False)
    shutil.rmtree(tree / "images_evaluation")
    with pytest.raises(InputError, match="no images_evaluation.zip and no images_evaluation/"):
        load_omniglot(tree)


@pytest.fixture
def upstream(zipped, tmp_path, monkeypatch):
    """What the default folder lacks is fetched by pooch from the folder returned, in place of upstream's."""
    source, empty = tmp_path / "upstream", tmp_path / "empty"
    shutil.copytree(zipped, source)
    empty.mkdir()
    monkeypatch.setenv("SIAMESE_DATA", str(empty))

    def fetch(url, target, _pooch):
        shutil.copyfile(source / url.rpartition("/")[2], target)

    retrieve = pooch.retrieve
    monkeypatch.setattr(
        pooch, "retrieve", lambda *given, **named: retrieve(*given, downloader=fetch, **named)
    )
    hashes = {
        f"images_{subset}.zip": f"md5:{pooch.file_hash(str(source / f'images_{subset}.zip'), alg='md5')}"
        for subset in SMALL
    }
    monkeypatch.setattr(omniglot, "DOWNLOADS", hashes)
    return source


def test_downloaded_once_and_checked(upstream, tree, cache):
    assert load_omniglot().sha256() == load_omniglot(tree).sha256()
    assert sorted(path.name for path in (cache / "omniglot").iterdir()) == [
        "images_background.zip",
        "images_evaluation.zip",
    ]
    shutil.rmtree(upstream)
    assert load_omniglot().num_classes == 5  # nothing is fetched twice


def test_downloads_in_a_read_only_cache_are_used(upstream, cache, monkeypatch):
    before = load_omniglot().sha256()
    shutil.rmtree(upstream)
    make_read_only(monkeypatch, cache)
    assert load_omniglot().sha256() == before


def test_downloads_go_elsewhere_where_the_cache_is_read_only(upstream, cache, monkeypatch):
    cache.mkdir()
    make_read_only(monkeypatch, cache)
    with pytest.warns(UserWarning, match="cannot be written; new files go to"):
        bank = load_omniglot()
    shutil.rmtree(upstream)
    assert load_omniglot().sha256() == bank.sha256() and not list(cache.iterdir())


def test_what_is_missing_is_not_there(tmp_path):
    with pytest.raises(NotThere, match="no images_background.zip"):
        load_omniglot(tmp_path)


def test_another_checksum_or_no_network_says_what_to_do(upstream):
    (upstream / "images_evaluation.zip").write_bytes(b"another file")
    with pytest.raises(
        InputError,
        match=r"images_evaluation\.zip could not be downloaded into .*omniglot \(.*hash.*put images_back",
    ):
        load_omniglot()
    (upstream / "images_evaluation.zip").unlink()
    with pytest.raises(InputError, match=r"images_evaluation\.zip could not be downloaded .*No such file"):
        load_omniglot()


def test_declared_checksums_are_upstreams():
    assert omniglot.DOWNLOADS["images_background.zip"] == "md5:68d2efa1b9178cc56df9314c21c6e718"
    assert omniglot.DOWNLOADS["images_evaluation.zip"] == "md5:6b91aef0f799c5bb55b94e3f2daec811"


def spoil_alphabet(folder):
    shutil.rmtree(folder / "images_background" / "Bet")


def spoil_character(folder):
    shutil.rmtree(folder / "images_background" / "Alef" / "character02")


def spoil_drawing(folder):
    (folder / "images_evaluation" / "Gimel" / "character01" / "0004_02.png").unlink()


def spoil_surplus(folder):
    shutil.copytree(
        folder / "images_evaluation" / "Gimel" / "character01",
        folder / "images_evaluation" / "Gimel" / "character03",
    )


def spoil_double(folder):
    place = folder / "images_evaluation" / "Gimel" / "character01"
    shutil.copy(place / "0004_01.png", place / "0009_01.png")


def spoil_layout(folder):
    place = folder / "images_evaluation" / "Gimel"
    (place / "character01").rename(place / "first")


def spoil_swap(folder):
    (folder / "images_evaluation").rename(folder / "other")
    (folder / "images_background").rename(folder / "images_evaluation")
    (folder / "other").rename(folder / "images_background")


def replace_drawing(image):
    def spoil(folder):
        image.save(folder / "images_evaluation" / "Gimel" / "character01" / "0004_02.png")

    return spoil


def spoil_png(folder):
    (folder / "images_evaluation" / "Gimel" / "character01" / "0004_02.png").write_bytes(
        b"\x89PNG\r\n\x1a\n no more"
    )


def blue(picture):
    """Ink of a blue pen."""
    return Image.merge("RGB", [picture.convert("L")] * 2 + [Image.new("L", picture.size, 255)])


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (spoil_alphabet, r"images_background \(2 of 3 characters\) lacks alphabet Bet"),
        (spoil_character, r"images_background \(2 of 3 characters\) lacks character Alef/character02"),
        (spoil_drawing, "images_evaluation: Gimel/character01 lacks drawer 02"),
        (spoil_surplus, r"images_evaluation \(3 of 2 characters\) has unknown character Gimel/character03"),
        (spoil_double, "0004_01.png and .*0009_01.png are both of drawer 01"),
        (spoil_layout, "Gimel/first/0004_01.png does not fit"),
        (spoil_swap, r"images_background holds the alphabets of the other set .*swapped"),
        (replace_drawing(drawing(5, side=100)), "0004_02.png has 100 x 100 pixels instead of 105 x 105"),
        (
            replace_drawing(Image.fromarray(255 - np.asarray(drawing(5).convert("L")))),
            "0004_02.png is 95% dark: inverted",
        ),
        (
            replace_drawing(blue(drawing(5))),
            r"0004_02.png is a colour image \(mode RGB\); convert it to grey",
        ),
        (replace_drawing(Image.new("1", (105, 105), 1)), "0004_02.png is blank"),
        (spoil_png, "0004_02.png cannot be decoded"),
    ],
)
def test_what_is_wrong_is_named(tree, spoil, message):
    spoil(tree)
    with pytest.raises(InputError, match=message) as caught:
        load_omniglot(tree)
    assert "\n" not in str(caught.value)


def sixteen_bits(picture):
    return Image.fromarray(np.asarray(picture.convert("L")).astype(np.uint16) * 257)


def ink_on_nothing(picture):
    """Black ink on a transparent ground."""
    ink = Image.fromarray(255 - np.asarray(picture.convert("L")))
    return Image.merge("RGBA", [Image.new("L", picture.size, 0)] * 3 + [ink])


@pytest.mark.parametrize("convert", ["P", "RGB", "LA", sixteen_bits, ink_on_nothing])
def test_drawings_saved_in_other_modes_are_read(tree, convert):
    """Palettes, alpha and 16 bits are no colour."""
    before = load_omniglot(tree).sha256()
    for path in tree.rglob("*.png"):
        picture = Image.open(path)
        (picture.convert(convert) if isinstance(convert, str) else convert(picture)).save(path)
    assert load_omniglot(tree).sha256() == before


def rename_upper(folder):
    for path in folder.rglob("*_02.png"):
        path.rename(path.with_suffix(".PNG"))


def leave_behind(folder):
    place = folder / "images_background" / "Alef"
    for name in (
        "character01/._0001_01.png",
        ".ipynb_checkpoints/0001_01.png",
        "__MACOSX/x.png",
        "notes.txt",
    ):
        (place / name).parent.mkdir(exist_ok=True)
        (place / name).write_text("no drawing")


@pytest.mark.parametrize("change", [rename_upper, leave_behind])
def test_folder_and_zip_agree_on_which_files_are_drawings(tree, zipped, change):
    before = load_omniglot(tree).sha256()
    change(tree)
    for subset in SMALL:
        shutil.make_archive(str(zipped / f"images_{subset}"), "zip", tree, f"images_{subset}")
    assert load_omniglot(tree).sha256() == load_omniglot(zipped).sha256() == before


def test_linked_folders_are_entered_and_circles_end(tree, tmp_path):
    before = load_omniglot(tree).sha256()
    store, background = tmp_path / "store", tree / "images_background"
    store.mkdir()
    (background / "Alef" / "character01").rename(store / "character01")
    (background / "Alef" / "character01").symlink_to(store / "character01")
    (background / "Bet").rename(store / "Bet")
    (background / "Bet").symlink_to(store / "Bet")
    assert load_omniglot(tree).sha256() == before
    (background / "Alef" / "all").symlink_to(background)
    (background / "all").symlink_to(background)
    assert load_omniglot(tree).sha256() == before
    (store / "Bet" / "character01" / "0003_02.png").unlink()
    (store / "Bet" / "character01" / "0003_02.png").symlink_to(tmp_path / "removed.png")
    with pytest.raises(InputError, match="images_background: Bet/character01 lacks drawer 02"):
        load_omniglot(tree)


def test_a_read_only_cache_is_used(zipped, cache, monkeypatch):
    before = load_omniglot(zipped).sha256()
    make_read_only(monkeypatch, cache)
    monkeypatch.setattr(omniglot, "_decoded", lambda *_: pytest.fail("decoded again"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load_omniglot(zipped).sha256() == before


def test_without_a_writable_cache_the_drawings_are_decoded(zipped, cache, monkeypatch):
    cache.mkdir()
    make_read_only(monkeypatch, cache)
    with pytest.warns(UserWarning, match="cache cannot be written; new files go to"):
        bank = load_omniglot(zipped)
    monkeypatch.setattr(omniglot, "_decoded", lambda *_: pytest.fail("decoded again"))
    assert load_omniglot(zipped).sha256() == bank.sha256() and not list(cache.iterdir())


NAME = "images_evaluation/Gimel/character01/0004_02.png"


@pytest.mark.parametrize(
    "what, says",
    [
        ({"method": 99}, "0004_02.png has compression 99"),
        ({"flags": 1}, "0004_02.png is encrypted"),
        ({"size": 3_000_000_000}, "0004_02.png declares 3,000,000,000 bytes, at most 1,000,000 are expected"),
    ],
)
def test_archives_that_cannot_be_unpacked(zipped, what, says):
    forge(zipped / "images_evaluation.zip", NAME, **what)
    with pytest.raises(
        InputError, match=rf"images_evaluation\.zip: .*{says}.*put images_background"
    ) as caught:
        load_omniglot(zipped)
    assert "\n" not in str(caught.value)


def test_members_outside_the_folder(zipped):
    with zipfile.ZipFile(zipped / "images_evaluation.zip", "a") as archive:
        archive.writestr("../../character01/0004_02.png", b"")
    with pytest.raises(
        InputError, match=r"images_evaluation\.zip: '\.\./\.\./.*' leads out of the archive; put"
    ):
        load_omniglot(zipped)


def test_a_drawing_that_declares_too_many_pixels(tree):
    path = tree / "images_evaluation" / "Gimel" / "character01" / "0004_02.png"
    content = bytearray(path.read_bytes())
    struct.pack_into(">LL", content, 16, 60_000, 60_000)
    struct.pack_into(">L", content, 29, zlib.crc32(content[12:29]))
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"0004_02\.png cannot be decoded \(Image size"):
        load_omniglot(tree)


def test_a_drawing_that_is_no_ordinary_file(tree):
    path = tree / "images_evaluation" / "Gimel" / "character01" / "0004_02.png"
    with open(path, "wb") as file:
        file.truncate(2_000_000)
    with pytest.raises(InputError, match=r"0004_02\.png has 2,000,000 bytes, at most 1,000,000 are expected"):
        load_omniglot(tree)


def test_ink_outside_its_range_is_refused():
    for ink in (np.full((1, 105, 105), 255.0), np.full((1, 105, 105), np.nan), np.full((1, 105, 105), -1)):
        for framing in ("canvas", "square"):
            with pytest.raises(InputError, match=r"ink runs from .*; give numbers in \[0, 1\]"):
                reduce_drawings(ink, framing)


def test_damaged_zip(zipped):
    path = zipped / "images_background.zip"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="images_background.zip is damaged"):
        load_omniglot(zipped)
    with zipfile.ZipFile(zipped / "images_evaluation.zip") as archive:
        name = "images_evaluation/Gimel/character01/0004_02.png"
        content = archive.read(name)
    path.write_bytes(whole)
    evaluation = zipped / "images_evaluation.zip"
    with zipfile.ZipFile(
        evaluation, "w"
    ) as archive:  # stored, so that a flipped byte of a drawing is found by its checksum
        for file in sorted((zipped.parent / "omniglot" / "images_evaluation").rglob("*.png")):
            archive.write(file, file.relative_to(zipped.parent / "omniglot"))
    damaged = bytearray(evaluation.read_bytes())
    damaged[damaged.find(content) + len(content) // 2] ^= 255
    evaluation.write_bytes(damaged)
    with pytest.raises(InputError, match="Gimel/character01/0004_02.png cannot be decoded"):
        load_omniglot(zipped)


def test_swapped_zips(zipped):
    (zipped / "images_evaluation.zip").rename(zipped / "other.zip")
    (zipped / "images_background.zip").rename(zipped / "images_evaluation.zip")
    (zipped / "other.zip").rename(zipped / "images_background.zip")
    with pytest.raises(InputError, match="images_background.zip holds images_evaluation/.*swapped"):
        load_omniglot(zipped)


def test_expected_counts():
    assert {subset: (len(sizes), sum(sizes.values())) for subset, sizes in omniglot.ALPHABETS.items()} == {
        "background": (30, 964),
        "evaluation": (20, 659),
    }


@pytest.fixture(scope="module")
def real_bank(omniglot_folder):
    """From the user's cache where it is there: decoding takes long, and the small trees above test it."""
    return load_omniglot(omniglot_folder)


def test_real_counts(real_bank):
    classes = real_bank.meta.assign(label=real_bank.labels).groupby("subset").label.nunique()
    assert (len(real_bank), real_bank.num_classes, classes.to_dict()) == (
        32460,
        1623,
        {"background": 964, "evaluation": 659},
    )
    assert (np.bincount(real_bank.labels) == 20).all()
    assert real_bank.meta.groupby(["alphabet", "character"]).drawer.nunique().eq(20).all()
    names = real_bank.meta.alphabet + "/" + real_bank.meta.character
    assert [real_bank.classes[label] for label in real_bank.labels] == names.tolist()
    assert real_bank.classes[:964] == sorted(real_bank.classes[:964]) and real_bank.classes[964:] == sorted(
        real_bank.classes[964:]
    )


def test_real_ink(real_bank):
    """Strokes reach full ink, and little of the canvas is inked."""
    assert np.median(real_bank.images.max(axis=(1, 2))) == 255
    assert 0.07 < real_bank.images.mean() / 255 < 0.09


def test_two_real_drawings_are_identical(real_bank):
    pixels = [image.tobytes() for image in real_bank.images]
    count = Counter(pixels)
    twins = real_bank.meta[[count[image] > 1 for image in pixels]]
    assert twins[["alphabet", "character", "drawer"]].to_numpy().tolist() == [
        ["Braille", "character01", 3],
        ["Braille", "character01", 19],
    ]


def test_cutting_out_the_ink():
    ink = np.zeros((2, 105, 105))
    ink[0, 40:75, 50:57] = 1  # a bar of 35 x 7 fills the height as it is
    ink[1, 3:10, 3:73] = 1  # 7 x 70 is halved to 4 x 35
    first, second = reduce_drawings(ink, "aspect")
    assert (first[1:36, 15:22] == 255).all() and first.sum() == 255 * 35 * 7
    assert second.sum() == 255 * 35 * 4 and second.any(0).sum() == 35
    assert (reduce_drawings(ink[:1], "square")[0, 1:36, 1:36] == 255).all()
    with pytest.raises(InputError, match="framing 'round' is unknown; use one of canvas, aspect, square"):
        reduce_drawings(ink, "round")
