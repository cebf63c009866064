"""PromQL expressions as a tree, as far as imports must understand them.

Called by `gitslo.core.imports.queries`. Must stay true: `parse` reads an expression whole or gives None, it never
guesses; selectors are written back with the very quotes they had. The grammar and the precedences are those of
https://prometheus.io/docs/prometheus/latest/querying/operators/ (Prometheus 3).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TypeVar

__all__ = [
    "Aggregate",
    "Binary",
    "Call",
    "Expression",
    "Matcher",
    "Number",
    "Selector",
    "Subquery",
    "Text",
    "Unary",
    "parse",
    "seconds",
    "walk",
]


@dataclass(frozen=True, slots=True)
class Number:
    """A literal number."""

    value: Decimal


@dataclass(frozen=True, slots=True)
class Text:
    """A literal string, with its quotes."""

    quoted: str


@dataclass(frozen=True, slots=True)
class Matcher:
    """`label="value"`; the value with its quotes."""

    label: str
    operator: str
    quoted: str

    def __str__(self) -> str:
        return f"{self.label}{self.operator}{self.quoted}"

    @property
    def value(self) -> str:
        """The value without its quotes; escapes stay."""
        return self.quoted[1:-1]


@dataclass(frozen=True, slots=True)
class Selector:
    """`name{matchers}`; `window` is what stands in `[...]`, `shift` are `offset` and `@`."""

    name: str
    matchers: tuple[Matcher, ...] = ()
    window: str = ""
    shift: str = ""

    def __str__(self) -> str:
        inside = ",".join(str(each) for each in self.matchers)
        return f"{self.name}{{{inside}}}" if inside else self.name

    @property
    def bare(self) -> Selector:
        """Without its window."""
        return replace(self, window="")


@dataclass(frozen=True, slots=True)
class Call:
    """`function(arguments)`."""

    name: str
    arguments: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Aggregate:
    """`sum by (labels) (...)`; `by` is None where nothing is said."""

    name: str
    arguments: tuple[Expression, ...]
    by: tuple[str, ...] | None = None
    without: bool = False


@dataclass(frozen=True, slots=True)
class Unary:
    """`-x` and `+x`."""

    operator: str
    operand: Expression


@dataclass(frozen=True, slots=True)
class Binary:
    """`left operator right`; `matching` is what `on`, `ignoring` and the like say."""

    operator: str
    left: Expression
    right: Expression
    matching: str = ""


@dataclass(frozen=True, slots=True)
class Subquery:
    """`expression[range:resolution]`."""

    operand: Expression
    window: str


Expression = Number | Text | Selector | Call | Aggregate | Unary | Binary | Subquery

_AGGREGATES = frozenset(
    [
        "sum",
        "min",
        "max",
        "avg",
        "group",
        "stddev",
        "stdvar",
        "count",
        "count_values",
        "bottomk",
        "topk",
        "quantile",
        "limitk",
        "limit_ratio",
    ]
)
_LEVELS: tuple[frozenset[str], ...] = (
    frozenset({"or"}),
    frozenset({"and", "unless"}),
    frozenset({"==", "!=", "<=", "<", ">=", ">"}),
    frozenset({"+", "-"}),
    frozenset({"*", "/", "%", "atan2"}),
)
_TOKEN = re.compile(
    r"""
    (?P<space>(?:\s+|\#[^\n]*)+)
  | (?P<number>0x[0-9a-fA-F]+|(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?(?![a-zA-Z_0-9]))
  | (?P<duration>(?:[0-9]+(?:ms|[smhdwy]))+)
  | (?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)
  | (?P<text>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`[^`]*`)
  | (?P<window>\[[^\[\]]*\])
  | (?P<operator>=~|!~|==|!=|<=|>=|[-+*/%^<>=@(){},])
    """,
    re.VERBOSE,
)
_DURATION = re.compile(r"([0-9]+)(ms|[smhdwy])")
_SECONDS = {"ms": "0.001", "s": "1", "m": "60", "h": "3600", "d": "86400", "w": "604800", "y": "31536000"}
_DEEPEST = 64

T = TypeVar("T")


def seconds(text: str) -> float | None:
    """`5m`, `1h30m` -> seconds; None for anything else, such as a placeholder."""
    if not text or _DURATION.sub("", text):
        return None
    return float(sum(Decimal(number) * Decimal(_SECONDS[unit]) for number, unit in _DURATION.findall(text)))


def parse(text: str) -> Expression | None:
    """The expression, or None where it is no PromQL that is understood here."""
    try:
        reader = _Reader(tuple(_tokens(text)))
        expression = reader.expression(0)
    except _NotUnderstood:
        return None
    return expression if reader.done else None


def walk(expression: Expression) -> Iterator[Expression]:
    """The expression and all in it."""
    yield expression
    match expression:
        case Call(_, arguments) | Aggregate(_, arguments):
            for each in arguments:
                yield from walk(each)
        case Binary(_, left, right):
            yield from walk(left)
            yield from walk(right)
        case Unary(_, operand) | Subquery(operand):
            yield from walk(operand)
        case _:
            return


class _NotUnderstood(Exception):
    """It is no PromQL, or none that this file knows."""


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str


def _tokens(text: str) -> Iterator[_Token]:
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            raise _NotUnderstood
        if match.lastgroup != "space":
            yield _Token(match.lastgroup, match.group())
        at = match.end()


class _Reader:
    """Recursive descent over the tokens."""

    def __init__(self, tokens: tuple[_Token, ...]) -> None:
        self._tokens = tokens
        self._at = 0
        self._depth = 0

    @property
    def done(self) -> bool:
        return self._at >= len(self._tokens)

    def expression(self, level: int) -> Expression:
        """Operators of this level and all that bind closer."""
        if level == len(_LEVELS):
            return self._unary()
        left = self.expression(level + 1)
        while (operator := self._ahead().text.lower()) in _LEVELS[level] and self._ahead().kind in {"operator", "name"}:
            self._next()
            matching = " ".join(self._matching())
            left = Binary(operator, left, self.expression(level + 1), matching)
        return left

    def _matching(self) -> Iterator[str]:
        while self._ahead().text.lower() in {"bool", "on", "ignoring", "group_left", "group_right"}:
            word = self._next().text.lower()
            labels = self._labels() if self._ahead().text == "(" and word != "bool" else None
            yield word if labels is None else f"{word}({','.join(labels)})"

    def _unary(self) -> Expression:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise _NotUnderstood
        if self._ahead().text in {"-", "+"}:
            found: Expression = Unary(self._next().text, self._unary())
        else:
            found = self._postfix(self._primary())
            if self._ahead().text == "^":
                self._next()
                found = Binary("^", found, self._unary())
        self._depth -= 1
        return found

    def _postfix(self, found: Expression) -> Expression:
        while True:
            token = self._ahead()
            if token.kind == "window":
                self._next()
                inside = token.text[1:-1].strip()
                if ":" in inside and isinstance(found, Selector | Call | Aggregate | Binary | Unary):
                    found = Subquery(found, inside)
                elif isinstance(found, Selector) and not found.window:
                    found = replace(found, window=inside)
                else:
                    raise _NotUnderstood
            elif token.text.lower() == "offset" or token.text == "@":
                if not isinstance(found, Selector | Subquery):
                    raise _NotUnderstood
                shift = self._shift()
                found = replace(found, shift=f"{found.shift} {shift}".strip()) if isinstance(found, Selector) else found
            else:
                return found

    def _shift(self) -> str:
        word = self._next().text
        sign = self._next().text if self._ahead().text in {"-", "+"} else ""
        value = self._next().text
        if self._ahead().text == "(":  # `@ start()`
            self._next()
            self._expect(")")
            value += "()"
        return f"{word} {sign}{value}"

    def _primary(self) -> Expression:
        token = self._next()
        match token.kind:
            case "number":
                return Number(Decimal(int(token.text, 16)) if token.text[:2] == "0x" else Decimal(token.text))
            case "text":
                return Text(token.text)
            case "name":
                return self._named(token.text)
            case _:
                pass
        if token.text == "(":
            inside = self.expression(0)
            self._expect(")")
            return inside
        if token.text == "{":
            return Selector("", tuple(self._matchers()))
        raise _NotUnderstood

    def _named(self, name: str) -> Expression:
        word = name.lower()
        if word in {"inf", "nan"}:
            raise _NotUnderstood
        if word in _AGGREGATES and self._ahead().text.lower() in {"(", "by", "without"}:
            return self._aggregate(word)
        if self._ahead().text == "(":
            return Call(word, self._arguments())
        if self._ahead().text == "{":
            self._next()
            return Selector(name, tuple(self._matchers()))
        return Selector(name)

    def _aggregate(self, name: str) -> Aggregate:
        clause = self._clause()
        arguments = self._arguments()
        by, without = clause or self._clause() or (None, False)
        return Aggregate(name, arguments, by, without)

    def _clause(self) -> tuple[tuple[str, ...], bool] | None:
        if self._ahead().text.lower() not in {"by", "without"}:
            return None
        without = self._next().text.lower() == "without"
        return self._labels(), without

    def _labels(self) -> tuple[str, ...]:
        self._expect("(")
        return tuple(self._listed(")", lambda: self._next("name").text))

    def _arguments(self) -> tuple[Expression, ...]:
        self._expect("(")
        return tuple(self._listed(")", lambda: self.expression(0)))

    def _matchers(self) -> Iterator[Matcher]:
        yield from self._listed("}", self._matcher)

    def _matcher(self) -> Matcher:
        label = self._next("name").text
        operator = self._next("operator").text
        if operator not in {"=", "!=", "=~", "!~"}:
            raise _NotUnderstood
        return Matcher(label, operator, self._next("text").text)

    def _listed(self, end: str, one: Callable[[], T]) -> Iterator[T]:
        while self._ahead().text != end:
            yield one()
            if self._ahead().text != ",":
                break
            self._next()
        self._expect(end)

    def _ahead(self) -> _Token:
        return self._tokens[self._at] if not self.done else _Token("end", "")

    def _next(self, kind: str = "") -> _Token:
        token = self._ahead()
        if self.done or (kind and token.kind != kind):
            raise _NotUnderstood
        self._at += 1
        return token

    def _expect(self, text: str) -> None:
        if self._next().text != text:
            raise _NotUnderstood
