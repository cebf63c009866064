"""HTTP/2 connections for requests that differ, and for answers that are looked into; `connections` chooses.

Templates, sampled traces, statuses per endpoint, checks, gzip, the largest size, redirects: what `http1.full` knows but
for cookies and connections for one request each, which HTTP/2 does not have.

Invariants
- A chain of redirects is one request with its own intended time, in one slot; only its last answer is judged.
- What an answer may make us keep is bounded: LOOKED_AT bytes of a body, as many again when it is unpacked. A body that
  is larger than its check allows is cut off at once; its connection goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from gitslo.load.connections.pool import Pool
from gitslo.load.http2.connection import Connection, Exchange, fields, shown
from gitslo.load.http2.session import Head
from gitslo.load.record.recorder import NEVER, Cell
from gitslo.load.requests.checks import LOOKED_AT
from gitslo.load.requests.content import Content, authority
from gitslo.load.requests.redirects import REDIRECTS, Origin, follow, origins
from gitslo.load.requests.source import Source
from gitslo.load.requests.unpacking import GZIP, PLAIN, unpacked
from gitslo.model import LoadSection, Target

__all__ = ["FullConnection", "connections"]

_SAFE = frozenset({"GET", "HEAD"})


def connections(section: LoadSection, target: Target, sources: Sequence[Source]) -> Callable[[Pool], Connection]:
    """What makes a section's connections: the fast ones where they will do."""
    said = authority(target)
    scheme = "https" if target.tls else "http"
    simple = not (section.redirects or section.gzip) and all(
        not source.varies and source.checks is None and source.good == sources[0].good for source in sources
    )
    if simple:
        return partial(Connection, scheme=scheme, authority=said, streams=section.streams)
    return partial(
        FullConnection,
        scheme=scheme,
        authority=said,
        streams=section.streams,
        redirects=section.redirects,
        gzip=section.gzip,
        allowed=origins(target, said),
    )


class _Answer:
    """What is known of one answer, and of its request.

    Attributes:
        content: the request.
        trace: its trace id, or empty.
        followed: redirects before it.
        body: what is kept of the body, None where it is not wanted.
        kept, size: bytes of that, and of the whole body so far.
    """

    __slots__ = ("body", "content", "followed", "kept", "size", "trace")

    def __init__(self, content: Content, trace: bytes, followed: int) -> None:
        self.content = content
        self.trace = trace
        self.followed = followed
        self.body: list[bytes] | None = None
        self.kept = self.size = 0


