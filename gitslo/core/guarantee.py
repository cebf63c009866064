"""What may be said of a verdict, in the words of the specification: one constant, so that nobody says more.

Printed by `gitslo check` and `gitslo simulate`; docs/explanation/verdicts.md says the same, and a test compares them.
"""

from __future__ import annotations

__all__ = ["GUARANTEE"]

GUARANTEE = (
    "For one subject and its load, over all attempts in the ledger together: if in a judged phase each request's chance"
    " of being bad, given the past, was at or above the limit, gitslo says pass with probability at most false_pass; if"
    " at or below every limit, fail with probability at most false_fail. Bursts: fail is calibrated by simulation for"
    " clusters up to 5 s; pass knows only bursts that recur well within min_duration. Not covered: conditions the run"
    " did not exercise, slower brownouts, edited plans, --fresh, gitslo test repeated without --evidence, thresholds,"
    " and whether the commit was the cause."
)
