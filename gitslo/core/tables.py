"""Findings and load summaries as tables: Markdown for pull requests, aligned text for terminals.

Called by `core.render` and by the commands that print a verdict.
"""

from __future__ import annotations

from collections.abc import Sequence

from gitslo.core.escape import code, markdown, plain
from gitslo.core.figures import UNKNOWN, count, duration, e_value, is_latency, rate, share, shown
from gitslo.model import (
    AttemptEvidence,
    Counted,
    Fidelity,
    Finding,
    LoadClock,
    LoadHistogram,
    LoadSummary,
    Method,
    Verdict,
)

__all__ = ["FINDING_COLUMNS", "decided_by", "finding_rows", "load_table", "text_table", "verdict_table", "worth"]

FINDING_COLUMNS = (
    "objective",
    "phase",
    "verdict",
    "measured",
    "limit",
    "counted",
    "bad",
    "decided by",
    "decided",
    "attempt",
)
"""Headings of `finding_rows`."""

# Forges give a page some 800 pixels: what is wider is cut off, and few people find out that a table can be moved.
_SHOWN_COLUMNS = ("objective", "phase", "verdict", "measured", "limit", "bad of counted", "decided by")
_LOAD_COLUMNS = ("load", "attempt", "requests", "errors", "planned", "achieved", "own lag p99")
_TIMES_COLUMNS = ("response times", "attempt", "p50", "p90", "p95", "p99", "p99.9", "max")
_SHOWN_ERRORS = 4
_TOO_FEW = "too few"
_PLAINLY = "no error control"
_CLOCKS = {
    LoadClock.SCHEDULED: "response times from when each request was due",
    LoadClock.RELEASED: "response times from when a request was released, not from when it was due",
    LoadClock.SENT: "response times from when a request was sent, not from when it was due",
}
_HISTOGRAMS = {
    LoadHistogram.HDR: "counted by value",
    LoadHistogram.BUCKETS: "told in ranges",
    LoadHistogram.SAMPLES: "told one by one",
    LoadHistogram.PERCENTILES: "told as quantiles only",
}


def finding_rows(findings: Sequence[Finding]) -> tuple[tuple[str, ...], ...]:
    """One row per finding, as raw text: whoever shows it makes it `plain` or Markdown."""
    return tuple(
        (
            finding.objective,
            finding.phase.value,
            finding.verdict.value if finding.decides else f"{finding.verdict.value} (report only)",
            _measured(finding),
            "none" if finding.limit is None else shown(finding.limit, finding),
            count(finding.total),
            count(finding.bad) + (f" ({count(finding.late)} by our own lag)" if finding.late else ""),
            decided_by(finding),
            "not decided" if finding.decided_at is None else f"after {duration(finding.decided_at)}",
            str(finding.attempt),
        )
        for finding in findings
    )


def _measured(finding: Finding) -> str:
    """What was measured. Few requests may have no such quantile and decide the objective by counting all the same."""
    if finding.measured is None and finding.total and is_latency(finding.objective):
        return _TOO_FEW
    if finding.measured is None and finding.total and finding.counted is Counted.EVENTS:
        return f"{share(finding.bad / finding.total)} above"
    return shown(finding.measured, finding)


def decided_by(finding: Finding) -> str:
    """The e-value that decided a finding and what it had to reach; both sides where nothing was decided.

    Where no error is controlled, it says so.
    """
    fails = _reached(finding.log_e_fail, finding.need_fail)
    passes = _reached(finding.log_e_pass, finding.need_pass)
    match finding.verdict:
        case Verdict.FAIL:
            said = [fails]
        case Verdict.PASS:
            said = [passes]
        case _:
            said = [f"{side}: {reached}" for side, reached in (("pass", passes), ("fail", fails)) if reached]
    plainly = finding.method in {Method.THRESHOLD, Method.BURN, Method.SCORE}
    return "; ".join(part for part in (_PLAINLY if plainly else "", *said, finding.reason) if part) or UNKNOWN


def _reached(log: float | None, need: float | None) -> str:
    """`e^5.2 = 181, needed 40`; empty where no test was run."""
    return "" if log is None or need is None else f"{e_value(log)}, needed {e_value(need).rpartition('= ')[2]}"


