"""Where things lie on disk, reading with limits, and atomic writes.

Defaults and relative paths start at the repository root, never at the current folder.
"""

import atexit
import contextlib
import errno
import json
import os
import shutil
import stat
import tempfile
import uuid
import warnings
import zipfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path

import numpy as np

from siamese_lib.errors import InputError

_NO_ROOM = {getattr(errno, name, None) for name in ("ENOSPC", "EDQUOT", "EFBIG", "EROFS")} - {None}
# Environment variables that name a folder; SIAMESE_FONTS names several.
FOLDERS = ("SIAMESE_RUNS", "SIAMESE_DATA", "SIAMESE_CACHE", "SIAMESE_FONTS")
_LARGEST_CACHED = 1 << 30  # bytes of arrays that one file of the cache may declare; the largest have 250 MB


def repository_root() -> Path:
    """Folder that holds `siamese_lib/` and `notebooks/`; for an installed wheel the current folder."""
    parent = Path(__file__).resolve().parents[1]
    return parent if (parent / "pyproject.toml").is_file() else Path.cwd()


def absolute(path: str | os.PathLike, variable: str) -> Path:
    """A path given by an environment variable, made absolute.

    `~` stands for the home folder, and a relative path starts at the repository root, so that a shell, a
    notebook and a child process in another folder mean the same place.

    Args:
        path: as given.
        variable: its name, for the message.

    Raises:
        InputError: `~` without a known home folder.
    """
    try:
        return Path(os.path.realpath(repository_root() / Path(path).expanduser()))
    except RuntimeError:
        raise InputError(
            f"{variable}={path}: no home folder is known that ~ could stand for; give an absolute path"
        ) from None


def data_folder() -> Path:
    """Folder with `omniglot/` and `phd08/`: `SIAMESE_DATA`, else `data/` at the repository root.

    Raises:
        InputError: `SIAMESE_DATA` is set to something that is not a folder.
    """
    given = os.environ.get("SIAMESE_DATA")
    if not given:
        return repository_root() / "data"
    folder = absolute(given, "SIAMESE_DATA")
    if not os.path.isdir(folder):
        raise InputError(
            f"SIAMESE_DATA={folder} is not a folder; set it to the folder that holds omniglot/ and phd08/, "
            "or unset it"
        )
    return folder


def runs_folder() -> Path:
    """Working runs, checkpoints and executed notebooks (`SIAMESE_RUNS`, else `runs/`); ignored by git."""
    given = os.environ.get("SIAMESE_RUNS")
    return absolute(given, "SIAMESE_RUNS") if given else repository_root() / "runs"


def results_folder() -> Path:
    """Published tables, figures and records."""
    return repository_root() / "results"


def cache_folder() -> Path:
    """Rendered glyphs, downloads and decoded drawings: `SIAMESE_CACHE`, else the user's cache folder.

    It may be absent or read-only: what lies in it is read (`cached`), and writes go elsewhere
    (`cache_target`). Without a home folder it is a temporary one, with a warning.
    """
    given = os.environ.get("SIAMESE_CACHE")
    if given:
        return absolute(given, "SIAMESE_CACHE")
    from platformdirs import user_cache_dir

    try:
        folder = Path(user_cache_dir("siamese_lib", appauthor=False))
    except RuntimeError:  # no home folder; older versions give this path themselves
        folder = Path("~/.cache/siamese_lib")
    return Path(os.path.realpath(folder)) if folder.is_absolute() else _temporary_cache(folder)


def cached(pattern: str) -> list[Path]:
    """Files of the cache, read-only or not.

    Args:
        pattern: relative to the cache folder, such as `glyphs-1/*.npz`, or the name of one file.

    Returns:
        Those of the cache folder in order of their names, then those that this process had to write
        elsewhere.
    """
    named = cache_folder()
    folders = [named, *(other for wanted, other in _temporary_caches.items() if wanted == named)]
    return [path for folder in folders for path in sorted(folder.glob(pattern)) if os.path.isfile(path)]


def cache_target(name: str) -> Path:
    """Where a file of the cache is to be written: in the cache folder, or else in a temporary one.

    The first file of a process that goes to the temporary folder comes with a warning.
    """
    named = cache_folder()
    target = named / name
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=target.parent):
            return target
    except OSError:
        return _temporary_cache(named) / name


_temporary_caches: dict[Path, Path] = {}  # cache folder that cannot be written -> folder that takes its files


