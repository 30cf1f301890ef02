"""Zip archives that say of a member what is not so."""

import struct


def forge(path, name, flags=None, method=None, size=None):
    """Change what an archive says of a member, in its directory and before the content."""
    content = bytearray(path.read_bytes())
    for signature, at in ((b"PK\x01\x02", (8, 10, 24, 46)), (b"PK\x03\x04", (6, 8, 22, 30))):
        place = content.find(signature)
        while content[place + at[3] :][: len(name)] != name.encode():
            place = content.find(signature, place + 1)
            assert place >= 0
        for value, offset, kind in zip((flags, method, size), at, ("<H", "<H", "<L"), strict=False):
            if value is not None:
                struct.pack_into(kind, content, place + offset, value)
    path.write_bytes(content)
    return path
