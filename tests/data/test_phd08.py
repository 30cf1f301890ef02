import itertools
import os
import unicodedata
import warnings
from collections import Counter

import numpy as np
import pytest

from siamese_lib.data import phd08_records
from siamese_lib.data.framing import frame
from siamese_lib.data.phd08 import (
    FIELDS,
    FONTS,
    RECORDS,
    chosen_variants,
    class_files,
    iter_phd08,
    load_phd08,
    parse_file,
    variant_indices,
    write_phd08,
)
from siamese_lib.errors import InputError, NotThere

pytestmark = pytest.mark.filterwarnings("ignore:.*of 2,187 records")


def some_records(count=12, seed=0):
    rng = np.random.default_rng(seed)
    headers = itertools.islice(
        ((font, variant) for font in ("S", "H1") for variant in variant_indices(9)), count
    )
    return [
        (font, variant, rng.integers(0, 2, rng.integers(1, 55, 2)).astype(np.uint8))
        for font, variant in headers
    ]


def read_back(path, **how):
    """[(font, variant, bits)] of a file."""
    records = []
    for bits, heights, widths, columns in parse_file(path, **how):
        for number, (height, width) in enumerate(zip(heights, widths, strict=True)):
            assert not bits[number, height:].any() and not bits[number, :, width:].any()
            records.append(
                (
                    str(columns["font"][number]),
                    tuple(int(columns[field][number]) for field in FIELDS),
                    bits[number, :height, :width],
                )
            )
    return records


def same(left, right):
    return len(left) == len(right) and all(
        a[0] == b[0] and tuple(a[1]) == tuple(b[1]) and np.array_equal(a[2], b[2])
        for a, b in zip(left, right, strict=True)
    )


@pytest.fixture
def one(tmp_path):
    """A file of three records: 2 x 3, 1 x 4, 2 x 2."""
    path = tmp_path / "가.txt"
    text = "S_0_0_0_0_1\n2 3\n011\n110\n\nS_0_0_0_0_0\n1 4\n1011\n\nS_0_0_0_0_2\n2 2\n11\n01\n\n"
    path.write_text(text)
    return path


@pytest.mark.parametrize("newline", ["\r\n", "\n", "\r", "\r\r\n"])
def test_reads_what_it_writes(tmp_path, newline):
    path = tmp_path / "가.txt"
    records = some_records()
    write_phd08(path, records, newline)
    assert (b"\r" in path.read_bytes()) == ("\r" in newline)
    assert same(read_back(path), records)
    assert same(read_back(path, chunk=5), records)
    assert [len(piece[0]) for piece in parse_file(path, chunk=5)] == [5, 5, 2]


@pytest.mark.parametrize("cut", [b"\r\n", b"\r\n\r\n"])
def test_last_record_may_lack_its_blank_line(tmp_path, cut):
    path = tmp_path / "가.txt"
    write_phd08(path, some_records())
    path.write_bytes(path.read_bytes().removesuffix(cut))
    assert same(read_back(path), some_records())


def test_filters(tmp_path):
    path = tmp_path / "가.txt"
    records = some_records()
    write_phd08(path, records)
    assert same(read_back(path, fonts="H1"), [record for record in records if record[0] == "H1"])
    wanted = [records[2][1], records[1][1]]
    assert same(read_back(path, fonts=["S"], variants=wanted), records[1:3])
    assert same(read_back(path, variants=1), [record for record in records if record[1] == (1, 1, 1, 1, 1)])


