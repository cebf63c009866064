"""A finding as one sentence, without a statistician's words.

Called by `core.render`, `core.formats` and whoever prints findings. What must stay true: the sentence says what was
measured, what is allowed and what follows, and for a pass what it rests on: bursts that never came were not seen.
"""

from __future__ import annotations

from typing import assert_never

from gitslo.core.figures import count, duration, is_latency, share, shown
from gitslo.model import Counted, Finding, Method, Quantity, Verdict

__all__ = ["NOT_APPLICABLE", "explain"]

NOT_APPLICABLE = "not applicable"
"""How the reason of a finding begins that has nothing to compare with."""

_SPARED = {
    Counted.REQUESTS: "5 s",
    Counted.SECONDS: "5 s",
    Counted.EVENTS: "window",
    Counted.WINDOWS: "window",
    Counted.SAMPLES: "sample",
    Counted.BLOCKS: "block",
}
"""What a fail's test leaves out; a window or a sample is at least as long as the longest burst that is spared."""


def explain(finding: Finding) -> str:
    """One sentence for people, ending with a full stop."""
    match finding.verdict:
        case Verdict.INCONCLUSIVE | Verdict.ERROR:
            return _sentence(_undecided(finding.reason))
        case Verdict.PASS | Verdict.FAIL:
            return _sentence(_decided(finding))
        case _:
            assert_never(finding.verdict)


def _undecided(reason: str) -> str:
    if not reason:
        return "not decided yet"
    return reason if reason.startswith(NOT_APPLICABLE) else f"undecided: {reason}"


def _decided(finding: Finding) -> str:
    match finding.method:
        case Method.READINESS:
            return f"It did not become ready: {finding.reason}"
        case Method.SEQUENTIAL:
            return f"{_counts(finding)}: {_kept(finding)}"
        case Method.MEAN:
            values = (
                f"The mean was {shown(finding.measured, finding)} over {count(finding.total)} independent stretches"
            )
            return f"{values} and {shown(finding.limit, finding)} is allowed: {_limit_is(finding)}"
        case Method.THRESHOLD:
            word = "below" if finding.verdict is Verdict.PASS else "above"
            values = f"{shown(finding.measured, finding)} measured and {shown(finding.limit, finding)} allowed"
            return f"{values}: {word} the limit, by a plain comparison, which chance alone can turn"
        case Method.BASELINE | Method.BURN | Method.SCORE:
            return finding.reason
        case _:
            assert_never(finding.method)


def _counts(finding: Finding) -> str:
    """`12 of 12,000 requests failed (0.1 %) and 1 % may`."""
    part = share(finding.bad / finding.total if finding.total else None)
    units = f"{count(finding.bad)} of {count(finding.total)} {finding.counted.value} {_bad(finding)} ({part})"
    return units if finding.allowed is None else f"{units} and {share(finding.allowed)} may"


def _bad(finding: Finding) -> str:
    limit = shown(finding.limit, finding)
    match finding.counted:
        case Counted.SECONDS | Counted.WINDOWS:
            return "broke the limit"
        case Counted.REQUESTS if is_latency(finding.objective):
            return f"took longer than {limit} or failed"
        case Counted.REQUESTS:
            return "failed"
        case Counted.SAMPLES:
            return f"were above {limit}"
        case Counted.EVENTS | Counted.BLOCKS if finding.quantity is Quantity.SHARE and finding.allowed == finding.limit:
            return "were bad"
        case Counted.EVENTS | Counted.BLOCKS:
            return f"were above {limit}"
        case _:
            assert_never(finding.counted)


def _kept(finding: Finding) -> str:
    if finding.verdict is Verdict.FAIL:
        spared = f" even without the worst {_SPARED[finding.counted]}" if finding.spared > 0 else ""
        return f"the limit is broken{spared}"
    seen = finding.judged or finding.decided_at
    if not seen:
        return "the limit is kept"
    return f"the limit is kept, unless trouble comes in bursts rarer than once in {duration(seen)}"


def _limit_is(finding: Finding) -> str:
    return "the limit is kept" if finding.verdict is Verdict.PASS else "the limit is broken"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")
