"""Where a worker's gRPC calls come from: what `requests.source` is for HTTP. Made before the run, drawn in it.

The engine makes the sources, too, before it starts a worker: what cannot be sent is refused there.

Invariants
- One call has one value per variable and one row per feeder, in its metadata and in all of its messages.
- A source that does not vary, and any draw of it, is its `content` itself.
- A value from data or the environment never ends the field or the JSON string that it stands in.

What a varying message costs is in `protobuf`: tens of microseconds each, where a constant one costs nothing.
"""

from __future__ import annotations

import binascii
import os
import re
from base64 import b64decode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitslo import __version__
from gitslo.core.template import ENVIRONMENT, Template, in_json
from gitslo.errors import Problem, Refused
from gitslo.load.grpc.prepared import framed
from gitslo.load.grpc.status import STATUSES
from gitslo.load.messages import PreparedMethod
from gitslo.load.requests.checks import CompiledChecks, compiled
from gitslo.load.requests.content import authority
from gitslo.load.requests.sampling import Sampler
from gitslo.load.requests.source import Supply
from gitslo.model import Call, LoadSection, Target

if TYPE_CHECKING:
    from gitslo.load.grpc.protobuf import Method

__all__ = ["AT_ONCE", "CallSource", "Message", "call_sources", "timeout_field"]

AT_ONCE = 1 << 18
"""Bytes of messages that are sent in one piece."""

_NAME = re.compile(r"[0-9a-z_.-]+")
_VALUE = re.compile(r"[\x20-\x7e]*")
_OURS = frozenset(
    {"content-type", "te", "host", "connection", "content-length", "transfer-encoding", "keep-alive", "upgrade"}
)
_UNITS = ((1.0, "S"), (1e3, "m"), (1e6, "u"), (1e9, "n"))
_MOST = 10**8

