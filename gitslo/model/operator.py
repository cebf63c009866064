"""What only the operator may say, and a repository may never loosen."""

from __future__ import annotations

from dataclasses import dataclass

from gitslo.model.units import ByteCount, RatePerSecond, Seconds

__all__ = ["Allowed", "Ceilings"]


@dataclass(frozen=True, slots=True)
class Ceilings:
    """Upper bounds on what any plan can cause.

    Attributes:
        rate: requests per second of one load section.
        duration: seconds of one attempt's load, warm-up and ramps included; without load, for which metrics are judged.
        connections: of one load section.
        bytes: sent and received by one load section.
        concurrent_runs: attempts under way at the same time in one daemon.
        pushes_per_minute: per repository.
    """

    rate: RatePerSecond = RatePerSecond(1000.0)
    duration: Seconds = Seconds(900.0)
    connections: int = 200
    bytes: ByteCount = ByteCount(2 * 1024**3)
    concurrent_runs: int = 2
    pushes_per_minute: int = 6


@dataclass(frozen=True, slots=True)
class Allowed:
    """Allow-lists of one repository; `*` stands for any run of characters, nothing else is special.

    Attributes:
        environments: environment names that may be run and written.
        targets: host names (as plans write them, without port) that may be called.
        variables: names of the daemon's environment variables that plans may send as `${env.NAME}`.
        insecure_tls: whether plans may leave a target's certificate unverified.
        sources: names of metric sources that plans may ask.
    """

    environments: tuple[str, ...] = ("*",)
    targets: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()
    insecure_tls: bool = False
    sources: tuple[str, ...] = ()
