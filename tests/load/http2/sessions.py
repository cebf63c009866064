"""A client's side of HTTP/2 that remembers what its hooks were told, and answers for it."""

from __future__ import annotations

import hpack

from gitslo.load.http2 import frames
from gitslo.load.http2.session import Head, Session

__all__ = ["GET", "OK", "Fields", "Recording", "block", "greeted", "head"]

Fields = list[tuple[bytes, bytes]]

GET: Fields = [(b":method", b"GET"), (b":scheme", b"http"), (b":authority", b"a:1"), (b":path", b"/x"), (b"own", b"1")]
OK = hpack.Encoder().encode([(":status", "200")])


class Recording(Session[str]):
    """Remembers what its hooks were told."""

    def __init__(self, *, watching: bool = True, window: int = 2**30) -> None:
        super().__init__(window)
        self.watching = watching
        self.heads: dict[str, Head] = {}
        self.bodies: dict[str, bytes] = {}
        self.ended: dict[str, tuple[Head, Head | None]] = {}
        self.lost: dict[str, tuple[str, bool]] = {}
        self.broken = ""
        self.limits: list[int] = []
        self.left = 0
        self.heads_only: set[str] = set()

    def on_head(self, stream: int, token: str, head: Head) -> None:
        assert token not in self.heads
        self.heads[token] = head

    def on_data(self, stream: int, token: str, data: bytes) -> None:
        self.bodies[token] = self.bodies.get(token, b"") + data

    def on_end(self, stream: int, token: str, head: Head, trailers: Head | None) -> None:
        assert token not in self.ended
        assert token not in self.lost
        assert stream not in self.live
        self.ended[token] = head, trailers

    def on_lost(self, stream: int, token: str, kind: str, code: int, *, again: bool) -> None:
        assert token not in self.ended
        assert token not in self.lost
        assert stream not in self.live
        self.lost[token] = kind, again

    def on_limit(self) -> None:
        self.limits.append(self.limit)

    def on_leaving(self) -> None:
        self.left += 1

    def on_broken(self, kind: str) -> None:
        self.broken = kind

    def bodiless(self, token: str) -> bool:
        return token in self.heads_only

    def taken(self) -> bytes:
        """What is to be sent."""
        data = b"".join(self.out)
        self.out.clear()
        return data

    def ask(self, token: str, fields: Fields = GET, body: bytes = b"", *, end: bool = True) -> int:
        """Send a request."""
        return self.request(self.writer.steady(fields)[0], token, body, end=end)


def greeted(*values: tuple[int, int], watching: bool = True) -> Recording:
    """A session that has heard the server's settings."""
    session = Recording(watching=watching)
    session.start()
    session.receive(frames.settings(values))
    session.taken()
    return session


def block(*fields: tuple[str, str]) -> bytes:
    """Header fields in a block that leaves no trace in any table."""
    return hpack.Encoder().encode([hpack.NeverIndexedHeaderTuple(*field) for field in fields])


def head(stream: int, *fields: tuple[str, str], end: bool = False) -> bytes:
    """HEADERS of an answer."""
    return frames.header_frames(stream, block((":status", "200"), *fields), 16384, end=end)
