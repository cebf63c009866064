"""The gRPC calls of one load section -> Call.

Called by `gitslo.core.parse_load`. What a method takes is not known here: the types come from the target or from files,
and the engine holds the messages against them before the load.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterator

from gitslo.core.beside import read_beside
from gitslo.core.document import Field
from gitslo.core.parse_requests import compact, parse_checks
from gitslo.core.units import parse_duration
from gitslo.core.variables import Variables
from gitslo.model import Call, SchemaForm, SchemaSource, Seconds

__all__ = ["STATUSES", "metadata_fault", "parse_call"]

STATUSES = frozenset({
    "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
    "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED",
    "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
})  # fmt: skip
"""The names of the gRPC statuses, as in `google.rpc.Code`."""

_OURS = frozenset({"content-type", "te", "user-agent", "host", "connection"})
_NOT_FOR_MESSAGES = ("contains", "matches")


def parse_call(
    name: str, field: Field, weight: int, read_file: Callable[[str], bytes], variables: Variables, shared: Field | None
) -> Call:
    """Read one call.

    Args:
        name: the objectives' name for it.
        field: the value of `call`.
        weight: its share of the arrivals.
        read_file: a path relative to the plan's folder -> its bytes.
        variables: checks templates.
        shared: the section's `checks`, for a call that has none.
    """
    deadline = field.parsed_of("deadline", parse_duration, None)
    if deadline is not None and deadline <= 0:
        (field.get("deadline") or field).add("a deadline must be above zero")
    expect = field.get("expect")
    return Call(
        name=name,
        method=field.text_of("method", ""),
        messages=_messages(field, variables) or ("{}",),
        metadata=tuple(_metadata(field.get("metadata"), variables)),
        schema=_schema(field.get("schema"), read_file),
        deadline=deadline,
        repeat=field.number_of("repeat", 1),
        interval=field.parsed_of("interval", parse_duration, Seconds(0.0)),
        gzip=field.flag_of("gzip", default=False),
        weight=weight,
        checks=parse_checks(_json_only(field.get("checks") or shared)),
        expect=frozenset(expect.texts()) if expect is not None else frozenset(),
    )


def _json_only(checks: Field | None) -> Field | None:
    for key in _NOT_FOR_MESSAGES:
        given = checks.get(key) if checks is not None else None
        if given is not None:
            given.add(f"a gRPC answer is no text that `{key}` could look into", "use `json`", on_key=True)
    return checks


def _messages(field: Field, variables: Variables) -> tuple[str, ...]:
    one, several = field.get("message"), field.get("messages")
    if one is not None and several is not None:
        several.add("`message` gives the message already", "remove one of the two", on_key=True)
    found = [one] if one is not None else list(several.items()) if several is not None else []
    for each in found:
        variables.check_within(each)
    return tuple(compact(each.value).decode() for each in found)


def _metadata(field: Field | None, variables: Variables) -> Iterator[tuple[str, str]]:
    for key, value in field.fields() if field is not None else ():
        fault = metadata_fault(key, value.text)
        if fault:
            value.add(fault, on_key=True)
        variables.check_text(value)
        yield key, value.text


def metadata_fault(name: str, value: str) -> str:
    """Why no call may carry this, or empty."""
    if name in _OURS or name.startswith(("grpc-", ":")):
        return f"the metadata `{name}` is the load engine's own"
    if name.endswith("-bin") and "${" not in value:
        try:
            base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            return f"the value of `{name}` is binary: expected base64"
    return ""


def _schema(field: Field | None, read_file: Callable[[str], bytes]) -> SchemaSource:
    if field is None or not isinstance(field.value, dict):
        return SchemaSource()
    protoset, proto, imports = field.get("protoset"), field.get("proto"), field.get("imports")
    form, first = (SchemaForm.PROTOSET, protoset) if protoset is not None else (SchemaForm.PROTO, proto)
    fields = [] if first is None else [first, *(imports.items() if imports is not None else ())]
    files = [(_bare(each.text), each.parsed(lambda path: read_beside(path, read_file), b"")) for each in fields]
    for number, each in enumerate(fields):
        if files[number][0] in [path for path, _ in files[:number]]:
            each.add(f"the file `{each.text}` is there twice")
        if form is SchemaForm.PROTO and not each.text.endswith(".proto"):
            each.add(f"expected a .proto file, found `{each.text}`", "a compiled set is `{protoset: FILE}`")
    return SchemaSource(form, tuple(files))


def _bare(path: str) -> str:
    return path.removeprefix("./")