Field = tuple[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Message:
    """One call.

    Attributes:
        fields: the whole header, as HTTP/2 says it.
        messages: framed; a client stream sends them `repeat` times, the others send the one that there is.
        body: all that is sent, where it goes in one piece; None where it is sent bit by bit.
    """

    fields: tuple[Field, ...]
    messages: tuple[bytes, ...]
    body: bytes | None


def call_sources(
    section: LoadSection,
    target: Target,
    run_id: str,
    shard: int,
    shards: int,
    environment: Mapping[str, str],
    authorization: str,
    methods: Sequence[PreparedMethod],
    *,
    randomness: Callable[[int], bytes] = os.urandom,
) -> tuple[CallSource, ...]:
    """One source per call, in the section's order.

    Args:
        section: one with calls.
        target: for authority and scheme.
        run_id: said in the User-Agent and in a field of its own.
        shard, shards: which part of rows and numbers is this worker's.
        environment: the operator's variables.
        authorization: the value of the field; empty for none.
        methods: what `prepare` made of the calls.
        randomness: of UUIDs and trace ids.

    Raises:
        Refused: with everything that cannot be sent.
    """
    supply = Supply(section.data, shard, shards, environment, randomness)
    problems: list[Problem] = []
    made = []
    for call, method in zip(section.calls, methods, strict=True):
        try:
            made.append(CallSource(section, call, method, target, run_id, supply, authorization))
        except Refused as fault:
            problems += [_placed(call, problem) for problem in fault.problems]
    if problems:
        raise Refused(*problems)
    return tuple(made)


def timeout_field(seconds: float) -> str:
    """A deadline as `grpc-timeout` says it: at most eight digits, the finest unit that they allow, never zero."""
    for factor, unit in reversed(_UNITS):
        value = round(seconds * factor)
        if value < _MOST:
            return f"{max(1, value)}{unit}"
    return f"{_MOST - 1}S"


class CallSource:
    """The calls of one entry of a section.

    Attributes:
        varies: whether `draw` gives anything but `content`.
        content: what is sent where nothing varies.
        trace: trace id of the last draw, where that was sampled; else empty.
        checks: of the answers, or None.
        good: status code -> 1 where it counts as good.
        slowest: the slowest traced calls of this worker.
        client_streaming, repeat, interval: how messages go.
        single: exactly one message comes in an answer that is good.
        deadline: seconds from the sending after which a call has failed, whatever the server does.
    """

    __slots__ = (
        "_authorization", "_compress", "_fields", "_headers", "_messages", "_method", "_prepared", "_read", "_sampler",
        "_slots", "_templates", "_traces", "checks", "client_streaming", "content", "deadline", "good", "interval",
        "repeat", "single", "slowest", "trace", "varies",
    )  # fmt: skip

    def __init__(
        self,
        section: LoadSection,
        call: Call,
        method: PreparedMethod,
        target: Target,
        run_id: str,
        supply: Supply,
        authorization: str,
    ) -> None:
        self.trace = b""
        self.slowest = supply.slowest
        self.checks: CompiledChecks | None = compiled(call.checks, call.name, supply.shard, supply.shards)
        expect = call.expect or {"OK"}
        unknown = sorted(expect.difference(STATUSES))
        if unknown:
            raise Refused(Problem(f"`{unknown[0]}` is no gRPC status", hint=f"they are {', '.join(STATUSES)}"))
        self.good = bytes(name in expect for name in STATUSES)
        self.client_streaming = method.client_streaming
        self.single = not method.server_streaming
        self.repeat = call.repeat if method.client_streaming else 1
        self.interval = call.interval
        self.deadline = min(call.deadline or section.timeout, section.timeout)
        self._prepared = method
        self._method: Method | None = None
        self._compress = call.gzip
        self._traces = supply.traces

        words = {name for name, _ in call.metadata}
        fixed = [
            (":method", "POST"),
            (":scheme", "https" if target.tls else "http"),
            (":path", method.path),
            (":authority", authority(target)),
            ("te", "trailers"),
            ("content-type", "application/grpc"),
            ("grpc-timeout", timeout_field(call.deadline or section.timeout)),
            ("grpc-accept-encoding", "gzip"),
            *([("grpc-encoding", "gzip")] if call.gzip else ()),
            *([("user-agent", f"gitslo/{__version__} (load; run {run_id})")] if "user-agent" not in words else ()),
            ("gitslo-run", run_id),
        ]
        self._fields = tuple(_field(name, value) for name, value in fixed)
        metadata = [(name, supply.parse(value)) for name, value in call.metadata]
        for name, template in metadata:
            _check(name, template, supply)
        messages = () if method.messages else tuple(supply.parse(text) for text in call.messages)
        variables = sorted({v for each in (*(t for _, t in metadata), *messages) for v in each.variables()}, key=str)
        self._slots = {variable: slot for slot, variable in enumerate(variables)}
        self._read = supply.reader(variables)
        self._headers = metadata
        self._messages = messages
        traced = section.trace > 0 and "traceparent" not in words
        self._sampler = Sampler(section.trace, supply.shard, supply.shards) if traced else None
        self._templates = any(variable.group != ENVIRONMENT for variable in variables)
        self.varies = self._templates or self._sampler is not None
        self.refresh(authorization)

    def refresh(self, authorization: str) -> None:
        """From now on, calls carry this value; empty: none of the operator's.

        Raises:
            Refused: it cannot stand in a field.
        """
        if not _VALUE.fullmatch(authorization):
            raise Refused(Problem("the Authorization holds what no field may (a line end, a control character)"))
        self._authorization = authorization
        self.content = self._made([""] * len(self._slots) if self._templates else self._read(), drawn=False)

    def draw(self) -> Message:
        """The next call; `content` itself where this one does not differ.

        Raises:
            Refused: a value from a feeder makes its message none of its type.
        """
        sampler = self._sampler
        self.trace = b""
        content = self._made(self._read(), drawn=True) if self._templates else self.content
        if sampler is None or not sampler.due():
            return content
        trace, traceparent = next(self._traces)
        self.trace = trace.encode("ascii")
        traced = (*content.fields, (b"traceparent", traceparent.encode("ascii")))
        return Message(traced, content.messages, content.body)

    def mapped(self, answer: bytes) -> bytes:
        """The JSON mapping of an answer's message.

        Raises:
            ValueError: it is no such message.
        """
        import json  # noqa: PLC0415 - beside the library that it is for

        found = self._types().decode(answer)
        return json.dumps(found, ensure_ascii=False, separators=(",", ":")).encode()

    def _types(self) -> Method:
        """The method's types, read when they are first needed."""
        if self._method is None:
            from gitslo.load.grpc.protobuf import method  # noqa: PLC0415 - a tenth of a second, rarely needed

            self._method = method(self._prepared.descriptors, self._prepared.path[1:])
        return self._method

    def _made(self, values: Sequence[str], *, drawn: bool) -> Message:
        fields = [*self._fields]
        if self._authorization:
            fields.append(_field("authorization", self._authorization))
        for name, template in self._headers:
            if not self._authorization or name != "authorization":
                fields.append(_field(name, self._rendered(template, values)))
        messages = self._prepared.messages
        if not messages and (drawn or not self._templates):
            # Quoted values are the ones that need an escape; numbers and UUIDs have none of what would be escaped.
            escaped = [in_json(value) for value in values]
            encode, compress = self._types().encode, self._compress
            messages = tuple(
                framed(encode(self._rendered(template, escaped)), compress=compress) for template in self._messages
            )
        count = len(messages) * self.repeat
        whole = count <= 1 or (not self.interval and sum(map(len, messages)) * self.repeat <= AT_ONCE)
        return Message(tuple(fields), messages, b"".join(messages) * self.repeat if whole else None)

    def _rendered(self, template: Template[str], values: Sequence[str]) -> str:
        if not template.holes:
            return template.constant
        slots = self._slots
        return template.render({variable: values[slots[variable]] for _, variable in template.holes})


def _field(name: str, value: str) -> Field:
    if name.endswith("-bin"):
        value = value.rstrip("=")  # with or without padding in a plan; without is what every server takes
    return name.encode("ascii"), value.encode("ascii")


def _check(name: str, template: Template[str], supply: Supply) -> None:
    if not _NAME.fullmatch(name):
        raise Refused(Problem(f"the metadata `{name}` has a name of more than a-z, 0-9, `_`, `-` and `.`"))
    if name.startswith("grpc-") or name in _OURS:
        raise Refused(Problem(f"the metadata `{name}` is the engine's own"))
    every = [template.constant] if not template.varies else list(template.pieces)
    every += [value for variable in template.variables() for value in supply.possible(variable)]
    if not all(_VALUE.fullmatch(value) for value in every):
        raise Refused(
            Problem(f"the metadata `{name}` holds more than printable ASCII", hint="a `-bin` value is base64")
        )
    if name.endswith("-bin") and not template.varies:
        try:
            b64decode(template.constant + "=" * (-len(template.constant) % 4), validate=True)
        except binascii.Error:
            raise Refused(Problem(f"the metadata `{name}` is no base64")) from None


def _placed(call: Call, problem: Problem) -> Problem:
    return Problem(
        f"call `{call.name}`: {problem.message}",
        problem.file,
        problem.line,
        problem.column,
        problem.pointer,
        problem.hint,
    )