def verdict_table(findings: Sequence[Finding]) -> str:
    """The findings as a Markdown table; a sentence where there are none."""
    if not findings:
        return "Nothing was judged.\n"
    several = len({finding.attempt for finding in findings}) > 1
    rows = [
        [
            code(row[0], in_table=True),
            *(markdown(cell) for cell in row[1:3]),
            *(_unbroken(markdown(cell)) for cell in row[3:5]),
            _counted(finding),
            markdown(_shown_decision(finding, several=several)),
        ]
        for finding, row in zip(findings, finding_rows(findings), strict=True)
    ]
    return _markdown_table(_SHOWN_COLUMNS, rows)


def _counted(finding: Finding) -> str:
    late = f" ({count(finding.late)} by our own lag)" if finding.late else ""
    return f"{count(finding.bad)} of {count(finding.total)}{late}"


def _shown_decision(finding: Finding, *, several: bool) -> str:
    """What decided it, when, and in which attempt where there are `several`."""
    when = "" if finding.decided_at is None else f", after {duration(finding.decided_at)}"
    return decided_by(finding) + when + (f", attempt {finding.attempt}" if several else "")


def _unbroken(cell: str) -> str:
    """A figure keeps its unit beside it."""
    return cell.replace(" ", "\u00a0")


def text_table(findings: Sequence[Finding]) -> str:
    """The findings as aligned text, for a terminal or a log."""
    if not findings:
        return "Nothing was judged.\n"
    rows = [FINDING_COLUMNS, *([plain(cell) for cell in row] for row in finding_rows(findings))]
    widths = [max(len(row[column]) for row in rows) for column in range(len(FINDING_COLUMNS))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
    return "".join(f"{line}\n" for line in lines)


def load_table(attempts: Sequence[AttemptEvidence]) -> str:
    """What each load saw in each attempt, as two Markdown tables: requests and times; empty where there was no load."""
    loads = [(attempt.attempt, load) for attempt in attempts for load in _told(attempt.loads)]
    if not loads:
        return ""
    requests = _markdown_table(_LOAD_COLUMNS, [_load_row(*each) for each in loads])
    return f"{requests}\n{_markdown_table(_TIMES_COLUMNS, [_times_row(*each) for each in loads])}"


def _told(loads: Sequence[LoadSummary]) -> list[LoadSummary]:
    """All but an endpoint that is the only one of its section: it is the section."""
    of = [load.load for load in loads if load.endpoint is not None]
    whole = {load.load for load in loads if load.endpoint is None}
    return [load for load in loads if load.endpoint is None or of.count(load.load) > 1 or load.load not in whole]


def _load_row(attempt: int, load: LoadSummary) -> list[str]:
    return [
        _load_name(load),
        str(attempt),
        count(load.requests),
        _errors(load.errors),
        rate(load.planned_rate),
        rate(load.achieved_rate),
        _unbroken(duration(load.schedule_lag_p99)),
    ]


def _times_row(attempt: int, load: LoadSummary) -> list[str]:
    latency = load.latency
    quantiles = (latency.p50, latency.p90, latency.p95, latency.p99, latency.p999, latency.max)
    shown_times = (_unbroken(_TOO_FEW if value is None else duration(value)) for value in quantiles)
    return [_load_name(load), str(attempt), *shown_times]


def _load_name(load: LoadSummary) -> str:
    return code(load.load if load.endpoint is None else f"{load.load}.{load.endpoint}", in_table=True)


def worth(fidelity: Fidelity) -> str:
    """What an engine's figures are worth, as one line of raw text."""
    parts = [
        f"{_CLOCKS[fidelity.clock]}, {_HISTOGRAMS[fidelity.histogram]}, within {share(fidelity.max_rel_error)}",
        "open loop" if fidelity.open_loop else "closed loop",
        f"{count(fidelity.drops)} requests never sent" if fidelity.drops else "",
        "" if fidelity.mergeable else "not to be added up",
    ]
    return f"{fidelity.engine or 'gitslo'}: " + "; ".join(part for part in parts if part)


def _errors(errors: Sequence[tuple[str, int]]) -> str:
    if not errors:
        return "none"
    shown = [f"{count(number)} {markdown(kind)}" for kind, number in errors[:_SHOWN_ERRORS]]
    rest = sum(number for _, number in errors[_SHOWN_ERRORS:])
    return ", ".join([*shown, f"{count(rest)} others"] if rest else shown)


def _markdown_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(columns) + " |", "|" + " --- |" * len(columns)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "".join(f"{line}\n" for line in lines)
