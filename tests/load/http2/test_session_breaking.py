"""The sans-IO HTTP/2 class against frames that no good server sends."""

from __future__ import annotations

import pytest

from gitslo.load.http2 import frames
from gitslo.load.http2.session import FOREIGN
from tests.load.http2.sessions import OK, Recording, block, greeted, head

F = frames
BOMB = b"\x40\x01a\x7f\xa1\x1e" + b"v" * 4000 + b"\xbe" * 100
BREAKING = {
    "DATA on a stream that was never opened": (F.frame(F.DATA, 0, 9, b"x"), "unknown stream", 1),
    "HEADERS on a stream that was never opened": (head(9), "unknown stream", 1),
    "HEADERS on an even stream": (head(2), "unknown stream", 1),
    "RST_STREAM on a stream that was never opened": (F.reset(9, 8), "unknown stream", 1),
    "HEADERS on the connection": (head(0), "unknown stream", 1),
    "DATA on the connection": (F.frame(F.DATA, 0, 0, b"x"), "unknown stream", 1),
    "DATA after the end": (head(1, end=True) + F.frame(F.DATA, 0, 1, b"x"), "stream closed", 5),
    "HEADERS after the end": (head(1, end=True) + head(1), "stream closed", 5),
    "a frame that is too long": (b"\x00\x40\x01\x00\x00\x00\x00\x00\x01", "frame size", 6),
    "SETTINGS of seven bytes": (F.frame(F.SETTINGS, 0, 0, b"1234567"), "frame size", 6),
    "SETTINGS on a stream": (F.frame(F.SETTINGS, 0, 1), "settings", 1),
    "an acknowledgement with content": (F.frame(F.SETTINGS, 1, 0, b"123456"), "frame size", 6),
    "SETTINGS that allow push": (F.settings([(2, 1)]), "settings", 1),
    "SETTINGS with a small frame size": (F.settings([(5, 100)]), "settings", 1),
    "SETTINGS with a huge frame size": (F.settings([(5, 1 << 24)]), "settings", 1),
    "SETTINGS with a huge window": (F.settings([(4, 1 << 31)]), "flow control", 3),
    "PING of three bytes": (F.frame(F.PING, 0, 0, b"123"), "frame size", 6),
    "PING on a stream": (F.frame(F.PING, 0, 1, b"12345678"), "ping", 1),
    "RST_STREAM of three bytes": (F.frame(F.RST_STREAM, 0, 1, b"123"), "frame size", 6),
    "WINDOW_UPDATE of three bytes": (F.frame(F.WINDOW_UPDATE, 0, 0, b"123"), "frame size", 6),
    "WINDOW_UPDATE by nothing": (F.window_update(0, 0), "flow control", 1),
    "WINDOW_UPDATE beyond the largest window": (F.window_update(0, 2**31 - 1), "flow control", 3),
    "WINDOW_UPDATE of a stream that was never opened": (F.window_update(9, 1), "unknown stream", 1),
    "GOAWAY of three bytes": (F.frame(F.GOAWAY, 0, 0, b"123"), "frame size", 6),
    "GOAWAY on a stream": (F.frame(F.GOAWAY, 0, 1, b"12345678"), "unknown stream", 1),
    "PUSH_PROMISE": (F.frame(F.PUSH_PROMISE, 4, 1, b"\0\0\0\2" + OK), "push", 1),
    "CONTINUATION of nothing": (F.frame(F.CONTINUATION, 4, 1, OK), "continuation", 1),
    "another frame within a header block": (F.frame(F.HEADERS, 0, 1, OK) + F.frame(F.PING, 0, 0, bytes(8)),
                                            "continuation", 1),
    "another stream within a header block": (F.frame(F.HEADERS, 0, 1, OK) + F.frame(F.CONTINUATION, 4, 3, b""),
                                             "continuation", 1),
    "CONTINUATIONs without end": (F.frame(F.HEADERS, 0, 1) + F.frame(F.CONTINUATION, 0, 1) * 100,
                                  "too many headers", 11),
    "a header block without end": (F.frame(F.HEADERS, 0, 1) + F.frame(F.CONTINUATION, 0, 1, bytes(16384)) * 5,
                                   "too many headers", 11),
    "padding longer than its frame": (F.frame(F.HEADERS, 0x2D, 1, b"\x09abc"), "padding", 1),
    "DATA padded with more than there is": (head(1) + F.frame(F.DATA, 8, 1, b"\x09abc"), "padding", 1),
    "a priority cut short": (F.frame(F.HEADERS, 0x25, 1, b"abc"), "frame size", 6),
    "garbage for headers": (F.frame(F.HEADERS, 5, 1, b"\xff" * 20), "header compression", 9),
    "an index that nothing has": (F.frame(F.HEADERS, 5, 1, b"\xbe"), "header compression", 9),
    "a block cut short": (F.frame(F.HEADERS, 5, 1, b"\x00\x05ab"), "header compression", 9),
    "a table larger than agreed": (F.frame(F.HEADERS, 5, 1, b"\x3f\xe2\x1f" + OK), "header compression", 9),
    "a few bytes that unpack to 400 kB": (F.frame(F.HEADERS, 5, 1, BOMB), "too many headers", 11),
}  # fmt: skip


