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

_LOAD_COLUMNS = ("load", "attempt", "requests", "errors", "planned", "achieved", "p50", "p90", "p95", "p99", "p99.9")
_LOAD_COLUMNS_END = ("max", "own lag p99")
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
    rows = [[code(row[0]), *(markdown(cell) for cell in row[1:])] for row in finding_rows(findings)]
    return _markdown_table(FINDING_COLUMNS, rows)


def text_table(findings: Sequence[Finding]) -> str:
    """The findings as aligned text, for a terminal or a log."""
    if not findings:
        return "Nothing was judged.\n"
    rows = [FINDING_COLUMNS, *([plain(cell) for cell in row] for row in finding_rows(findings))]
    widths = [max(len(row[column]) for row in rows) for column in range(len(FINDING_COLUMNS))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
    return "".join(f"{line}\n" for line in lines)


def load_table(attempts: Sequence[AttemptEvidence]) -> str:
    """What each load saw in each attempt, as a Markdown table; empty where there was no load."""
    rows = [_load_row(attempt.attempt, load) for attempt in attempts for load in attempt.loads]
    return _markdown_table((*_LOAD_COLUMNS, *_LOAD_COLUMNS_END), rows) if rows else ""


def _load_row(attempt: int, load: LoadSummary) -> list[str]:
    latency = load.latency
    name = load.load if load.endpoint is None else f"{load.load}.{load.endpoint}"
    quantiles = (latency.p50, latency.p90, latency.p95, latency.p99, latency.p999, latency.max)
    return [
        code(name),
        str(attempt),
        count(load.requests),
        _errors(load.errors),
        rate(load.planned_rate),
        rate(load.achieved_rate),
        *(_TOO_FEW if value is None else duration(value) for value in quantiles),
        duration(load.schedule_lag_p99),
    ]


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
