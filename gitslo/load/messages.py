"""What the engine and its workers say to each other, one JSON document a line.

Engine to worker, on standard input: an `Assignment`, then `Start`; the end of the input means that the engine is gone.
Worker to engine, on standard output: `Ready`, a `Report` about every second, at last one `End`. Everything in a report
is either cumulative or replaces what an earlier one said, so a lost or repeated line never falsifies a sum.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from dataclasses import dataclass, fields
from typing import Any

from gitslo.model import Endpoint, LoadStage, Second, StageForm, Target, TargetScheme

__all__ = ["Assignment", "Counted", "End", "EndpointEnd", "Limit", "Ready", "Report", "Start", "decode", "encode"]


@dataclass(frozen=True, slots=True)
class Limit:
    """One objective as a worker needs it.

    Attributes:
        endpoint: index, or None for all.
        above: seconds for a latency objective; None: the errors objective.
    """

    endpoint: int | None
    above: float | None


@dataclass(frozen=True, slots=True)
class Assignment:
    """One worker's share of a job: everything it will ever be told, and everything it may ever do.

    Attributes:
        shard, shards: it owns arrivals i with i mod shards = shard.
        parent: process id of the engine.
        addresses: numeric (host, port) pairs, tried in order; it connects nowhere else.
        target: for Host, SNI and TLS.
        expect: statuses that count as good; empty: 200 to 399.
        timeout: seconds from the intended time.
        judged: [from, to) stretches in seconds since the start.
        limits: one per objective, in the job's order.
        closed: no schedule: each connection sends as soon as it has been answered, for the stages' duration.
        warm: connections to open before the start; `connections` is the most that are ever open at once.
        max_in_flight: of this worker.
        max_bytes: sent and received by this worker.
        deadline: seconds from the receipt after which the process ends, whatever happens.
    """

    shard: int
    shards: int
    parent: int
    run_id: str
    target: Target
    addresses: tuple[tuple[str, int], ...]
    endpoints: tuple[Endpoint, ...]
    stages: tuple[LoadStage, ...]
    expect: tuple[int, ...]
    timeout: float
    judged: tuple[tuple[float, float], ...]
    limits: tuple[Limit, ...]
    closed: bool
    warm: int
    connections: int
    max_in_flight: int
    max_bytes: int
    deadline: float


@dataclass(frozen=True, slots=True)
class Start:
    """The common start of all workers: seconds of CLOCK_MONOTONIC, which all processes of a machine share."""

    at: float


@dataclass(frozen=True, slots=True)
class Ready:
    """The worker has prepared everything.

    Attributes:
        connected: connections open.
        trouble: the last reason why one could not be opened, or empty.
    """

    connected: int
    trouble: str


@dataclass(frozen=True, slots=True)
class Counted:
    """Seconds of one objective that are new or have changed."""

    objective: int
    seconds: tuple[Second, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """A worker's look at itself.

    Attributes:
        elapsed: seconds since the start; every arrival intended before it has been released or been counted as unsent.
        sent, done, errors: cumulative requests, warm-up included.
        in_flight: released and unfinished.
        responses, lags: what finished since the last report: (microseconds, count) with two digits, for the live view.
        counts: see Counted.
    """

    elapsed: float
    sent: int
    done: int
    errors: int
    in_flight: int
    responses: tuple[tuple[int, int], ...]
    lags: tuple[tuple[int, int], ...]
    counts: tuple[Counted, ...]


@dataclass(frozen=True, slots=True)
class EndpointEnd:
    """The judged requests of one endpoint.

    Attributes:
        requests: all, those never sent included.
        unsent: never sent because the target held all connections, or let none be made.
        hindered: never sent because this machine could not (descriptors, ports, the byte ceiling).
        errors: kind -> failed requests; the unsent and hindered ones are among them.
        response, service, lag, queue: encoded histograms.
    """

    requests: int
    unsent: int
    hindered: int
    errors: tuple[tuple[str, int], ...]
    response: str
    service: str
    lag: str
    queue: str


@dataclass(frozen=True, slots=True)
class End:
    """A worker's last word.

    Attributes:
        ended_at: seconds since the start up to which arrivals were released.
        planned: seconds since the start at which the schedule would have ended.
        judged_for: judged seconds that were reached, by the schedule.
        judged_took: seconds that releasing those arrivals really took.
        cpu: seconds of processor time.
        busy: the share of one core used while arrivals were released.
        sent, done, errors: as in Report.
        cut: why the load ended before its schedule although nobody stopped it; empty otherwise.
        exhausted: what this machine ran out of, e.g. `file descriptors`; empty for nothing.
        counts: every second of every objective.
        endpoints: in the assignment's order.
    """

    ended_at: float
    planned: float
    judged_for: float
    judged_took: float
    cpu: float
    busy: float
    sent: int
    done: int
    errors: int
    cut: str
    exhausted: tuple[str, ...]
    counts: tuple[Counted, ...]
    endpoints: tuple[EndpointEnd, ...]


_LINES = {made.__name__: made for made in (Assignment, Start, Ready, Report, End)}
_PARTS = {
    "target": Target, "endpoints": Endpoint, "stages": LoadStage, "limits": Limit, "counts": Counted, "seconds": Second,
}  # fmt: skip
_ENUMS = {"scheme": TargetScheme, "form": StageForm}

Line = Assignment | Start | Ready | Report | End


def encode(line: Line) -> bytes:
    """One line, with its end."""
    document = {"is": type(line).__name__, **_plain(line)}
    return json.dumps(document, separators=(",", ":")).encode() + b"\n"


def decode(text: bytes) -> Line:
    """The message in one line.

    Raises:
        ValueError: it is none.
    """
    try:
        document = json.loads(text)
        made: Line = _made(_LINES[document.pop("is")], document)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"no message of a load worker: {error!r}") from error
    return made


def _plain(record: Any) -> dict[str, Any]:
    return {field.name: _plain_value(getattr(record, field.name)) for field in fields(record)}


def _plain_value(value: Any) -> Any:
    if isinstance(value, bytes):
        return b64encode(value).decode("ascii")
    if isinstance(value, tuple):
        return [_plain_value(item) for item in value]
    return _plain(value) if hasattr(value, "__dataclass_fields__") else value


def _made(kind: Any, document: dict[str, Any]) -> Any:
    return kind(**{name: _value(kind, name, value) for name, value in document.items()})


def _value(kind: Any, name: str, value: Any) -> Any:
    if name == "body":
        return b64decode(value)
    if name in _ENUMS:
        return _ENUMS[name](value)
    part = EndpointEnd if kind is End and name == "endpoints" else _PARTS.get(name)
    if isinstance(value, list):
        return tuple(_made(part, item) if part is not None else _tupled(item) for item in value)
    return _made(part, value) if part is not None else value


def _tupled(item: Any) -> Any:
    return tuple(item) if isinstance(item, list) else item
