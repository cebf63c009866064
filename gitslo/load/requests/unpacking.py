"""Bodies that came compressed, unpacked as far as checks look at them. Pure; called by the connections that read."""

from __future__ import annotations

import zlib

from gitslo.load.requests.checks import LOOKED_AT

__all__ = ["GZIP", "PLAIN", "unpacked"]

GZIP = frozenset({b"gzip", b"x-gzip"})
PLAIN = frozenset({b"", b"identity"})
_FORMAT = 16 + zlib.MAX_WBITS
_MEMBERS = 100
"""Gzip files one after the other that are a body; of empty ones a body could have so many that they take seconds."""


def unpacked(body: bytes) -> bytes | None:
    """The first LOOKED_AT bytes of a gzip body and one more where there are; None where it is none or cut short."""
    whole, found, members = len(body) <= LOOKED_AT, b"", 0
    while body and len(found) <= LOOKED_AT:
        members += 1
        if members > _MEMBERS:
            return None
        unpacker = zlib.decompressobj(_FORMAT)
        try:
            found += unpacker.decompress(body, LOOKED_AT + 1 - len(found))
        except zlib.error:
            return None
        if not unpacker.eof:
            return None if whole and len(found) <= LOOKED_AT else found
        body = unpacker.unused_data
    return found
