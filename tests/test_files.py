import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from siamese_lib import files
from siamese_lib.errors import InputError


@pytest.fixture
def unset(monkeypatch):
    for name in ("SIAMESE_DATA", "SIAMESE_RUNS", "SIAMESE_CACHE"):
        monkeypatch.delenv(name, raising=False)


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


def test_the_default_cache_is_the_users(unset, monkeypatch, tmp_path):
    if sys.platform != "linux":
        pytest.skip("XDG_CACHE_HOME is the rule of Linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert (
        files.cache_folder() == tmp_path / "siamese_lib" and list((tmp_path / "siamese_lib").iterdir()) == []
    )


def test_a_cache_that_cannot_be_written_becomes_temporary_with_a_notice(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SIAMESE_CACHE", str(tmp_path / "file" / "cache"))
    files._temporary_cache.cache_clear()
    try:
        with pytest.warns(UserWarning, match=r"file/cache cannot be written; using .* \(set SIAMESE_CACHE\)"):
            folder = files.cache_folder()
        assert folder.is_dir() and tmp_path not in folder.parents
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert files.cache_folder() == folder  # said once
        folder.rmdir()  # empty, and no one else's
    finally:
        files._temporary_cache.cache_clear()


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
    code = "from siamese_lib import files; print(files.__file__, files.results_folder(), files.data_folder(), sep='\\n')"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=elsewhere, env=environment, capture_output=True, text=True
    )
    assert done.stdout.splitlines() == [
        str(package / "files.py"),
        str(elsewhere / "results"),
        str(elsewhere / "data"),
    ], done.stderr
