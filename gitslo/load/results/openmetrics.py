"""A load's result as OpenMetrics text, for a file collector or a push gateway. Pure; called by the command line.

Every family is by endpoint and leaves sums to whoever reads it. Buckets are cumulative counts of histograms that are
exact to three digits; those at an objective's limit are therefore near the counts of the verdict, not the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from gitslo.load.results.detail import LoadDetail, Part

__all__ = ["openmetrics"]

_BUCKETS = tuple(digit * 10.0**power for power in range(-4, 2) for digit in (1.0, 2.0, 5.0))
"""Seconds, 0.1 ms to 50 s; those of the objectives are added."""

_Labels = Sequence[tuple[str, str]]
_Parts = Sequence[tuple[_Labels, Part]]


def openmetrics(detail: LoadDetail) -> str:
    """The exposition, with its end."""
    return "".join(f"{line}\n" for line in (*_lines(detail), "# EOF"))


def _lines(detail: LoadDetail) -> Iterator[str]:
    result, parts = detail.result, [(_where(detail, part), part) for part in detail.parts[1:]]
    load = (("load", detail.load),)
    yield from _family("gitslo_load_engine", "info", "What measured.")
    yield _sample("gitslo_load_engine_info", (*load, *detail.versions), 1)
    yield from _family(
        "gitslo_load_start_time_seconds", "gauge", "When the schedule began, since the epoch.", "seconds"
    )
    yield _sample("gitslo_load_start_time_seconds", load, detail.started)
    yield from _counters(parts)
    yield from _family("gitslo_load_response_seconds", "histogram", "From the intended time to the answer.", "seconds")
    for where, part in parts:
        yield from _histogram("gitslo_load_response_seconds", where, part)
    yield from _gauges(parts)
    yield from _family("gitslo_load_cpu_seconds", "counter", "Processor time of all workers.", "seconds")
    yield _sample("gitslo_load_cpu_seconds_total", load, result.cpu_seconds)
    yield from _family("gitslo_load_blocked", "gauge", "Reasons why these numbers must not decide a verdict.")
    yield _sample("gitslo_load_blocked", (*load, ("verdict", "pass")), len(result.no_pass))
    yield _sample("gitslo_load_blocked", (*load, ("verdict", "fail")), len(result.no_fail))


def _counters(parts: _Parts) -> Iterator[str]:
    yield from _family("gitslo_load_requests", "counter", "Judged requests, those never sent included.")
    for where, part in parts:
        yield _sample("gitslo_load_requests_total", where, part.requests)
    yield from _family("gitslo_load_errors", "counter", "Failed ones of those, by kind.")
    for where, part in parts:
        for error in part.errors:
            yield _sample("gitslo_load_errors_total", (*where, ("kind", error.kind)), error.requests)
    yield from _family("gitslo_load_unsent", "counter", "Judged requests that were never sent, by whose fault it was.")
    for where, part in parts:
        yield _sample("gitslo_load_unsent_total", (*where, ("fault", "target")), part.unsent)
        yield _sample("gitslo_load_unsent_total", (*where, ("fault", "generator")), part.hindered)


def _gauges(parts: _Parts) -> Iterator[str]:
    yield from _family(
        "gitslo_load_schedule_lag_seconds", "gauge", "The generator's own delay, by quantile.", "seconds"
    )
    for where, part in parts:
        values = part.schedule_lag.percentiles
        for quantile, value in (("0.5", values.p50), ("0.99", values.p99), ("1", values.max)):
            if value is not None:
                yield _sample("gitslo_load_schedule_lag_seconds", (*where, ("quantile", quantile)), value)
    yield from _family("gitslo_load_rate", "gauge", "Judged requests per second.")
    for where, part in parts:
        rates = part.rates
        for of, rate in (("planned", rates.planned), ("released", rates.released), ("achieved", rates.achieved)):
            if rate is not None:
                yield _sample("gitslo_load_rate", (*where, ("of", of)), rate)


def _where(detail: LoadDetail, part: Part) -> _Labels:
    return (("load", detail.load), ("endpoint", part.endpoint or ""))


def _histogram(name: str, where: _Labels, part: Part) -> Iterator[str]:
    counts = sorted(part.counts.items())
    whole = sum(number for _, number in counts)
    seen, rest = 0, iter(counts)
    value, number = next(rest, (0, 0))
    for bound in sorted({*_BUCKETS, *part.limits}):
        while number and value <= bound * 1e6:
            seen += number
            value, number = next(rest, (0, 0))
        yield _sample(f"{name}_bucket", (*where, ("le", repr(float(f"{bound:.12g}")))), seen)
    yield _sample(f"{name}_bucket", (*where, ("le", "+Inf")), whole)
    yield _sample(f"{name}_count", where, whole)
    yield _sample(f"{name}_sum", where, sum(each * times for each, times in counts) / 1e6)


def _family(name: str, kind: str, text: str, unit: str = "") -> Iterable[str]:
    yield f"# TYPE {name} {kind}"
    if unit:
        yield f"# UNIT {name} {unit}"
    yield f"# HELP {name} {text}"


def _sample(name: str, labels: _Labels, value: float) -> str:
    inside = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels)
    return f"{name}{{{inside}}} {value!r}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
