"""A plan as a tree with comments -> the text of `slo.yaml`.

Made by `gitslo.core.imports.draft`. Must stay true: what is written is read back as what was meant (strings in quotes
where YAML 1.1 or 1.2 would take them for something else), and comments are one line each.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gitslo.core.scalars import NewValue, plain_or_quoted

__all__ = ["Block", "Entry", "Flow", "Item", "Rows", "Word", "Written", "write"]


@dataclass(frozen=True, slots=True)
class Word:
    """A number, true or false: a scalar that is no string."""

    text: str


@dataclass(frozen=True, slots=True)
class Flow:
    """A mapping on one line: `{a: 1, b: 2}`."""

    entries: tuple[tuple[str, Written], ...]


@dataclass(frozen=True, slots=True)
class Rows:
    """A list on one line: `[a, b]`."""

    items: tuple[Written, ...]


@dataclass(frozen=True, slots=True)
class Item:
    """One item of a list on lines of its own, with the comments above it."""

    value: Written
    comments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Entry:
    """One field of a mapping on lines of its own, with the comments above it."""

    key: str
    value: Written | Block
    comments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Block:
    """A mapping or a list on lines of its own."""

    parts: tuple[Entry, ...] | tuple[Item, ...]


Written = str | Word | Flow | Rows


def write(plan: Block, comments: tuple[str, ...]) -> str:
    """The file."""
    head = [*_comments(comments, "")]
    return "".join(f"{line}\n" for line in [*head, *_block(plan, "")])


def _block(block: Block, indent: str) -> Iterator[str]:
    for part in block.parts:
        yield from _comments(part.comments, indent)
        match part:
            case Item(value):
                yield f"{indent}- {_inline(value, flow=False)}"
            case Entry(key, Block() as below):
                yield f"{indent}{_scalar(key, flow=False)}:"
                yield from _block(below, indent + "  ")
            case Entry(key, value):
                assert not isinstance(value, Block)  # noqa: S101 - the case above
                yield f"{indent}{_scalar(key, flow=False)}: {_inline(value, flow=False)}"


def _comments(comments: tuple[str, ...], indent: str) -> Iterator[str]:
    for comment in comments:
        yield from (f"{indent}# {line}".rstrip() for line in comment.splitlines() or [""])


def _inline(value: Written, *, flow: bool) -> str:
    match value:
        case Word(text):
            return text
        case Flow(entries):
            return (
                "{" + ", ".join(f"{_scalar(key, flow=True)}: {_inline(each, flow=True)}" for key, each in entries) + "}"
            )
        case Rows(items):
            return "[" + ", ".join(_inline(each, flow=True) for each in items) + "]"
        case _:
            return _scalar(value, flow=flow)


def _scalar(text: str, *, flow: bool) -> str:
    written = plain_or_quoted(NewValue(text), flow=flow)
    if written.startswith('"') and '"' in text and text.isprintable():
        return "'" + text.replace("'", "''") + "'"  # a query full of \\" is read by nobody
    return written
