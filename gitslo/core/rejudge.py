"""A recorded verdict, computed again from the recorded evidence alone.

Called by `gitslo.run`, which records the look that decided, and by `gitslo judge --run`. Pure. What must stay true: for
any attempt, `seen_at_look` of what `look_of` recorded is exactly what that look judged. An attempt's evidence grows
after its last look: requests still under way come to their end, and may change for what their own lag is blamed.
"""

from __future__ import annotations

from dataclasses import replace

from gitslo.core.judge import Judgement, judge
from gitslo.model import AttemptEvidence, Evidence, Look, Plan, ScoreRecord, Seen, Tally

__all__ = ["judged_again", "look_of", "seen_at_look"]


def judged_again(plan: Plan, evidence: Evidence, scores: tuple[ScoreRecord, ...] = ()) -> Judgement | None:
    """What the evidence of a run means under its plan and beside earlier scores; None where nothing was judged."""
    if not evidence.attempts:
        return None
    earlier, last = Evidence(evidence.attempts[:-1]), evidence.attempts[-1]
    latched = judge(plan, earlier, seen_at_look(last), final=False).findings if last.look is not None else ()
    return judge(plan, earlier, last, final=True, latched=latched, scores=scores)


def look_of(seen: AttemptEvidence, whole: AttemptEvidence) -> Look:
    """What has to be recorded of a look, beside the whole attempt.

    Args:
        seen: the evidence as the look judged it.
        whole: of the same attempt, in the end.
    """
    kept = {(tally.objective, tally.phase): tally for tally in whole.tallies}
    return Look(
        judged_seconds=seen.judged_seconds,
        counts=tuple(_seen(tally, kept.get((tally.objective, tally.phase))) for tally in seen.tallies),
        series=tuple(each for each in seen.series if each not in whole.series),
        unknown=seen.unknown,
        no_fail=seen.no_fail,
        no_pass=seen.no_pass,
    )


def _seen(tally: Tally, whole: Tally | None) -> Seen:
    until = tally.seconds[-1].at + 1 if tally.seconds else 0
    rows = [row for row in whole.seconds if row.at < until] if whole is not None else []
    if [row.at for row in rows] != [row.at for row in tally.seconds]:
        return Seen(tally.objective, tally.phase, 0, tally.seconds)
    otherwise = tuple(row for row, other in zip(tally.seconds, rows, strict=True) if row != other)
    return Seen(tally.objective, tally.phase, until, otherwise)


def seen_at_look(whole: AttemptEvidence) -> AttemptEvidence:
    """The evidence as the look judged it that ended the attempt; itself where none did."""
    look = whole.look
    if look is None:
        return whole
    seen = {(each.objective, each.phase): each for each in look.counts}
    other = {(each.metric, each.phase): each for each in look.series}
    return replace(
        whole,
        judged_seconds=look.judged_seconds,
        tallies=tuple(
            _as_seen(tally, seen[tally.objective, tally.phase])
            for tally in whole.tallies
            if (tally.objective, tally.phase) in seen
        ),
        series=tuple(other.get((each.metric, each.phase), each) for each in whole.series),
        unknown=look.unknown,
        no_fail=look.no_fail,
        no_pass=look.no_pass,
        look=None,
    )


def _as_seen(tally: Tally, seen: Seen) -> Tally:
    rows = {row.at: row for row in tally.seconds if row.at < seen.until}
    rows.update((row.at, row) for row in seen.otherwise)
    return replace(tally, seconds=tuple(rows[at] for at in sorted(rows)))
