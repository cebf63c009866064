"""The whole result of a load, with everything that only people and other tools ask for. Made by `merger`.

Read by the command line, `hlog` and `openmetrics`. Must stay true: a figure that is not known is None, never zero; and
no text in it acts on a terminal, though most of it comes from the target.
"""

from __future__ import annotations

import platform
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from gitslo import __version__
from gitslo.load.record.histogram import Distribution
from gitslo.load.results.timeline import Moment, Timeline
from gitslo.model import Percentiles, RatePerSecond, Seconds
from gitslo.ports import LoadResult

__all__ = ["ErrorKind", "LoadDetail", "Part", "Rates", "Trace", "versions"]

_LIBRARIES = ("uvloop", "httptools", "hpack", "hdrhistogram")


@dataclass(frozen=True, slots=True)
class ErrorKind:
    """Failed requests that have the same reason.

    Attributes:
        kind: e.g. `status 503`.
        requests: how many.
        example: the first bytes of one of the answers, made harmless; empty where there was none.
    """

    kind: str
    requests: int
    example: str


@dataclass(frozen=True, slots=True)
class Rates:
    """Requests per second over the judged stretches, or over what was reached of them where a load ended early.

    Attributes:
        planned: judged arrivals of the schedule / judged seconds by the schedule; None for a closed loop.
        released: those that this machine did not hinder / the seconds from the beginning of the judged stretches until
            the last arrival in them was really released, or by the schedule where that is more. Against `planned` it
            says whether the generator kept up, whatever the target did.
        achieved: `released` without those that the target left no connection or stream for: what was really sent.
    """

    planned: RatePerSecond | None
    released: RatePerSecond
    achieved: RatePerSecond


@dataclass(frozen=True, slots=True)
class Part:
    """The judged requests of a load section, or of one of its endpoints.

    Attributes:
        endpoint: its name, or None for the whole section.
        requests: all, those never sent included.
        unsent: never sent because the target held all connections, or let none be made.
        hindered: never sent because this machine could not.
        errors: most frequent first.
        rates: see there.
        response: complete - intended: what objectives mean by latency.
        service: complete - written.
        schedule_lag: dispatched - intended: our own fault.
        queue: written - dispatched: no free connection or stream.
        limits: seconds: those of the latency objectives on it, in order.
        counts: of `response`: microseconds -> requests, exact to three digits.
    """

    endpoint: str | None
    requests: int
    unsent: int
    hindered: int
    errors: tuple[ErrorKind, ...]
    rates: Rates
    response: Distribution
    service: Distribution
    schedule_lag: Distribution
    queue: Distribution
    limits: tuple[Seconds, ...]
    counts: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Trace:
    """A request that can be looked up.

    Attributes:
        trace: 32 hexadecimal digits.
        endpoint: name of the request.
        response: seconds from its intended time.
    """

    trace: str
    endpoint: str
    response: Seconds


@dataclass(frozen=True, slots=True)
class LoadDetail:
    """A result with what only people ask for.

    Attributes:
        result: what the port gives.
        load: the section's name.
        closed: whether it was a closed loop.
        started: seconds since the epoch at second 0 of the schedule.
        workers: processes that were started.
        loading: seconds of processor time that they used from the load's start on; `result.cpu_seconds` has their own
            start in it as well. Of another engine it is the same.
        parts: the whole section first, then each endpoint.
        sent, done, errors: all requests, unjudged ones included.
        slowest: judged requests that were traced, slowest first.
        versions: (name, version) of what measured.
        longest: seconds: a histogram that holds every response time can hold this.
        timeline: second by second; what a lost worker had said is in it, and in nothing else.
    """

    result: LoadResult
    load: str
    closed: bool
    started: float
    workers: int
    loading: Seconds
    parts: tuple[Part, ...]
    sent: int
    done: int
    errors: int
    slowest: tuple[Trace, ...]
    versions: tuple[tuple[str, str], ...]
    longest: Seconds
    timeline: Timeline

    @property
    def service(self) -> Percentiles:
        """Of the whole section; see Part."""
        return self.parts[0].service.percentiles

    @property
    def schedule_lag(self) -> Percentiles:
        """As above."""
        return self.parts[0].schedule_lag.percentiles

    @property
    def queue(self) -> Percentiles:
        """As above."""
        return self.parts[0].queue.percentiles

    def series(self) -> tuple[Moment, ...]:
        """What happened when, in order."""
        return self.timeline.moments()


@cache
def versions() -> tuple[tuple[str, str], ...]:
    """What measured, so that two results can be told apart."""
    from importlib.metadata import version  # noqa: PLC0415 - 30 ms that no request has to wait for

    return (
        ("gitslo", __version__),
        ("python", platform.python_version()),
        *((name, version(name)) for name in _LIBRARIES),
        ("openssl", ssl.OPENSSL_VERSION.split()[1]),
        ("kernel", platform.release()),
    )
