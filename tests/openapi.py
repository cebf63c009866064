"""Holds requests and answers against a published API description (OpenAPI 3.0), closer than the description does.

Called by the fake forges of the tests, for every request that they get and every answer that they give. A request is
wrong where the description has no such path, method, parameter or field; an answer is wrong where it has no such status
or field, or lacks one. Libraries for OpenAPI let unknown parameters and fields pass, as the description itself does; a
misspelt field would then be ignored by the real service and by the test.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote

from jsonschema import Draft4Validator, FormatChecker, ValidationError, validators
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

__all__ = ["Description", "Operation", "Undescribed"]

REFUSED = 400
_ROOT = "urn:description"
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
_FORMATS = FormatChecker(formats=())


class Undescribed(Exception):
    """Something that the description does not know, or knows differently."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One entry of the description: `template` is its path, `parameters` what stands in it."""

    method: str
    template: str
    parameters: Mapping[str, str]


class Description:
    """A whole description; reading it takes a second, so share one.

    Args:
        document: the parsed file.
        general: statuses that any operation may answer with; descriptions list those of a service as a whole nowhere.
        known: (method, template, status) that the real service is known to answer with, and that the description lacks.
    """

    def __init__(
        self,
        document: Mapping[str, Any],
        *,
        general: frozenset[int] = frozenset(),
        known: frozenset[tuple[str, str, int]] = frozenset(),
    ) -> None:
        self._document, self._general, self._known = document, general, known
        self._registry: Registry[Any] = Registry().with_resource(
            _ROOT, Resource(contents=document, specification=DRAFT202012)
        )
        self._templates: dict[int, list[tuple[str, re.Pattern[str]]]] = {}
        # `/a/{b}` matches `/a/c` as well: what has fewer parameters goes first
        for template in sorted(document["paths"], key=lambda each: each.count("{")):
            pattern = re.compile(re.sub(r"\\{([^}]+)\\}", r"([^/]+)", re.escape(template)))
            self._templates.setdefault(template.count("/"), []).append((template, pattern))
        self._passed: set[bytes] = set()

    @classmethod
    def of(cls, file: Path, **settings: Any) -> Description:
        """Read a file."""
        return cls(json.loads(file.read_bytes()), **settings)

    # ----------------------------------------------------------------- requests

    def request(self, method: str, target: str, content_type: str, body: bytes) -> Operation:
        """The operation that a request means.

        Args:
            method: in any case.
            target: path below the server's base, with its query.
            content_type: as sent.
            body: as sent.

        Raises:
            Undescribed: there is none, or it takes no such request.
        """
        path, _, query = target.partition("?")
        operation = self.operation(method, path)
        declared = self._entry(operation)
        parameters = {(each["in"], each["name"]): each for each in self._parameters(operation)}
        for name, value in operation.parameters.items():
            self._parameter(operation, parameters.pop(("path", name)), value)
        given = parse_qsl(query, keep_blank_values=True, strict_parsing=True) if query else []
        for name, value in given:
            if ("query", name) not in parameters:
                raise Undescribed(f"{_called(operation)} has no parameter {name!r}")
            self._parameter(operation, parameters[("query", name)], value)
        for (place, name), each in parameters.items():
            if place == "query" and each.get("required") and name not in dict(given):
                raise Undescribed(f"{_called(operation)} needs the parameter {name!r}")
        self._body(operation, self._resolved(declared.get("requestBody", {})), content_type, body)
        return operation

    def operation(self, method: str, path: str) -> Operation:
        """What a method and a path, its parts still encoded, mean.

        Raises:
            Undescribed: the description has none.
        """
        for template, pattern in self._templates.get(path.count("/"), ()):
            match = pattern.fullmatch(path)
            if match is not None and method.lower() in self._document["paths"][template]:
                names = re.findall(r"{([^}]+)}", template)
                found = dict(zip(names, map(unquote, match.groups()), strict=True))
                return Operation(method.lower(), template, found)
        raise Undescribed(f"there is no {method} {path}")

    def _parameter(self, operation: Operation, declared: Mapping[str, Any], value: str) -> None:
        schema = self._resolved(declared.get("schema", {}))
        kind, given = schema.get("type"), [value]
        try:
            read: Any = {"integer": int, "number": float}.get(kind, str)(value)
        except ValueError:
            read = value
        if kind == "boolean" and value in ("true", "false"):
            read = value == "true"
        if kind == "array":
            given = value.split(",")
            read = given
        self._hold(schema, read, f"{_called(operation)}: parameter {declared['name']!r}")

    def _body(self, operation: Operation, declared: Mapping[str, Any], content_type: str, body: bytes) -> None:
        called = _called(operation)
        if not body:
            if declared.get("required"):
                raise Undescribed(f"{called} needs a body")
            return
        if not declared:
            raise Undescribed(f"{called} takes no body")
        media = declared["content"].get(content_type.partition(";")[0].strip())
        if media is None:
            raise Undescribed(f"{called} takes no {content_type!r}, only {[*declared['content']]}")
        try:
            data = json.loads(body)
        except ValueError:
            raise Undescribed(f"{called}: the body is no JSON") from None
        self._hold(media["schema"], data, f"{called}: body")

    # ----------------------------------------------------------------- answers

    def answer(self, operation: Operation, status: int, body: bytes) -> None:
        """See that the description has this answer.

        Raises:
            Undescribed: it has not.
        """
        called = f"{_called(operation)} -> {status}"
        responses = self._entry(operation)["responses"]
        declared = responses.get(str(status), responses.get("default"))
        if declared is None:
            if status in self._general or (operation.method, operation.template, status) in self._known:
                return
            raise Undescribed(f"{called}: only {sorted(responses)} are described")
        content = self._resolved(declared).get("content", {})
        if not content:
            if body.strip() and status < REFUSED:  # why something was refused is often left to words
                raise Undescribed(f"{called} has no body")
            return
        media = next((content[each] for each in content if "json" in each), None)
        if media is None or "schema" not in media:
            return
        try:
            data = json.loads(body)
        except ValueError:
            raise Undescribed(f"{called}: the answer is no JSON") from None
        self._hold(media["schema"], data, called)

    # ----------------------------------------------------------------- the document

    def _entry(self, operation: Operation) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self._document["paths"][operation.template][operation.method]
        return found

    def _parameters(self, operation: Operation) -> Iterator[Mapping[str, Any]]:
        shared = self._document["paths"][operation.template].get("parameters", [])
        yield from map(self._resolved, [*shared, *self._entry(operation).get("parameters", [])])

    def _resolved(self, entry: Mapping[str, Any]) -> Mapping[str, Any]:
        while "$ref" in entry:
            found: Any = self._document
            for part in entry["$ref"].removeprefix("#/").split("/"):
                found = found[unquote(part).replace("~1", "/").replace("~0", "~")]
            entry = found
        return entry

    def _hold(self, schema: Mapping[str, Any], data: object, called: str) -> None:
        if isinstance(data, list) and {"type", "items"} <= schema.keys() <= {"type", "items", "description"}:
            # one by one: most of a list has been held before
            for index, item in enumerate(data):
                self._hold(schema["items"], item, f"{called}: item {index}")
            return
        seen = hashlib.sha256(repr(id(schema)).encode() + json.dumps(data, sort_keys=True).encode()).digest()
        if seen in self._passed:
            return
        checker = _STRICT(
            schema, registry=self._registry, _resolver=self._registry.resolver(_ROOT), format_checker=_FORMATS
        )
        error = next(checker.iter_errors(data), None)
        if error is not None:
            while error.context:  # of several that might have been meant: the one that comes nearest
                error = max(error.context, key=lambda each: len(each.absolute_path))
            where = "/".join(map(str, error.absolute_path))
            raise Undescribed(f"{called}: /{where}: {error.message[:300]}")
        self._passed.add(seen)