@pytest.mark.parametrize("name", BREAKING)
@pytest.mark.parametrize("size", [1, 1 << 20])
def test_what_ends_a_connection(name: str, size: int) -> None:
    """A rule that everything rests on is broken: the error has a name, the server is told, and nothing follows."""
    data, kind, code = BREAKING[name]
    session = greeted(watching=False)
    session.ask("first")
    session.taken()
    ended = dict(session.ended)
    data += head(1, end=True)
    for at in range(0, len(data), size):
        session.receive(data[at : at + size])
    assert f"protocol error: {kind}" == session.broken
    assert frames.goaway(0, code) == session.taken()[-17:]
    assert len(session.ended) - len(ended) <= name.endswith("after the end")


FAILING = {
    "DATA before HEADERS": (F.frame(F.DATA, 1, 1, b"x"), "protocol error: data before headers"),
    "trailers that do not end the stream": (head(1) + F.frame(F.HEADERS, 4, 1, block(("a", "b"))),
                                            "protocol error: trailers"),
    "a second head": (head(1) + head(1, end=True), "protocol error: trailers"),
    "no status": (F.frame(F.HEADERS, 4, 1, block(("a", "b"))), "protocol error: malformed header"),
    "a status of two digits": (F.frame(F.HEADERS, 5, 1, block((":status", "20"))), "protocol error: malformed header"),
    "a name in capitals": (head(1, ("Name", "b")), "protocol error: malformed header"),
    "a header of connections": (head(1, ("connection", "close")), "protocol error: malformed header"),
    "two lengths": (head(1, ("content-length", "1"), ("content-length", "2")), "protocol error: malformed header"),
    "a length that is none": (head(1, ("content-length", "-1")), "protocol error: malformed header"),
    "an interim answer that ends": (F.frame(F.HEADERS, 5, 1, block((":status", "103"))),
                                    "protocol error: malformed header"),
    "less than announced": (head(1, ("content-length", "5")) + F.frame(F.DATA, 1, 1, b"four"), "answer cut short"),
    "more than announced": (head(1, ("content-length", "5")) + F.frame(F.DATA, 0, 1, b"12345") * 2
                            + F.frame(F.DATA, 1, 1), "answer cut short"),
    "twice as much as announced": (head(1, ("content-length", "5")) + F.frame(F.DATA, 0, 1, b"12345")
                                   + F.frame(F.DATA, 1, 1, b"12345"), "answer cut short"),
    "nothing of what was announced": (head(1, ("content-length", "5"), end=True), "answer cut short"),
    "a window that grows by nothing": (F.window_update(1, 0), "protocol error: flow control"),
    "a window that is too large": (F.window_update(1, 2**31 - 1), "protocol error: flow control"),
    "a reset": (F.reset(1, 2), "stream reset: internal error"),
    "a reset half way": (head(1) + F.frame(F.DATA, 0, 1, b"x") + F.reset(1, 8), "stream reset: cancelled"),
    "a reset for a reason that nobody knows": (F.reset(1, 4711), "stream reset: unknown error"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAILING)
@pytest.mark.parametrize("watching", [False, True])
def test_what_ends_one_stream(name: str, watching: bool) -> None:
    """An answer that is none fails its own request, with a name; the others on the connection go on."""
    data, kind = FAILING[name]
    session = greeted(watching=watching)
    session.ask("first", end=False)
    session.ask("second")
    session.receive(data + head(3, end=True))
    assert {"first": (kind, False)} == session.lost
    assert ["second"] == list(session.ended)
    assert "" == session.broken


def test_no_http2() -> None:
    """A server whose first word is no SETTINGS frame speaks no HTTP/2, in whatever pieces it says so."""
    words = [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"SSH-2.0-OpenSSH_9.9\r\n", frames.frame(F.PING, 0, 0, bytes(8))]
    for data in [*words, frames.frame(F.SETTINGS, F.ACK, 0)]:
        for size in (1, 100):
            session = Recording()
            session.start()
            for at in range(0, len(data), size):
                session.receive(data[at : at + size])
            assert FOREIGN == session.broken
