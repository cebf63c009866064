"""gRPC calls made ready: what a worker needs of a method, so that it has to know nothing about its types.

`prepare` is called by the engine before the workers start, and finds every mistake that a message can have; what it
makes travels to the workers. Constant messages are encoded, compressed and framed here, once. Only where a message
varies, or an answer's fields are checked, the types go along.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from gitslo.core.template import ENVIRONMENT, Template, Variable, in_json, parse
from gitslo.errors import Problem, Refused
from gitslo.load.messages import PreparedMethod
from gitslo.model import Call, LoadSection, SchemaForm

if TYPE_CHECKING:
    from gitslo.load.grpc.protobuf import Method

__all__ = ["framed", "prepare"]

_METHOD = re.compile(r"(?:[A-Za-z_]\w*\.)*[A-Za-z_]\w*/[A-Za-z_]\w*", re.ASCII)
_EXAMPLES = {"uuid": "00000000-0000-4000-8000-000000000000", "seq": "0", "timestamp": "0", "timestamp_ms": "0"}
_LARGEST = 2**32 - 1
_LEVEL = 6
_TRIED = 1000
"""Rows of data that messages are tried with before the load; what a later one breaks is counted as a failed call."""


def framed(message: bytes, *, compress: bool) -> bytes:
    """A message as it stands in a stream: a flag, its length in four bytes, itself."""
    data = gzip.compress(message, _LEVEL, mtime=0) if compress else message
    if len(data) > _LARGEST:
        raise Refused(Problem("a message has at most 4 GiB"))
    return bytes([compress]) + len(data).to_bytes(4, "big") + data


def prepare(
    section: LoadSection, environment: Mapping[str, str], find: Callable[[Call], bytes]
) -> tuple[PreparedMethod, ...]:
    """Every call of a section, made ready.

    Args:
        section: one with calls.
        environment: the operator's variables.
        find: gives the types of a call; asked once for each service and source of types, and not at all where nothing
            needs them.

    Raises:
        Refused: a method or a message is not what its types say.
        Retry: by `find`.
    """
    known: dict[tuple[object, str], bytes] = {}

    def types(call: Call) -> bytes:
        key = (call.schema, call.method.rpartition("/")[0] if call.schema.form is SchemaForm.REFLECTION else "")
        if key not in known:
            known[key] = find(call)
        return known[key]

    examples = tuple(_examples(section, environment))
    made = []
    for call in section.calls:
        try:
            made.append(_prepared(call, types, examples))
        except Refused as error:
            where = f"call `{call.name}`"
            raise Refused(
                *(Problem(f"{where}: {p.message}", p.file, p.line, p.column, p.pointer, p.hint) for p in error.problems)
            ) from None
    return tuple(made)


def _examples(section: LoadSection, environment: Mapping[str, str]) -> Iterator[Mapping[Variable, str]]:
    """Values for every variable: with each row of the data, up to a bound."""
    constant = {Variable(ENVIRONMENT, name): value for name, value in environment.items()}
    constant |= {Variable("", name): value for name, value in _EXAMPLES.items()}
    for index in range(min(_TRIED, max((len(feeder.rows) for feeder in section.data), default=1))):
        yield constant | {
            Variable(feeder.name, column): value
            for feeder in section.data
            for column, value in zip(feeder.columns, feeder.rows[index % len(feeder.rows)], strict=True)
        }


def _prepared(call: Call, types: Callable[[Call], bytes], examples: Sequence[Mapping[Variable, str]]) -> PreparedMethod:
    if not _METHOD.fullmatch(call.method):
        raise Refused(Problem(f"`{call.method}` is no `package.Service/Method`"))
    path = f"/{call.method}"
    templates = [parse(text) for text in call.messages]
    varies = any(template.varies for template in templates)
    if not varies and not call.checks.body and all(_empty(template.constant) for template in templates):
        message = framed(b"", compress=call.gzip)
        many = call.repeat > 1 or len(templates) != 1
        # Of one message the bytes are the same for all four kinds of methods.
        return PreparedMethod(path, many, server_streaming=True, messages=(message,) * len(templates))
    from gitslo.load.grpc.protobuf import method, without_comments  # noqa: PLC0415 - a tenth of a second, rarely needed

    descriptors = types(call)
    found = method(descriptors, call.method)
    if not found.client_streaming and (len(templates) != 1 or call.repeat != 1):
        sent = len(templates) * call.repeat
        raise Refused(Problem(f"{call.method} takes exactly one message, and {sent} are given"))
    encoded = [_encoded(found, template, examples) for template in templates]
    return PreparedMethod(
        path,
        found.client_streaming,
        found.server_streaming,
        () if varies else tuple(framed(message, compress=call.gzip) for message in encoded),
        without_comments(descriptors) if varies or call.checks.body else b"",
    )


def _encoded(found: Method, template: Template[str], examples: Sequence[Mapping[Variable, str]]) -> bytes:
    """The message; where it varies, one of those that were tried."""
    variables = template.variables()
    missing = sorted(str(variable) for variable in variables if variable not in examples[0])
    if missing:
        group, _, name = missing[0].rpartition(".")
        if group == ENVIRONMENT:
            raise Refused(Problem(f"the environment variable `{name}` is not set"))
        raise Refused(Problem(f"there is no value for `${{{missing[0]}}}`"))
    tried = examples if any(variable.group not in {"", ENVIRONMENT} for variable in variables) else examples[:1]
    encoded = [found.encode(template.render({each: in_json(row[each]) for each in variables})) for row in tried]
    return encoded[0]


def _empty(text: str) -> bool:
    try:
        return bool(json.loads(text) == {})
    except (ValueError, RecursionError):
        return False
