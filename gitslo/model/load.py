"""What a plan sends: requests, when they are due, and what a good answer is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from gitslo.model.units import ByteCount, RatePerSecond, Seconds, Share

__all__ = [
    "Abort",
    "Arrivals",
    "Call",
    "Checks",
    "Endpoint",
    "Feeder",
    "LoadSection",
    "LoadStage",
    "SchemaForm",
    "SchemaSource",
    "StageForm",
]


@dataclass(frozen=True, slots=True)
class Checks:
    """What a good answer holds beyond its status. Everything that is given must hold.

    Attributes:
        contains: texts that the body holds.
        matches: regular expressions, one of whose matches is somewhere in the body.
        json: JMESPath expressions that are true of the body as JSON; of a gRPC answer, as the JSON mapping of its
            last message.
        headers: (name in lower case, value or None): the answer has the header, with this value where one is given.
        max_size: bytes of body after which an answer is too large; None: no such check.
        graphql: the body is a GraphQL answer without `errors`.
        sample: the share of good answers whose body is looked at; headers and size are checked on every one.
    """

    contains: tuple[str, ...] = ()
    matches: tuple[str, ...] = ()
    json: tuple[str, ...] = ()
    headers: tuple[tuple[str, str | None], ...] = ()
    max_size: ByteCount | None = None
    graphql: bool = False
    sample: Share = Share(1.0)

    @property
    def body(self) -> bool:
        """Whether a body has to be kept for them."""
        return bool(self.contains or self.matches or self.json or self.graphql)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One HTTP request of a load section. Path, header values and a body that is text may hold `${...}`.

    Attributes:
        name: the objectives' name for it.
        method: upper case.
        path: starts with `/`; may hold a query.
        headers: sent in this order.
        body: the body's bytes, empty for none.
        weight: relative share of the arrivals, a positive whole number.
        checks: of its answers.
        expect: statuses that count as good; empty: those of the section.
    """

    name: str
    method: str
    path: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    weight: int = 1
    checks: Checks = Checks()
    expect: frozenset[int] = frozenset()


class SchemaForm(StrEnum):
    """Where the types of a gRPC method come from."""

    REFLECTION = "reflection"
    PROTOSET = "protoset"
    PROTO = "proto"


