"""`gitslo load URL`: the load engine alone. Whoever types it is the operator: the host named is the allow-list.

The live view goes to standard error and the result to standard output, so that `--json` can be piped.
"""

from __future__ import annotations

import json
import re
import signal
import sys
from collections.abc import Callable
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeVar
from urllib.parse import urlsplit

import click

from gitslo.core.addresses import parse_host_port
from gitslo.errors import Problem, Refused
from gitslo.model import (
    Ceilings,
    Endpoint,
    LoadSection,
    LoadStage,
    Percentiles,
    Phase,
    RatePerSecond,
    Seconds,
    StageForm,
    Target,
    TargetScheme,
)

if TYPE_CHECKING:
    from types import FrameType

    from gitslo.load.results import LoadDetail
    from gitslo.ports import LoadJob, LoadSnapshot

__all__ = ["load"]

_LATER = {"h2", "h2c", "grpc", "grpcs", "ws", "wss"}
_CLOSED_CONNECTIONS = 10
_NAME, _ENDPOINT = "load", "url"
_ROWS = {"p50": "p50", "p90": "p90", "p95": "p95", "p99": "p99", "p999": "p99.9", "max": "max"}

Parsed = TypeVar("Parsed")


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the flags say about one load, checked one by one."""

    rate: RatePerSecond
    duration: Seconds
    warmup: Seconds
    timeout: Seconds
    connections: int | None
    workers: int
    closed: bool


@click.command(epilog="Example: gitslo load http://127.0.0.1:8080/ --rate 500/s --duration 30s --json")
@click.argument("url")
@click.option("--rate", default="100/s", show_default=True, help="Requests per second, kept whatever the target does.")
@click.option("--duration", default="10s", show_default=True, help="How long is measured.")
@click.option("--warmup", default="0s", show_default=True, help="Sent before, and not measured.")
@click.option("--connections", type=click.IntRange(1), help="The most connections open at once.")
@click.option("--timeout", default="2s", show_default=True, help="From the moment a request was due.")
@click.option("--method", help="GET, or POST with a body.")
@click.option("--header", "headers", multiple=True, metavar="'NAME: VALUE'", help="Sent as given; may be repeated.")
@click.option("--body", help="Text, or @FILE.")
@click.option("--expect", help="Statuses that count as good, e.g. 200,204; 200 to 399 without it.")
@click.option("--workers", type=click.IntRange(1), default=1, show_default=True, help="Processes.")
@click.option("--closed", is_flag=True, help="No rate: each connection sends as soon as it has been answered.")
@click.option(
    "--max-bytes", default="2GiB", show_default=True, help="The load ends when it has sent and received this."
)
@click.option("--json", "as_json", is_flag=True, help="The result as JSON, times in seconds.")
def load(
    url: str,
    rate: str,
    duration: str,
    warmup: str,
    connections: int | None,
    timeout: str,
    method: str | None,
    headers: tuple[str, ...],
    body: str | None,
    expect: str | None,
    workers: int,
    closed: bool,
    max_bytes: str,
    as_json: bool,
) -> None:
    """Send HTTP load to URL and say how it was answered, measured from the moment each request was due."""
    from gitslo.core.units import parse_duration, parse_rate, parse_size
    from gitslo.load.engine import ProcessLoadEngine

    asked = _Asked(
        rate=_parsed(parse_rate, rate, "--rate"),
        duration=_parsed(parse_duration, duration, "--duration"),
        warmup=_parsed(parse_duration, warmup, "--warmup"),
        timeout=_parsed(parse_duration, timeout, "--timeout"),
        connections=connections or (_CLOSED_CONNECTIONS if closed else None),
        workers=workers,
        closed=closed,
    )
    _above_zero(parse_rate, rate, "--rate")
    _above_zero(parse_duration, duration, "--duration")
    target, path = _target(url)
    endpoint = Endpoint(
        name=_ENDPOINT,
        method=(method or ("GET" if body is None else "POST")).upper(),
        path=path,
        headers=tuple(_header(header) for header in headers),
        body=_body(body),
    )
    job = _job(asked, target, endpoint, _statuses(expect))
    # Rate, duration and connections are the operator's own words here; bytes are what nobody counts in advance.
    ceilings = Ceilings(
        rate=asked.rate,
        duration=Seconds(asked.warmup + asked.duration),
        connections=max(asked.connections or 0, Ceilings().connections),
        bytes=_parsed(parse_size, max_bytes, "--max-bytes"),
    )
    engine = ProcessLoadEngine(ceilings, lambda host: host == target.host, closed=closed)
    with _Live(asked) as live:
        detail = engine.measure(job, live.show)
    if as_json:
        click.echo(json.dumps(_document(url, asked, detail), indent=2))
    else:
        _text(url, asked, detail)


# --------------------------------------------------------------------------- arguments


def _parsed(parse: Callable[[str], Parsed], text: str, option: str) -> Parsed:
    try:
        return parse(text)
    except Refused as error:
        raise click.BadParameter(str(error), param_hint=option) from error


def _above_zero(parse: Callable[[str], float], text: str, option: str) -> None:
    if _parsed(parse, text, option) <= 0:
        raise click.BadParameter(f"expected more than zero, found `{text}`", param_hint=option)


def _target(url: str) -> tuple[Target, str]:
    # What stands before an `@` may be a password: such a URL is not repeated.
    shown = "the argument URL" if "@" in url else repr(url)
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise Refused(Problem(f"{shown} is no URL: {'' if '@' in url else error}".rstrip(": "))) from None
    if parts.scheme in _LATER:
        raise Refused(Problem(f"load over {parts.scheme}:// is not in this version (http:// and https:// are)"))
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        hint = "e.g. http://127.0.0.1:8080/" if "://" in url or "@" in url else f"did you mean http://{url}?"
        raise Refused(Problem(f"{shown} is no http:// or https:// URL", hint=hint))
    if "@" in parts.netloc or parts.fragment:
        raise Refused(Problem("a URL for load has no user, password or fragment", hint="--header can authorise"))
    try:
        parse_host_port(f"{f'[{parts.hostname}]' if ':' in parts.hostname else parts.hostname}:1")
    except Refused as refused:
        raise Refused(*(Problem(f"{shown}: {each.message}", hint=each.hint) for each in refused.problems)) from None
    tls = parts.scheme == "https"
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    host_port = port if port is not None else (443 if tls else 80)
    return Target(_ENDPOINT, TargetScheme.HTTP, parts.hostname, host_port, tls=tls), path


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise click.BadParameter(f"{text!r} is not of the form 'NAME: VALUE'", param_hint="--header")
    return name.strip(), value.strip()


def _body(text: str | None) -> bytes:
    if text is None or not text.startswith("@"):
        return (text or "").encode()
    try:
        return Path(text[1:]).read_bytes()
    except OSError as error:
        raise click.BadParameter(f"{text[1:]}: {error.strerror}", param_hint="--body") from error


def _statuses(text: str | None) -> frozenset[int]:
    if text is None:
        return frozenset()
    if not re.fullmatch(r"[2-5]\d\d(,[2-5]\d\d)*", text):
        raise click.BadParameter(f"{text!r} is no list of statuses such as 200,204", param_hint="--expect")
    return frozenset(int(status) for status in text.split(","))


def _job(asked: _Asked, target: Target, endpoint: Endpoint, expect: frozenset[int]) -> LoadJob:
    from gitslo.ports import LoadJob

    whole = Seconds(asked.warmup + asked.duration)
    section = LoadSection(
        name=_NAME,
        target=target.name,
        endpoints=(endpoint,),
        timeout=asked.timeout,
        warmup=asked.warmup,
        stages=(LoadStage(StageForm.HOLD, asked.rate, whole),),
        expect=expect,
        connections=asked.connections,
    )
    return LoadJob(
        section=section,
        target=target,
        address=(target.host, target.port),
        objectives=(),
        judged=((Phase.STEADY, asked.warmup, whole),),
        seed=0,
        workers=asked.workers,
        # The schedule, one time-out that a slow generator may overrun it by, one to drain, and the start-up.
        deadline=Seconds(whole + 2 * asked.timeout + 5.0),
        run_id="command-line",
    )


# --------------------------------------------------------------------------- the live view


class _Live:
    """One line a second; the first Ctrl-C stops the load and still shows the result, the second one gives up."""

    def __init__(self, asked: _Asked) -> None:
        self._asked = asked
        self._going = True
        self._before = (0.0, 0)
        self._terminal = sys.stderr.isatty()

    def __enter__(self) -> Self:
        self._handlers = {number: signal.signal(number, self._stop) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        if self._terminal:
            click.echo("\r\x1b[K", nl=False, err=True)

    def _stop(self, number: int, _: FrameType | None) -> None:
        if not self._going:
            raise KeyboardInterrupt(number)
        self._going = False

    def show(self, snapshot: LoadSnapshot) -> bool:
        """Print it; False once somebody wants to stop."""
        then, done = self._before
        self._before = (snapshot.elapsed, snapshot.done)
        rate = (snapshot.done - done) / max(snapshot.elapsed - then, 1e-9)
        line = (
            f"{snapshot.elapsed:6.1f} s  {rate:9.1f}/s  p50 {_time(snapshot.p50):>8}  p99 {_time(snapshot.p99):>8}  "
            f"errors {snapshot.errors}  lag {_time(snapshot.lag_p99)}  in flight {snapshot.in_flight}"
        )
        click.echo(f"\r\x1b[K{line}" if self._terminal else line, nl=not self._terminal, err=True)
        return self._going


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    if seconds >= 1:
        return f"{seconds:.2f} s"
    return f"{seconds * 1e3:.1f} ms" if seconds >= 0.001 else f"{seconds * 1e6:.0f} us"  # noqa: PLR2004 - units


# --------------------------------------------------------------------------- the result


def _quantiles(percentiles: Percentiles) -> dict[str, float | None]:
    return dict(zip((field.name for field in fields(percentiles)), astuple(percentiles), strict=True))


def _document(url: str, asked: _Asked, detail: LoadDetail) -> dict[str, object]:
    result, summary = detail.result, detail.result.summaries[0]
    return {
        "url": url,
        "loop": "closed" if detail.closed else "open",
        "requests": summary.requests,
        "errors": dict(summary.errors),
        "rate": {"planned": None if detail.closed else summary.planned_rate, "achieved": summary.achieved_rate},
        "latency": _quantiles(summary.latency),
        "service": _quantiles(detail.service),
        "schedule_lag": _quantiles(detail.schedule_lag),
        "queue": _quantiles(detail.queue),
        "cpu_seconds": result.cpu_seconds,
        "workers": asked.workers,
        "ended_at": result.ended_at,
        "health": {"no_pass": list(result.no_pass), "no_fail": list(result.no_fail)},
        "histogram": summary.histogram,
    }


def _text(url: str, asked: _Asked, detail: LoadDetail) -> None:
    from gitslo.cli.style import plain, table

    result, summary = detail.result, detail.result.summaries[0]
    failed = sum(number for _, number in summary.errors)
    planned = "closed loop" if detail.closed else f"{summary.planned_rate:.1f}/s planned"
    click.echo(f"{plain(url)}: {result.ended_at:g} s, {asked.workers} worker(s), {result.cpu_seconds:.2f} s of CPU")
    click.echo(f"requests  {summary.requests}, {summary.achieved_rate:.1f}/s, {planned}")
    click.echo(f"errors    {failed}" + (f" ({failed / summary.requests:.2%})" if summary.requests else ""))
    for kind, number in summary.errors:
        click.echo(f"          {number} {plain(kind)}")
    rows = {
        "response": summary.latency,
        "service": detail.service,
        "queue": detail.queue,
        "schedule lag": detail.schedule_lag,
    }
    table(
        ["", *_ROWS.values()],
        [[name, *(_time(value) for value in astuple(percentiles))] for name, percentiles in rows.items()],
    )
    for word, reasons in (("pass", result.no_pass), ("fail", result.no_fail)):
        for reason in reasons:
            click.echo(f"must not decide a {word}: {plain(reason)}")