BROKEN = {
    "truncated in a bitmap": (
        lambda text: text[:21],
        "S_0_0_0_0_1.*line 4.*has 1 characters instead of the 3.*truncated",
    ),
    "truncated after a row": (lambda text: text[:20], "S_0_0_0_0_1.*line 4.*ends after 1 of 2.*truncated"),
    "truncated in a header": (lambda text: text[:33], "line 6.*is no header.*truncated"),
    "truncated before a size": (lambda text: text[:37], "S_0_0_0_0_0.*line 7.*height width"),
    "wrong digit": (lambda text: text.replace("1011", "1021"), "S_0_0_0_0_0.*line 8.*'2' at column 3"),
    "short line": (
        lambda text: text.replace("011", "01"),
        "S_0_0_0_0_1.*line 3.*2 characters instead of the 3",
    ),
    "long line": (
        lambda text: text.replace("110", "1100"),
        "S_0_0_0_0_1.*line 4.*4 characters instead of the 3",
    ),
    "shifted lines": (
        lambda text: text.replace("011\n110", "0111\n10"),
        "S_0_0_0_0_1.*line 3.*4 characters instead of the 3",
    ),
    "a line too few": (lambda text: text.replace("110\n", ""), "S_0_0_0_0_1.*line 4.*is blank instead"),
    "a line too few, no blank": (
        lambda text: text.replace("110\n\n", ""),
        "S_0_0_0_0_1.*line 4.*is the next header 'S_0_0_0_0_0'",
    ),
    "a line too many": (
        lambda text: text.replace("110\n", "110\n111\n"),
        "S_0_0_0_0_1.*line 5.*should be blank.*'111'",
    ),
    "malformed header": (
        lambda text: text.replace("S_0_0_0_0_0", "S_0_0_3_0_0"),
        "line 6.*is no header.*S_0_0_3_0_0",
    ),
    "unknown font": (
        lambda text: text.replace("S_0_0_0_0_0", "Q_0_0_0_0_0"),
        "line 6.*is no header.*Q_0_0_0_0_0",
    ),
    "header twice": (
        lambda text: text.replace("S_0_0_0_0_2", "S_0_0_0_0_0"),
        "S_0_0_0_0_0.*line 10.*second time",
    ),
    "size too large": (
        lambda text: text.replace("1 4", "1 129"),
        "S_0_0_0_0_0.*line 7.*from 1 to 128.*1 129",
    ),
    "size zero": (lambda text: text.replace("1 4", "0 4"), "S_0_0_0_0_0.*line 7.*'0 4'"),
    "size is no number": (lambda text: text.replace("1 4", "one 4"), "S_0_0_0_0_0.*line 7.*'one 4'"),
    "binary": (lambda text: "\x00\x01" * 40, "line 1.*is no header"),
    "empty": (lambda text: "\n", "holds no PHD08 record"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_records_are_named(one, name):
    spoil, message = BROKEN[name]
    spoilt = spoil(one.read_text())
    assert spoilt != one.read_text()
    for newline in ("\n", "\r\n"):
        one.write_bytes(spoilt.replace("\n", newline).encode())
        with pytest.raises(InputError, match=message) as caught:
            list(parse_file(one))
        assert (
            str(one) in str(caught.value)
            and "copy the file again" in str(caught.value)
            and "\n" not in str(caught.value)
        )


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_other_encodings_are_named_with_the_remedy(one, encoding):
    one.write_bytes(one.read_text().encode(encoding))
    with pytest.raises(
        InputError, match=r"가\.txt is UTF-16 text, .*save it as UTF-8, or .*`iconv -f UTF-16"
    ) as caught:
        list(parse_file(one))
    assert "copy" not in str(caught.value)
    one.write_bytes(b"\xef\xbb\xbf" + one.read_bytes().decode(encoding).removeprefix("\ufeff").encode())
    assert len(read_back(one)) == 3


def test_incomplete_file_warns(one):
    with pytest.warns(UserWarning, match="holds 3 of 2,187 records"):
        assert len(read_back(one)) == 3


def test_unreadable_files(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="cannot read .*가.txt"):
        list(parse_file(tmp_path / "가.txt"))
    monkeypatch.setattr(phd08_records, "_LARGEST_FILE", 10)
    (tmp_path / "나.txt").write_bytes(b"0" * 11)
    with pytest.raises(InputError, match="has 11 bytes"):
        list(parse_file(tmp_path / "나.txt"))


def test_labels_follow_the_names_composed_or_not(tmp_path):
    """가, 각 and 힝 are the first, second and last of the 2,350 classes."""
    for name in ("힝", unicodedata.normalize("NFD", "각"), "가"):
        write_phd08(tmp_path / f"{name}.txt", some_records())
    (tmp_path / "README").write_text("not a class")
    (tmp_path / "._가.txt").write_text("left by another system")
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*skipped")
        bank = load_phd08(tmp_path)
    assert bank.labels.tolist() == [0] * 12 + [1] * 12 + [2349] * 12
    assert [bank.classes[label] for label in (0, 1, 2349)] == ["가", "각", "힝"]
    font, variant, bits = some_records()[10]
    assert bank.meta.iloc[10].tolist() == [font, *variant]
    assert np.array_equal(
        bank.images[10], frame(bits[None] * 255, [bits.shape[0]], [bits.shape[1]]).numpy()[0]
    )


def test_stray_files_warn_once(tmp_path):
    write_phd08(tmp_path / "가.txt", some_records())
    for name in ("notes.txt", "뷁.txt"):  # the second is a syllable, but none of KS X 1001
        (tmp_path / name).write_text("hello")
    with pytest.warns(
        UserWarning, match="skipped notes.txt, 뷁.txt, not named by a KS X 1001 syllable"
    ) as caught:
        assert len(load_phd08(tmp_path)) == 12
    assert sum("skipped" in str(each.message) for each in caught) == 1


def test_every_reader_finds_the_same_class_files(tmp_path):
    """가.TXT counts, hidden files, folders and other texts do not; with them alone, PHD08 is not there."""
    (tmp_path / "나.txt").mkdir()
    for name in ("readme.txt", "._각.txt", ".각.txt", "각.txt.part", "각"):
        (tmp_path / name).write_text("no record")
    for read in (class_files, load_phd08):
        with pytest.raises(NotThere, match=r"no class files in .*only readme\.txt, 나\.txt"):
            read(tmp_path)
    with pytest.raises(NotThere, match=r"^no class files in .*nowhere, which is no folder\. PHD08 cannot be"):
        class_files(tmp_path / "nowhere")
    write_phd08(tmp_path / "가.TXT", some_records())
    assert class_files(tmp_path) == {0: tmp_path / "가.TXT"}
    with pytest.warns(UserWarning, match="skipped readme.txt, 나.txt"):
        assert len(load_phd08(tmp_path)) == 12
    write_phd08(tmp_path / "가.txt", some_records())
    if len({"가.txt", "가.TXT"} & {path.name for path in tmp_path.iterdir()}) == 2:
        with pytest.raises(InputError, match="two files for one class"):
            class_files(tmp_path)


def test_a_dangling_link_or_a_pipe_is_no_record(tmp_path):
    (tmp_path / "가.txt").symlink_to(tmp_path / "removed")
    with pytest.raises(InputError, match=r"cannot read .*가\.txt: No such file or directory"):
        load_phd08(tmp_path)
    (tmp_path / "가.txt").unlink()
    os.mkfifo(tmp_path / "가.txt")
    with pytest.raises(InputError, match=r"cannot read .*가\.txt: it is not an ordinary file"):
        load_phd08(tmp_path)


def test_missing_folder_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setenv("SIAMESE_DATA", str(tmp_path))
    for _ in range(2):  # absent, then empty
        with pytest.raises(InputError, match=r"phd08.*cannot be downloaded.*\.alz.*SIAMESE_DATA"):
            load_phd08()
        (tmp_path / "phd08").mkdir(exist_ok=True)
    (tmp_path / "phd08" / "░í.txt").write_text("")
    with pytest.raises(InputError, match="only ░í.txt.*another encoding"):
        load_phd08()


def test_one_class_in_two_files(tmp_path):
    for form in ("NFC", "NFD"):
        write_phd08(tmp_path / f"{unicodedata.normalize(form, '가')}.txt", some_records())
    if len(list(tmp_path.iterdir())) < 2:
        pytest.skip("this file system takes both names for one")
    with pytest.raises(InputError, match="two files for one class"):
        load_phd08(tmp_path)


def test_banks_are_bounded_and_whole(tmp_path):
    for number, name in enumerate("가각간"):
        write_phd08(tmp_path / f"{name}.txt", some_records(seed=number))
    banks = list(iter_phd08(tmp_path, chunk=15))
    assert [len(bank) for bank in banks] == [12, 12, 12]
    assert [len(bank) for bank in iter_phd08(tmp_path, chunk=24)] == [24, 12]
    assert max(len(bank) for bank in iter_phd08(tmp_path, chunk=5)) <= 5
    whole = load_phd08(tmp_path)
    for chunk in (5, 24):
        assert np.array_equal(
            np.concatenate([bank.images for bank in iter_phd08(tmp_path, chunk=chunk)]), whole.images
        )
    square = load_phd08(tmp_path, framing="square").images > 0
    assert square.any(axis=(0, 1))[1] and square.any(axis=(0, 1))[35]


@pytest.mark.parametrize(
    "how",
    [
        {"fonts": "Q"},
        {"fonts": []},
        {"variants": 10},
        {"variants": True},
        {"variants": []},
        {"variants": [(0, 0, 0, 0, 3)]},
        {"variants": "81"},
    ],
)
def test_unknown_choices(tmp_path, how):
    write_phd08(tmp_path / "가.txt", some_records())
    with pytest.raises(InputError, match="use"):
        load_phd08(tmp_path, **how)


def test_a_choice_without_records(tmp_path):
    write_phd08(tmp_path / "가.txt", some_records())
    with pytest.raises(InputError, match="no record of these fonts and variants"):
        load_phd08(tmp_path, fonts="H2")


def test_variants_in_the_order_of_the_files():
    every = variant_indices(243)
    assert len(set(every)) == 243
    assert every[:4] == [(0, 0, 0, 0, 1), (0, 0, 0, 0, 0), (0, 0, 0, 0, 2), (0, 0, 0, 1, 1)]
    assert every[-1] == (2, 2, 2, 2, 2)
    assert chosen_variants(None) == every
    assert chosen_variants([every[7], every[3], every[7]]) == [every[3], every[7]]


@pytest.mark.parametrize("count", [9, 27, 81])
def test_subsets_are_balanced(count):
    subset = variant_indices(count)
    assert len(subset) == count and (1, 1, 1, 1, 1) in subset
    assert [variant for variant in variant_indices(243) if variant in subset] == subset
    assert set(variant_indices(count // 3 if count > 9 else 1)) <= set(subset)
    strength = {81: 4, 27: 2, 9: 1}[count]
    for places in itertools.combinations(range(5), strength):
        seen = Counter(tuple(variant[place] for place in places) for variant in subset)
        assert len(seen) == 3**strength and set(seen.values()) == {count // 3**strength}
    if count == 9:
        unbalanced = [
            pair
            for pair in itertools.combinations(range(5), 2)
            if len({tuple(variant[place] for place in pair) for variant in subset}) < 9
        ]
        assert unbalanced == [(0, 2), (3, 4)]  # FS with RE, TH with SL


def test_real_files(phd08_folder):
    every = [(font, *variant) for font in FONTS for variant in variant_indices(243)]
    heights, widths, duplicates = [], [], {}
    for name in "가각나":
        digests = Counter()
        headers = []
        for bits, high, wide, columns in parse_file(phd08_folder / f"{name}.txt"):
            headers += zip(*(columns[field].tolist() for field in ("font", *FIELDS)), strict=True)
            heights.append(high)
            widths.append(wide)
            number = np.arange(len(bits))
            assert bits[:, 0].any(axis=1).all() and bits[:, :, 0].any(axis=1).all()  # tight to the ink
            assert bits[number, high - 1].any(axis=1).all() and bits[number, :, wide - 1].any(axis=1).all()
            digests.update(
                (image.tobytes(), int(height), int(width))
                for image, height, width in zip(bits, high, wide, strict=True)
            )
        assert headers == every and len(headers) == RECORDS
        duplicates[name] = RECORDS - len(digests)
    heights, widths = np.concatenate(heights), np.concatenate(widths)
    assert (heights.min(), heights.max(), widths.max()) == (18, 54, 52)
    assert (np.median(heights), np.median(widths)) == (35, 37)
    assert duplicates == {"가": 0, "각": 2, "나": 5}


def test_real_bank(phd08_folder):
    bank = load_phd08(phd08_folder, variants=9)
    assert len(bank) % 81 == 0 and bank.meta.groupby("font").size().nunique() == 1
    first = [bank.classes[label] for label in dict.fromkeys(bank.labels.tolist())]
    assert first[:2] == ["가", "각"]
    assert 0.14 < bank.images[bank.labels == 0].mean() / 255 < 0.2
