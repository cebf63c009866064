"""What the engine and its workers say to each other, one JSON document a line.

Engine to worker, on standard input: an `Assignment`, then `Start`, then any number of `Authorize`; the end of the input
means that the engine is gone.
Worker to engine, on standard output: `Ready`, a `Report` about every second, at last one `End`. Everything in a report
is either cumulative or replaces what an earlier one said, so a lost or repeated line never falsifies a sum.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from gitslo.core.codec import from_json, to_json
from gitslo.errors import Refused
from gitslo.load.cgroup import Throttled
from gitslo.load.requests.tracing import SlowTrace
from gitslo.model import LoadSection, Metric, Second, Target
from gitslo.ports import LoadJob, TlsMaterial

__all__ = [
    "Assignment",
    "Authorize",
    "Counted",
    "End",
    "EndpointEnd",
    "Finished",
    "Limit",
    "PreparedMethod",
    "Ready",
    "Report",
    "Start",
    "decode",
    "encode",
    "limits_of",
]


@dataclass(frozen=True, slots=True)
class Limit:
    """One objective as a worker needs it.

    Attributes:
        endpoint: index, or None for all.
        above: seconds for a latency objective; None: the errors objective.
    """

    endpoint: int | None
    above: float | None


def limits_of(job: LoadJob) -> tuple[Limit, ...]:
    """The objectives of a job as workers need them, in its order."""
    names = [request.name for request in job.section.requests]
    return tuple(
        Limit(
            endpoint=None if objective.endpoint is None else names.index(objective.endpoint),
            above=objective.limit if objective.metric is Metric.LATENCY else None,
        )
        for objective in job.objectives
    )


@dataclass(frozen=True, slots=True)
class PreparedMethod:
    """One call of a gRPC section as a worker sends it; `grpc.prepared` makes it.

    Attributes:
        path: `/package.Service/Method`.
        client_streaming, server_streaming: whether many messages go, or come.
        messages: framed, with their five bytes, in their order; empty where one of them varies.
        descriptors: a serialised FileDescriptorSet; empty where neither a message nor a check needs it.
    """

    path: str
    client_streaming: bool = False
    server_streaming: bool = False
    messages: tuple[bytes, ...] = ()
    descriptors: bytes = b""


@dataclass(frozen=True, slots=True)
class Assignment:
    """One worker's share of a job: everything it will ever be told, and everything it may ever do.

    Attributes:
        shard, shards: it owns arrivals i with i mod shards = shard.
        parent: process id of the engine.
        section: what is sent, and when.
        target: for Host, SNI and TLS.
        tls: PEM.
        authorization: the value of the header, empty for none; an `Authorize` replaces it.
        environment: (name, value) of the variables that templates may name.
        methods: the calls of the section made ready, in its order; empty for HTTP.
        addresses: numeric (host, port) pairs; it connects nowhere else, but to what `name` stands for later.
        name: (host, port) that is looked up again where connections have an age, or None.
        unix: path of the socket to connect to instead; empty: none.
        judged: [from, to) stretches in seconds since the start.
        limits: one per objective, in the job's order.
        closed: no schedule: each slot sends as soon as it has been answered, for the stages' duration.
        count: arrivals after which the load ends: of the whole schedule, or of this worker's closed loop; None: never.
        seed: of arrivals at random.
        warm: connections to open before the start; `connections` is the most that are ever open at once.
        max_in_flight: of this worker.
        max_bytes: sent and received by this worker.
        deadline: seconds from the receipt after which the process ends, whatever happens.
        expires: seconds of CLOCK_MONOTONIC at which it ends, however late it was started.
    """

    shard: int
    shards: int
    parent: int
    run_id: str
    section: LoadSection
    target: Target
    tls: TlsMaterial
    authorization: str
    environment: tuple[tuple[str, str], ...]
    methods: tuple[PreparedMethod, ...]
    addresses: tuple[tuple[str, int], ...]
    name: tuple[str, int] | None
    unix: str
    judged: tuple[tuple[float, float], ...]
    limits: tuple[Limit, ...]
    closed: bool
    count: int | None
    seed: int
    warm: int
    connections: int
    max_in_flight: int
    max_bytes: int
    deadline: float
    expires: float


@dataclass(frozen=True, slots=True)
class Start:
    """The common start of all workers: seconds of CLOCK_MONOTONIC, which all processes of a machine share."""

    at: float


@dataclass(frozen=True, slots=True)
class Authorize:
    """From now on, requests carry this Authorization."""

    value: str


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
class Finished:
    """What came to its end between two looks, about a second apart. Samples are `histogram.pack`ed.

    Attributes:
        since: seconds since the start at which the earlier look was.
        judged: responses per endpoint.
        others: responses of what is sent and not judged.
        lags: schedule lags of all.
    """

    since: float
    judged: tuple[bytes, ...]
    others: bytes
    lags: bytes


@dataclass(frozen=True, slots=True)
class Report:
    """A worker's look at itself.

    Attributes:
        elapsed: seconds since the start; every arrival intended before it has been released or been counted as unsent.
        sent, done, errors: cumulative requests, warm-up included.
        in_flight: released and unfinished.
        finished: in the second before the last one; None where there was none yet.
        counts: see Counted.
    """

    elapsed: float
    sent: int
    done: int
    errors: int
    in_flight: int
    finished: Finished | None
    counts: tuple[Counted, ...]


@dataclass(frozen=True, slots=True)
class EndpointEnd:
    """The judged requests of one endpoint.

    Attributes:
        requests: all, those never sent included.
        unsent: never sent because the target held all connections, or let none be made.
        hindered: never sent because this machine could not (descriptors, ports, the byte ceiling).
        errors: kind -> failed requests; the unsent and hindered ones are among them.
        examples: kind -> the first bytes of an answer that failed so.
        response, service, lag, queue: encoded histograms.
        failed: likewise, of the failed ones among the responses.
    """

    requests: int
    unsent: int
    hindered: int
    errors: tuple[tuple[str, int], ...]
    examples: tuple[tuple[str, bytes], ...]
    response: str
    service: str
    lag: str
    queue: str
    failed: str = ""


@dataclass(frozen=True, slots=True)
class End:
    """A worker's last word.

    Attributes:
        ended_at: seconds since the start up to which arrivals were released.
        planned: seconds since the start at which the schedule would have ended.
        judged_for: judged seconds that were reached, by the schedule.
        judged_took: seconds that releasing those arrivals really took.
        cpu: seconds of processor time.
        loading: those of them that were used from the load's start on.
        busy: the share of one core used while arrivals were released.
        sent, done, errors: as in Report.
        cut: why the load ended before its schedule although nobody stopped it; empty otherwise.
        exhausted: what this machine ran out of, e.g. `file descriptors`; empty for nothing.
        throttled: what the control groups of the worker had to wait while arrivals were released.
        finished: since the last report's.
        slowest: judged requests that were traced, slowest first.
        counts: every second of every objective.
        endpoints: in the assignment's order.
    """

    ended_at: float
    planned: float
    judged_for: float
    judged_took: float
    cpu: float
    loading: float
    busy: float
    sent: int
    done: int
    errors: int
    cut: str
    exhausted: tuple[str, ...]
    throttled: Throttled
    finished: tuple[Finished, ...]
    slowest: tuple[SlowTrace, ...]
    counts: tuple[Counted, ...]
    endpoints: tuple[EndpointEnd, ...]


Line = Assignment | Start | Authorize | Ready | Report | End

_LINES: dict[str, type[Line]] = {made.__name__: made for made in (Assignment, Start, Authorize, Ready, Report, End)}


def encode(line: Line) -> bytes:
    """One line, with its end."""
    return json.dumps({"is": type(line).__name__, "says": to_json(line)}, separators=(",", ":")).encode() + b"\n"


def decode(text: bytes) -> Line:
    """The message in one line.

    Raises:
        ValueError: it is none.
    """
    try:
        document = json.loads(text)
        return from_json(_LINES[document["is"]], document["says"], where="load worker")
    except (KeyError, TypeError, Refused) as error:
        raise ValueError(f"no message of a load worker: {error}") from error
