"""One SQL statement of a plan: what it may hold, and where its parameters stand.

Called by the plan's parser (`faults`) and by the SQL source (`parse`). What must stay true: a value never becomes part
of the text, and a text with a second statement in it never goes to a database, whatever that database takes for a
literal or a comment: so a `;` is not understood, none may stand anywhere but at the end. Only parameters are looked for
outside of literals and comments; a wrong guess there ends in an error of the database.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from gitslo.core.nearest import nearest
from gitslo.errors import Problem, Refused

__all__ = ["PARAMETERS", "SqlFault", "SqlStatement", "faults", "parse"]

PARAMETERS: Mapping[str, str] = {
    "start": "the window's first moment, a timestamp with time zone",
    "end": "the moment after its last, a timestamp with time zone",
    "start_epoch": "`start` in seconds since the Unix epoch",
    "end_epoch": "`end` in seconds since the Unix epoch",
    "revision": "the commit that is judged",
    "environment": "the environment's name",
    "service": "its service",
    "stage": "its stage",
}
"""What `:name` may stand for."""

_READS = ("select", "with", "values", "table")
"""What a statement may begin with: the database refuses writing too, but not each one refuses everything else."""

_TEXTS = r"--[^\n]*|/\*.*?\*/|\$(?P<tag>\w*)\$.*?\$(?P=tag)\$|\"(?:[^\"]|\"\")*\"|`[^`]*`|[eE]'(?:[^'\\]|\\.|'')*'"
_PARAMETER = r"(?<![\w:\\]):(?P<name>[A-Za-z_]\w*)"
_STANDARD = re.compile(rf"(?P<text>{_TEXTS}|'(?:[^']|'')*')|{_PARAMETER}", re.DOTALL)
_BACKSLASH = re.compile(rf"(?P<text>{_TEXTS}|'(?:[^'\\]|\\.|'')*')|{_PARAMETER}", re.DOTALL)
_COMMENT = re.compile(r"--[^\n]*(?:\n|$)|/\*.*?\*/", re.DOTALL)
_WORD = re.compile(r"[A-Za-z_]+")
_RUN_COMMENT = re.compile(r"/\*M?!")
_FILE = re.compile(r"\b(?:outfile|dumpfile)\b", re.IGNORECASE)
_QUOTED = re.compile(rf"'\s*:({'|'.join(PARAMETERS)})\s*'")


@dataclass(frozen=True, slots=True)
class SqlFault:
    """What is wrong with a statement.

    Attributes:
        offset: the character at which it is, from 0.
        message, hint: as in `Problem`.
    """

    offset: int
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class SqlStatement:
    """A statement cut at its parameters.

    Attributes:
        pieces: text and, after each piece but the last, the parameter that stands there.
    """

    pieces: tuple[tuple[str, str], ...]

    @property
    def parameters(self) -> frozenset[str]:
        """The names it uses."""
        return frozenset(name for _, name in self.pieces if name)


def parse(text: str, *, backslash: bool = False) -> SqlStatement:
    """Cut a statement at its parameters.

    Args:
        text: as the plan has it.
        backslash: whether a backslash in a literal takes the next character's meaning away, as in MySQL.

    Raises:
        Refused: all that `faults` finds.
    """
    found = faults(text, backslash=backslash)
    if found:
        raise Refused(*(Problem(fault.message, hint=fault.hint) for fault in found))
    text = _without_end(text)
    pieces: list[tuple[str, str]] = []
    at = 0
    for match in _parameters(text, backslash=backslash):
        pieces.append((text[at : match.start()], match["name"]))
        at = match.end()
    return SqlStatement((*pieces, (text[at:], "")))


def faults(text: str, *, backslash: bool = False) -> tuple[SqlFault, ...]:
    """Everything that is wrong with a statement, as far as a look at it tells."""
    found = (*_unfit(text), *_unknown(text, backslash=backslash))
    return tuple(sorted(found, key=lambda fault: fault.offset))


def _unfit(text: str) -> Iterator[SqlFault]:
    bare = _COMMENT.sub(lambda match: " " * len(match[0]), text)
    first = _WORD.search(bare)
    if first is None:
        yield SqlFault(0, "there is no SQL statement")
        return
    if first[0].lower() not in _READS or bare[: first.start()].strip(" \t\r\n("):
        at = first.start()
        yield SqlFault(at, "a metric's statement reads: it begins with SELECT, WITH, VALUES or TABLE")
    end = _without_end(text)
    if ";" in end:
        hint = (
            "remove what follows; a `;` within a text is written as a function: chr(59), in MySQL and SQLite char(59)"
        )
        yield SqlFault(end.index(";"), "there is one statement, so no `;` before its end", hint)
    if "\0" in text:
        yield SqlFault(text.index("\0"), "a statement holds no NUL character")
    if "${" in text:
        yield SqlFault(text.index("${"), "SQL has parameters, not `${...}`", f"write one of {_all_parameters()}")
    for pattern, message in (
        (_RUN_COMMENT, "a comment that MySQL runs has no place here"),
        (_FILE, "a metric's statement writes no file"),
    ):
        match = pattern.search(text)
        if match is not None:
            yield SqlFault(match.start(), message)


def _unknown(text: str, *, backslash: bool) -> Iterator[SqlFault]:
    for match in _QUOTED.finditer(text):
        yield SqlFault(match.start(), f"`:{match[1]}` in quotes is a text", "a parameter stands without quotes")
    for match in _parameters(text, backslash=backslash):
        if match["name"] not in PARAMETERS:
            hint = nearest(match["name"], PARAMETERS) or f"there are {_all_parameters()}"
            yield SqlFault(match.start(), f"there is no parameter `:{match['name']}`", hint)


def _parameters(text: str, *, backslash: bool) -> Iterator[re.Match[str]]:
    for match in (_BACKSLASH if backslash else _STANDARD).finditer(text):
        if match["name"] is not None:
            yield match


def _without_end(text: str) -> str:
    return text.rstrip().removesuffix(";").rstrip()


def _all_parameters() -> str:
    return ", ".join(f"`:{name}`" for name in PARAMETERS)
