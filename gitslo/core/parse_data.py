"""Feeders: the rows that requests take their values from -> Feeder.

Called by `gitslo.core.parse_load` for a plan's `data`, and by `gitslo load --data`. Must stay true: every row has every
column; what is told of a file says its line.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterator

from gitslo.core.beside import read_beside
from gitslo.core.document import Field
from gitslo.core.template import BUILT_IN, ENVIRONMENT
from gitslo.errors import Problem, Refused
from gitslo.model import Feeder

__all__ = ["parse_csv", "parse_data", "parse_jsonl"]

_COLUMN = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,99}")
_COLUMNS = 1000


def parse_data(field: Field | None, read_file: Callable[[str], bytes]) -> tuple[Feeder, ...]:
    """Read every feeder of a load; problems are noted in its document."""
    found = []
    for name, item in field.fields() if field is not None else ():
        if name in {*BUILT_IN, ENVIRONMENT}:
            item.add(f"no data may be named `{name}`: `${{{name}}}` means something else", on_key=True)
        for form, parse in (("csv", parse_csv), ("jsonl", parse_jsonl)):
            file = item.get(form)
            feeder = None if file is None else file.parsed(_reader(name, parse, read_file), None)
            if feeder is not None:
                found.append(feeder)
    return tuple(found)


def _reader(
    name: str, parse: Callable[[str, str, bytes], Feeder], read_file: Callable[[str], bytes]
) -> Callable[[str], Feeder]:
    return lambda path: parse(name, path, read_beside(path, read_file))


def parse_csv(name: str, path: str, content: bytes) -> Feeder:
    """Comma-separated values with a header line, RFC 4180, in UTF-8.

    Raises:
        Refused: it is none, a row has not as many values as the header, or there is no row.
    """
    text = _text(path, content)
    rows: list[tuple[str, ...]] = []
    reader = csv.reader(text.splitlines(keepends=True), strict=True)
    try:
        header = tuple(column.strip() for column in next(reader, ()))
        _named(path, header)
        for row in reader:
            if not row:
                continue
            if len(row) != len(header):
                raise _fault(path, reader.line_num, f"the header names {len(header)} columns, and here are {len(row)}")
            rows.append(tuple(row))
    except csv.Error as error:
        raise _fault(path, reader.line_num, f"no CSV: {error}") from None
    return _feeder(name, path, header, rows)


def parse_jsonl(name: str, path: str, content: bytes) -> Feeder:
    """One JSON object a line, all with the keys of the first; texts as they are, other values as JSON writes them.

    Raises:
        Refused: a line is no such object, or there is none.
    """
    header: tuple[str, ...] = ()
    rows: list[tuple[str, ...]] = []
    for number, line in _lines(_text(path, content)):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            raise _fault(path, number, "no JSON") from None
        if not isinstance(row, dict):
            raise _fault(path, number, "expected a JSON object")
        if not header:
            header = tuple(row)
            _named(path, header)
        if set(row) != set(header):
            odd = min(set(row) ^ set(header))
            raise _fault(path, number, f"expected the keys of the first line, and `{odd}` is not in both")
        rows.append(tuple(_value(row[column]) for column in header))
    return _feeder(name, path, header, rows)


def _lines(text: str) -> Iterator[tuple[int, str]]:
    return ((number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip())


def _value(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _text(path: str, content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _fault(path, content.count(b"\n", 0, error.start) + 1, "no UTF-8") from None


def _named(path: str, header: tuple[str, ...]) -> None:
    if len(header) > _COLUMNS:
        raise _fault(path, 1, f"more than {_COLUMNS} columns")
    for column in header:
        if not _COLUMN.fullmatch(column):
            hint = "letters, digits, `_`, `-` and `.`, a letter or `_` first"
            raise _fault(path, 1, f"expected a column's name, found `{column[:40]}`", hint)
        if header.count(column) > 1:
            raise _fault(path, 1, f"the column `{column}` is there twice")


def _feeder(name: str, path: str, header: tuple[str, ...], rows: list[tuple[str, ...]]) -> Feeder:
    if not rows:
        raise Refused(Problem(f"the file `{path}` has no row"))
    return Feeder(name, header, tuple(rows))


def _fault(path: str, line: int, message: str, hint: str = "") -> Refused:
    return Refused(Problem(f"`{path}`, line {max(1, line)}: {message}", hint=hint))
