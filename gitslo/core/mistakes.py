"""Where a document does not follow its schema, in words that its author understands.

Called by `gitslo.core.schema`, which knows the validator; nothing here does. No `anyOf` is told as such, but the one
alternative that the author most likely meant.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from gitslo.core.nearest import nearest
from gitslo.core.yamlnodes import pointer_to

__all__ = ["LATER", "Fault", "Mistake", "tell", "words"]

LATER = "not in this version"

Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Fault:
    """What a validator complains about.

    Attributes:
        keyword: the schema keyword that does not hold, e.g. `required`.
        limit: its value.
        schema: the subschema that has it.
        value: the part of the document.
        pointer: where that stands.
        own: it is about the value itself, not about something in it (alternatives only).
        name: the value is a key of the mapping at `pointer`.
        branch: which alternative of the enclosing `anyOf` it belongs to.
        context: what is wrong with the alternatives of an `anyOf`.
    """

    keyword: str
    limit: Any
    schema: Schema
    value: Any
    pointer: str
    own: bool
    name: bool
    branch: int
    context: tuple[Fault, ...]


@dataclass(frozen=True, slots=True)
class Mistake:
    """One place where a document does not follow its schema.

    Attributes:
        pointer: JSON pointer of the value (of the mapping where a field is missing).
        message, hint: as in `Problem`.
        on_key: it is the key that is wrong, not its value.
    """

    pointer: str
    message: str
    hint: str = ""
    on_key: bool = False


def tell(fault: Fault, definitions: Mapping[str, Schema], known: frozenset[str] = frozenset()) -> Iterator[Mistake]:
    """What a person is told about a fault.

    Args:
        fault: of any depth.
        definitions: the schema's `$defs`.
        known: fields of the alternatives that were not chosen.
    """
    match fault.keyword:
        case "anyOf":
            yield from _alternatives(fault, definitions)
        case "additionalProperties":
            yield from _unknown(fault, known)
        case "required":
            yield from _missing(fault, definitions)
        case "not":
            yield Mistake(fault.pointer, f"{fault.schema['title']}: {LATER}", on_key=True)
        case "enum":
            yield _choice(fault)
        case _:
            yield _value(fault)


def _value(fault: Fault) -> Mistake:
    """A scalar, a list or a key that is not as it should be."""
    title, found = _expected(fault.schema, examples=False), _shown(fault.schema, fault.value)
    if fault.name:
        where = fault.pointer + pointer_to(str(fault.value))
        return Mistake(where, f"expected {_expected(fault.schema)}, found {found}", on_key=True)
    if not fault.pointer:
        return Mistake("", f"expected fields, each as `name: value`, found {found}")
    hint = ""
    match fault.keyword:
        case "const":
            message = f"expected {_found(fault.limit)}, found {found}"
        case "minItems" | "minProperties":
            message = f"expected {title} and at least {'one' if fault.limit == 1 else fault.limit} in it"
        case "maxItems" | "maxProperties":
            message = f"expected {title} and at most {fault.limit} in it, found {len(fault.value)}"
        case "minLength":
            message = f"expected {_expected(fault.schema)}, found nothing"
        case "maxLength":
            message = f"expected at most {fault.limit} characters, found {len(fault.value)}"
        case "minimum":
            message = f"expected {title} of at least {fault.limit}, found {found}"
        case "maximum":
            message = f"expected {title} of at most {fault.limit}, found {found}"
        case _:
            message, hint = f"expected {_expected(fault.schema)}, found {found}", _hint(fault.schema, fault.value)
    return Mistake(fault.pointer, message, hint)


def _unknown(fault: Fault, known: frozenset[str]) -> Iterator[Mistake]:
    own = fault.schema["properties"]
    for key in fault.value:
        if key in own:
            continue
        where = fault.pointer + pointer_to(key)
        if key in known:
            message = f"the field `{key}` does not belong to {fault.schema.get('title', 'this')}"
            yield Mistake(where, message, on_key=True)
        else:
            yield Mistake(where, f"there is no field {_found(key)}", nearest(key, sorted({*own, *known})), on_key=True)


def _missing(fault: Fault, definitions: Mapping[str, Schema]) -> Iterator[Mistake]:
    for name in fault.limit:
        if name not in fault.value:
            schema = _resolved(fault.schema["properties"][name], definitions)
            yield Mistake(fault.pointer, f"the field `{name}` is missing, expected {_expected(schema)}")


def _resolved(schema: Schema, definitions: Mapping[str, Schema]) -> Schema:
    """What a reference stands for, with what is said beside it."""
    return {**definitions.get(schema.get("$ref", "").removeprefix("#/$defs/"), {}), **schema}


def _choice(fault: Fault) -> Mistake:
    value, later = fault.value, fault.schema.get("x-later", {})
    if isinstance(value, str) and value in later:
        return Mistake(fault.pointer, f"{later[value]}: {LATER}")
    shown = (str(name).lower() if isinstance(name, bool) else str(name) for name in fault.limit)
    names = list(dict.fromkeys(shown))  # a version may be quoted or not
    hint = nearest(value, names) if isinstance(value, str) and get_close_matches(value, names) else ""
    if isinstance(value, str):
        hint = fault.schema.get("x-hints", {}).get(value, hint)
    return Mistake(fault.pointer, f"expected {words(names)}, found {_shown(fault.schema, value)}", hint)


# --------------------------------------------------------------------------- alternatives


@dataclass(frozen=True, slots=True)
class _Branch:
    """One alternative, and how far the value is from it."""

    schema: Schema
    faults: tuple[Fault, ...]
    missing: int
    unknown: int

    @property
    def fits(self) -> bool:
        """Whether the value is at least of the alternative's type."""
        return not any(fault.own and fault.keyword == "type" for fault in self.faults)

    def named(self, value: Any) -> bool:
        """Whether the value has the field that tells this alternative from the others, if there is one."""
        return not self.deciding or not isinstance(value, dict) or self.deciding[0] in value

    @property
    def deciding(self) -> tuple[str, ...]:
        """The field that tells this alternative from the others, if there is one."""
        return tuple(self.schema.get("required", ()))[:1]


