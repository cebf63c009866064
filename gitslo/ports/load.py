"""Load: what an engine is asked to do, what it needs from outside, and what it answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from gitslo.model import (
    Call,
    LoadSection,
    LoadSummary,
    Objective,
    Phase,
    Second,
    Seconds,
    Target,
)
from gitslo.ports.syncer import Address

__all__ = [
    "Authorization",
    "LoadEngine",
    "LoadJob",
    "LoadResult",
    "LoadSnapshot",
    "MethodSchemas",
    "ObjectiveSeconds",
    "TargetAccess",
    "TlsMaterial",
]


@dataclass(frozen=True, slots=True)
class LoadJob:
    """What a load engine is asked to do: one load section of a plan, whole in itself.

    Attributes:
        section: schedule and endpoints.
        target: where to.
        address: the address to connect to; Host and SNI still say `target.host`.
        objectives: those on this section: exact counts are kept above each of their limits.
        judged: the stretch that is judged, [from, to) in seconds since the load's start, per phase: holds of the
            schedule after the warm-up.
        seed: of everything random.
        workers: processes; 0: the engine's choice, by the rate and the processors there are.
        deadline: seconds after which the workers end, whatever happens.
        run_id: in the User-Agent.
        closed: no schedule: every connection (every stream, with HTTP/2) sends as soon as it has been answered, for the
            stages' duration. Says what a target can take, never how it fares under a load that does not wait for it.
        count: arrivals after which the load ends before its stages do; None: the stages' own end.
        unix: path of the socket to connect to instead of `address`; empty: none.
        expires: seconds of the monotonic clock after which no worker of it may be alive, however late it was started;
            None: `deadline` alone says.
    """

    section: LoadSection
    target: Target
    address: Address
    objectives: tuple[Objective, ...]
    judged: tuple[tuple[Phase, Seconds, Seconds], ...]
    seed: int
    workers: int
    deadline: Seconds
    run_id: str
    closed: bool = False
    count: int | None = None
    unix: str = ""
    expires: float | None = None


@dataclass(frozen=True, slots=True)
class TlsMaterial:
    """What the operator's names in `Target.settings` stand for, as PEM; empty where no name is given."""

    ca: bytes = b""
    certificate: bytes = b""
    key: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Authorization:
    """The value of an Authorization header.

    Attributes:
        value: e.g. `Bearer ...`.
        fresh_for: seconds after which it should be read again; None: it does not change.
    """

    value: str = field(repr=False)
    fresh_for: Seconds | None = None


class TargetAccess(Protocol):
    """What the operator gives for targets: certificates, identities, variables. All of it stays out of plans."""

    def tls(self, target: Target) -> TlsMaterial:
        """The material of a target's TLS settings.

        Raises:
            Refused: a name is not known, a file cannot be read, or `insecure` is not allowed.
        """

    def authorize(self, target: Target) -> Authorization | None:
        """A present value for the target's identity; None where it has none. Called off the hot path.

        Raises:
            Refused: the name is not known, or not allowed for this host.
            Retry: whoever issues tokens gave none.
        """

    def environment(self) -> Mapping[str, str]:
        """The variables that templates may name, with their values."""


class MethodSchemas(Protocol):
    """Finds the types of gRPC methods."""

    def descriptors(self, target: Target, address: Address, call: Call, tls: TlsMaterial) -> bytes:
        """A serialised FileDescriptorSet that holds the call's method and everything it refers to.

        Raises:
            Refused: the sources do not compile, or hold no such service.
            Retry: the target did not answer, or does not offer reflection.
        """


@dataclass(frozen=True, slots=True)
class ObjectiveSeconds:
    """The per-second counts of one objective so far, all seconds of all phases (the run sorts them into phases)."""

    objective: str
    seconds: tuple[Second, ...]


@dataclass(frozen=True, slots=True)
class LoadSnapshot:
    """A look at a load under way. Cumulative; only seconds that every watermark has passed are in it.

    Attributes:
        elapsed: seconds since the load's start.
        sent, done, errors: requests so far, warm-up included.
        in_flight: now.
        p50, p99: seconds over the last whole second, for the live view; None where unknown.
        counts: per objective. A second s is in it when s + 1 + (latency limit, or time-out for errors) <= elapsed.
        lag_p99: schedule lag in seconds over the last whole second, for the live view; None where unknown.
        watched: seconds: the quantile that `Abort.latency` names over the last whole second; None where unknown.
    """

    elapsed: Seconds
    sent: int
    done: int
    errors: int
    in_flight: int
    p50: float | None
    p99: float | None
    counts: tuple[ObjectiveSeconds, ...]
    lag_p99: float | None = None
    watched: float | None = None


@dataclass(frozen=True, slots=True)
class LoadResult:
    """What a load said at its end.

    Attributes:
        counts: per objective, every intended second up to where the load ended.
        ended_at: seconds since the load's start up to which arrivals were released.
        summaries: the section as a whole first, then each endpoint.
        no_fail, no_pass: what the health gate found (LOAD: our own lag blocks only fail, under-delivery only pass,
            a lost shard or zero requests both).
        cpu_seconds: of all workers.
        aborted: why the load was stopped for its target's sake, or empty.
    """

    counts: tuple[ObjectiveSeconds, ...]
    ended_at: Seconds
    summaries: tuple[LoadSummary, ...]
    no_fail: tuple[str, ...]
    no_pass: tuple[str, ...]
    cpu_seconds: Seconds
    aborted: str = ""


class LoadEngine(Protocol):
    """Sends load from processes of its own that die with us."""

    def run(self, job: LoadJob, on_snapshot: Callable[[LoadSnapshot], bool]) -> LoadResult:
        """Carry out the job; about once a second `on_snapshot` is told, and stops the load by returning False.

        Raises:
            Retry: the workers could not be started or all of them died.
            Refused: the job asks for what this engine cannot do.
        """
