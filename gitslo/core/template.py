"""Text with variables in it: what a request says that is different each time.

    template := { text | "$$" | "${" variable "}" }         ("$$" only in front of "{" or of more "$" and then "{")
    variable := "uuid" | "seq" | "timestamp" | "timestamp_ms" | "env." NAME | FEEDER "." COLUMN

So `$${` stands for a literal `${`, `$$${seq}` for a `$` and a number, and a `$` before anything else is itself. Bytes
that are no UTF-8 are no text, so no template either: whatever is in them is constant. Called by the plan's parser
(`check`) and by the load's workers (`parse`, then `Template.render`). Pure: where values come from is the caller's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import AnyStr, Generic

from gitslo.core.nearest import nearest
from gitslo.errors import Problem, Refused

__all__ = [
    "BUILT_IN",
    "ENVIRONMENT",
    "Template",
    "TemplateFault",
    "Variable",
    "check",
    "cut",
    "in_json",
    "in_path",
    "parse",
]

BUILT_IN = ("uuid", "seq", "timestamp", "timestamp_ms")
"""Variables that need nothing: a random UUID (version 4), a number that no other request of the run has, the time."""
ENVIRONMENT = "env"
"""The group of the operator's variables: no feeder may have this name."""
_LONGEST = 200
"""Characters of a variable's name."""
_OPENING = re.compile(r"(\$+)\{")
_NAME = re.compile(r"([^{}\r\n]*)\}")


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable.

    Attributes:
        group: empty for those built in, `env`, or a feeder's name.
        name: within the group.
    """

    group: str
    name: str

    def __str__(self) -> str:
        """As it is written between the braces."""
        return f"{self.group}.{self.name}" if self.group else self.name


@dataclass(frozen=True, slots=True)
class TemplateFault:
    """What is wrong with a template.

    Attributes:
        offset: the character (of bytes: the byte) at which it is, from 0.
        message, hint: as in `Problem`.
    """

    offset: int
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Template(Generic[AnyStr]):
    """A text, or bytes, cut at its variables.

    Attributes:
        pieces: constant parts and, at the places of `holes`, empty ones.
        holes: (index in `pieces`, the variable whose value belongs there), in order.
        constant: the whole text, where nothing varies; otherwise empty.
    """

    pieces: tuple[AnyStr, ...]
    holes: tuple[tuple[int, Variable], ...]
    constant: AnyStr

    def variables(self) -> frozenset[Variable]:
        """Every variable in it."""
        return frozenset(variable for _, variable in self.holes)

    @property
    def varies(self) -> bool:
        """Whether there is one."""
        return bool(self.holes)

    def render(self, values: Mapping[Variable, AnyStr]) -> AnyStr:
        """The text with these values; each of `variables` must be among them."""
        if not self.holes:
            return self.constant
        pieces = list(self.pieces)
        for index, variable in self.holes:
            pieces[index] = values[variable]
        return pieces[0][:0].join(pieces)


def parse(text: AnyStr) -> Template[AnyStr]:
    """Cut a text at its variables. That feeders and the environment have them is for `check` to say.

    Raises:
        Refused: a variable is not closed, or is none.
    """
    found: list[str] = []
    holes: list[tuple[int, Variable]] = []
    for offset, piece in _pieces(text):
        if isinstance(piece, str):
            found.append(piece)
            continue
        if isinstance(piece, TemplateFault):
            raise _refused(piece)
        fault = _fault(offset, piece, None, None)
        if fault is not None:
            raise _refused(fault)
        holes.append((len(found), piece))
        found.append("")
    pieces = tuple(_like(text, piece) for piece in found)
    return Template(pieces, tuple(holes), text[:0] if holes else text[:0].join(pieces))


def check(
    text: str | bytes, feeders: Mapping[str, Collection[str]], environment: Collection[str] | None = None
) -> tuple[TemplateFault, ...]:
    """Everything that is wrong with a template, in the order of the text.

    Args:
        text: the template.
        feeders: name -> columns.
        environment: the operator's variables; None: not known here, so any name may be one.
    """
    found = (
        _fault(offset, piece, feeders, environment) if isinstance(piece, Variable) else piece
        for offset, piece in _pieces(text)
    )
    return tuple(fault for fault in found if isinstance(fault, TemplateFault))


def in_json(value: str) -> str:
    """A value as it stands between the quotes of a JSON string; a number is itself."""
    return json.dumps(value, ensure_ascii=False)[1:-1]


_NOT_IN_PATHS = re.compile(r"[^!-~]|#")


def in_path(value: str) -> str:
    """A value as it stands in a path: what neither path nor query can hold is escaped, the rest the author escapes."""
    return _NOT_IN_PATHS.sub(lambda match: "".join(f"%{byte:02X}" for byte in match[0].encode()), value)


def _pieces(text: str | bytes) -> Iterator[tuple[int, str | Variable | TemplateFault]]:
    """`cut`, of bytes by bytes."""
    if isinstance(text, str):
        return cut(text)
    # Latin-1: one character a byte, there and back, so that offsets stay and every byte passes unharmed.
    readable = text.decode("latin-1")
    try:
        text.decode()
    except UnicodeDecodeError:
        return iter([(0, readable)])
    return cut(readable)


def _like(text: AnyStr, piece: str) -> AnyStr:
    return piece.encode("latin-1") if isinstance(text, bytes) else piece


def cut(text: str) -> Iterator[tuple[int, str | Variable | TemplateFault]]:
    """The parts of a text and where they begin; no two texts follow each other."""
    at, constant, began = 0, "", 0
    for match in _OPENING.finditer(text):
        if match.start() < at:
            continue
        dollars = len(match[1])
        constant += text[at : match.start()] + "$" * (dollars // 2)
        at = match.end()
        if dollars % 2 == 0:
            constant += "{"
            continue
        if constant:
            yield began, constant
        name = _NAME.match(text, at)
        yield _variable(at, name)
        constant, at = "", at if name is None else name.end()
        began = at
    constant += text[at:]
    if constant or not at:
        yield began, constant


def _variable(offset: int, match: re.Match[str] | None) -> tuple[int, Variable | TemplateFault]:
    """What begins behind an opening, and where that is."""
    if match is None:
        return offset - 2, TemplateFault(offset - 2, "`${` is not closed", "a literal `${` is written `$${`")
    name = match[1]
    if len(name) > _LONGEST:
        return offset, TemplateFault(offset, f"a variable's name has at most {_LONGEST} characters")
    group, dot, rest = name.partition(".")
    return offset, Variable(group, rest) if dot and group and rest else Variable("", name)


def _fault(
    offset: int, variable: Variable, feeders: Mapping[str, Collection[str]] | None, environment: Collection[str] | None
) -> TemplateFault | None:
    """What is wrong with a variable, as far as is known what there is."""
    group, name = variable.group, variable.name
    inner = offset + len(group) + 1
    if group == ENVIRONMENT:
        if environment is None or name in environment:
            return None
        hint = nearest(name, environment) or "the operator's file says which are allowed"
        return TemplateFault(inner, f"the operator allows no environment variable `{name}`", hint)
    if name in BUILT_IN if not group else feeders is None or name in feeders.get(group, ()):
        return None
    feeders = feeders or {}
    if group in feeders:
        return TemplateFault(inner, f"the data `{group}` has no column `{name}`", nearest(name, feeders[group]))
    known = [*BUILT_IN, *(f"{feeder}.{column}" for feeder, columns in feeders.items() for column in columns)]
    message = f"there is no variable `{variable}`" if name else "`${}` names no variable"
    return TemplateFault(offset, message, nearest(str(variable), known))


def _refused(fault: TemplateFault) -> Refused:
    return Refused(Problem(fault.message, hint=fault.hint))
