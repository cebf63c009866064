"""PromQL selectors: what a counter or a histogram is named by, and nothing that computes. Pure.

Called by `gitslo.adapters.prometheus_source`, and where a plan's queries are checked. A ratio is made of selectors,
because gitslo differences the raw samples itself: `rate`, `increase` and `sum` would hide resets, holes and new series.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from gitslo.errors import Problem, Refused

__all__ = ["Selector", "escaped_regex", "find_selector", "parse_selector", "quoted"]

_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_TEXT = r"(?:\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'|`[^`]*`)"
_LABEL = rf"(?:[a-zA-Z_][a-zA-Z0-9_]*|{_TEXT})"
_MATCHER = rf"{_LABEL}\s*(?:=~|!~|!=|=)\s*{_TEXT}"
_PART = rf"(?:{_MATCHER}|{_TEXT})"
_BRACES = rf"\{{\s*(?:{_PART}(?:\s*,\s*{_PART})*)?\s*,?\s*\}}"
_SELECTOR = re.compile(rf"({_NAME})?\s*({_BRACES})?")
_LE = re.compile(r"(?:\A|[,{\s])le\s*(?:=~|!~|!=|=)")
_CALL = re.compile(rf"\A\s*({_NAME})\s*(?:by|without|\()")
_WORDS = frozenset({"and", "or", "unless", "by", "without", "on", "ignoring", "offset", "bool", "nan", "inf"})
_REGEX = re.compile(r"([\\.+*?()|\[\]{}^$])")


@dataclass(frozen=True, slots=True)
class Selector:
    """An instant vector selector.

    Attributes:
        text: as it is written, without blanks around it.
        name: the metric's name; empty where only labels select.
        by_edge: it selects by `le`, the edge of a histogram's buckets.
    """

    text: str
    name: str
    by_edge: bool


def find_selector(text: str) -> Selector | None:
    """The selector, where the query is nothing but one."""
    bare = text.strip()
    match = _SELECTOR.fullmatch(bare)
    if match is None or not bare or (match[1] or "").lower() in _WORDS:
        return None
    braces = match[2] or ""
    if not match[1] and not re.search(_PART, braces):
        return None
    return Selector(bare, match[1] or "", bool(_LE.search(re.sub(_TEXT, '""', braces))))


def parse_selector(text: str, role: str) -> Selector:
    """The query, which has to be a selector.

    Args:
        text: the query.
        role: what it is for, for the message, e.g. `bad`.

    Raises:
        Refused: it is something else.
    """
    found = find_selector(text)
    if found is not None:
        return found
    call = _CALL.match(text)
    said = f"`{role}` computes with `{call[1]}`" if call else f"`{role}` is no selector of counters"
    hint = 'give the counters themselves, e.g. `http_requests_total{code=~"5.."}`: they are differenced and summed here'
    raise Refused(Problem(f"{said}, and it needs to name counters", hint=hint))


def quoted(text: str) -> str:
    """A PromQL string."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def escaped_regex(text: str) -> str:
    """A regular expression (RE2) that matches this text alone."""
    return _REGEX.sub(r"\\\1", text)