class FullConnection(Connection):
    """Makes every request from its source, and reads answers as far as anybody wants to know.

    A token's fifth is an _Answer.
    """

    def __init__(
        self,
        pool: Pool,
        scheme: str,
        authority: str,
        streams: int,
        redirects: int,
        gzip: bool,
        allowed: frozenset[Origin],
    ) -> None:
        """Bind what never changes.

        Args:
            pool, scheme, authority, streams: as in Connection.
            redirects: how many are followed.
            gzip: whether compressed answers were asked for.
            allowed: where a redirect may lead.
        """
        super().__init__(pool, scheme, authority, streams)
        self.watching = any(
            s.checks is not None and (s.checks.body or s.checks.max_size is not None) for s in pool.sources
        )
        self._base = f"{scheme}://{authority}"
        self._redirects = redirects
        self._gzip = gzip
        self._allowed = allowed

    # ------------------------------------------------------------ requests

    def transmit(self, cell: Cell, intended: float, lag: float, queue: float = 0.0) -> None:
        """Send `cell`'s next request now."""
        source = self.sources[cell.endpoint]
        content = source.draw() if source.varies else source.content
        self._ask((cell, intended, lag, queue, _Answer(content, source.trace, 0)))

    def _ask(self, token: Exchange) -> None:
        endpoint, content = token[0].endpoint, token[4].content
        if content is not self.sources[endpoint].content:
            block = self.writer.drawn(endpoint, fields(content, self._common))
        else:
            kept = self._blocks.get(endpoint)
            if kept is not None and kept[0] is content:
                block = kept[1]
            else:
                block, constant = self.writer.steady(fields(content, self._common))
                if constant:
                    self._blocks[endpoint] = content, block
        self.request(block, token, content.body)

    # ------------------------------------------------------------ answers

    def on_change(self) -> None:
        """Make all blocks anew."""
        self._blocks: dict[int, tuple[Content, bytes]] = {}
        super().on_change()

    def note(self, head: Head) -> object:
        """Nothing: what is good differs between endpoints."""

    def bodiless(self, token: Exchange) -> bool:
        """Whether it was a HEAD."""
        return bool(token[4].content.method == "HEAD")

    def on_head(self, stream: int, token: Exchange, head: Head) -> None:
        """Is the body wanted, and is it too large already?"""
        source = self.sources[token[0].endpoint]
        checks = source.checks
        if checks is None or self._leads_on(source, head):
            return
        if source.good[head.status] and checks.wants_body():
            token[4].body = []
        if checks.max_size is not None and head.length > checks.max_size and not self.bodiless(token):
            self._enough(stream, token, b"content-length: %d" % head.length)

    def on_data(self, stream: int, token: Exchange, data: bytes) -> None:
        """A part of the body."""
        source, answer = self.sources[token[0].endpoint], token[4]
        answer.size += len(data)
        if source.checks is not None and source.checks.max_size is not None and answer.size > source.checks.max_size:
            if not self._leads_on(source, self.begun[stream]):
                self._enough(stream, token, b"more than %d bytes" % source.checks.max_size)
        elif answer.body is not None and answer.kept <= LOOKED_AT:
            answer.body.append(data)
            answer.kept += len(data)

    def on_end(self, stream: int, token: Exchange, head: Head, trailers: Head | None) -> None:  # noqa: ARG002 - a hook
        """Judge the answer, or go on with where it leads."""
        cell, intended, lag, queue, answer = token
        source = self.sources[cell.endpoint]
        if self._leads_on(source, head):
            kind, example = self._go_on(token, head)
            if not kind:
                return
        else:
            kind, example = self._judge(source, head, answer)
        response = self.now - intended
        if kind:
            self.fail(token, kind, self.now, example)
        else:
            if answer.trace and cell.judged:
                source.slowest.offer(response, answer.trace, cell.endpoint)
            if response <= cell.brisk:
                cell.add(response, lag, queue)
            else:
                self.recorder.settle(cell, response, lag, queue, "", None)
        self.free()

    def fail(self, token: Exchange, kind: str, now: float, example: bytes = b"") -> None:
        """Settle a request as failed."""
        cell, intended, lag, queue, answer = token
        if answer.trace and cell.judged:
            self.sources[cell.endpoint].slowest.offer(now - intended, answer.trace, cell.endpoint)
        self.recorder.settle(cell, now - intended, lag, queue, kind, NEVER, example)

    def _enough(self, stream: int, token: Exchange, example: bytes) -> None:
        """Nothing more of this answer is wanted."""
        self.cancel(stream)
        self.fail(token, "too large", self.now, example)
        self.free()

    def _judge(self, source: Source, head: Head, answer: _Answer) -> tuple[str, bytes]:
        """Why an answer is not good, with an example; empty where it is."""
        if not source.good[head.status]:
            return f"status {head.status}", shown(head)
        body = None if answer.body is None else b"".join(answer.body)
        encoding = (head.get(b"content-encoding") or b"").strip().lower()
        if encoding not in PLAIN and encoding not in GZIP and (self._gzip or body is not None):
            return "unknown content encoding", encoding
        checks = source.checks
        if checks is None:
            return "", b""
        if body and encoding in GZIP:
            whole = unpacked(body)
            if whole is None:
                return "gzip: broken", body[:LOOKED_AT]
            body = whole
        kind = checks.verify(head.fields, body)
        return kind, checks.example if kind else b""

    # ------------------------------------------------------------ redirects

    def _leads_on(self, source: Source, head: Head) -> bool:
        """Whether an answer is a redirect to be followed: statuses that the plan names are what it wants to see."""
        if not self._redirects or head.status not in REDIRECTS:
            return False
        return not (source.expects and source.good[head.status]) and bool(head.get(b"location"))

    def _go_on(self, token: Exchange, head: Head) -> tuple[str, bytes]:
        """Ask where a redirect leads; why not, with an example, where it is not followed."""
        answer = token[4]
        location = head.get(b"location") or b""
        if answer.followed >= self._redirects:
            return "too many redirects", location
        found, kind = follow(answer.content, head.status, location, self._base, self._allowed)
        if found is None:
            return kind, location
        if self.leaving:
            # No more streams here. What changes nothing begins anew elsewhere; what may have done something does not.
            if answer.content.method not in _SAFE:
                return "goaway", location
            self.free()
            self.pool.again(*token[:3])
        else:
            self._ask((*token[:4], _Answer(found, answer.trace, answer.followed + 1)))
        return "", b""
