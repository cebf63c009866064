"""HTTP/1.1 connections for requests that differ, and for answers that are looked into. `worker.dial` chooses them.

`FullConnection` makes each request from its source (templates, sampled traces), knows HEAD, statuses per endpoint, and
connections for one request each. `ReadingConnection` reads what is answered, too: checks, gzip, redirects, cookies, the
largest size. Reading a header or a body costs a call each, so a load that needs none of it does not have it.

Invariants
- A chain of redirects is one request with its own intended time; only its last answer is judged. Where an answer in
  between closes the connection, the rest of the chain waits at the front and goes on with whichever connection is next.
- What an answer may make us keep is bounded: LOOKED_AT bytes of a body, as many again when it is unpacked, a jar of
  cookies per connection. A body that is larger than its check allows is cut off at once, with its connection.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from urllib.parse import urlsplit

from gitslo.load.connections.pool import Pool
from gitslo.load.http1.connection import Connection
from gitslo.load.http1.cookies import Jar
from gitslo.load.http1.request import request_bytes
from gitslo.load.http1.terms import Chain, Terms, terms_of
from gitslo.load.record.recorder import EXAMPLE, NEVER, Cell
from gitslo.load.requests.checks import LOOKED_AT
from gitslo.load.requests.content import Content
from gitslo.load.requests.redirects import REDIRECTS, follow
from gitslo.load.requests.source import Source
from gitslo.load.requests.unpacking import GZIP, PLAIN, unpacked
from gitslo.model import LoadSection, Target

__all__ = ["FullConnection", "ReadingConnection", "full"]

_OK = 200
"""Below are the 1xx, which announce the answer."""
_MOST_HEADERS = 1000

clock = time.monotonic


def full(section: LoadSection, target: Target, sources: Sequence[Source]) -> Callable[[Pool], FullConnection]:
    """What makes a section's connections."""
    reads = section.redirects or section.gzip or section.cookies or any(source.checks for source in sources)
    return partial(ReadingConnection if reads else FullConnection, terms=terms_of(section, target))


class FullConnection(Connection):
    """Makes every request from its source."""

    def __init__(self, pool: Pool, terms: Terms) -> None:
        super().__init__(pool)
        self.terms = terms
        self.sources: Sequence[Source] = pool.sources
        self.leaving = not terms.keep_alive
        self.content: Content | None = None
        self.headless = False
        self.trace = b""

    def transmit(self, cell: Cell, intended: float, lag: float, queue: float = 0.0) -> None:
        """Send `cell`'s next request now."""
        self.cell = cell
        self.intended = intended
        self.lag = lag
        self.queue = queue
        source = self.sources[cell.endpoint]
        content = source.draw() if source.varies else source.content
        self.trace = source.trace
        self.ask(content, source)

    def ask(self, content: Content, source: Source) -> None:
        """Write one request."""
        self.content = content
        self.headless = content.method == "HEAD"
        wire = source.wire
        if wire is not None and wire[0] is content:
            request = wire[1]
        else:
            request = request_bytes(content, self.terms.host, close=not self.terms.keep_alive)
            if content is source.content:
                source.wire = (content, request)
        self.pool.sent += len(request)
        self.write(request)

    def on_headers_complete(self) -> None:
        """An answer to HEAD ends with its header, whatever length that announces."""
        if self.headless and self.cell is not None and self.get_status() >= _OK:
            self.status = self.get_status()
            self.messages = 1
            self.last = self.leaving or not self.keep_alive()

    def on_message_complete(self) -> None:
        """The parser has come to the end of an answer."""
        if not self.headless or self.cell is None or self.get_status() < _OK:
            super().on_message_complete()

    def finish(self, now: float, data: bytes) -> None:
        """The answer is complete; `data` is what was read last."""
        cell = self.cell
        assert cell is not None  # noqa: S101 - the callers looked
        if self.headless:
            self.renew_parser()
        kind, example = self.judge(self.sources[cell.endpoint], data)
        self.cell = None
        self.messages = 0
        response = now - self.intended
        if self.trace and cell.judged:
            self.sources[0].slowest.offer(response, self.trace, cell.endpoint)
        if kind:
            self.recorder.settle(cell, response, self.lag, self.queue, kind, NEVER, example[:EXAMPLE])
        elif response <= cell.brisk:
            cell.add(response, self.lag, self.queue)
        else:
            self.recorder.settle(cell, response, self.lag, self.queue, "", None)
        self.head = b""
        if self.last:
            self.drop()
        else:
            self.pool.idle(self)

    def judge(self, source: Source, data: bytes) -> tuple[str, bytes]:
        """Why the answer is not good, with an example; empty where it is."""
        return ("", b"") if source.good[self.status] else (f"status {self.status}", self.head + data)

    def fail(self, kind: str, example: bytes = b"") -> None:
        """Settle the request under way, if there is one, as failed."""
        if self.cell is not None and self.trace and self.cell.judged:
            self.sources[0].slowest.offer(clock() - self.intended, self.trace, self.cell.endpoint)
        super().fail(kind, example)


