"""Where things lie on disk, and atomic writes: a reader sees the old file or the new one, never half of it.

Defaults are relative to the repository, never to the current folder.
"""

import contextlib
import json
import os
import tempfile
import uuid
import warnings
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from siamese_lib.errors import InputError


def repository_root() -> Path:
    """Folder that holds `siamese_lib/`, `results/`, `notebooks/`; for an installed wheel the current folder."""
    parent = Path(__file__).resolve().parents[1]
    return parent if (parent / "pyproject.toml").is_file() else Path.cwd()


def data_folder() -> Path:
    """Folder with `omniglot/` and `phd08/`: `SIAMESE_DATA`, else `data/` at the repository root.

    Raises:
        InputError: `SIAMESE_DATA` is set to something that is not a folder.
    """
    given = os.environ.get("SIAMESE_DATA")
    if not given:
        return repository_root() / "data"
    if not Path(given).is_dir():
        raise InputError(
            f"SIAMESE_DATA={given} is not a folder; set it to the folder that holds omniglot/ and phd08/, or unset it"
        )
    return Path(given).resolve()


def runs_folder() -> Path:
    """Working runs, checkpoints and executed notebooks (`SIAMESE_RUNS`, else `runs/`); ignored by git."""
    return Path(os.environ.get("SIAMESE_RUNS") or repository_root() / "runs")


def results_folder() -> Path:
    """Published tables, figures and records."""
    return repository_root() / "results"


@lru_cache(maxsize=1)
def _temporary_cache(wanted: str) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="siamese_lib-"))
    warnings.warn(
        f"cache folder {wanted} cannot be written; using {folder} for this session (set SIAMESE_CACHE)",
        stacklevel=3,
    )
    return folder


def cache_folder() -> Path:
    """Rendered glyphs and packed banks: `SIAMESE_CACHE`, else the user's cache folder.

    Where that cannot be written: a temporary folder, with a warning.
    """
    given = os.environ.get("SIAMESE_CACHE")
    if given:
        folder = Path(given)
    else:
        from platformdirs import user_cache_dir

        folder = Path(user_cache_dir("siamese_lib", appauthor=False))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder.resolve()
    except OSError:
        return _temporary_cache(str(folder))


@contextlib.contextmanager
def atomic_write(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it takes the place of `path`, on an exception it is removed.

    Raises:
        InputError: the folder cannot be written.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.stem}-{uuid.uuid4().hex[:8]}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.touch(exist_ok=False)
    except OSError as error:
        raise InputError(
            f"cannot write {path}: {error.strerror}; make the folder writable or free some space"
        ) from error
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path | str, text: str) -> None:
    """Write UTF-8 text atomically."""
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path | str, value: object) -> None:
    """Write JSON atomically: indented, non-ASCII kept, `NaN` refused."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
