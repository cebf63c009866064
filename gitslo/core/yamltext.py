"""Bytes -> printable text, before any parser sees it, and how much of it is read. Used by `gitslo.core.yamlsafe`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from gitslo.core.yamlnodes import Mark
from gitslo.errors import Problem, Refused

__all__ = [
    "BANNED",
    "CONTRACT",
    "MANIFEST",
    "PIPELINE",
    "Budget",
    "decode",
    "in_words",
    "mark_at",
    "not_printable",
]


@dataclass(frozen=True, slots=True)
class Budget:
    """How much one file may weigh.

    Attributes:
        bytes: of the file; also bounds the text that aliases unfold to, at four times this.
        depth: of nested lists and mappings; aliases count with the depth of what they stand for.
        nodes: lists, mappings, keys, values and documents; an alias counts as all that it stands for, each time.
        aliases: whether anchors, aliases and merge keys are understood at all.
        documents: whether several documents are.
    """

    bytes: int
    depth: int
    nodes: int
    aliases: bool
    documents: bool


CONTRACT = Budget(bytes=256 * 1024, depth=32, nodes=20_000, aliases=False, documents=False)
PIPELINE = Budget(bytes=1024 * 1024, depth=32, nodes=100_000, aliases=False, documents=False)
MANIFEST = Budget(bytes=256 * 1024, depth=32, nodes=20_000, aliases=True, documents=True)

BANNED = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f"  # control characters
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # CVE-2021-42574: text that reads otherwise than it is
    "\u200b\u2028\u2029\u2060-\u2064\ufeff\ufff9-\ufffb"  # invisible, or line ends to some and not to others
    "\ud800-\udfff\ufffe\uffff"
    "\U000e0000-\U000e007f]"  # invisible tag characters
)


def decode(data: bytes, file: str, largest: int) -> str:
    """The text of a file of at most `largest` bytes; what is invisible or rearranges text is refused with its place."""
    if len(data) > largest:
        raise Refused(Problem(f"the file has {len(data)} bytes, at most {largest} are read", file=file))
    if data.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        message = "the file starts with a byte order mark"
        raise Refused(Problem(message, file=file, line=1, column=1, hint="save it as UTF-8 without one"))
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8")
        mark = mark_at(before, len(before))
        message = f"byte 0x{data[error.start]:02x} is no UTF-8"
        raise Refused(
            Problem(message, file=file, line=mark.line, column=mark.column, hint="save the file as UTF-8")
        ) from None
    banned = BANNED.search(text)
    if banned is not None:
        mark = mark_at(text, banned.start())
        raise Refused(Problem(not_printable(banned.group()), file=file, line=mark.line, column=mark.column))
    return text


def mark_at(text: str, offset: int) -> Mark:
    """The line and column of an offset; CRLF, LF and CR each end a line, as in YAML."""
    before = text[:offset]
    breaks = list(re.finditer(r"\r\n|\r|\n", before))
    return Mark(len(breaks) + 1, offset - (breaks[-1].end() if breaks else 0) + 1, offset)


def not_printable(character: str) -> str:
    """What is said about a character of BANNED."""
    return f"the character U+{ord(character):04X} is not printable text"


_IN_WORDS = (
    ("'\\t'", "a tab cannot start anything here", "indent with spaces, YAML knows no tabs"),
    ("expected '<document start>'", "this belongs to nothing above it", "check the quotes and the indentation above"),
    ("mapping values are not", "a `:` cannot stand here", "quote a value that holds `: `; check the indentation"),
    ("expected ',' or ']'", "a `,` or the closing `]` is missing before this", ""),
    ("expected ',' or '}'", "a `,` or the closing `}` is missing before this", ""),
    ("tags (`!...`)", "tags (`!...`) are not allowed", "quote it if it is text"),
    ("could not find expected ':'", "a key without its `:`", "write `key: value`"),
    ("expected <block end>", "the indentation fits nothing above it", "align it with the lines it belongs to"),
    ("that cannot start any token", "a value cannot start with this character", "quote the value"),
)
"""What the parser says -> what a person is told, and a hint."""


def in_words(problem: str) -> tuple[str, str]:
    """A parser's complaint as a person is told it, and a hint."""
    return next(((said, hint) for part, said, hint in _IN_WORDS if part in problem), (problem, ""))
