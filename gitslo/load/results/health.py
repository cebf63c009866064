"""The health gate: what a load says of itself before anybody judges its numbers. Pure; called by `merger`.

Each cause blocks the direction that it could falsify: our own lag makes requests late and so blocks only a fail,
under-delivery spares the target and so blocks only a pass, a lost shard or an empty run blocks both. A sentence each,
with the figure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gitslo.load.messages import End

__all__ = ["Gate", "examine", "tolerated_lag"]

DELIVERED = 0.99
"""The share of the planned rate that must have been released."""
BUSY = 0.8
"""The share of its core that a worker may use."""
THROTTLED = 0.01
"""The share of the time that its control groups may make a worker wait."""


def tolerated_lag(limits: Sequence[float]) -> float:
    """Seconds of our own lag that numbers may bear: 1 ms, or 10 % of the tightest limit where that is more.

    Args:
        limits: seconds: what a latency objective limits, and the time-out for an objective on errors, which contains no
            other limit on latency.
    """
    return max(0.001, 0.1 * min(limits)) if limits else 0.001


@dataclass(frozen=True, slots=True)
class Gate:
    """Reasons why the numbers must not decide a fail, and why they must not decide a pass."""

    no_fail: tuple[str, ...]
    no_pass: tuple[str, ...]


def examine(ends: Sequence[End], lost: Sequence[str], lag_p99: float | None, tolerated: float, closed: bool) -> Gate:
    """What speaks against judging these numbers.

    Args:
        ends: of the workers that came to their end.
        lost: one sentence per worker that did not.
        lag_p99: of the schedule lag of all judged requests, in seconds.
        tolerated: the lag that the limits bear, in seconds.
        closed: a closed loop has no schedule to keep.
    """
    no_fail: list[str] = list(lost)
    no_pass: list[str] = list(lost)
    requests = sum(endpoint.requests for end in ends for endpoint in end.endpoints)
    if not requests:
        for reasons in (no_fail, no_pass):
            reasons.append("0 requests were judged")
    for cut in sorted({end.cut for end in ends if end.cut}):
        ended = min(end.ended_at for end in ends)
        no_pass.append(f"the load ended early, {round(ended, 1) or ended:g} s into {ends[0].planned:g} s: {cut}")
    if not closed:
        no_pass += _under_delivered(ends)
        if lag_p99 is not None and lag_p99 > tolerated:
            no_fail.append(
                f"the generator's own schedule lag has a p99 of {lag_p99 * 1e3:.1f} ms; "
                f"these limits bear {tolerated * 1e3:.1f} ms"
            )
        no_fail += [
            f"a load worker used {end.busy:.0%} of a core; above {BUSY:.0%} its own times are not to be trusted"
            for end in ends
            if end.busy > BUSY
        ]
    if ends:
        waited = max((end.throttled for end in ends), key=lambda each: each.seconds)  # one group has all workers
        if waited.seconds > THROTTLED * max(end.ended_at for end in ends):
            no_fail.append(
                f"the generator's control group had used up its processor time {waited.times} times and had to wait "
                f"{waited.seconds:.2f} s in all"
            )
    for what in sorted({what for end in ends for what in end.exhausted}):
        number = sum(endpoint.hindered for end in ends for endpoint in end.endpoints)
        no_fail.append(f"the generator ran out of {what}: {number} requests were never sent")
    return Gate(no_fail=tuple(no_fail), no_pass=tuple(no_pass))


def _under_delivered(ends: Sequence[End]) -> list[str]:
    planned = released = 0.0
    for end in ends:
        if end.judged_for > 0:
            requests = sum(endpoint.requests for endpoint in end.endpoints)
            hindered = sum(endpoint.hindered for endpoint in end.endpoints)
            planned += requests / end.judged_for
            released += (requests - hindered) / end.judged_took
    if released >= DELIVERED * planned:
        return []
    share = f"{released:.1f} requests/s of {planned:.1f} planned ({released / planned:.1%})"
    return [f"the generator released {share}, and it was not the target that held it back"]
