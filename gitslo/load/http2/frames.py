"""The frames of HTTP/2 (RFC 9113) as bytes: their numbers, their names, and how ours are built. Pure.

Called by the session for everything that is not on its hot path, and by the tests' servers. Nothing here knows a state.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

__all__ = [
    "ACK", "CONTINUATION", "DATA", "END_HEADERS", "END_STREAM", "ERRORS", "FRAME_HEADER", "GOAWAY", "HEADERS",
    "HEADER_LENGTH", "LARGEST_WINDOW", "LEAST_MAX_FRAME", "MOST_MAX_FRAME", "PADDED", "PING", "PREFACE", "PRIORITY",
    "PRIORITY_FLAG", "PUSH_PROMISE", "RST_STREAM", "SETTINGS", "SETTING_ENABLE_PUSH", "SETTING_HEADER_TABLE_SIZE",
    "SETTING_INITIAL_WINDOW_SIZE", "SETTING_MAX_CONCURRENT_STREAMS", "SETTING_MAX_FRAME_SIZE",
    "SETTING_MAX_HEADER_LIST_SIZE", "STREAM_ID", "WINDOW_UPDATE", "data_frames", "error_name", "frame", "goaway",
    "header_frames", "reset", "settings", "settings_in", "window_update",
]  # fmt: skip

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)

END_STREAM = ACK = 0x1
END_HEADERS = 0x4
PADDED = 0x8
PRIORITY_FLAG = 0x20

SETTING_HEADER_TABLE_SIZE = 1
SETTING_ENABLE_PUSH = 2
SETTING_MAX_CONCURRENT_STREAMS = 3
SETTING_INITIAL_WINDOW_SIZE = 4
SETTING_MAX_FRAME_SIZE = 5
SETTING_MAX_HEADER_LIST_SIZE = 6

LARGEST_WINDOW = 2**31 - 1
LEAST_MAX_FRAME = 2**14
"""What every peer takes, and what we take."""
MOST_MAX_FRAME = 2**24 - 1

ERRORS = (
    "no error",
    "protocol error",
    "internal error",
    "flow control error",
    "settings timeout",
    "stream closed",
    "frame size error",
    "refused",
    "cancelled",
    "compression error",
    "connect error",
    "enhance your calm",
    "inadequate security",
    "HTTP/1.1 required",
)
"""The names of the error codes, as error kinds say them."""

HEADER_LENGTH = 9
FRAME_HEADER = struct.Struct(">HBBBI")
"""Length (two fields: its upper 16 bits and its lower 8), type, flags, stream: one unpacking per frame."""
STREAM_ID = struct.Struct(">I")
_SETTING = struct.Struct(">HI")


def error_name(code: int) -> str:
    """The name of an error code; codes that nobody has named share one name, so that kinds stay few."""
    return ERRORS[code] if code < len(ERRORS) else "unknown error"


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """One frame of any type."""
    length = len(payload)
    return FRAME_HEADER.pack(length >> 8, length & 0xFF, kind, flags, stream) + payload


def settings(values: Iterable[tuple[int, int]]) -> bytes:
    """A SETTINGS frame."""
    return frame(SETTINGS, 0, 0, b"".join(_SETTING.pack(*pair) for pair in values))


def settings_in(payload: bytes) -> Iterator[tuple[int, int]]:
    """The settings that a SETTINGS frame carries, in its order; its length is a multiple of six."""
    return _SETTING.iter_unpack(payload)


def window_update(stream: int, increment: int) -> bytes:
    """A WINDOW_UPDATE frame; stream 0 is the connection."""
    return frame(WINDOW_UPDATE, 0, stream, STREAM_ID.pack(increment))


def reset(stream: int, code: int) -> bytes:
    """An RST_STREAM frame."""
    return frame(RST_STREAM, 0, stream, STREAM_ID.pack(code))


def goaway(last: int, code: int, debug: bytes = b"") -> bytes:
    """A GOAWAY frame."""
    return frame(GOAWAY, 0, 0, struct.pack(">II", last, code) + debug)


def header_frames(stream: int, block: bytes, max_frame: int, *, end: bool) -> bytes:
    """A header block as HEADERS and as many CONTINUATIONs as it needs."""
    first, rest = block[:max_frame], block[max_frame:]
    flags = END_STREAM if end else 0
    out = [frame(HEADERS, flags | (0 if rest else END_HEADERS), stream, first)]
    while rest:
        part, rest = rest[:max_frame], rest[max_frame:]
        out.append(frame(CONTINUATION, 0 if rest else END_HEADERS, stream, part))
    return b"".join(out)


def data_frames(stream: int, data: bytes, max_frame: int, *, end: bool) -> bytes:
    """Data as DATA frames, whatever the windows say; without data one empty frame where the stream ends."""
    if len(data) <= max_frame:
        return frame(DATA, END_STREAM if end else 0, stream, data) if data or end else b""
    out = []
    for at in range(0, len(data), max_frame):
        last = end and at + max_frame >= len(data)
        out.append(frame(DATA, END_STREAM if last else 0, stream, data[at : at + max_frame]))
    return b"".join(out)
