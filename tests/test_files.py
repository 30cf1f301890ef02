import errno
import json
import os
import stat
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pytest
from read_only import make_read_only

from siamese_lib import files
from siamese_lib.errors import InputError
from siamese_lib.files import (
    atomic_write,
    cache_target,
    cached,
    files_beneath,
    load_arrays,
    private_folder,
    read_bytes,
    write_json,
    write_text,
)


@pytest.fixture
def unset(monkeypatch):
    for name in ("SIAMESE_DATA", "SIAMESE_RUNS", "SIAMESE_CACHE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def homeless(monkeypatch):
    """A user without HOME whom the system does not list, as in many containers."""
    import pwd

    def unknown(uid):
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    for name in ("HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)


def test_defaults_are_relative_to_the_repository(unset, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    root = files.repository_root()
    assert (root / "siamese_lib" / "files.py").samefile(files.__file__) and (
        root / "pyproject.toml"
    ).is_file()
    assert (files.data_folder(), files.runs_folder(), files.results_folder()) == (
        root / "data",
        root / "runs",
        root / "results",
    )


def test_the_environment_names_other_folders(unset, monkeypatch, tmp_path):
    for name, find in (
        ("SIAMESE_DATA", files.data_folder),
        ("SIAMESE_RUNS", files.runs_folder),
        ("SIAMESE_CACHE", files.cache_folder),
    ):
        (tmp_path / name).mkdir()
        monkeypatch.setenv(name, str(tmp_path / name))
        assert find() == tmp_path / name


@pytest.mark.parametrize("name", ["file", "nowhere"])
def test_data_folder_must_be_one(monkeypatch, tmp_path, name):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SIAMESE_DATA", str(tmp_path / name))
    with pytest.raises(
        InputError, match=rf"SIAMESE_DATA=.*{name} is not a folder; set it to .* omniglot/ and phd08/"
    ):
        files.data_folder()


@pytest.mark.parametrize("given", ["some/runs", "../some/runs", "~/runs"])
def test_relative_paths_start_at_the_repository_and_home_is_expanded(monkeypatch, tmp_path, given):
    """Whatever the current folder: the shell's, a notebook's and a child's are three different ones."""
    root = tmp_path / "checkout" / "repository"
    expected = Path(os.path.normpath(tmp_path / "home" / "runs" if given[0] == "~" else root / given))
    for folder in (root, expected):
        folder.mkdir(parents=True)
    monkeypatch.setattr(files, "repository_root", lambda: root)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name, find in (
        ("SIAMESE_DATA", files.data_folder),
        ("SIAMESE_RUNS", files.runs_folder),
        ("SIAMESE_CACHE", files.cache_folder),
    ):
        monkeypatch.setenv(name, given)
        for current in (tmp_path, root.parent):
            monkeypatch.chdir(current)
            assert find() == expected


def test_home_that_is_unknown(homeless, unset, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SIAMESE_RUNS", "~/runs")
    with pytest.raises(InputError, match=r"^SIAMESE_RUNS=~/runs: no home folder .* give an absolute path$"):
        files.runs_folder()
    with pytest.warns(UserWarning, match=r"\(set SIAMESE_CACHE\)"):
        folder = files.cache_folder()
    assert folder.is_absolute() and folder == files.cache_folder() == cache_target("x").parent
    assert not list(tmp_path.iterdir())  # no folder called ~
    folder.rmdir()
    files._temporary_caches.clear()


def test_the_default_cache_is_the_users(unset, monkeypatch, tmp_path):
    if sys.platform != "linux":
        pytest.skip("XDG_CACHE_HOME is the rule of Linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert files.cache_folder() == tmp_path / "siamese_lib" and not list(tmp_path.iterdir())
    assert cache_target("a/b.npz") == tmp_path / "siamese_lib" / "a" / "b.npz"
    assert list((tmp_path / "siamese_lib" / "a").iterdir()) == []


def check_diverted(named, old=()) -> None:
    with pytest.warns(UserWarning, match=rf"{named} cannot be written; .*\(set SIAMESE_CACHE\)"):
        target = cache_target("glyphs/new.npz")
    try:
        assert target.parent.parent not in (named, *named.parents)
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # said once
            assert cache_target("glyphs/new.npz") == target and files.cache_folder() == named
            write_text(target, "")
            assert cached("glyphs/*.npz") == [*old, target] and cached("glyphs/new.npz") == [target]
            assert cached("glyphs/none.npz") == []
    finally:
        target.unlink(missing_ok=True), target.parent.rmdir(), target.parent.parent.rmdir()
        files._temporary_caches.clear()


def test_a_cache_that_cannot_be_made_becomes_temporary_with_a_notice(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SIAMESE_CACHE", str(tmp_path / "file" / "cache"))
    check_diverted(tmp_path / "file" / "cache")


def test_a_temporary_cache_goes_when_python_ends(tmp_path):
    (tmp_path / "file").write_text("")
    code = "from siamese_lib.files import cache_target, write_text; write_text(cache_target('a/b.npz'), '')"
    environment = os.environ | {"SIAMESE_CACHE": str(tmp_path / "file" / "cache"), "TMPDIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.returncode == 0 and f"new files go to {tmp_path}" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_read_only_cache_is_read_and_only_writes_go_elsewhere(monkeypatch, tmp_path):
    monkeypatch.setenv("SIAMESE_CACHE", str(tmp_path / "cache"))
    filled = [cache_target(f"glyphs/{name}.npz") for name in "ba"]
    for path in filled:
        write_text(path, "")
    make_read_only(monkeypatch, tmp_path / "cache")
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # reading says nothing
        assert files.cache_folder() == tmp_path / "cache" and cached("glyphs/*.npz") == filled[::-1]
    check_diverted(tmp_path / "cache", filled[::-1])


def spoil_shape(path):
    np.savez(path, images=np.zeros(3, np.uint8))


def spoil_end(path):
    path.write_bytes(path.read_bytes()[:-30])


def spoil_declaration(path):
    """The size of its array in the directory of the archive, 4 GB in place of a few bytes."""
    content = bytearray(path.read_bytes())
    at = content.rfind(b"PK\x01\x02") + 24
    content[at : at + 4] = (0xF0000000).to_bytes(4, "little")
    path.write_bytes(content)


@pytest.mark.parametrize(
    "spoil, reason",
    [
        (spoil_shape, "do not fit"),
        (spoil_end, "zip file"),
        (spoil_declaration, "declares 4,026,531,840 bytes"),
    ],
)
def test_a_damaged_file_of_the_cache_is_said_to_be_one(tmp_path, spoil, reason):
    path = tmp_path / "a.npz"
    np.savez(path, images=np.zeros(2, np.uint8))

    def fits(arrays):
        return arrays["images"].shape == (2,)

    assert load_arrays(path, ["images"], fits)["images"].tolist() == [0, 0]
    spoil(path)
    with pytest.warns(UserWarning, match=rf"a\.npz is damaged \(.*{reason}.*\) and is made anew"):
        assert load_arrays(path, ["images"], fits) is None


def test_no_damage_to_the_cache_ends_a_run(tmp_path):
    path = tmp_path / "a.npz"
    np.savez_compressed(path, images=np.arange(50, dtype=np.uint8))
    whole = path.read_bytes()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for place in range(0, len(whole), 3):
            path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
            found = load_arrays(path, ["images"], lambda arrays: arrays["images"].shape == (50,))
            assert found is None or found["images"].shape == (50,)


@pytest.fixture
def temporary(monkeypatch, tmp_path):
    """The system's temporary folder; `private_folder` has not been asked yet."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    private_folder.cache_clear()
    yield tmp_path
    private_folder.cache_clear()


def is_private(folder) -> bool:
    state = folder.lstat()
    return state.st_uid == os.getuid() and stat.S_IMODE(state.st_mode) == 0o700 and folder.is_dir()


def test_private_folders_are_the_same_in_every_process(temporary):
    first = private_folder("numba")
    private_folder.cache_clear()
    assert is_private(first) and private_folder("numba") == first != private_folder("other")


def test_a_folder_made_or_opened_by_somebody_else_is_not_used(temporary, monkeypatch):
    planted = private_folder("numba")
    for mode in (0o777, 0o755, 0o710):
        planted.chmod(mode)
        private_folder.cache_clear()
        fresh = private_folder("numba")
        assert is_private(fresh) and fresh != planted and fresh == private_folder("numba")
    planted.chmod(0o700)
    planted.rename(temporary / "elsewhere")
    planted.symlink_to(temporary / "elsewhere")
    private_folder.cache_clear()
    assert is_private(private_folder("numba")) and private_folder("numba") != planted
    planted.unlink()
    planted.write_text("")
    private_folder.cache_clear()
    assert is_private(private_folder("numba"))
    planted.unlink()
    planted.mkdir(mode=0o700)
    foreign = os.stat_result((0o40700, 1, 1, 1, os.getuid() + 1, *[0] * 5))
    monkeypatch.setattr(Path, "lstat", lambda path: foreign)
    private_folder.cache_clear()
    assert private_folder("numba") != planted


def test_compilers_of_notebooks_and_figures_use_a_private_folder():
    """The tests themselves run with it: see conftest.py."""
    folder = Path(os.environ["NUMBA_CACHE_DIR"])
    assert "siamese_lib" not in folder.name or is_private(folder)
    sources = [path.read_text(encoding="utf-8") for path in Path(files.__file__).parent.rglob("*.py")]
    lines = [line for source in sources for line in source.splitlines() if "NUMBA_CACHE_DIR" in line]
    assert lines and all(
        'setdefault("NUMBA_CACHE_DIR", str(private_folder("numba")))' in line for line in lines
    )


def test_links_are_followed_and_circles_end(tmp_path):
    for name in ("a/one", "b/c/two", "outside/three"):
        path = tmp_path / ("outside" if name.startswith("out") else "top") / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    top = tmp_path / "top"
    (top / "b" / "again").symlink_to(top)
    (top / "a" / "self").symlink_to(".")
    (top / "a" / "other").symlink_to("../b")
    (top / "A").symlink_to(top / "a")  # sorts first, and is entered last
    (top / "linked").symlink_to(tmp_path / "outside" / "outside")
    (top / "file").symlink_to(top / "a" / "one")
    (top / "dangling").symlink_to(tmp_path / "nowhere")
    (top / "loop").symlink_to("loop")
    found = [path.relative_to(top).as_posix() for path in files_beneath(top)]
    assert found == ["file", "a/one", "b/c/two", "linked/three"]
    assert list(files_beneath(top / "file")) == list(files_beneath(tmp_path / "nowhere")) == []


def test_only_ordinary_files_of_the_expected_size_are_read(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"12345")
    assert read_bytes(path, 5, "remedy") == b"12345"
    with pytest.raises(InputError, match=r"file has 5 bytes, at most 4 are expected; remedy$"):
        read_bytes(path, 4, "remedy")
    os.mkfifo(tmp_path / "pipe")  # reading it would wait for ever
    for name in ("pipe", ""):
        with pytest.raises(InputError, match=r"^cannot read .*: it is not an ordinary file; remedy$"):
            read_bytes(tmp_path / name, 5, "remedy")
    with pytest.raises(InputError, match=r"^cannot read .*none: No such file or directory; check the path"):
        read_bytes(tmp_path / "none", 5, "remedy")


def test_without_a_checkout_the_current_folder_is_the_root(tmp_path):
    """As an installed wheel sees it: a copy of the package with no pyproject.toml above it."""
    package, elsewhere = tmp_path / "site" / "siamese_lib", tmp_path / "work"
    package.mkdir(parents=True), elsewhere.mkdir()
    for name in ("files.py", "errors.py"):
        (package / name).write_bytes(Path(files.__file__).with_name(name).read_bytes())
    (package / "__init__.py").write_text("")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SIAMESE_")} | {
        "PYTHONPATH": str(package.parent)
    }
    code = (
        "from siamese_lib import files; "
        "print(files.__file__, files.results_folder(), files.data_folder(), sep='\\n')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=elsewhere, env=environment, capture_output=True, text=True
    )
    assert done.stdout.splitlines() == [
        str(package / "files.py"),
        str(elsewhere / "results"),
        str(elsewhere / "data"),
    ], done.stderr


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_an_interrupted_write_leaves_the_old_file(tmp_path, error):
    path = tmp_path / "file.txt"
    path.write_text("old")
    with pytest.raises(error), atomic_write(path) as temporary:
        temporary.write_text("half")
        assert path.read_text() == "old" and temporary.parent == path.parent
        raise error
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_a_finished_write_takes_its_place(tmp_path):
    path = tmp_path / "new" / "folder" / "file.txt"
    for text in ("first", "second"):
        with atomic_write(str(path)) as temporary:
            temporary.write_text(text)
        assert path.read_text() == text and list(path.parent.iterdir()) == [path]


def test_the_temporary_file_ends_like_the_target(tmp_path):
    """np.savez and Pillow go by the ending; two writers at once never share a file."""
    with atomic_write(tmp_path / "a.npz") as one, atomic_write(tmp_path / "a.npz") as other:
        assert one.suffix == ".npz" and one != other and one.name.startswith(".")


def test_permissions_are_those_of_any_new_file(tmp_path):
    (tmp_path / "plain").touch()
    write_text(tmp_path / "atomic", "")
    modes = [os.stat(tmp_path / name).st_mode for name in ("plain", "atomic")]
    assert modes[0] == modes[1]


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(
        InputError,
        match=r"cannot write .*file/x\.json: (Not a directory|File exists); make the folder writable",
    ):
        write_json(tmp_path / "file" / "x.json", {})
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS])
def test_a_full_disk_is_said_to_be_one(tmp_path, number):
    path = tmp_path / "x.npz"
    path.write_text("old")
    with pytest.raises(InputError, match=r"cannot write .*x\.npz: .*; .* or free some space"):
        with atomic_write(path):
            raise OSError(number, os.strerror(number))
    with pytest.raises(FileNotFoundError, match="another file"), atomic_write(path):
        raise FileNotFoundError("another file")  # not of this write
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_a_folder_is_not_replaced_by_a_file(tmp_path):
    (tmp_path / "x").mkdir()
    with pytest.raises(InputError, match=r"cannot write .*x: Is a directory; "):
        write_text(tmp_path / "x", "")
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_json_keeps_hangul_and_refuses_nan(tmp_path):
    path = tmp_path / "x.json"
    write_json(path, {"class": "가", "loss": [0.5, None]})
    assert "가" in path.read_text(encoding="utf-8") and path.read_text(encoding="utf-8").endswith("}\n")
    assert json.loads(path.read_text(encoding="utf-8")) == {"class": "가", "loss": [0.5, None]}
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(path, {"loss": float("nan")})
    assert json.loads(path.read_text(encoding="utf-8"))["class"] == "가" and list(tmp_path.iterdir()) == [
        path
    ]