def _called(operation: Operation) -> str:
    return f"{operation.method.upper()} {operation.template}"


# --------------------------------------------------------------------------- the dialect


@_FORMATS.checks("date-time")
def _is_moment(value: object) -> bool:
    return not isinstance(value, str) or _MOMENT.fullmatch(value) is not None


def _unless_null(keyword: str) -> Any:
    """OpenAPI 3.0 has `nullable` beside `type`, which JSON Schema has not."""
    usual = Draft4Validator.VALIDATORS[keyword]

    def check(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
        if instance is not None or not schema.get("nullable"):
            yield from usual(validator, value, instance, schema) or ()

    return check


def _only_named(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    """No other fields than those that are named; where the description says nothing about others."""
    yield from Draft4Validator.VALIDATORS["properties"](validator, value, instance, schema) or ()
    if isinstance(instance, dict) and "additionalProperties" not in schema:
        for name in instance.keys() - value.keys():
            yield ValidationError(f"there is no field {name!r}")


def _together(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    """What is put together from several parts has the fields of all of them: no part knows those of the others."""
    if instance is not None or not schema.get("nullable"):
        for part in value:
            open_to_more = _LOOSE(part, _resolver=validator._resolver, format_checker=_FORMATS)
            yield from open_to_more.iter_errors(instance)


_NULLABLE = {keyword: _unless_null(keyword) for keyword in ("type", "enum", "oneOf", "anyOf", "allOf")}
_LOOSE: Any = validators.extend(Draft4Validator, _NULLABLE)
_STRICT: Any = validators.extend(_LOOSE, {"properties": _only_named, "allOf": _together})
