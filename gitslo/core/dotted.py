"""Dotted paths into YAML: `image.tag`, `containers.0.image`, `annotations."example.com/version"`.

Called by `places`. Must stay true: a path finds one value or is refused with the nearest key; a key with a dot in it is
quoted, and digits are an index where a list stands and a key where a mapping does.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from gitslo.core.edit import Address, YamlFile
from gitslo.core.manifests import Path
from gitslo.core.nearest import nearest
from gitslo.core.yamlsafe import Mapping, Node, Scalar, Sequence
from gitslo.errors import Problem, Refused

__all__ = ["follow"]

_PART = re.compile(r"""(?:"((?:[^"\\]|\\.)*)"|'([^']*)'|\[([0-9]{1,6})\]|([^."'\[\]]+))""")


@dataclass(frozen=True, slots=True)
class _Part:
    text: str
    index: int | None
    only_index: bool = False


def follow(file: YamlFile, at: str) -> tuple[Address, Scalar]:
    """The value that `at` leads to in one of the file's documents.

    Raises:
        Refused: `at` is no path, leads nowhere, to more than one document's value, or to a list or mapping.
    """
    parts = _parts(at)
    found: list[tuple[Address, Scalar]] = []
    missed: list[Problem] = []
    for number, document in enumerate(file.documents):
        outcome = _descend(file, document, parts, at)
        if isinstance(outcome, Problem):
            missed.append(outcome)
        else:
            path, scalar = outcome
            found.append((Address(number, path), scalar))
    if len(found) > 1:
        lines = " and ".join(str((scalar.alias or scalar.start).line) for _, scalar in found)
        message = f"{at!r} is there in more than one document: lines {lines}"
        raise Refused(Problem(message, file=file.path, hint="give the value a file of its own"))
    if found:
        return found[0]
    if not missed:
        raise Refused(Problem(f"there is no {at!r}: the file is empty", file=file.path))
    raise Refused(*missed)


def _parts(at: str) -> list[_Part]:
    parts: list[_Part] = []
    position = 0
    while position < len(at) or not parts:
        if parts and at[position] == ".":
            position += 1
        elif parts and at[position] != "[":
            raise Refused(Problem(f"{at!r} is no path: a dot is missing before character {position + 1}"))
        match = _PART.match(at, position)
        if match is None:
            hint = 'quote a key with dots in it: annotations."example.com/version"'
            raise Refused(Problem(f"{at!r} is no path: a key is missing at character {position + 1}", hint=hint))
        double, single, bracketed, bare = match.groups()
        if bracketed is not None:
            parts.append(_Part(bracketed, int(bracketed), only_index=True))
        elif bare is not None:
            short = bare.isascii() and bare.isdigit() and len(bare) <= len("999999")
            parts.append(_Part(bare, int(bare) if short else None))
        else:
            parts.append(_Part(single if double is None else re.sub(r"\\(.)", r"\1", double), None))
        position = match.end()
    return parts


def _descend(file: YamlFile, document: Node, parts: list[_Part], at: str) -> tuple[Path, Scalar] | Problem:
    node = document
    way: list[str | int] = []
    for part in parts:
        below: Node | None = None
        known: list[str] = []
        step: str | int = part.text
        if isinstance(node, Mapping):
            below = None if part.only_index else node.get(part.text)
            known = [key.value for key, _ in node.entries]
        elif isinstance(node, Sequence):
            if part.index is not None and part.index < len(node.items):
                step, below = part.index, node.items[part.index]
            known = [str(index) for index in range(len(node.items))]
        if below is None:
            message = f"there is no {at!r}: {part.text!r} is not here"
            return file.at(node.alias or node.start).problem(message, nearest(part.text, known))
        way.append(step)
        node = below
    if not isinstance(node, Scalar):
        kind = "list" if isinstance(node, Sequence) else "mapping"
        return file.at(node.alias or node.start).problem(f"{at!r} is a {kind} and a single value is expected")
    return tuple(way), node
