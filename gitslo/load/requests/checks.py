"""What a good answer holds beyond its status. Made before the run; called by the connections for each answer.

Kinds are short and stable, because they are counted; what varies (which text is missing, how the body begins) stands in
`example`. Answers with a wrong status have failed already and are not looked into.

Patterns come from repositories. Python's `re` can take forever on some, so: a pattern has at most LONGEST_PATTERN
characters, it sees at most the first LOOKED_AT bytes of a body, and a match that takes more than PATIENCE of processor
time is given up; such a pattern is not tried again, and every answer that it should have judged fails. So it is with a
JMESPath expression that asks for more than its budget. The clock for patterns is the process's virtual interval timer,
so answers are verified on the main thread, as the workers do.
"""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterable
from types import FrameType

from gitslo.errors import Problem, Refused
from gitslo.load.requests.sampling import Sampler
from gitslo.model import Checks

__all__ = ["LONGEST_PATTERN", "LOOKED_AT", "PATIENCE", "CompiledChecks", "compiled"]

LONGEST_PATTERN = 1000
"""Characters."""
LOOKED_AT = 1 << 20
"""Bytes of a body, decompressed, that are kept and looked at."""
PATIENCE = 0.05
"""Seconds of processor time for one match."""
_EXAMPLE = 120

Headers = Iterable[tuple[bytes, bytes]]


class CompiledChecks:
    """The checks of one request's answers.

    Attributes:
        max_size: bytes of body as they come over the wire; None: as many as like.
        example: what varies about the last answer that failed.
        headers: whether an answer's headers are needed.
        body: whether the bodies of some answers are.
    """

    __slots__ = (
        "_contains", "_graphql", "_headers", "_json", "_needs_json", "_patterns", "_sampler", "_stuck", "body",
        "example", "headers", "max_size",
    )  # fmt: skip

    def __init__(self, checks: Checks, request: str, shard: int = 0, shards: int = 1) -> None:
        """Compile them.

        Raises:
            Refused: a pattern is none or too long, or an expression is no JMESPath.
        """
        self._contains = [text.encode() for text in checks.contains]
        self._patterns = [_pattern(request, text) for text in checks.matches]
        self._stuck: set[str | re.Pattern[str]] = set()
        self._json = checks.json
        for expression in checks.json:
            _search(expression, None)
        self._graphql = checks.graphql
        self._needs_json = bool(checks.json or checks.graphql)
        self._headers = [
            (name.lower().encode("latin-1"), None if value is None else value.encode("latin-1", "replace"))
            for name, value in checks.headers
        ]
        self._sampler = Sampler(checks.sample, shard, shards)
        self.headers = bool(checks.headers)
        self.body = checks.body and checks.sample > 0
        self.max_size = checks.max_size
        self.example = b""

    def wants_body(self) -> bool:
        """Whether the body of this good answer is to be kept; asked once for each."""
        return self.body and self._sampler.due()

    def verify(self, headers: Headers, body: bytes | None) -> str:
        """Why an answer with a good status is not good after all; empty where it is.

        Args:
            headers: the answer's; trailers are not among them.
            body: the first LOOKED_AT bytes and, where there are more, at least one more; None: it was not wanted.
        """
        for name, value in self._headers:
            found = [own.strip() for key, own in headers if key.lower() == name]
            if not found:
                return self._no("check: header is missing", name)
            if value is not None and value not in found:
                return self._no("check: header has another value", name + b": " + b", ".join(found))
        if body is None:
            return ""
        return self._text(body[:LOOKED_AT]) or (self._document(body) if self._needs_json else "")

    def _text(self, body: bytes) -> str:
        for text in self._contains:
            if text not in body:
                return self._no("check: body does not contain", text + b" in " + body)
        readable = body.decode("utf-8", "replace") if self._patterns else ""
        for pattern in self._patterns:
            if pattern not in self._stuck:
                found = _found(pattern, readable)
                if found is None:
                    self._stuck.add(pattern)
                elif not found:
                    return self._no("check: body does not match", pattern.pattern.encode() + b" in " + body)
            if pattern in self._stuck:
                return self._no("check: pattern takes too long", pattern.pattern.encode())
        return ""

    def _document(self, body: bytes) -> str:
        if len(body) > LOOKED_AT:
            return self._no("check: json", b"the body is longer than %d bytes" % LOOKED_AT)
        try:
            document = json.loads(body)
        except (ValueError, RecursionError):
            return self._no("check: json", b"no JSON: " + body)
        if self._graphql:
            if not isinstance(document, dict):
                return self._no("check: graphql", b"no GraphQL answer: " + body)
            if document.get("errors"):
                return self._no("check: graphql", json.dumps(document["errors"]).encode())
        for expression in self._json:
            try:
                found = None if expression in self._stuck else _search(expression, document)
            except Refused:
                self._stuck.add(expression)
            if expression in self._stuck:
                return self._no("check: expression takes too long", expression.encode())
            if not _true(found):
                return self._no("check: json", expression.encode() + b" in " + body)
        return ""

    def _no(self, kind: str, example: bytes) -> str:
        self.example = example[: 2 * _EXAMPLE]
        return kind


def _search(expression: str, document: object) -> object:
    from gitslo.core.jsonpath import search  # noqa: PLC0415 - a worker that needs none starts without the library

    return search(expression, document)


def compiled(checks: Checks, request: str, shard: int = 0, shards: int = 1) -> CompiledChecks | None:
    """The checks of a request, None where it has none.

    Raises:
        Refused: a pattern is none or too long, or an expression is no JMESPath.
    """
    if not (checks.body or checks.headers or checks.max_size is not None):
        return None
    return CompiledChecks(checks, request, shard, shards)


def _true(found: object) -> bool:
    """What JMESPath itself takes for true: all but null, false, and what is empty."""
    return found is not None and found is not False and found not in ("", [], {})


def _pattern(request: str, text: str) -> re.Pattern[str]:
    if len(text) > LONGEST_PATTERN:
        raise Refused(Problem(f"{request!r}: a pattern has at most {LONGEST_PATTERN} characters"))
    try:
        return re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        raise Refused(Problem(f"{request!r}: {text!r} is no regular expression: {error}")) from error


class _TooLong(Exception):
    """The match takes more than PATIENCE."""


def _give_up(_: int, __: FrameType | None) -> None:
    raise _TooLong


def _found(pattern: re.Pattern[str], body: str) -> bool | None:
    """Whether a pattern is in a body; None where it could not be told in time."""
    before = signal.signal(signal.SIGVTALRM, _give_up)
    try:
        signal.setitimer(signal.ITIMER_VIRTUAL, PATIENCE)
        found = pattern.search(body) is not None
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    except _TooLong:
        return None
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
    return found