class ReadingConnection(FullConnection):
    """Reads headers and bodies, too."""

    def __init__(self, pool: Pool, terms: Terms) -> None:
        super().__init__(pool, terms)
        self.jar: Jar | None = self._empty_jar()
        self.followed = 0
        self.forget_answer()

    def _empty_jar(self) -> Jar | None:
        return Jar(urlsplit(self.terms.base).hostname or "", secure=self.terms.secure) if self.terms.cookies else None

    def forget_answer(self) -> None:
        """Begin with an answer of which nothing is known."""
        self.headers: list[tuple[bytes, bytes]] = []
        self.heading = True
        self.size = 0
        self.most: int | None = None
        self.body: bytearray | None = None
        self.trouble: tuple[str, bytes] | None = None

    # ------------------------------------------------------------ requests

    def transmit(self, cell: Cell, intended: float, lag: float, queue: float = 0.0) -> None:
        """Send `cell`'s next request now, or go on with its chain."""
        chain = self.terms.resume(cell, intended) if self.terms.chains else None
        if chain is None:
            self.followed = 0
            super().transmit(cell, intended, lag, queue)
            return
        self.cell = cell
        self.intended = intended
        self.lag = lag
        self.queue = chain.queue
        self.trace = chain.trace
        self.followed = chain.followed
        self.jar = chain.jar
        self.ask(chain.content, self.sources[cell.endpoint])

    def ask(self, content: Content, source: Source) -> None:
        """Write one request, with what the jar has for it."""
        self.forget_answer()
        cookies = self.jar.header(content.path, time.time()) if self.jar is not None else ""
        if not cookies:
            super().ask(content, source)
            return
        own = [value for name, value in content.headers if name.lower() == "cookie"]
        others = [header for header in content.headers if header[0].lower() != "cookie"]
        headers = (*others, ("Cookie", "; ".join([*own, cookies])))
        super().ask(Content(content.method, content.path, headers, content.body), source)
        self.content = content  # where a redirect leads, the jar speaks anew

    # ------------------------------------------------------------ what the parser says

    def on_message_begin(self) -> None:
        """An answer begins, or a 1xx before it."""
        self.forget_answer()

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header; trailers come here, too, and are no part of it."""
        if self.heading:
            self.headers.append((name.lower(), value))
            if len(self.headers) > _MOST_HEADERS:
                self.trouble = ("too many headers", b"more than %d" % _MOST_HEADERS)
                raise _Enough

    def on_headers_complete(self) -> None:
        """The header is there: is the body wanted, and is it too large already?"""
        self.heading = False
        status = self.get_status()
        if self.cell is not None and status >= _OK:
            source = self.sources[self.cell.endpoint]
            checks = source.checks
            if checks is not None and not self.headless and not self._leads_on(source, status):
                self.most = checks.max_size
                if source.good[status] and checks.wants_body():
                    self.body = bytearray()
                if self.most is not None:
                    self._announced(self._header(b"content-length") or b"", self.most)
        super().on_headers_complete()

    def _announced(self, length: bytes, most: int) -> None:
        if length.isdigit() and int(length) > most:
            self.trouble = ("too large", b"content-length: " + length)
            raise _Enough

    def on_body(self, data: bytes) -> None:
        """A part of the body."""
        self.size += len(data)
        if self.most is not None and self.size > self.most:
            self.trouble = ("too large", b"more than %d bytes" % self.most)
            raise _Enough
        if self.body is not None and len(self.body) <= LOOKED_AT:
            self.body += data

    def _header(self, name: bytes) -> bytes | None:
        return next((value for key, value in self.headers if key == name), None)

    # ------------------------------------------------------------ answers

    def _leads_on(self, source: Source, status: int) -> bool:
        """Whether an answer is a redirect to be followed: statuses that the plan names are what it wants to see."""
        wanted = source.expects and source.good[status]
        return bool(self.terms.redirects and status in REDIRECTS and not wanted and self._header(b"location"))

    def finish(self, now: float, data: bytes) -> None:
        """The answer is complete: it is judged, or leads on."""
        cell, content = self.cell, self.content
        assert cell is not None  # noqa: S101 - the callers looked
        assert content is not None  # noqa: S101 - a request was sent
        if self.jar is not None:
            self.jar.take(self.headers, content.path, time.time())
        source = self.sources[cell.endpoint]
        if self._leads_on(source, self.status):
            found = self._next(content)
            if found is not None:
                self._go_on(cell, found, source)
                return
        super().finish(now, data)

    def _next(self, content: Content) -> Content | None:
        """What a redirect asks for; None where it is not followed: then `trouble` says why."""
        location = self._header(b"location") or b""
        if self.followed >= self.terms.redirects:
            self.trouble = ("too many redirects", location)
            return None
        found, kind = follow(content, self.status, location, self.terms.base, self.terms.origins)
        if found is None:
            self.trouble = (kind, location)
        return found

    def _go_on(self, cell: Cell, content: Content, source: Source) -> None:
        self.followed += 1
        self.messages = 0
        self.head = b""
        if self.headless:
            self.renew_parser()
        if not self.last:
            self.ask(content, source)
            return
        chain = Chain(content, self.followed, self.queue, clock(), self.trace, self.jar)
        self.terms.wait(cell, self.intended, chain)
        self.cell = None
        self.drop()
        self.pool.again(cell, self.intended, self.lag)

    def judge(self, source: Source, data: bytes) -> tuple[str, bytes]:
        """Why the answer is not good, with an example; empty where it is."""
        if self.trouble is not None:
            return self.trouble
        kind, example = super().judge(source, data)
        checks = source.checks
        if kind:
            return kind, example
        body = None if self.body is None else bytes(self.body)
        encoding = (self._header(b"content-encoding") or b"").strip().lower()
        if encoding not in PLAIN and encoding not in GZIP and (self.terms.gzip or body is not None):
            return "unknown content encoding", encoding
        if checks is None:
            return "", b""
        if body and encoding in GZIP:
            packed, body = body, unpacked(body)
            if body is None:
                return "gzip: broken", packed
        kind = checks.verify(self.headers, body)
        return kind, checks.example if kind else b""

    def fail(self, kind: str, example: bytes = b"") -> None:
        """Settle the request under way, if there is one, as failed; for our own reason, where we stopped reading."""
        if self.trouble is not None:
            kind, example = self.trouble
        super().fail(kind, example)


class _Enough(Exception):
    """Raised into the parser: nothing more of this answer is wanted. `trouble` says why."""
