import shutil
import zipfile

import pytest
from forged import forge

from siamese_lib.data.archives import LARGEST_ARCHIVE, LARGEST_MEMBER, Archive
from siamese_lib.errors import InputError

PLAIN = {"a/one.png": b"first" * 40, "a/two.png": b"second"}


def make(path, members=PLAIN, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, method)
    return path


def test_members_are_read_and_leftovers_are_not_listed(tmp_path):
    hidden = ("__MACOSX/a/one.png", "a/._one.png", ".git/x.png", "a/.DS_Store")
    path = make(tmp_path / "x.zip", PLAIN | dict.fromkeys((*hidden, "a/"), b""))
    archive = Archive(path, "remedy")
    assert archive.names == list(PLAIN) and archive.content == path.read_bytes()
    assert {name: archive.read(name) for name in PLAIN} == PLAIN
    with pytest.raises(InputError, match=r"x\.zip lacks a/three\.png; remedy$"):
        archive.read("a/three.png")


@pytest.mark.parametrize(
    "what, says",
    [
        ({"size": LARGEST_MEMBER + 1}, "declares 1,000,001 bytes, at most 1,000,000 are expected"),
        ({"size": 0xFFFFFFF0}, "declares 4,294,967,280 bytes"),
        ({"method": 99}, r"has compression 99; pack it with plain zip \(deflate\)"),
        ({"method": 12}, "has compression 12"),  # bzip2: its output cannot be limited
        ({"flags": 1}, "is encrypted; pack it with plain zip"),
    ],
)
def test_what_a_member_declares_is_checked_before_it_is_read(tmp_path, monkeypatch, what, says):
    archive = Archive(forge(make(tmp_path / "x.zip"), "a/one.png", **what), "remedy")
    assert archive.read("a/two.png") == b"second"  # the others are read
    monkeypatch.setattr(zipfile.ZipFile, "open", lambda *_: pytest.fail("read"))
    with pytest.raises(InputError, match=rf"x\.zip: a/one\.png {says}.*remedy$") as caught:
        archive.read("a/one.png")
    assert "\n" not in str(caught.value)


def test_a_member_that_declares_too_little_gives_no_more(tmp_path):
    path = forge(make(tmp_path / "x.zip", {"a": bytes(100_000)}), "a", size=10)
    with pytest.raises(InputError, match=r"x\.zip: a cannot be decoded \(Bad CRC-32"):
        Archive(path, "remedy").read("a")


@pytest.mark.parametrize("name", ["../x.png", "a/../../x.png", "/etc/x.png", "C:/x.png", "\\\\host\\x.png"])
def test_members_outside_the_archive_are_refused(tmp_path, name):
    path = make(tmp_path / "x.zip", PLAIN | {name: b""})
    with pytest.raises(InputError, match=r"x\.zip: .*x\.png' leads out of the archive; remedy$"):
        Archive(path, "remedy")


def test_what_is_no_archive(tmp_path):
    path = tmp_path / "x.zip"
    path.write_bytes(b"PK but no zip")
    with pytest.raises(InputError, match=r"x\.zip is damaged \(.*\); remedy$"):
        Archive(path, "remedy")
    with open(path, "wb") as file:
        file.truncate(LARGEST_ARCHIVE + 1)  # takes no room on disk
    with pytest.raises(InputError, match=r"x\.zip has 64,000,001 bytes, at most 64,000,000 .*; remedy$"):
        Archive(path, "remedy")


def test_no_damage_raises_anything_else(tmp_path):
    whole = make(tmp_path / "x.zip").read_bytes()
    path = tmp_path / "y.zip"
    refused = 0
    for change in (b"", b"\0", b"\xff", b"\x2e"):
        for place in range(0, len(whole)):
            path.write_bytes(whole[:place] + (change + whole[place + 1 :] if change else b""))
            try:
                archive = Archive(path, "remedy")
                for name in archive.names:
                    archive.read(name)
            except InputError as error:
                refused += 1
                assert str(error).startswith(str(path)) and str(error).endswith("remedy")
    assert refused > len(whole)
    shutil.copy(tmp_path / "x.zip", path)
    assert Archive(path, "").read("a/two.png") == b"second"