@dataclass(frozen=True, slots=True)
class SchemaSource:
    """The types of a gRPC method.

    Attributes:
        form: reflection asks the target (v1, then v1alpha) before the load.
        files: (path, bytes): one protoset (a serialised FileDescriptorSet), or `.proto` sources, the first of which
            declares the service and the others are imported by these paths; empty for reflection.
    """

    form: SchemaForm = SchemaForm.REFLECTION
    files: tuple[tuple[str, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class Call:
    """One gRPC call of a load section. Messages and metadata values may hold `${...}`.

    Attributes:
        name: the objectives' name for it.
        method: `package.Service/Method`.
        messages: JSON objects, each a request message. Unary and server-streaming methods take exactly one.
        metadata: (name in lower case, value), sent in this order; a `-bin` value is base64.
        schema: the types. Unused where `messages` is one empty object (an empty message needs no types).
        deadline: seconds that the server is told (`grpc-timeout`), None: it is told the section's time-out.
        repeat: how often a client stream sends `messages`, one after the other.
        interval: seconds between two messages of a client stream.
        gzip: messages are sent compressed; compressed answers are understood in any case.
        weight: relative share of the arrivals, a positive whole number.
        checks: of its answers.
        expect: names of statuses that count as good, e.g. `OK`, `NOT_FOUND`; empty: OK.
    """

    name: str
    method: str
    messages: tuple[str, ...] = ("{}",)
    metadata: tuple[tuple[str, str], ...] = ()
    schema: SchemaSource = SchemaSource()
    deadline: Seconds | None = None
    repeat: int = 1
    interval: Seconds = Seconds(0.0)
    gzip: bool = False
    weight: int = 1
    checks: Checks = Checks()
    expect: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Feeder:
    """Rows that requests take their values from: `${name.column}`, one row a request, from the start again at the end.

    Worker w of W takes the rows w, w + W, ...: no two workers send the same row at the same time.

    Attributes:
        name: as templates say it.
        columns: in the file's order.
        rows: at least one; each as long as `columns`.
    """

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


class StageForm(StrEnum):
    """How the rate moves in one stage of a load."""

    RAMP = "ramp"
    HOLD = "hold"


class Arrivals(StrEnum):
    """How the arrivals of one rate lie in time: evenly, or at random as those of independent users do."""

    UNIFORM = "uniform"
    POISSON = "poisson"


@dataclass(frozen=True, slots=True)
class LoadStage:
    """One stretch of a schedule: a linear ramp from the previous rate (0 at first), or a constant rate.

    Attributes:
        form: ramps are sent and not judged.
        rate: the rate held, or reached at the end of the ramp.
        duration: seconds.
    """

    form: StageForm
    rate: RatePerSecond
    duration: Seconds


@dataclass(frozen=True, slots=True)
class Abort:
    """When a load is stopped for its target's sake, long before its schedule ends.

    Both are looked at over the whole seconds of the last `window`, once at least `requests` are in it.

    Attributes:
        errors: the share of failed requests above which it ends; None: never.
        latency: (quantile, seconds) above which it ends; None: never.
        window: seconds.
        requests: as many are needed.
    """

    errors: Share | None = Share(0.9)
    latency: tuple[float, Seconds] | None = None
    window: Seconds = Seconds(10.0)
    requests: int = 100


@dataclass(frozen=True, slots=True)
class LoadSection:
    """One load of a plan.

    Attributes:
        name: the objectives' prefix.
        target: a name of Plan.targets.
        endpoints: HTTP requests; arrivals are shared out by weight, deterministically.
        timeout: seconds from the *intended* send time after which a request has failed.
        warmup: seconds from the start that are sent and not judged.
        stages: at least one HOLD.
        expect: HTTP statuses that count as good; empty means 200 to 399.
        connections: upper bound of connections per run, None for the engine's choice.
        max_in_flight: upper bound of requests under way; what cannot be sent then counts as failed. None: the
            engine's choice.
        arrivals: how they lie in time.
        streams: HTTP/2: requests at the same time on one connection, at most.
        connect_timeout: seconds for one connection, TLS included; None: the time-out.
        keep_alive: HTTP/1.1: False opens a new connection for each request.
        connection_age: seconds after which a connection is not used again; None: as long as it lasts. Names are
            resolved again for new connections.
        redirects: how many are followed within one request, on the target's own host only.
        gzip: HTTP: answers may come compressed.
        cookies: HTTP/1.1: each connection keeps what it is told to.
        trace: the share of requests with a sampled `traceparent`.
        data: feeders.
        abort: for the target's sake.
        calls: gRPC calls, shared out like endpoints. Exactly one of `endpoints` and `calls` is not empty.
        engine: a name of the operator's `engines`, whose program sends it; empty: our own engine.
    """

    name: str
    target: str
    endpoints: tuple[Endpoint, ...]
    timeout: Seconds
    warmup: Seconds
    stages: tuple[LoadStage, ...]
    expect: frozenset[int] = frozenset()
    connections: int | None = None
    max_in_flight: int | None = None
    arrivals: Arrivals = Arrivals.UNIFORM
    streams: int = 100
    connect_timeout: Seconds | None = None
    keep_alive: bool = True
    connection_age: Seconds | None = None
    redirects: int = 0
    gzip: bool = False
    cookies: bool = False
    trace: Share = Share(0.0)
    data: tuple[Feeder, ...] = ()
    abort: Abort = Abort()
    calls: tuple[Call, ...] = ()
    engine: str = ""

    @property
    def requests(self) -> tuple[Endpoint, ...] | tuple[Call, ...]:
        """Whichever of the two kinds it sends."""
        return self.endpoints or self.calls
