"""The result of `gitslo load`, as JSON or for people. Called by `gitslo.cli.load`.

Must stay true: a figure that is not known is null, or `-`, and never zero.
"""

from __future__ import annotations

import os
from dataclasses import asdict, astuple, fields
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gitslo.cli.load_view import time_of
from gitslo.errors import Problem, Refused
from gitslo.model import Percentiles

if TYPE_CHECKING:
    from gitslo.cli.load_arguments import Asked
    from gitslo.cli.load_options import Flags
    from gitslo.load.record.histogram import Distribution
    from gitslo.load.results.detail import LoadDetail

__all__ = ["check_file", "document", "nothing_succeeded", "tell", "write_files"]

_EXAMPLE = 80
"""Characters of an answer that failed, for people; JSON has all that is kept."""
_ROWS = {"p50": "p50", "p90": "p90", "p95": "p95", "p99": "p99", "p999": "p99.9", "max": "max"}


def _quantiles(percentiles: Percentiles) -> dict[str, float | None]:
    return dict(zip((field.name for field in fields(percentiles)), astuple(percentiles), strict=True))


def _intervals(distribution: Distribution) -> dict[str, tuple[float, float] | None]:
    low, high = _quantiles(distribution.low), _quantiles(distribution.high)
    return {
        name: None if below is None or above is None else (below, above)
        for (name, below), above in zip(low.items(), high.values(), strict=True)
        if name != "max"
    }


def document(asked: Asked, detail: LoadDetail) -> dict[str, object]:
    """The result as JSON has it; times in seconds, rates per second."""
    result, summary, whole = detail.result, detail.result.summaries[0], detail.parts[0]
    return {
        "url": asked.url,
        "loop": "closed" if detail.closed else "open",
        "requests": summary.requests,
        "errors": dict(summary.errors),
        "error_examples": {error.kind: error.example for error in whole.errors if error.example},
        "unsent": {"target": whole.unsent, "generator": whole.hindered},
        "rate": {
            "planned": whole.rates.planned,
            "released": whole.rates.released,
            "achieved": whole.rates.achieved,
        },
        "latency": _quantiles(summary.latency),
        "latency_interval": _intervals(whole.response),
        "service": _quantiles(detail.service),
        "schedule_lag": _quantiles(detail.schedule_lag),
        "queue": _quantiles(detail.queue),
        "cpu_seconds": result.cpu_seconds,
        "cpu_seconds_loading": detail.loading,
        "workers": detail.workers,
        "started": detail.started,
        "ended_at": result.ended_at,
        "aborted": result.aborted or None,
        "health": {"no_pass": list(result.no_pass), "no_fail": list(result.no_fail)},
        "fidelity": asdict(summary.fidelity),
        "slowest": [{"trace": each.trace, "response": each.response} for each in detail.slowest],
        "seconds": [asdict(moment) for moment in detail.series()],
        "versions": dict(detail.versions),
        "histogram": summary.histogram,
    }


def check_file(name: str | None, option: str) -> None:
    """Refuse a file that cannot be written, before a load is sent for it.

    Raises:
        click.BadParameter: nobody could write there.
    """
    if name is None:
        return
    path = Path(name)
    if path.is_dir() or not os.access(path if path.exists() else path.parent, os.W_OK):
        raise click.BadParameter(f"`{name}` cannot be written", param_hint=option)


def write_files(flags: Flags, detail: LoadDetail) -> None:
    """Write what was asked for beside the result itself.

    Raises:
        Refused: a file cannot be written after all.
    """
    from gitslo.load.results.hlog import write_hlog
    from gitslo.load.results.openmetrics import openmetrics

    try:
        if flags.hlog is not None:
            write_hlog(detail, Path(flags.hlog))
        if flags.openmetrics is not None:
            Path(flags.openmetrics).write_text(openmetrics(detail), encoding="utf-8")
    except OSError as error:
        raise Refused(Problem(f"{error.filename}: {error.strerror}")) from error


def nothing_succeeded(detail: LoadDetail) -> str:
    """One line where every request failed or none was sent, else empty: a pipeline must not take that for a measure."""
    summary = detail.result.summaries[0]
    if summary.requests > sum(number for _, number in summary.errors):
        return ""
    kinds = ", ".join(kind for kind, _ in sorted(summary.errors, key=lambda each: -each[1]))
    return f"not one of {summary.requests} requests succeeded ({kinds})" if summary.requests else "no request was sent"


def tell(asked: Asked, detail: LoadDetail) -> None:
    """Print it for people."""
    from gitslo.cli.style import plain, table
    from gitslo.core.escape import short
    from gitslo.core.tables import worth

    result, summary, whole = detail.result, detail.result.summaries[0], detail.parts[0]
    failed = sum(number for _, number in summary.errors)
    planned = "closed loop" if detail.closed else f"{summary.planned_rate:.1f}/s planned"
    click.echo(
        f"{plain(asked.url)}: {result.ended_at:g} s, {detail.workers} worker(s), {result.cpu_seconds:.2f} s of CPU"
    )
    if summary.fidelity.engine:
        click.echo(plain(worth(summary.fidelity)))
    click.echo(f"requests  {summary.requests}, {summary.achieved_rate:.1f}/s, {planned}")
    click.echo(f"errors    {failed}" + (f" ({failed / summary.requests:.2%})" if summary.requests else ""))
    for error in whole.errors:
        example = f": {short(plain(error.example), _EXAMPLE)}" if error.example else ""
        click.echo(f"          {error.requests} {plain(error.kind)}{example}")
    rows = {
        "service": detail.service,
        "queue": detail.queue,
        "schedule lag": detail.schedule_lag,
    }
    table(
        ["", *_ROWS.values()],
        [
            ["response", *map(time_of, astuple(summary.latency))],
            ["  95 % from", *map(time_of, astuple(whole.response.low))],
            ["  95 % to", *map(time_of, astuple(whole.response.high))],
            *([name, *map(time_of, astuple(percentiles))] for name, percentiles in rows.items()),
        ],
    )
    for trace in detail.slowest:
        click.echo(f"slow      {time_of(trace.response)} trace {plain(trace.trace)}")
    if result.aborted:
        click.echo(f"stopped early: {plain(result.aborted)}")
    for word, reasons in (("pass", result.no_pass), ("fail", result.no_fail)):
        for reason in reasons:
            click.echo(f"must not decide a {word}: {plain(reason)}")
