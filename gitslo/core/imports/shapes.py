"""What a PromQL expression measures: a ratio of counters, a quantile of a histogram, or only some number.

Called by `gitslo.core.imports.measures`. Must stay true: a shape is told only where the counters' windows may be
chosen anew without changing what is measured; anything else has none.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

from gitslo.core.imports.promql import (
    Aggregate,
    Binary,
    Call,
    Expression,
    Matcher,
    Number,
    Selector,
    walk,
)

__all__ = ["Average", "Quantile", "Ratio", "Shape", "bucket_share", "counter", "opposite", "shape_of", "unit_of"]


@dataclass(frozen=True, slots=True)
class Ratio:
    """`factor` x part / whole; `rest`: `factor` x (1 - part / whole)."""

    part: Selector
    whole: Selector
    factor: Decimal = Decimal(1)
    rest: bool = False


@dataclass(frozen=True, slots=True)
class Quantile:
    """`factor` x a quantile of a histogram's buckets; the quantile between 0 and 1."""

    quantile: Decimal
    buckets: Selector
    factor: Decimal = Decimal(1)


@dataclass(frozen=True, slots=True)
class Average:
    """`factor` x a sum / a count: a mean of events, e.g. of latencies."""

    total: Selector
    count: Selector
    factor: Decimal = Decimal(1)


Shape = Ratio | Quantile | Average

_RATES = frozenset({"rate", "irate", "increase"})
_OPPOSITES = {"=": "!=", "!=": "=", "=~": "!~", "!~": "=~"}
_ONE = Decimal(1)


def shape_of(expression: Expression | None) -> Shape | None:
    """What it measures, or None."""
    if expression is None:
        return None
    factor, inner = _factor(without_zero(expression))
    match inner:
        case Binary("-", Number(whole), right, ""):
            scale, below = _factor(right)
            shape = _division(below)
            if isinstance(shape, Ratio) and scale == whole > 0:
                return replace(shape, factor=factor * scale, rest=True)
            return None
        case Call("histogram_quantile", (Number(quantile), buckets)) if 0 < quantile < 1:
            selector = _buckets(buckets)
            return None if selector is None else Quantile(quantile, selector, factor)
        case _:
            shape = _division(inner)
            return None if shape is None else replace(shape, factor=shape.factor * factor)


def counter(expression: Expression | None, *, plain: bool = False) -> Selector | None:
    """The counter whose increase is taken: `sum(rate(x[5m]))`; with `plain` also `sum(x)` and `x` itself."""
    match None if expression is None else without_zero(expression):
        case Aggregate("sum", (inner,), None | ()):
            return counter(inner, plain=plain) if not isinstance(inner, Aggregate) else None
        case Call(name, (Selector() as selector,)) if name in _RATES and selector.window and not selector.shift:
            return selector.bare
        case Selector() as selector if plain and not selector.window and not selector.shift and selector.name:
            return selector
        case _:
            return None


def opposite(part: Selector, whole: Selector) -> Selector | None:
    """What of `whole` is not in `part`, where one matcher tells the two apart."""
    extra = [each for each in part.matchers if each not in whole.matchers]
    same = part.name == whole.name and all(each in part.matchers for each in whole.matchers)
    if not same or len(extra) != 1 or extra[0].label == "le":
        return None
    turned = replace(extra[0], operator=_OPPOSITES[extra[0].operator])
    return replace(part, matchers=tuple(turned if each is extra[0] else each for each in part.matchers))


def bucket_share(part: Selector, whole: Selector) -> tuple[Selector, Decimal] | None:
    """`x_bucket{le="0.4"}` of `x_count`: the histogram and the edge, or None."""
    edges = [each for each in part.matchers if each.label == "le" and each.operator == "="]
    if len(edges) != 1 or not part.name.endswith("_bucket"):
        return None
    rest = tuple(each for each in part.matchers if each is not edges[0])
    stem = part.name.removesuffix("_bucket")
    all_of_it = {each for each in whole.matchers if not (each.label == "le" and each.value == "+Inf")}
    if whole.name not in {f"{stem}_count", f"{stem}_bucket"} or all_of_it != set(rest):
        return None
    try:
        edge = Decimal(edges[0].value)
    except ArithmeticError:
        return None
    return (replace(part, matchers=rest), edge) if edge.is_finite() else None


def unit_of(name: str) -> Decimal | None:
    """Seconds that a metric's unit is, by its name; None where the name does not say."""
    parts = set(name.lower().split("_"))
    if parts & {"milliseconds", "millis", "msec", "ms"}:
        return Decimal("0.001")
    return Decimal(1) if parts & {"seconds", "sec"} else None


def without_zero(expression: Expression) -> Expression:
    """Without `or vector(0)`: what is missing is then missing."""
    match expression:
        case Binary("or", left, Call("vector", (Number(),))):
            return without_zero(left)
        case _:
            return expression


def zero_for_missing(expression: Expression) -> bool:
    """Whether `or vector(0)`, or the like, stands anywhere in it."""
    return any(
        isinstance(each, Binary)
        and each.operator == "or"
        and isinstance(each.right, Call)
        and each.right.name == "vector"
        for each in walk(expression)
    )


def _factor(expression: Expression) -> tuple[Decimal, Expression]:
    match expression:
        case Binary("*", left, Number(value), ""):
            factor, inner = _factor(left)
            return factor * value, inner
        case Binary("*", Number(value), right, ""):
            factor, inner = _factor(right)
            return factor * value, inner
        case Binary("/", left, Number(value), "") if value:
            factor, inner = _factor(left)
            return factor / value, inner
        case _:
            return _ONE, expression


def _division(expression: Expression) -> Ratio | Average | None:
    match expression:
        case Binary("/", top, bottom, ""):
            scale, top = _factor(without_zero(top))
            whole, part = counter(bottom), counter(top)
            if whole is not None and part is not None:
                stem = part.name.removesuffix("_sum")
                if part.name.endswith("_sum") and whole.name == f"{stem}_count":
                    return Average(part, whole, scale)
                return Ratio(part, whole, scale)
            match without_zero(top):
                case Binary("-", all_of_it, some, "") if counter(all_of_it) == whole and whole is not None:
                    part = counter(some)
                    return None if part is None else Ratio(part, whole, scale, rest=True)
                case _:
                    return None
        case _:
            return None


def _buckets(expression: Expression) -> Selector | None:
    """The histogram under `sum by (le) (rate(x_bucket[5m]))`, or under `rate(x_bucket[5m])` itself."""
    match expression:
        case Aggregate("sum", (Call() as inner,), ("le",), False):
            selector = counter(inner)
        case Call() as inner:
            selector = counter(inner)
        case Aggregate("sum", (Call() as inner,), None):  # a native histogram
            selector = counter(inner)
        case _:
            return None
    if selector is None or any(each.label == "le" for each in selector.matchers):
        return None
    return selector


def matcher(label: str, operator: str, value: str) -> Matcher:
    """A matcher of one's own; the value may hold no quote and no backslash."""
    return Matcher(label, operator, f'"{value}"')
