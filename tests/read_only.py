"""A folder that is read-only even for root, whom permissions do not stop."""

import errno
import os
import tempfile


def make_read_only(monkeypatch, folder) -> None:
    """Opening a file for writing, or making a folder, beneath `folder` fails as on a read-only disk.

    Temporary folders are then made beside it.
    """
    root = os.path.realpath(folder)
    monkeypatch.setattr(tempfile, "tempdir", os.path.dirname(root))
    really_open, really_mkdir = os.open, os.mkdir

    def refuse(path) -> None:
        place = os.path.realpath(path)
        if place == root or place.startswith(root + os.sep):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    def open_(path, flags, *more, **named):
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            refuse(path)
        return really_open(path, flags, *more, **named)

    def mkdir(path, *more, **named):
        refuse(path)
        return really_mkdir(path, *more, **named)

    monkeypatch.setattr(os, "open", open_)
    monkeypatch.setattr(os, "mkdir", mkdir)
