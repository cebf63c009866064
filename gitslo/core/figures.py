"""Numbers for people: three figures, their unit, and "not known" where nothing is known.

Called by `core.tables` and `core.messages`. What must stay true: None, NaN and infinities never print as a number.
"""

from __future__ import annotations

import math
import re
from typing import TypeGuard, assert_never

from gitslo.model import Finding, Quantity

__all__ = ["UNKNOWN", "amount", "count", "duration", "e_value", "is_latency", "quantity", "rate", "share", "shown"]

UNKNOWN = "not known"

_LATENCY = re.compile(r"(?:^|\.)latency\.p[0-9.]+(?:\s|$)")
_ERRORS = re.compile(r"(?:^|\.)errors(?:\s|$)")
_LARGEST_POWER = 6
_SMALLEST = 9
"""Decimals; what is smaller reads as 0."""


def count(number: int | None) -> str:
    """`3,481`."""
    return UNKNOWN if number is None else f"{number:,}"


def duration(seconds: float | None) -> str:
    """`12.3 ms`, `1.25 s`, `2 min`; below a minute three figures."""
    if not _known(seconds):
        return UNKNOWN
    if abs(seconds) < 1:
        return f"{_three(seconds * 1000)} ms"
    if abs(seconds) < 60 or seconds % 60:  # noqa: PLR2004 - seconds of a minute
        return f"{_three(seconds)} s"
    return f"{_three(seconds / 60)} min"


def share(part: float | None) -> str:
    """A proportion from 0 to 1 as `1.2 %`."""
    return f"{_three(part * 100)} %" if _known(part) else UNKNOWN


def rate(per_second: float | None) -> str:
    """`200/s`."""
    return f"{_three(per_second)}/s" if _known(per_second) else UNKNOWN


def is_latency(objective: str) -> bool:
    """Whether an objective's sentence is about a quantile of latency."""
    return _LATENCY.search(objective) is not None


def quantity(value: float | None, objective: str) -> str:
    """A measured value or a limit in the unit that its objective's sentence implies."""
    if is_latency(objective):
        return duration(value)
    if _ERRORS.search(objective):
        return share(value)
    return _three(value) if _known(value) else UNKNOWN


def amount(value: float | None, what: Quantity | None) -> str:
    """A measured value or a limit; None: a number without a unit."""
    match what:
        case Quantity.SHARE:
            return share(value)
        case Quantity.SECONDS:
            return duration(value)
        case Quantity.BYTES:
            return _size(value) if _known(value) else UNKNOWN
        case Quantity.NUMBER | None:
            return _three(value) if _known(value) else UNKNOWN
        case _:
            assert_never(what)


def shown(value: float | None, finding: Finding) -> str:
    """A value in the unit of a finding; one that an earlier version wrote has its sentence for it."""
    return quantity(value, finding.objective) if finding.quantity is None else amount(value, finding.quantity)


def _size(size: float) -> str:
    for unit, factor in (("GiB", 1024**3), ("MiB", 1024**2), ("KiB", 1024)):
        if abs(size) >= factor:
            return f"{_three(size / factor)} {unit}"
    return f"{_three(size)} B"


def e_value(log: float | None) -> str:
    """An e-value from its natural logarithm: `e^5.2 = 181`; far out only its power of ten, `over 10^6`."""
    if not _known(log):
        return UNKNOWN
    if log > _LARGEST_POWER * math.log(10):
        return f"over 10^{_LARGEST_POWER}"
    if log < -_LARGEST_POWER * math.log(10):
        return f"under 10^-{_LARGEST_POWER}"
    return f"e^{round(log, 1) + 0.0:.1f} = {_three(math.exp(log))}"


def _known(number: float | None) -> TypeGuard[float]:
    return number is not None and math.isfinite(number)


def _three(number: float) -> str:
    """Three significant figures, without an exponent and without trailing zeros; whole parts are never rounded."""
    if number == 0:
        return "0"
    digits = min(max(0, 2 - math.floor(math.log10(abs(number)))), _SMALLEST)
    text = f"{number:,.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
