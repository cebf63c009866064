"""The HTTP requests of one load section -> Endpoint, and what a good answer to them is.

Called by `gitslo.core.parse_load`; `parse_checks` by `parse_call`, too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator

from gitslo.core.beside import read_beside
from gitslo.core.document import Field
from gitslo.core.jsonpath import search
from gitslo.core.mistakes import words
from gitslo.core.units import parse_share, parse_size
from gitslo.core.variables import Variables
from gitslo.core.yamlsafe import Plain
from gitslo.errors import Problem, Refused
from gitslo.model import Checks, Endpoint, Share

__all__ = [
    "METHODS",
    "check_expression",
    "check_header",
    "check_regex",
    "compact",
    "parse_checks",
    "parse_endpoint",
    "parse_statuses",
]

METHODS = ("get", "head", "post", "put", "patch", "delete", "options")
_WITHOUT_BODY = frozenset({"get", "head", "options"})
_BODIES = ("body", "body_file", "json", "graphql")
_OURS = frozenset({"connection", "content-length", "host", "te", "trailer", "transfer-encoding", "upgrade"})
"""Headers that the engine says itself, or that would change what a request is."""
_INSTEAD = {
    "host": "`authority` of the target says it",
    "connection": "`keep_alive: false` closes after each request",
}


def parse_endpoint(
    name: str, field: Field, shared: Field | None, read_file: Callable[[str], bytes], variables: Variables
) -> Endpoint:
    """Read one request.

    Args:
        name: the objectives' name for it.
        field: the section itself, or one of its endpoints.
        shared: the section, where `field` is one of its endpoints: what it says counts for all of them.
        read_file: a path relative to the plan's folder -> its bytes.
        variables: checks templates.
    """
    methods = [method for method in METHODS if field.get(method) is not None]
    if len(methods) != 1 and field.sound:
        found = "none is" if not methods else f"{len(methods)} are"
        field.add(f"expected one request, and {found} given", "e.g. `get: /items`")
    method = methods[0] if methods else "get"
    path = field.get(method)
    if path is not None:
        variables.check_text(path)
    headers = [*_headers(shared.get("headers") if shared else None), *_headers(field.get("headers"), variables)]
    body, kind = _body(field, method, read_file, variables)
    merged = {key.lower(): (key, value) for key, value in headers}
    if kind and "content-type" not in merged:
        merged["content-type"] = ("Content-Type", kind)
    own, graphql = field.get("checks"), field.get("graphql") is not None
    checks = parse_checks(own or (shared.get("checks") if shared else None), graphql=graphql)
    if method == "head" and checks.body:
        (own or field).add("an answer to HEAD has no body to check", "use `get`, or check `headers` only", on_key=True)
    return Endpoint(
        name,
        method.upper(),
        "/" if path is None else path.text,
        tuple(merged.values()),
        body,
        field.number_of("weight", 1),
        checks,
        parse_statuses(field.get("expect")) if shared is not None else frozenset(),
    )


def parse_statuses(field: Field | None) -> frozenset[int]:
    """A list of HTTP statuses; empty where there is none."""
    return frozenset(each.value for each in field.items() if isinstance(each.value, int)) if field else frozenset()


def _headers(field: Field | None, variables: Variables | None = None) -> Iterator[tuple[str, str]]:
    """The headers of a section or of an endpoint; with `variables` they are checked, too: a section's only once."""
    for key, value in field.fields() if field is not None else ():
        if variables is not None:
            check_header(key, value, variables)
        yield key, value.text


def check_header(key: str, value: Field, variables: Variables) -> None:
    """Note what no request may say in a header."""
    if key.lower() in _OURS:
        value.add(f"the header `{key}` is the load engine's own", _INSTEAD.get(key.lower(), ""), on_key=True)
    variables.check_text(value)


def _body(field: Field, method: str, read_file: Callable[[str], bytes], variables: Variables) -> tuple[bytes, str]:
    """The body's bytes, and the content type that follows from how it is given."""
    given = [(kind, body) for kind in _BODIES if (body := field.get(kind)) is not None]
    if not given:
        return b"", ""
    kind, body = given[0]
    for other, at in given[1:]:
        at.add(f"a request has one body, and `{kind}` gives one already", f"remove `{other}`", on_key=True)
    if method in _WITHOUT_BODY or (kind == "graphql" and method != "post"):
        what = "GraphQL is sent with POST" if kind == "graphql" else f"a {method.upper()} request has no body"
        body.add(what, "use `post`", on_key=True)
    match kind:
        case "body":
            variables.check_text(body)
            return body.text.encode(), ""
        case "json":
            variables.check_within(body)
            return compact(body.value), "application/json"
        case "graphql":
            variables.check_within(body)
            return _graphql(body), "application/json"
        case _:
            content = body.parsed(lambda path: read_beside(path, read_file), b"")
            variables.check_file(body, body.text, content)
            return content, ""


def compact(value: Plain) -> bytes:
    """The shortest JSON of a value."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _graphql(field: Field) -> bytes:
    variables, operation = field.get("variables"), field.get("operation")
    request: dict[str, Plain] = {"query": field.text_of("query", "")}
    if variables is not None:
        request["variables"] = variables.value
    if operation is not None:
        request["operationName"] = operation.text
    return compact(request)


# --------------------------------------------------------------------------- checks


def parse_checks(field: Field | None, *, graphql: bool = False) -> Checks:
    """What a good answer holds; problems are noted. `graphql`: it is to be a GraphQL answer, too."""
    default = Checks(graphql=graphql)
    if field is None:
        return default
    sample = field.parsed_of("sample", parse_share, default.sample)
    if sample <= 0:
        (field.get("sample") or field).add("a share of 0% looks at no answer", "leave out `sample` to look at all")
        sample = Share(1.0)
    headers = field.get("headers")
    checks = Checks(
        contains=tuple(each.text for each in _texts(field.get("contains"))),
        matches=tuple(each.parsed(check_regex, "") for each in _texts(field.get("matches"))),
        json=tuple(each.parsed(check_expression, "") for each in _texts(field.get("json"))),
        headers=tuple(
            (key.lower(), None if value.value is True else value.text)
            for key, value in (headers.fields() if headers is not None else ())
        ),
        max_size=field.parsed_of("max_size", parse_size, None),
        graphql=graphql,
        sample=sample,
    )
    at = field.get("sample")
    if at is not None and not checks.body:
        at.add(f"`sample` says how often {words(('contains', 'matches', 'json'))} is looked at, and none is given")
    return checks


def _texts(field: Field | None) -> Iterator[Field]:
    """One text, or each of a list."""
    if field is not None:
        yield from field.items() if isinstance(field.value, list) else (field,)


def check_regex(text: str) -> str:
    """The regular expression itself.

    Raises:
        Refused: it is none.
    """
    try:
        re.compile(text)
    except (re.error, RecursionError, OverflowError) as error:
        raise Refused(Problem(f"`{text[:80]}` is no regular expression: {error}")) from None
    return text


def check_expression(text: str) -> str:
    """The JMESPath expression itself.

    Raises:
        Refused: it is none.
    """
    search(text, None)
    return text