def _temporary_cache(wanted: Path) -> Path:
    if wanted not in _temporary_caches:
        _temporary_caches[wanted] = folder = Path(tempfile.mkdtemp(prefix="siamese_lib-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        warnings.warn(
            f"cache folder {wanted} cannot be written; new files go to {folder} for this session (set "
            "SIAMESE_CACHE)",
            stacklevel=3,
        )
    return _temporary_caches[wanted]


def load_arrays(
    path: Path, names: Iterable[str], fits: Callable[[dict[str, np.ndarray]], bool]
) -> dict[str, np.ndarray] | None:
    """Arrays of an .npz file of the cache; None, with a warning, where it is damaged.

    Args:
        path: the file.
        names: of its arrays.
        fits: whether they are what was written there.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            declared = sum(member.file_size for member in archive.infolist())
        if declared > _LARGEST_CACHED:
            raise ValueError(f"it declares {declared:,} bytes")
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in names}
        if not fits(arrays):
            raise ValueError("its arrays do not fit")
        return arrays
    except Exception as error:  # zipfile and numpy raise many kinds for a damaged file
        reason = str(error) or type(error).__name__
        warnings.warn(f"cached file {path} is damaged ({reason}) and is made anew", stacklevel=3)
        return None


@cache
def private_folder(name: str) -> Path:
    """A folder in the system's temporary folder that nobody else can write to or read from.

    The same one in each process where it is this user's alone; where somebody else has made it, or has rights
    in it, a new one with an unguessable name.
    """
    user = os.getuid() if hasattr(os, "getuid") else 0
    folder = Path(tempfile.gettempdir()) / f"siamese_lib-private-{name}-{user}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        state = folder.lstat()
        if stat.S_ISDIR(state.st_mode) and state.st_uid == user and not state.st_mode & 0o077:
            return folder
    except OSError:
        pass
    return Path(tempfile.mkdtemp(prefix=f"siamese_lib-{name}-"))


def files_beneath(folder: Path | str) -> Iterator[Path]:
    """All ordinary files beneath a folder, in the same order each time.

    Links are followed. Each folder is entered once, known by device and inode, so links in a circle end; a
    link comes after all real folders. Dangling links and folders that cannot be read are passed over.
    """
    seen: set[tuple[int, int]] = set()
    waiting = deque([str(folder)])
    while waiting:
        place = waiting.popleft()
        try:
            state, entries = os.stat(place), sorted(os.listdir(place))
        except OSError:
            continue
        if (state.st_dev, state.st_ino) in seen:
            continue
        seen.add((state.st_dev, state.st_ino))
        paths = [os.path.join(place, entry) for entry in entries]
        yield from (Path(path) for path in paths if os.path.isfile(path))
        folders = [path for path in paths if os.path.isdir(path)]
        waiting.extendleft(path for path in reversed(folders) if not os.path.islink(path))
        waiting.extend(path for path in folders if os.path.islink(path))


def read_bytes(path: Path | str, largest: int, remedy: str) -> bytes:
    """Content of an ordinary file of at most `largest` bytes.

    Raises:
        InputError: it cannot be read, is something else (a folder, a pipe), or is larger; `remedy` ends the
            message.
    """
    try:
        state = os.stat(path)
        if not stat.S_ISREG(state.st_mode):
            raise InputError(f"cannot read {path}: it is not an ordinary file; {remedy}")
        if state.st_size > largest:
            raise InputError(
                f"{path} has {state.st_size:,} bytes, at most {largest:,} are expected; {remedy}"
            )
        return Path(path).read_bytes()
    except OSError as error:
        raise InputError(
            f"cannot read {path}: {error.strerror}; check the path and its permissions"
        ) from error


@contextlib.contextmanager
def atomic_write(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path beside `path`, which replaces `path` on success and is removed on an exception.

    A reader of `path` sees the old file or the new one, never half of it.

    Raises:
        InputError: the folder cannot be written, `path` is a folder, or the disk is full.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.stem}-{uuid.uuid4().hex[:8]}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.touch(exist_ok=False)
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        yield temporary
        try:
            os.replace(temporary, path)
        except OSError as error:
            raise _unwritable(path, error) from error
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise _unwritable(path, error) from error
        raise
    finally:
        temporary.unlink(missing_ok=True)


def _unwritable(path: Path, error: OSError) -> InputError:
    return InputError(f"cannot write {path}: {error.strerror}; make the folder writable or free some space")


def write_bytes(path: Path | str, content: bytes) -> None:
    """Write a whole file atomically."""
    with atomic_write(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path | str, text: str) -> None:
    """Write UTF-8 text atomically."""
    write_bytes(path, text.encode())


def write_json(path: Path | str, value: object) -> None:
    """Write JSON atomically: indented, non-ASCII kept, `NaN` refused."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