def _alternatives(fault: Fault, definitions: Mapping[str, Schema]) -> Iterator[Mistake]:
    """The mistakes of the alternative that was most likely meant."""
    branches = [
        _branch(_resolved(schema, definitions), tuple(each for each in fault.context if each.branch == index))
        for index, schema in enumerate(fault.limit)
    ]
    fitting = [branch for branch in branches if branch.fits]
    if not fitting:
        titles = [_expected(branch.schema) for branch in branches]
        expected = f"{', '.join(titles[:-1])} or {titles[-1]}"
        message = f"expected {expected}, found {_shown(fault.schema, fault.value)}"
        yield Mistake(fault.pointer, message, _hint(fault.schema, fault.value))
        return
    known = frozenset(key for branch in fitting for key in branch.schema.get("properties", {}))
    named = [branch for branch in fitting if branch.named(fault.value)]
    if not named:
        yield from _undecided(fault, fitting, known)
        return
    fields = [key for branch in fitting for key in branch.schema.get("properties", {})]
    # First those whose own field is there, which no other alternative has; then whatever is least wrong.
    best = min(
        named,
        key=lambda branch: (
            not any(fields.count(key) == 1 and key in fault.value for key in branch.deciding),
            branch.missing,
            branch.unknown,
            len(branch.faults),
        ),
    )
    for each in best.faults:
        yield from tell(each, definitions, known)


def _branch(schema: Schema, faults: tuple[Fault, ...]) -> _Branch:
    own = [fault for fault in faults if fault.own]
    missing = sum(fault.keyword == "required" for fault in own)
    extra = [fault for fault in own if fault.keyword == "additionalProperties"]
    unknown = sum(key not in fault.schema["properties"] for fault in extra for key in fault.value)
    return _Branch(schema, faults, missing, unknown)


def _undecided(fault: Fault, branches: list[_Branch], known: frozenset[str]) -> Iterator[Mistake]:
    """Nothing says which alternative was meant: name what would."""
    for key in fault.value:
        if key not in known:
            where = fault.pointer + pointer_to(key)
            yield Mistake(where, f"there is no field {_found(key)}", nearest(key, sorted(known)), on_key=True)
    deciding = dict.fromkeys(key for branch in branches for key in branch.deciding)
    yield Mistake(fault.pointer, f"expected one of the fields {words(deciding)}")


# --------------------------------------------------------------------------- words


def words(names: Iterable[str], last: str = "or") -> str:
    """`a`, `b` or `c`."""
    quoted = [f"`{name}`" for name in names]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} {last} {quoted[-1]}"


_TRUTHS = {"yes": "true", "on": "true", "no": "false", "off": "false"}
"""What YAML 1.1 takes for a boolean, and 1.2 for a word."""
_UNITS = {
    "a duration": "s",
    "a duration or `never`": "s",
    "a rate": "/s",
    "a percentage": "%",
    "a percentage or `off`": "%",
}
_SHOWN = 40
_EXAMPLES = 3


def _expected(schema: Schema, *, examples: bool = True) -> str:
    shown = [str(example) for example in schema.get("examples", ()) if not isinstance(example, dict | list)]
    title: str = schema["title"]
    return f"{title}, e.g. {words(shown[:_EXAMPLES])}" if examples and shown else title


def _found(value: object) -> str:
    match value:
        case None:
            return "nothing"
        case bool():
            return f"`{str(value).lower()}`"
        case str():
            return f"`{value if len(value) <= _SHOWN else value[:_SHOWN] + '…'}`"
        case int() | float():
            return f"the number `{value}`"
        case dict():
            return "a mapping"
        case _:
            return "a list"


def _shown(schema: Schema, value: object) -> str:
    """What was found; never where a secret may have been written in place of a reference to it (`writeOnly`)."""
    hidden = schema.get("writeOnly") and isinstance(value, str | int | float)
    return "a plain value" if hidden else _found(value)


def _hint(schema: Schema, value: object) -> str:
    if schema.get("type") == "array" and isinstance(value, str) and value.isprintable() and len(value) <= _SHOWN:
        return f"write `[{value}]`"
    if schema.get("writeOnly"):
        return ""
    if schema.get("type") == "boolean" and str(value).lower() in _TRUTHS:
        return f"write `{_TRUTHS[str(value).lower()]}`"
    unit = _UNITS.get(schema.get("title", ""))
    pattern = schema.get("pattern")
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return "quote it if it is text" if isinstance(value, bool) and schema.get("type") == "string" else ""
    if unit is not None and pattern is not None and re.search(pattern, f"{value}{unit}"):
        return f"did you mean `{value}{unit}`?"
    return "quote it if it is text" if not isinstance(value, str) and schema.get("type") == "string" else ""
