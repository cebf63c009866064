"""Argo Rollouts' conditions, e.g. `result[0] < 0.05 && len(result) > 0`, as far as they are plain comparisons.

Called by `argo`. The language is expr (https://expr-lang.org) with `asInt`, `asFloat`, `isNaN`, `isInf`, `isNil` and
`default`; whatever is more than comparisons, `&&`, `||` and `!` is not understood, and said to be so.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import product

from gitslo.core.imports.reading import number_of

__all__ = ["Condition", "Test", "negated", "parse_condition"]


@dataclass(frozen=True, slots=True)
class Test:
    """One comparison.

    Attributes:
        kind: `value`; `length` of the result; `missing`: it is NaN, infinite or nil; `is`: it equals a word.
        operator: `<`, `<=`, `==`, `!=`, `>=` or `>`; of `missing` and `is`: `==` or `!=`.
        value: what it is compared with.
        field: of a structured result, e.g. `data.ok`; empty: the result itself.
        word: of `is`: JSON's true or false, or a string in single quotes.
    """

    __test__ = False

    kind: str
    operator: str
    value: Decimal = Decimal(0)
    field: str = ""
    word: str = ""

    @property
    def guard(self) -> bool:
        """Whether it only asks if there is a result."""
        return self.kind in {"length", "missing"}


Condition = tuple[tuple[Test, ...], ...]
"""Groups of tests: all of one must hold, and one group is enough."""

_TOKEN = re.compile(
    r"\s*(?:(?P<number>[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?)|(?P<text>'[^']*'|\"[^\"]*\")"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*)|(?P<operator>&&|\|\||==|!=|<=|>=|[<>!()\[\].,-]))"
)
_TURNED = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "==": "==", "!=": "!="}
_OPPOSITES = {"<": ">=", ">=": "<", ">": "<=", "<=": ">", "==": "!=", "!=": "=="}
_MOST = 16


class _NotUnderstood(Exception):
    """More than comparisons."""


def parse_condition(text: str) -> Condition | None:
    """The condition, or None where it is not understood."""
    tokens: list[tuple[str, str]] = []
    at = 0
    while text[at:].strip():
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            return None
        tokens.append((match.lastgroup, match[match.lastgroup]))
        at = match.end()
    try:
        reader = _Reader(tokens)
        condition = reader.either()
    except _NotUnderstood:
        return None
    return condition if reader.done and len(condition) <= _MOST else None


def negated(condition: Condition) -> Condition:
    """When the condition does not hold."""
    turned = [tuple(replace(each, operator=_OPPOSITES[each.operator]) for each in group) for group in condition]
    return _simple(tuple(group) for group in product(*turned))


def _simple(groups: Iterable[tuple[Test, ...]]) -> Condition:
    return tuple(dict.fromkeys(tuple(dict.fromkeys(group)) for group in groups))


@dataclass(frozen=True, slots=True)
class _Side:
    """One side of a comparison."""

    kind: str
    number: Decimal = Decimal(0)
    field: str = ""
    word: str = ""


class _Reader:
    """Recursive descent; `||` binds least."""

    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self._tokens = tokens
        self._at = 0

    @property
    def done(self) -> bool:
        return self._at >= len(self._tokens)

    def either(self) -> Condition:
        found = self._both()
        while self._take("||", "or"):
            found = _simple((*found, *self._both()))
        return found

    def _both(self) -> Condition:
        found = self._one()
        while self._take("&&", "and"):
            other = self._one()
            if len(found) * len(other) > _MOST:
                raise _NotUnderstood
            found = _simple((*left, *right) for left, right in product(found, other))
        return found

    def _one(self) -> Condition:
        if self._take("!", "not"):
            return negated(self._one())
        if self._ahead() == "(":
            mark = self._at
            self._at += 1
            try:
                inside = self.either()
            except _NotUnderstood:
                self._at = mark
            else:
                if self._take(")") and self._ahead() not in _TURNED:
                    return inside
                self._at = mark
        return self._comparison()

    def _comparison(self) -> Condition:
        left = self._side()
        operator = self._ahead()
        if operator not in _TURNED:
            return ((_alone(left),),)
        self._at += 1
        right = self._side()
        if left.kind in {"number", "word"}:
            left, right, operator = right, left, _TURNED[operator]
        return ((_compared(left, operator, right),),)

    def _side(self) -> _Side:
        negative = self._take("-")
        kind, text = self._next()
        if kind == "number":
            number = number_of(text)
            assert number is not None  # noqa: S101 - the token is one
            return _Side("number", -number if negative else number)
        if negative:
            raise _NotUnderstood
        if kind == "text":
            return _Side("word", word=f"'{text[1:-1]}'")
        if text == "(":
            inside = self._side()
            self._expect(")")
            return inside
        if kind != "name":
            raise _NotUnderstood
        return self._named(text)

    def _named(self, name: str) -> _Side:
        match name:
            case "true" | "false":
                return _Side("word", word=name)
            case "result":
                return _Side("value", field=".".join(self._path()))
            case "asFloat" | "asInt":
                return self._call()
            case "default":
                self._expect("(")
                inside = self._side()
                self._expect(",")
                self._side()
                self._expect(")")
                return _Side("default", field=inside.field)
            case "len":
                return replace(self._call(), kind="length")
            case "isNaN" | "isInf" | "isNil":
                return replace(self._call(), kind="missing")
            case _:
                raise _NotUnderstood

    def _call(self) -> _Side:
        self._expect("(")
        inside = self._side()
        self._expect(")")
        if inside.kind != "value":
            raise _NotUnderstood
        return inside

    def _path(self) -> Iterable[str]:
        while self._ahead() in {"[", "."}:
            if self._take("."):
                yield self._next("name")[1]
                continue
            self._at += 1
            kind, text = self._next_any()
            if kind == "text":
                yield text[1:-1]
            elif text != "0":
                raise _NotUnderstood  # another series than the first
            self._expect("]")

    def _ahead(self) -> str:
        return "" if self.done else self._tokens[self._at][1]

    def _take(self, *texts: str) -> bool:
        if not self.done and self._tokens[self._at][0] != "text" and self._ahead() in texts:
            self._at += 1
            return True
        return False

    def _next_any(self) -> tuple[str, str]:
        if self.done:
            raise _NotUnderstood
        self._at += 1
        return self._tokens[self._at - 1]

    def _next(self, kind: str = "") -> tuple[str, str]:
        found = self._next_any()
        if kind and found[0] != kind:
            raise _NotUnderstood
        return found

    def _expect(self, text: str) -> None:
        if not self._take(text):
            raise _NotUnderstood


def _alone(side: _Side) -> Test:
    match side.kind:
        case "missing":
            return Test("missing", "==")
        case "value":
            return Test("is", "==", field=side.field, word="true")
        case _:
            raise _NotUnderstood


def _compared(left: _Side, operator: str, right: _Side) -> Test:
    match left.kind, right.kind:
        case "value", "number":
            return Test("value", operator, right.number, left.field)
        case "default", "number":
            return Test("default", operator, right.number, left.field)
        case "length", "number":
            return Test("length", operator, right.number)
        case "value", "word" if operator in {"==", "!="}:
            return Test("is", operator, field=left.field, word=right.word)
        case "missing", "word" if right.word in {"true", "false"} and operator in {"==", "!="}:
            return Test("missing", operator if right.word == "true" else _OPPOSITES[operator])
        case _:
            raise _NotUnderstood
