"""What is assumed of a service: how often requests are bad and how they lie in time, or how a gauge moves.

Called by `gitslo.cli.simulate` (the texts) and by `draws`. Pure.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from gitslo.core.nearest import nearest
from gitslo.core.quantities import parse_amount
from gitslo.core.simulation.lanes import Lane
from gitslo.core.units import parse_share
from gitslo.errors import Problem, Refused
from gitslo.model.units import Seconds, Share

__all__ = ["GaugeTruth", "ShareTruth", "Truth", "no_burst_within", "read_truths"]


@dataclass(frozen=True, slots=True)
class ShareTruth:
    """How often a request, an event or a sample is bad.

    Attributes:
        share: in the long run.
        burst: seconds of one burst; None: each is bad on its own.
        within: the share of them that is bad in a burst; outside of bursts none is.
        phi: of a gauge's samples: the correlation of neighbours.
    """

    share: Share
    burst: Seconds | None = None
    within: Share = Share(1.0)
    phi: float = 0.0

    @property
    def recurrence(self) -> Seconds | None:
        """Seconds from the beginning of a burst to that of the next, on average; None where there is none."""
        return Seconds(self.burst * self.within / self.share) if self.burst is not None and self.share > 0.0 else None


@dataclass(frozen=True, slots=True)
class GaugeTruth:
    """How a gauge moves.

    Attributes:
        mean: in its unit.
        deviation: the standard deviation of its samples, likewise.
        phi: the correlation of neighbouring samples.
    """

    mean: float
    deviation: float
    phi: float = 0.0


Truth = ShareTruth | GaugeTruth

T = TypeVar("T")

_WORDS = re.compile(r"(?P<mean>\S+)(?:\s+sd\s+(?P<sd>\S+))?(?:\s+phi\s+(?P<phi>\S+))?")
_MISSED = 0.05
_EXAMPLE = '`--true "errors=0.4%"`, `--true "cpu=70% sd 5% phi 0.8"`'


def read_truths(
    texts: Sequence[str],
    lanes: Sequence[Lane],
    *,
    burst: Seconds | None,
    within: Share,
) -> Mapping[str, Truth]:
    """The truths that texts name, by the objectives' sentences.

    Each is `NAME=VALUE`. NAME is a whole sentence, what stands before its `<`, or the end of that from a dot on:
    `errors` is every objective on errors. VALUE is a share of bad requests; of a gauge's mean it is the mean, with
    `sd` and `phi` after it where they are known.

    Raises:
        Refused: a text is of another form, or no objective is meant.
    """
    found: dict[str, Truth] = {}
    for text in texts:
        name, equals, value = text.rpartition("=")
        meant = [lane for lane in lanes if name.strip() and _means(name.strip(), lane)]
        if not equals or not name.strip():
            raise Refused(Problem(f"--true {text!r} is not of the form NAME=VALUE", hint=f"e.g. {_EXAMPLE}"))
        if not meant:
            known = [ending for lane in lanes for ending in _endings(_subject(lane))]
            hint = nearest(name.strip(), known) or f"there is {', '.join(_subject(lane) for lane in lanes)}"
            raise Refused(Problem(f"--true {text!r}: no objective is about `{name.strip()}`", hint=hint))
        for lane in meant:
            found[lane.text] = _truth(text, value.strip(), lane, burst, within)
    return found


def _subject(lane: Lane) -> str:
    return lane.text.partition("<")[0].strip()


def _endings(subject: str) -> list[str]:
    """`a.b.c`, `b.c`, `c`."""
    parts = subject.split(".")
    # A percentile may have a point of its own: `p99.9`.
    return [".".join(parts[begin:]) for begin in range(len(parts)) if not parts[begin].isdigit()]


def _means(name: str, lane: Lane) -> bool:
    sentence = " ".join(name.split())
    subject = _subject(lane)
    return sentence in {lane.text, subject} or subject.endswith(f".{sentence}")


def _truth(text: str, value: str, lane: Lane, burst: Seconds | None, within: Share) -> Truth:
    words = _WORDS.fullmatch(value)
    if words is None:
        raise Refused(Problem(f"--true {text!r}: `{value}` is not understood", hint=f"e.g. {_EXAMPLE}"))
    phi = _number(text, words["phi"]) if words["phi"] is not None else 0.0
    if not 0.0 <= phi < 1.0:
        raise Refused(Problem(f"--true {text!r}: phi lies from 0 to below 1"))
    if lane.between is None:
        if words["sd"] is not None or (phi and not lane.samples):
            raise Refused(Problem(f"--true {text!r}: `{lane.text}` has a share of bad ones, and nothing more"))
        share = _within(text, lambda: parse_share(words["mean"]))
        if burst is not None and share > within:
            never = f"bursts in which {within:.4%} are bad never make {share:.4%} of all"
            raise Refused(Problem(f"--true {text!r}: {never}"))
        return ShareTruth(share, None if lane.samples else burst, within, phi)
    low, high = lane.between
    mean = _within(text, lambda: parse_amount(words["mean"]).value)
    spread = words["sd"]
    deviation = lane.deviation(mean) if spread is None else _within(text, lambda: parse_amount(spread).value)
    if not low <= mean <= high or deviation < 0 or deviation**2 > (mean - low) * (high - mean) * (1 + 1e-9):
        raise Refused(Problem(f"--true {text!r}: no gauge from {low:g} to {high:g} has this mean and deviation"))
    return GaugeTruth(mean, deviation, phi)


def _number(text: str, value: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise Refused(Problem(f"--true {text!r}: `{value}` is no number")) from None


def _within(text: str, read: Callable[[], T]) -> T:
    try:
        return read()
    except Refused as refused:
        told = (Problem(f"--true {text!r}: {each.message}", hint=each.hint) for each in refused.problems)
        raise Refused(*told) from None


def no_burst_within(truth: ShareTruth, seconds: float) -> tuple[float, float]:
    """How easily bursts are missed.

    Args:
        truth: with bursts, at a share above 0.
        seconds: that a run looks.

    Returns:
        The chance that no part of a burst lies within them, the gaps being exponential; and the seconds within which
        one does with a chance of 95 %.
    """
    assert truth.burst is not None  # noqa: S101 - asked by the caller
    covered = min(1.0, truth.share / truth.within)
    if covered >= 1.0:
        return 0.0, 0.0
    gap = truth.burst * (1.0 - covered) / covered
    return (1.0 - covered) * math.exp(-seconds / gap), max(0.0, gap * math.log((1.0 - covered) / _MISSED))
