"""The `${...}` in the queries of metrics: a closed set, so what a query will say is known before it is sent.

    ${environment} ${service} ${stage} ${revision}      of the environment, and what is judged
    ${start} ${end}                                     the window, in seconds since the Unix epoch
    ${start_ms} ${end_ms}                               likewise in milliseconds
    ${start_rfc3339} ${end_rfc3339}                     likewise as RFC 3339 in UTC
    ${window}                                           its length in seconds

Called by the plan's parser (`check`), by `gitslo check` and by the adapters of metric sources (`times`, `render`). A
literal `${` is written `$${`, as in every other template of a plan. SQL has bound parameters instead
(`gitslo.core.sql_statement`): there no value can ever become part of the statement. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime

from gitslo.core.nearest import nearest
from gitslo.core.template import Template, TemplateFault, Variable, cut
from gitslo.errors import Problem, Refused

__all__ = [
    "FACTS",
    "TIMES",
    "check",
    "parse",
    "render",
    "stand_in",
    "times",
]

FACTS = ("environment", "service", "stage", "revision")
"""Variables whose values `MetricQuestion.variables` has."""
TIMES = ("start", "end", "start_ms", "end_ms", "start_rfc3339", "end_rfc3339", "window")
"""Variables that the window has; see `times`."""

_NAMES = frozenset({*FACTS, *TIMES})
_MILLISECONDS = 1000


def parse(text: str) -> Template[str]:
    """Cut a query at its variables.

    Raises:
        Refused: one is not closed, or is none of the set.
    """
    faults = check(text)
    if faults:
        raise Refused(Problem(faults[0].message, hint=faults[0].hint))
    pieces: list[str] = []
    holes: list[tuple[int, Variable]] = []
    for _, piece in cut(text):
        if isinstance(piece, Variable):
            holes.append((len(pieces), piece))
        pieces.append(piece if isinstance(piece, str) else "")
    return Template(tuple(pieces), tuple(holes), "" if holes else "".join(pieces))


def check(text: str) -> tuple[TemplateFault, ...]:
    """Everything that is wrong with a query's variables, in the order of the text."""
    return tuple(_faults(text))


def _faults(text: str) -> Iterator[TemplateFault]:
    for offset, piece in cut(text):
        if isinstance(piece, TemplateFault):
            yield piece
        elif isinstance(piece, Variable) and str(piece) not in _NAMES:
            name = str(piece)
            message = f"there is no variable `{name}` in queries" if name else "`${}` names no variable"
            yield TemplateFault(offset, message, nearest(name, (*FACTS, *TIMES)) or f"there is {_listed()}")


def _listed() -> str:
    return ", ".join(f"`{name}`" for name in (*FACTS, *TIMES))


def render(text: str, values: Mapping[str, str], *, written: Callable[[str], str] = str) -> str:
    """The query with these values.

    Args:
        text: what `check` finds nothing wrong with.
        values: by name; those of `times`, and those of FACTS that there are.
        written: how a value stands in this text, e.g. `in_json` or `in_path` of `gitslo.core.template`.

    Raises:
        Refused: it uses a variable that has no value here.
    """
    template = parse(text)
    for variable in sorted(map(str, template.variables())):
        if variable not in values:
            raise Refused(Problem(f"the query uses `${{{variable}}}`, and there is no {variable} here"))
    return template.render({variable: written(values[str(variable)]) for variable in template.variables()})


def times(start: float, end: float) -> dict[str, str]:
    """The values of TIMES for a window, to the millisecond.

    Args:
        start, end: seconds since the Unix epoch.
    """
    first, last = round(start * _MILLISECONDS), round(end * _MILLISECONDS)
    return {
        "start": _seconds(first),
        "end": _seconds(last),
        "start_ms": str(first),
        "end_ms": str(last),
        "start_rfc3339": _rfc3339(first),
        "end_rfc3339": _rfc3339(last),
        "window": _seconds(last - first),
    }


def stand_in(text: str) -> str:
    """The query with something harmless for each variable: to see whether it is one at all."""
    values = {**dict.fromkeys(FACTS, "x"), **times(1_000_000_000.0, 1_000_000_060.0)}
    return render(text, values)


def _seconds(milliseconds: int) -> str:
    whole, rest = divmod(milliseconds, _MILLISECONDS)
    return f"{whole}.{rest:03d}".rstrip("0") if rest else str(whole)


def _rfc3339(milliseconds: int) -> str:
    whole, rest = divmod(milliseconds, _MILLISECONDS)
    text = datetime.fromtimestamp(whole, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{rest:03d}Z" if rest else f"{text}Z"
