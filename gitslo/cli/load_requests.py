"""The one request of `gitslo load`: an HTTP endpoint or a gRPC call, and the rows that its variables come from.

Called by `load_arguments`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import click

from gitslo.cli.load_options import Flags
from gitslo.cli.parsing import parsed
from gitslo.core.parse_call import STATUSES, metadata_fault
from gitslo.core.parse_data import parse_csv, parse_jsonl
from gitslo.core.parse_requests import check_expression, check_regex
from gitslo.core.template import BUILT_IN, ENVIRONMENT, check
from gitslo.core.units import parse_duration, parse_size
from gitslo.errors import Problem, Refused
from gitslo.model import Call, Checks, Endpoint, Feeder, SchemaForm, SchemaSource, Seconds

__all__ = ["ENDPOINT", "call", "endpoint", "feeders"]

ENDPOINT = "url"
"""The name of the one request, and of its target."""
_LARGEST = 64 * 1024 * 1024
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_METHOD = re.compile(r"/([A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*/[A-Za-z_][A-Za-z0-9_]*)")
_IMPORT = re.compile(r'(?m)^\s*import\s+(?:public\s+|weak\s+)?"([^"\n]+)"\s*;')
_KNOWN_IMPORTS = "google/protobuf/"
_MOST_IMPORTS = 1000
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def endpoint(path: str, flags: Flags, rows: Sequence[Feeder]) -> Endpoint:
    """The HTTP request."""
    headers = tuple(_pair(header, "--header") for header in flags.headers)
    body = _content(flags.body, "--body") if flags.body is not None else b""
    if flags.graphql is not None:
        body, headers = _graphql(flags, headers)
    elif flags.graphql_variables is not None:
        raise click.UsageError("--graphql-variables is for --graphql")
    _check_template(path, "URL", flags, rows)
    for _, value in headers:
        _check_template(value, "--header", flags, rows)
    _check_template(body, "--body" if flags.graphql is None else "--graphql", flags, rows)
    return Endpoint(
        name=ENDPOINT,
        method=(flags.method or ("GET" if flags.body is None and flags.graphql is None else "POST")).upper(),
        path=path,
        headers=headers,
        body=body,
        checks=_checks(flags),
        expect=frozenset(_statuses(flags.expect)),
    )


def call(path: str, flags: Flags, rows: Sequence[Feeder]) -> Call:
    """The gRPC call."""
    method = _METHOD.fullmatch(path)
    if method is None:
        message = f"`{path}` is no gRPC method"
        raise Refused(Problem(message, hint="e.g. grpc://127.0.0.1:9090/grpc.health.v1.Health/Check"))
    metadata = tuple((name.lower(), value) for name, value in (_pair(each, "--metadata") for each in flags.metadata))
    for name, value in metadata:
        fault = metadata_fault(name, value)
        if fault:
            raise click.BadParameter(fault, param_hint="--metadata")
        _check_template(value, "--metadata", flags, rows)
    messages = tuple(_message(each) for each in flags.message)
    for each in messages:
        _check_template(each, "--message", flags, rows)
    return Call(
        name=ENDPOINT,
        method=method[1],
        messages=messages or ("{}",),
        metadata=metadata,
        schema=_schema(flags.schema),
        deadline=None if flags.deadline is None else parsed(parse_duration, flags.deadline, "--deadline"),
        repeat=flags.repeat or 1,
        interval=Seconds(0.0) if flags.interval is None else parsed(parse_duration, flags.interval, "--interval"),
        gzip=flags.gzip,
        checks=_checks(flags),
        expect=_grpc_statuses(flags.expect),
    )


def feeders(flags: Flags) -> tuple[Feeder, ...]:
    """The rows of every --data."""
    found: dict[str, Feeder] = {}
    for text in flags.data:
        name, equals, path = text.partition("=")
        if not equals or not _NAME.fullmatch(name) or name in {*BUILT_IN, ENVIRONMENT}:
            raise click.BadParameter(f"expected NAME=FILE, found `{text}`", param_hint="--data")
        if name in found:
            raise click.BadParameter(f"`{name}` is given twice", param_hint="--data")
        parse = {".csv": parse_csv, ".jsonl": parse_jsonl}.get(PurePosixPath(path).suffix)
        if parse is None:
            raise click.BadParameter(f"expected a .csv or a .jsonl file, found `{path}`", param_hint="--data")
        found[name] = parse(name, path, _read(path, "--data"))
    return tuple(found.values())


# --------------------------------------------------------------------------- parts


def _check_template(text: str | bytes, option: str, flags: Flags, rows: Sequence[Feeder]) -> None:
    faults = check(text, {each.name: each.columns for each in rows}, flags.env)
    if faults:
        hint = f" ({faults[0].hint})" if faults[0].hint else ""
        raise click.BadParameter(f"{faults[0].message}{hint}", param_hint=option)


def _read(path: str, option: str) -> bytes:
    try:
        with Path(path).open("rb") as file:
            data = file.read(_LARGEST + 1)
    except OSError as error:
        raise click.BadParameter(f"{path}: {error.strerror}", param_hint=option) from error
    if len(data) > _LARGEST:
        raise click.BadParameter(f"{path}: larger than 64 MiB", param_hint=option)
    return data


def _content(text: str, option: str) -> bytes:
    return _read(text[1:], option) if text.startswith("@") else text.encode()


def _object(text: str, option: str) -> dict[str, object]:
    try:
        found = json.loads(_content(text, option))
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        shown = "the file" if text.startswith("@") else f"`{text[:80]}`"
        raise click.BadParameter(f"{shown} is no JSON object", param_hint=option)
    return found


def _pair(text: str, option: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise click.BadParameter(f"{text!r} is not of the form 'NAME: VALUE'", param_hint=option)
    return name.strip(), value.strip()


def _graphql(flags: Flags, headers: tuple[tuple[str, str], ...]) -> tuple[bytes, tuple[tuple[str, str], ...]]:
    """The body of a GraphQL query, and its headers."""
    if flags.body is not None:
        raise click.UsageError("--graphql and --body exclude each other")
    if (flags.method or "POST").upper() != "POST":
        raise click.UsageError("--graphql is sent with POST")
    query = _content(flags.graphql or "", "--graphql").decode(errors="replace")
    if not query.strip():
        raise click.BadParameter("there is no query", param_hint="--graphql")
    request: dict[str, object] = {"query": query}
    if flags.graphql_variables is not None:
        request["variables"] = _object(flags.graphql_variables, "--graphql-variables")
    named = any(name.lower() == "content-type" for name, _ in headers)
    body = json.dumps(request, ensure_ascii=False, separators=(",", ":")).encode()
    return body, headers if named else (*headers, ("Content-Type", "application/json"))


def _header_check(text: str) -> tuple[str, str | None]:
    name, colon, value = text.partition(":")
    if not _TOKEN.fullmatch(name.strip()):
        raise click.BadParameter(f"{text!r} is not of the form 'NAME' or 'NAME: VALUE'", param_hint="--check-header")
    return name.strip().lower(), value.strip() if colon else None


def _statuses(text: str | None) -> list[int]:
    if text is None:
        return []
    if not re.fullmatch(r"[2-5]\d\d(,[2-5]\d\d)*", text):
        raise click.BadParameter(f"{text!r} is no list of statuses such as 200,204", param_hint="--expect")
    return [int(status) for status in text.split(",")]


def _grpc_statuses(text: str | None) -> frozenset[str]:
    found = frozenset(text.split(",")) if text is not None else frozenset()
    if not found <= STATUSES:
        raise click.BadParameter(f"{text!r} is no list of gRPC statuses such as OK,NOT_FOUND", param_hint="--expect")
    return found


def _checks(flags: Flags) -> Checks:
    return Checks(
        contains=flags.check_contains,
        matches=tuple(parsed(check_regex, each, "--check-matches") for each in flags.check_matches),
        json=tuple(parsed(check_expression, each, "--check-json") for each in flags.check_json),
        headers=tuple(_header_check(each) for each in flags.check_header),
        graphql=flags.graphql is not None,
        max_size=None if flags.max_size is None else parsed(parse_size, flags.max_size, "--max-size"),
    )


# --------------------------------------------------------------------------- gRPC


def _message(text: str) -> str:
    return json.dumps(_object(text, "--message"), ensure_ascii=False, separators=(",", ":"))


def _schema(text: str | None) -> SchemaSource:
    if text is None or text == SchemaForm.REFLECTION:
        return SchemaSource()
    if text.endswith(".proto"):
        return SchemaSource(SchemaForm.PROTO, tuple(_sources(Path(text)).items()))
    return SchemaSource(SchemaForm.PROTOSET, ((text, _read(text, "--schema")),))


def _sources(first: Path) -> dict[str, bytes]:
    """A .proto file and what it imports, looked for in its own folder."""
    found: dict[str, bytes] = {}
    wanted = [first.name]
    while wanted:
        name = wanted.pop()
        if name in found or name.startswith(_KNOWN_IMPORTS):
            continue
        if len(found) >= _MOST_IMPORTS:
            raise click.BadParameter(f"more than {_MOST_IMPORTS} files are imported", param_hint="--schema")
        found[name] = _read(str(first.parent / name), "--schema")
        wanted += _IMPORT.findall(found[name].decode(errors="replace"))
    return found
