"""Frozen dataclasses to plain JSON and back, driven by their type hints.

Called by `core.ledger`, by everything that keeps evidence in a file, and by the local forge.

What must stay true:
* a value that was written is read back equal, numbers exactly; NaN and infinities are neither written nor read;
* keys that this version does not know are ignored on read and never written, so an older gitslo reads what a newer
  one wrote; a field that is missing is refused, never guessed. A field added to a record that ledgers already hold
  needs a default and `field(metadata={"since": "<version>"})`: then the default stands in for it in older files;
* the same value always becomes the same bytes, in ASCII: no terminal can be steered by showing such a file.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import json
import math
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from functools import cache
from typing import Any, TypeAlias, TypeVar, cast

from gitslo.errors import Problem, Refused
from gitslo.model import Sample, Second

__all__ = ["JsonValue", "dump_json", "from_json", "load_json", "to_json"]

JsonValue: TypeAlias = "bool | int | float | str | list[JsonValue] | dict[str, JsonValue] | None"

T = TypeVar("T")

_WIDTH = 118
_ROWS: frozenset[type] = frozenset({Sample, Second})
"""Records of whole numbers, written as `[at, total, bad, late]` in the order of their fields: a run has thousands."""

_Read = Callable[[Any, str], object]
"""Turns one JSON value at a pointer into a typed one, or raises `_Mismatch`."""


class _Mismatch(Exception):
    """Becomes Refused before it leaves this module."""

    def __init__(self, pointer: str, message: str) -> None:
        super().__init__(message)
        self.pointer = pointer
        self.message = message


# --------------------------------------------------------------------------- values to JSON


def to_json(value: object) -> JsonValue:
    """The plain JSON of a dataclass, enum, tuple, mapping, set, bytes (base64) or scalar.

    Raises:
        ValueError: a number is NaN or infinite.
        TypeError: there is no JSON for this type.
    """
    match value:
        case None | bool() | int() | float() | str() | bytes():
            return _scalar_to_json(value)
        case tuple() | list():
            return [to_json(item) for item in value]
        case frozenset() | set():
            return sorted((to_json(item) for item in value), key=json.dumps)
        case Mapping():
            return {_key(key): to_json(item) for key, item in value.items()}
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            names = [item.name for item in dataclasses.fields(value)]
            if type(value) in _ROWS:
                return [getattr(value, name) for name in names]
            return {name: to_json(getattr(value, name)) for name in names}
        case _:
            raise TypeError(f"no JSON for {type(value).__name__}")


def _scalar_to_json(value: bool | float | str | bytes | None) -> JsonValue:
    match value:
        case bytes():
            return base64.b64encode(value).decode("ascii")
        case StrEnum():
            return value.value
        case str():
            return _well_formed(value)
        case float() if not math.isfinite(value):
            raise ValueError(f"{value} has no place in a record; what is not known is None")
        case _:
            return value


def _well_formed(text: str) -> str:
    """Without lone surrogates: each stands for a byte that was no UTF-8, and no encoder on the way out takes it."""
    if text.isascii():
        return text
    return "".join("\N{REPLACEMENT CHARACTER}" if "\ud800" <= each <= "\udfff" else each for each in text)


def _key(key: object) -> str:
    if isinstance(key, str):
        return key.value if isinstance(key, StrEnum) else key
    raise TypeError(f"a key must be text, not {type(key).__name__}")


# --------------------------------------------------------------------------- JSON to values


def from_json(cls: type[T], data: JsonValue, *, where: str) -> T:
    """Read one record.

    Args:
        cls: a dataclass whose fields are scalars, enums, tuples, sets, text-keyed mappings, optionals or such records.
        data: what `load_json` returned.
        where: the input's name in messages, e.g. `ledger.json`.

    Raises:
        Refused: a field is missing or has another type; says its JSON pointer.
    """
    try:
        return cast("T", _reader(cast("Any", cls))(data, ""))
    except _Mismatch as mismatch:
        raise Refused(Problem(mismatch.message, file=where, pointer=mismatch.pointer)) from None


@cache
def _reader(hint: Any) -> _Read:
    """The reader of one type hint, built once."""
    while isinstance(hint, typing.NewType):
        hint = hint.__supertype__
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return _optional(hint, arguments)
    if origin is tuple:
        return _tuple(arguments)
    if origin is frozenset:
        items = _tuple((arguments[0], ...))
        return lambda data, at: frozenset(cast("Iterable[object]", items(data, at)))
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return _mapping(*arguments)
    if isinstance(hint, type):
        if dataclasses.is_dataclass(hint):
            return _record(hint)
        if issubclass(hint, StrEnum):
            return _choice(hint)
    scalar = {str: _text, bool: _truth, int: _whole, float: _number, bytes: _blob}.get(hint)
    if scalar is None:
        raise TypeError(f"no JSON reader for {hint}")
    return scalar


def _record(cls: type) -> _Read:
    hints = typing.get_type_hints(cls)
    known = dataclasses.fields(cls)
    readers = [(item.name, _reader(hints[item.name]), _stand_in(item)) for item in known]

    def read(data: Any, at: str) -> object:
        if not isinstance(data, dict):
            raise _mismatch(at, "an object", data)
        values = {}
        for name, reader, stand_in in readers:
            if name in data:
                values[name] = reader(data[name], f"{at}/{name}")
            elif stand_in is None:
                raise _Mismatch(f"{at}/{name}", f"`{name}` is missing")
            else:
                values[name] = stand_in()
        return cls(**values)

    def read_row(data: Any, at: str) -> object:
        if not isinstance(data, list) or len(data) < len(readers):
            names = ", ".join(name for name, _, _ in readers)
            raise _mismatch(at, f"a list of at least {len(readers)} ({names})", data)
        return cls(*(reader(item, f"{at}/{name}") for (name, reader, _), item in zip(readers, data, strict=False)))

    return read_row if cls in _ROWS else read


def _stand_in(item: dataclasses.Field[Any]) -> Callable[[], object] | None:
    """What a field that was added later is in older files; None where it has always been there."""
    if "since" not in item.metadata:
        return None
    if item.default_factory is not dataclasses.MISSING:
        return item.default_factory
    return lambda: item.default


def _optional(hint: Any, arguments: tuple[Any, ...]) -> _Read:
    inner = [argument for argument in arguments if argument is not type(None)]
    if len(inner) != 1:
        raise TypeError(f"no JSON reader for {hint}: nothing tells the alternatives apart")
    reader = _reader(inner[0])
    return lambda data, at: None if data is None else reader(data, at)


def _tuple(arguments: tuple[Any, ...]) -> _Read:
    if len(arguments) == 2 and arguments[1] is Ellipsis:  # noqa: PLR2004 - tuple[X, ...]
        reader = _reader(arguments[0])

        def read(data: Any, at: str) -> object:
            if not isinstance(data, list):
                raise _mismatch(at, "a list", data)
            return tuple(reader(item, f"{at}/{index}") for index, item in enumerate(data))

        return read
    readers = [_reader(argument) for argument in arguments]

    def read_fixed(data: Any, at: str) -> object:
        if not isinstance(data, list) or len(data) != len(readers):
            raise _mismatch(at, f"a list of {len(readers)}", data)
        return tuple(each(item, f"{at}/{index}") for index, (each, item) in enumerate(zip(readers, data, strict=True)))

    return read_fixed


def _mapping(key: Any, item: Any) -> _Read:
    read_key, read_item = _reader(key), _reader(item)

    def read(data: Any, at: str) -> object:
        if not isinstance(data, dict):
            raise _mismatch(at, "an object", data)
        return {read_key(name, at): read_item(value, f"{at}/{_escaped(name)}") for name, value in data.items()}

    return read


def _choice(enum: type[StrEnum]) -> _Read:
    words = {member.value: member for member in enum}

    def read(data: Any, at: str) -> object:
        if not isinstance(data, str) or data not in words:
            raise _mismatch(at, "one of " + ", ".join(words), data)
        return words[data]

    return read


def _text(data: Any, at: str) -> object:
    if not isinstance(data, str):
        raise _mismatch(at, "text", data)
    if _well_formed(data) != data:
        raise _Mismatch(at, "expected text, found half of a surrogate pair")
    return data


def _truth(data: Any, at: str) -> object:
    if not isinstance(data, bool):
        raise _mismatch(at, "true or false", data)
    return data


def _whole(data: Any, at: str) -> object:
    if not isinstance(data, int) or isinstance(data, bool):
        raise _mismatch(at, "a whole number", data)
    return data


def _number(data: Any, at: str) -> object:
    if isinstance(data, bool) or not isinstance(data, int | float):
        raise _mismatch(at, "a number", data)
    try:
        number = float(data)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number) or number != data:
        raise _Mismatch(at, "expected a finite number of double precision")
    return number


def _blob(data: Any, at: str) -> object:
    try:
        return base64.b64decode(cast("str", _text(data, at)), validate=True)
    except (binascii.Error, ValueError):
        raise _Mismatch(at, "expected base64") from None


def _mismatch(at: str, expected: str, found: Any) -> _Mismatch:
    words = {dict: "an object", list: "a list", str: "text", bool: "true or false", type(None): "null"}
    return _Mismatch(at, f"expected {expected}, found {words.get(type(found), 'a number')}")


def _escaped(name: str) -> str:
    """A key as a part of a JSON pointer (RFC 6901)."""
    return name.replace("~", "~0").replace("/", "~1")


# --------------------------------------------------------------------------- bytes


def load_json(data: bytes, *, where: str, cap: int) -> JsonValue:
    """Parse one JSON document.

    Args:
        data: UTF-8.
        where: the input's name in messages.
        cap: bytes; more are refused before anything is parsed.

    Raises:
        Refused: too large, no UTF-8, no JSON, nested too deeply, a key twice in one object, NaN or an infinity.
    """
    if len(data) > cap:
        raise Refused(Problem(f"{len(data)} bytes are more than the {cap} that are read", file=where))
    try:
        text = data.decode("utf-8")
        return cast("JsonValue", json.loads(text, object_pairs_hook=_no_twins, parse_constant=_no_constant))
    except json.JSONDecodeError as error:
        message = f"no JSON: {error.msg.removesuffix(' at')}"
        raise Refused(Problem(message, file=where, line=error.lineno, column=error.colno)) from None
    except UnicodeDecodeError as error:
        raise Refused(Problem(f"byte {error.start} is no UTF-8", file=where)) from None
    except RecursionError:
        raise Refused(Problem("nested too deeply", file=where)) from None
    except ValueError as error:
        raise Refused(Problem(f"no JSON that is read here: {error}", file=where)) from None


def _no_twins(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    read = dict(pairs)
    if len(read) != len(pairs):
        twice = next(name for index, (name, _) in enumerate(pairs) if name in dict(pairs[:index]))
        raise ValueError(f"the key {json.dumps(twice)[:80]} stands twice in one object")
    return read


def _no_constant(word: str) -> JsonValue:
    raise ValueError(f"{word} is no number")


def dump_json(value: JsonValue) -> bytes:
    """The one pretty form: sorted keys, ASCII, what fits on a line on one line, a newline at the end."""
    return (_laid_out(value, 0) + "\n").encode("ascii")


def _laid_out(value: JsonValue, depth: int) -> str:
    """One line where it fits, else one part a line. Parts come first: each is looked at once, however deep it lies."""
    match value:
        case dict():
            names = sorted(value)
            parts = [f"{json.dumps(name)}: {_laid_out(value[name], depth + 1)}" for name in names]
            opening, closing = "{}"
        case list() if _are_rows(value):
            return _filled(value, depth)
        case list():
            parts = [_laid_out(item, depth + 1) for item in value]
            opening, closing = "[]"
        case _:
            return json.dumps(value, allow_nan=False)
    fits = sum(map(len, parts)) + 2 * len(parts) + depth <= _WIDTH and not any("\n" in part for part in parts)
    if fits:
        return opening + ", ".join(parts) + closing
    indent = "\n" + " " * (depth + 1)
    return opening + indent + ("," + indent).join(parts) + indent[:-1] + closing


def _are_rows(values: list[JsonValue]) -> bool:
    return len(values) > 1 and all(
        type(row) is list and row and all(type(item) is int for item in row) for row in values
    )


def _filled(rows: list[JsonValue], depth: int) -> str:
    """Rows of numbers, as many to a line as fit."""
    indent = "\n" + " " * (depth + 1)
    texts = json.dumps(rows, separators=(",", ":"), allow_nan=False)[2:-2].split("],[")
    lines, line = [], ""
    for text in texts:
        if line and len(line) + len(text) + depth + 3 > _WIDTH:
            lines.append(line)
            line = ""
        line += f"[{text}],"
    lines.append(line[:-1])
    return "[" + indent + indent.join(lines) + indent[:-1] + "]"
