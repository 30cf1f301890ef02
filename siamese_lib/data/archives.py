"""Zip archives from outside, read member by member with limits; nothing is ever unpacked to disk."""

import io
import zipfile
from pathlib import Path, PurePosixPath, PureWindowsPath

from siamese_lib.errors import InputError
from siamese_lib.files import read_bytes

LARGEST_ARCHIVE = 64_000_000  # bytes; those of Omniglot have at most 9 million
LARGEST_MEMBER = 1_000_000  # bytes after decompression; a drawing of Omniglot has 500
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # their output can be limited while it is made


class Archive:
    """A zip archive in memory.

    Args:
        path: the file.
        remedy: how every message ends.

    Attributes:
        content: bytes of the whole file.
        names: of its members, without folders, `__MACOSX/` and hidden files.

    Raises:
        InputError: the file cannot be read, is larger than LARGEST_ARCHIVE, is damaged or no zip archive, or
            has a member whose name leads out of the archive.
    """

    def __init__(self, path: Path, remedy: str) -> None:
        self.path, self.remedy = path, remedy
        self.content = read_bytes(path, LARGEST_ARCHIVE, remedy)
        try:
            self._archive = zipfile.ZipFile(io.BytesIO(self.content))
        except Exception as error:  # zipfile raises many kinds for a damaged directory
            raise InputError(f"{path} is damaged ({_reason(error)}); {remedy}") from error
        for name in self._archive.namelist():
            if ".." in PurePosixPath(name).parts or PurePosixPath(name).root or PureWindowsPath(name).anchor:
                raise InputError(f"{path}: {name!r} leads out of the archive; {remedy}")
        self.names = [
            name for name in self._archive.namelist() if not name.endswith("/") and not is_hidden(name)
        ]

    def read(self, name: str) -> bytes:
        """Content of a member.

        Raises:
            InputError: no such member; one that declares more than LARGEST_MEMBER bytes, is encrypted, or is
                compressed by another method than deflate; or damage.
        """
        try:
            member = self._archive.getinfo(name)
        except KeyError:
            raise InputError(f"{self.path} lacks {name}; {self.remedy}") from None
        shown = f"{self.path}: {name}"
        if member.file_size > LARGEST_MEMBER:
            raise InputError(
                f"{shown} declares {member.file_size:,} bytes, at most {LARGEST_MEMBER:,} are expected; "
                f"{self.remedy}"
            )
        if member.flag_bits & 1 or member.compress_type not in _METHODS:
            how = "is encrypted" if member.flag_bits & 1 else f"has compression {member.compress_type}"
            raise InputError(f"{shown} {how}; pack it with plain zip (deflate), or {self.remedy}")
        try:
            with self._archive.open(member) as file:
                return file.read(LARGEST_MEMBER + 1)
        except Exception as error:  # zipfile and zlib raise many kinds for damaged content
            raise InputError(f"{shown} cannot be decoded ({_reason(error)}); {self.remedy}") from error


def is_hidden(name: str) -> bool:
    """Whether a relative name is, or lies in, what file managers leave behind: dot names and `__MACOSX`."""
    return any(part.startswith(".") or part == "__MACOSX" for part in PurePosixPath(name).parts)


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__
