"""What was typed after `gitslo load` -> the job that an engine carries out. Every flag does something, or is refused.

Called by `gitslo.cli.load`. Whoever types it is the operator: the hosts named are the allow-list, and rate, duration
and connections are no ceilings of anybody else's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import click

from gitslo.cli.load_options import Flags
from gitslo.cli.load_requests import call, endpoint, feeders
from gitslo.cli.load_target import access_of, target_of
from gitslo.cli.parsing import above_zero, maybe, parsed
from gitslo.core.parse_load import percentile
from gitslo.core.units import parse_duration, parse_rate, parse_share, parse_size
from gitslo.model import (
    Abort,
    Arrivals,
    Ceilings,
    LoadSection,
    LoadStage,
    Phase,
    RatePerSecond,
    Seconds,
    Share,
    StageForm,
    Target,
    TargetScheme,
)
from gitslo.ports import LoadJob, TargetAccess

__all__ = ["Asked", "asked"]

_CLOSED_CONNECTIONS = 10
_LONGEST = Seconds(24 * 3600.0)
_RUN = "command-line"
_NAME = "load"
_DRAIN = 5.0


@dataclass(frozen=True, slots=True)
class Asked:
    """One load.

    Attributes:
        url: as it was typed.
        job: for the engine.
        ceilings: what this job itself takes, so that only bytes are bounded.
        access: certificates, identity and variables that were named.
    """

    url: str
    job: LoadJob
    ceilings: Ceilings
    access: TargetAccess


def asked(url: str, flags: Flags) -> Asked:
    """Understand a command.

    Raises:
        Refused: the URL, or what a flag names, is wrong.
        click.UsageError: a flag itself is.
    """
    target, path = target_of(url, flags)
    section = _section(target, path, flags)
    access = access_of(target, flags)
    duration = Seconds(sum(stage.duration for stage in section.stages))
    ramped = sum(stage.duration for stage in section.stages if stage.form is StageForm.RAMP)
    timeout = section.timeout
    job = LoadJob(
        section=section,
        target=target,
        address=(target.host, target.port),
        objectives=(),
        judged=((Phase.STEADY, Seconds(max(section.warmup, ramped)), duration),),
        seed=flags.seed,
        workers=flags.workers or 0,
        # The schedule, one time-out that a slow generator may overrun it by, one to drain, and the start-up.
        deadline=Seconds(duration + 2 * timeout + _DRAIN),
        run_id=_RUN,
        closed=flags.closed,
        count=flags.requests,
        unix=flags.unix or "",
    )
    ceilings = Ceilings(
        rate=RatePerSecond(max(stage.rate for stage in section.stages)),
        duration=duration,
        connections=max(section.connections or 0, Ceilings().connections),
        bytes=parsed(parse_size, flags.max_bytes, "--max-bytes"),
    )
    return Asked(url, job, ceilings, access)


# --------------------------------------------------------------------------- section


def _section(target: Target, path: str, flags: Flags) -> LoadSection:
    _refuse_senseless(target, flags)
    rows = feeders(flags)
    over_grpc = target.scheme is TargetScheme.GRPC
    trace = maybe(parse_share, flags.trace, "--trace")
    made = None if over_grpc else endpoint(path, flags, rows)
    connections = flags.connections or (_CLOSED_CONNECTIONS if flags.closed else None)
    default = LoadSection(_NAME, "", (), Seconds(1.0), Seconds(0.0), ())
    return LoadSection(
        name=_NAME,
        target=target.name,
        endpoints=() if made is None else (made,),
        timeout=above_zero(parse_duration, flags.timeout, "--timeout"),
        warmup=parsed(parse_duration, flags.warmup, "--warmup"),
        stages=tuple(_stages(flags)),
        expect=frozenset() if made is None else made.expect,
        connections=connections,
        max_in_flight=flags.max_in_flight,
        arrivals=Arrivals.POISSON if flags.poisson else Arrivals.UNIFORM,
        streams=flags.streams or default.streams,
        connect_timeout=_some_time(flags.connect_timeout, "--connect-timeout"),
        keep_alive=not flags.no_keep_alive,
        connection_age=_some_time(flags.connection_age, "--connection-age"),
        redirects=flags.redirects,
        gzip=flags.gzip,
        cookies=flags.cookies,
        trace=Share(0.0) if trace is None else trace,
        data=rows,
        abort=_abort(flags),
        calls=(call(path, flags, rows),) if over_grpc else (),
        engine=flags.engine or "",
    )


def _some_time(text: str | None, option: str) -> Seconds | None:
    return None if text is None else above_zero(parse_duration, text, option)


def _refuse_senseless(target: Target, flags: Flags) -> None:
    """What the protocol or the loop has no meaning for is refused, so that nobody believes that it had an effect."""
    grpc = target.scheme is TargetScheme.GRPC
    for applies, protocol, given in (
        (not grpc, "HTTP", _for_http(flags)),
        (grpc, "gRPC", _for_grpc(flags)),
        (target.multiplexed, "HTTP/2 and gRPC", {"--streams": flags.streams}),
        (
            not target.multiplexed,
            "HTTP/1.1",
            {"--no-keep-alive": flags.no_keep_alive, "--cookies": flags.cookies},
        ),
        (
            not flags.closed,
            "the open loop, not for --closed",
            {"--rate": flags.rate, "--ramp": flags.ramp, "--poisson": flags.poisson},
        ),
        (flags.poisson, "--poisson", {"--seed": flags.seed}),
        (not flags.engine, "gitslo's own engine, not for --engine", {"--workers": flags.workers}),
    ):
        first = next((option for option, value in given.items() if value), None)
        if first is not None and not applies:
            raise click.UsageError(f"{first} is for {protocol}")


def _for_http(flags: Flags) -> dict[str, object]:
    return {
        "--method": flags.method,
        "--header": flags.headers,
        "--body": flags.body,
        "--graphql": flags.graphql,
        "--graphql-variables": flags.graphql_variables,
        "--redirects": flags.redirects,
        "--check-contains": flags.check_contains,
        "--check-matches": flags.check_matches,
    }


def _for_grpc(flags: Flags) -> dict[str, object]:
    return {
        "--message": flags.message,
        "--schema": flags.schema,
        "--metadata": flags.metadata,
        "--deadline": flags.deadline,
        "--repeat": flags.repeat,
        "--interval": flags.interval,
    }


def _stages(flags: Flags) -> Iterator[LoadStage]:
    """A ramp where one is asked for, and a hold that is as long as the warm-up and what is measured."""
    rate = above_zero(parse_rate, flags.rate or "100/s", "--rate")
    warmup = parsed(parse_duration, flags.warmup, "--warmup")
    if flags.ramp is not None:
        ramp = above_zero(parse_duration, flags.ramp, "--ramp")
        warmup = Seconds(max(0.0, warmup - ramp))
        yield LoadStage(StageForm.RAMP, rate, ramp)
    yield LoadStage(StageForm.HOLD, rate, Seconds(warmup + _measured(flags, rate)))


def _measured(flags: Flags, rate: RatePerSecond) -> Seconds:
    if flags.duration is not None or flags.requests is None:
        return above_zero(parse_duration, flags.duration or "10s", "--duration")
    # At random, so many are what is due in this time on average; the count itself is never exceeded.
    return _LONGEST if flags.closed else Seconds(flags.requests / rate)


def _abort(flags: Flags) -> Abort:
    default = Abort()
    errors, latency = default.errors, None
    if flags.abort_errors is not None:
        errors = None if flags.abort_errors == "off" else parsed(parse_share, flags.abort_errors, "--abort-errors")
    if flags.abort_latency is not None:
        name, equals, limit = flags.abort_latency.partition("=")
        quantile = percentile(name)
        if not equals or quantile is None:
            raise click.BadParameter("expected pNN=DURATION, e.g. p99=2s", param_hint="--abort-latency")
        latency = (quantile, above_zero(parse_duration, limit, "--abort-latency"))
    return Abort(errors=errors, latency=latency)
