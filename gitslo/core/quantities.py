"""Numbers of metrics as plans write them, each with what it is: `100`, `80%`, `50ms`, `512MiB`.

Called by the parsers of objectives, of metrics' possible values and of scores' criteria. Pure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

from gitslo.core.units import parse_duration, parse_size
from gitslo.errors import Problem, Refused
from gitslo.model import Quantity

__all__ = ["KINDS", "Amount", "is_number", "parse_amount"]

KINDS = {
    Quantity.NUMBER: "a plain number",
    Quantity.SHARE: "a percentage",
    Quantity.SECONDS: "a duration",
    Quantity.BYTES: "a size",
}
"""What each is called in a message."""

_NUMBER = re.compile(r"-?[0-9]{1,19}(?:\.[0-9]{1,15})?")
_PER_CENT = re.compile(r"([0-9]{1,19}(?:\.[0-9]{1,15})?)%")
_SIZE = re.compile(r"[0-9.]+[kKMGT]?i?B")
_KUBERNETES = re.compile(r"([0-9]{1,19}(?:\.[0-9]{1,15})?)([KMGT]i)")


@dataclass(frozen=True, slots=True)
class Amount:
    """A number and what it is: shares from 0 on (1.2 is 120 %), seconds, bytes, or of no unit."""

    value: float
    quantity: Quantity


def is_number(text: str) -> bool:
    """Whether it is a number without a unit."""
    return _NUMBER.fullmatch(text) is not None


def parse_amount(text: str) -> Amount:
    """`100`, `-1.5`, `120%`, `50ms`, `512MiB`; only a number without a unit can be below zero.

    Raises:
        Refused: it is anything else.
    """
    if is_number(text):
        return Amount(float(Decimal(text)), Quantity.NUMBER)
    share = _PER_CENT.fullmatch(text)
    if share is not None:
        return Amount(float(Decimal(share[1]) / 100), Quantity.SHARE)
    if _SIZE.fullmatch(text):
        return Amount(float(parse_size(text)), Quantity.BYTES)
    try:
        return Amount(parse_duration(text), Quantity.SECONDS)
    except Refused as refused:
        if refused.problems[0].message.startswith("expected a duration of"):
            raise
    shown = text if len(text) <= 40 else f"{text[:40]}…"  # noqa: PLR2004 - a readable line
    kubernetes = _KUBERNETES.fullmatch(text)
    hint = f"did you mean `{text}B`?" if kubernetes else ""
    message = (
        f"expected a number, a percentage, a duration or a size, e.g. `100`, `80%`, `50ms` or `512MiB`; found `{shown}`"
    )
    raise Refused(Problem(message, hint=hint))
