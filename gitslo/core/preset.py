"""A preset: how a product is asked for a number over HTTP, and how its answer is read. Data, no code. Pure.

    title: what it is, for people
    forms: [ratio, gauge]                       what it can answer
    settings:                                   what the operator's `settings` give; `${setting.NAME}` in the templates
      bucket: {title: a bucket, pattern: "[^/]+", default: x}      without a default it has to be given
    keys:                                       what `auth: {keys: ...}` may give, and the header that each goes in
      token: {header: Authorization, value: "Token ${key}"}
    headers: {Accept: application/json}         of every request
    align: 1m                                   windows begin and end at multiples of this, at the next one
    least_interval: 1m                          the shortest `scrape_interval` that makes sense
    request:                                    one query of one window
      method: POST
      path: /api/v2/query
      parameters: {org: "${setting.org}"}       the query of the URL
      text: "${query}"                          the body: `text`, or `json`, where `{number: "${start}"}` is a number
    answer:
      format: json                              or csv: annotated CSV becomes a list of rows by column
      value: EXPRESSION                         JMESPath on it: the number; nothing: not known
      count: EXPRESSION                         of a ratio's queries, where it is another one
      series: EXPRESSION                        how many series there are: more than one is refused
      error: EXPRESSION                         text, where a 2xx answer says that the query is wrong
      partial: EXPRESSION                       anything but nothing, false, "" and []: something may be missing
      absent_is_zero: true                      nothing, as the answer to a ratio's `bad`, is zero

In the templates: `${query}`, `${setting.NAME}` and the variables of `gitslo.core.query_text`; in the expressions the
times of those, e.g. `${end_ms}`. Called by `gitslo.adapters.rest_source`, which alone sends. Must stay true: a value
never becomes more than a value of the place where it stands: it is escaped there, whatever is in it.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import quote, urlencode

from gitslo.core.answers import json_of, number
from gitslo.core.jsonpath import search
from gitslo.core.nearest import nearest
from gitslo.core.query_text import TIMES
from gitslo.core.units import parse_duration
from gitslo.core.yamlsafe import CONTRACT, Plain, plain, read_document
from gitslo.errors import Problem, Refused
from gitslo.model import MetricForm

__all__ = ["Preset", "Read", "Sent", "Setting", "parse_preset"]

_HOLE = re.compile(r"\$\{([a-z0-9_]+(?:\.[a-z0-9_]+)?)\}")
_PARTS = {
    "": {"title", "forms", "settings", "keys", "headers", "align", "least_interval", "request", "answer"},
    "request": {"method", "path", "parameters", "headers", "text", "json"},
    "answer": {"format", "value", "count", "series", "error", "partial", "absent_is_zero"},
    "setting": {"title", "pattern", "default"},
    "key": {"header", "value"},
}


@dataclass(frozen=True, slots=True)
class Setting:
    """What the operator gives a preset.

    Attributes:
        pattern: what its whole value looks like.
        default: None: it has to be given.
    """

    title: str
    pattern: str = ".*"
    default: str | None = None


@dataclass(frozen=True, slots=True)
class Sent:
    """One request."""

    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


@dataclass(frozen=True, slots=True)
class Read:
    """What one answer said.

    Attributes:
        value: None: not known.
        partial: why something may be missing in it, else empty.
        why: why the value is not known, else empty.
    """

    value: float | None
    partial: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class Preset:
    """A whole preset; see the module."""

    name: str
    title: str
    forms: tuple[MetricForm, ...]
    request: Mapping[str, Plain]
    answer: Mapping[str, str]
    settings: Mapping[str, Setting] = field(default_factory=dict)
    keys: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    headers: tuple[tuple[str, str], ...] = ()
    align: float = 0.0
    least_interval: float = 0.0
    absent_is_zero: bool = False

    def values(self, given: Mapping[str, str]) -> dict[str, str]:
        """What `${setting.NAME}` stands for.

        Raises:
            Refused: one is missing, none of the preset's, or does not look as it should.
        """
        for name in given:
            if name not in self.settings:
                message = f"the preset `{self.name}` has no setting `{name}`"
                raise Refused(Problem(message, hint=nearest(name, self.settings)))
        found = {}
        for name, setting in self.settings.items():
            value = given.get(name, setting.default)
            if value is None:
                raise Refused(Problem(f"the preset `{self.name}` needs the setting `{name}`: {setting.title}"))
            if not re.fullmatch(setting.pattern, value):
                message = f"the setting `{name}` of the preset `{self.name}` is {setting.title}, and no `{value}`"
                raise Refused(Problem(message))
            found[f"setting.{name}"] = value
        return found

    def sent(self, values: Mapping[str, str]) -> Sent:
        """The request for these values: `query`, the settings and the variables of queries."""
        request = self.request
        path = _filled(str(request["path"]), values, lambda value: quote(value, safe=""))
        parameters = cast("Mapping[str, str]", request.get("parameters") or {})
        if parameters:
            pairs = {name: _filled(str(value), values, str) for name, value in parameters.items()}
            path = f"{path}?{urlencode(pairs, quote_via=quote)}"
        own = cast("Mapping[str, str]", request.get("headers") or {})
        headers = (*self.headers, *((name, str(value)) for name, value in own.items()))
        if "json" in request:
            body = json.dumps(_json(request["json"], values)).encode()
        else:
            body = _filled(str(request.get("text") or ""), values, str).encode()
        return Sent(str(request["method"]), path, headers, body)

    def read(self, body: bytes, source: str, values: Mapping[str, str], *, counted: bool) -> Read:
        """One answer.

        Args:
            body: of a 2xx answer.
            source: its name, for messages.
            values: those of the request; only the times may stand in expressions.
            counted: it is a ratio's.

        Raises:
            Refused: it says that the query is wrong, or gives several series.
            Retry: it is not in the format.
        """
        document = list(_rows(body)) if self.answer.get("format") == "csv" else json_of(body, source)
        moments = {name: values[name] for name in TIMES if name in values}

        def found_by(name: str) -> object:
            expression = self.answer.get(name)
            return search(_filled(expression, moments, str), document) if expression else None

        error = found_by("error")
        if error:
            raise Refused(Problem(f"the source `{source}` refuses the query: {_words(error)}"))
        series = found_by("series")
        if isinstance(series, int) and series > 1:
            message = f"the query gives {series} series, and one number is needed"
            raise Refused(Problem(message, hint="aggregate them in the query"))
        partial = found_by("partial")
        value = found_by("count" if counted and "count" in self.answer else "value")
        said = _words(partial) if partial else ""
        if value is None or value == []:
            return Read(None, said, "the query gives nothing")
        found = number(value)
        return Read(found, said, "" if found is not None else "the query gives no number")


def _words(value: object) -> str:
    if value is True:
        return "the answer is partial"
    return (value if isinstance(value, str) else json.dumps(value))[:300]


def _filled(template: str, values: Mapping[str, str], written: Callable[[str], str]) -> str:
    return _HOLE.sub(lambda match: written(values[match[1]]) if match[1] in values else match[0], template)


def _json(template: Plain, values: Mapping[str, str]) -> object:
    if isinstance(template, str):
        return _filled(template, values, str)
    if isinstance(template, list):
        return [_json(each, values) for each in template]
    if isinstance(template, dict):
        if set(template) == {"number"}:
            found = number(_filled(str(template["number"]), values, str))
            if found is None:
                raise Refused(Problem(f"a preset needs a number in its request, and `{template['number']}` is none"))
            return int(found) if found.is_integer() else found
        return {_filled(key, values, str): _json(value, values) for key, value in template.items()}
    return template


def _rows(body: bytes) -> Iterator[dict[str, str]]:
    """Annotated CSV: tables with a header each and an empty line between them; `#` begins an annotation."""
    header: list[str] | None = None
    for row in csv.reader(f"{line}\n" for line in body.decode("utf-8", "replace").split("\n")):
        if not any(row):
            header = None
        elif row[0].startswith("#"):
            continue
        elif header is None:
            header = row
        else:
            yield dict(zip(header, row, strict=False))


# --------------------------------------------------------------------------- the file


def parse_preset(name: str, data: bytes, *, file: str) -> Preset:
    """Read a preset.

    Raises:
        Refused: it is none.
    """
    root = plain(read_document(data, file=file, budget=CONTRACT))
    try:
        return _preset(name, root)
    except _WrongError as wrong:
        raise Refused(Problem(f"the preset `{name}` cannot be used: {wrong}", file=file)) from None
    except Refused as refused:
        said = "; ".join(problem.message for problem in refused.problems)
        raise Refused(Problem(f"the preset `{name}` cannot be used: {said}", file=file)) from None


class _WrongError(Exception):
    """What is wrong with the file."""


def _preset(name: str, root: Plain) -> Preset:
    top = _mapping(root, "")
    request = _mapping(top.get("request"), "request")
    answer = _mapping(top.get("answer"), "answer")
    for key in ("method", "path"):
        _text(request.get(key), f"request.{key}")
    if not str(request["path"]).startswith("/") or request["method"] not in {"GET", "POST"}:
        raise _WrongError("`request` has a method, GET or POST, and a path that begins with `/`")
    if "value" not in answer:
        raise _WrongError("`answer.value` is missing")
    expressions = {key: _text(value, f"answer.{key}") for key, value in answer.items() if key != "absent_is_zero"}
    for key, expression in expressions.items():
        if key != "format":
            search(_filled(expression, dict.fromkeys(TIMES, "0"), str), {})
    if expressions.get("format", "json") not in {"json", "csv"}:
        raise _WrongError("`answer.format` is `json` or `csv`")
    forms = top.get("forms", ["ratio", "gauge"])
    if not isinstance(forms, list) or not set(map(str, forms)) <= {"ratio", "gauge"}:
        raise _WrongError("`forms` are `ratio` and `gauge`")
    settings = {key: _setting(key, value) for key, value in _free(top.get("settings")).items()}
    known = {"query", *(f"setting.{each}" for each in settings)}
    for hole in _HOLE.findall(json.dumps(request)):
        if (hole == "query" or hole.startswith("setting.")) and hole not in known:
            raise _WrongError(f"it uses `${{{hole}}}`, which is none of its settings")
    return Preset(
        name=name,
        title=_text(top.get("title"), "title"),
        forms=tuple(MetricForm(str(each)) for each in forms),
        request=request,
        answer=expressions,
        settings=settings,
        keys={key: _key(key, value) for key, value in _free(top.get("keys")).items()},
        headers=tuple((key, _text(value, "headers")) for key, value in _free(top.get("headers")).items()),
        align=parse_duration(_text(top["align"], "align")) if "align" in top else 0.0,
        least_interval=parse_duration(_text(top["least_interval"], "least_interval"))
        if "least_interval" in top
        else 0.0,
        absent_is_zero=answer.get("absent_is_zero") is True,
    )


def _setting(name: str, value: Plain) -> Setting:
    found = _mapping(value, "setting", name)
    default = found.get("default")
    pattern = _text(found.get("pattern", ".*"), f"settings.{name}.pattern")
    try:
        re.compile(pattern)
    except re.error as error:
        raise _WrongError(f"the pattern of the setting `{name}` is none: {error}") from None
    return Setting(
        _text(found.get("title"), f"settings.{name}.title"), pattern, None if default is None else str(default)
    )


def _key(name: str, value: Plain) -> tuple[str, str]:
    found = _mapping(value, "key", name)
    shape = _text(found.get("value", "${key}"), f"keys.{name}.value")
    if "${key}" not in shape:
        raise _WrongError(f"the key `{name}` has no `${{key}}` in its value")
    return _text(found.get("header"), f"keys.{name}.header"), shape


def _free(value: Plain) -> dict[str, Plain]:
    return value if isinstance(value, dict) else {}


def _mapping(value: Plain, part: str, name: str = "") -> dict[str, Plain]:
    where = f"`{part} {name}`".replace(" `", "`") if part else "the file"
    if not isinstance(value, dict):
        raise _WrongError(f"{where} is no mapping")
    for key in value:
        if key not in _PARTS[part]:
            raise _WrongError(f"{where} has no field `{key}`{_hint(key, part)}")
    return value


def _hint(key: str, part: str) -> str:
    hint = nearest(key, sorted(_PARTS[part]))
    return f" ({hint})" if hint else ""


def _text(value: Plain, where: str) -> str:
    if not isinstance(value, str) or not value:
        raise _WrongError(f"`{where}` is no text")
    return value
