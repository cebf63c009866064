"""gRPC messages: JSON to bytes and back, by the types of a FileDescriptorSet. The one file with google.protobuf.

Called by the engine before a load (`prepared`), and by a worker only where a message varies or an answer's fields are
checked; nothing else imports it, because importing it takes a tenth of a second.

The cost of a message that varies, measured on one core of a busy machine: 10 us for an object with two fields, 30 us
for one with a dozen in three objects; `decode` of an answer like that costs 25 us. A constant message costs nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from importlib import import_module
from typing import Any

from google.protobuf import descriptor_pool, json_format, message_factory
from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor, ServiceDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from google.protobuf.message import DecodeError, EncodeError, Message

from gitslo.core.escape import plain, short
from gitslo.core.nearest import nearest
from gitslo.errors import Problem, Refused

__all__ = ["Method", "method", "without_comments"]

_WELL_KNOWN = "google/protobuf/"
"""Files that every compiler brings along, so that sets of descriptors often lack them."""
_DEPTH = 100
"""Messages in messages; protobuf's own bound for what it reads."""
_SHOWN = 60
"""Characters of a wrong value that an error shows."""
_KINDS = {
    FieldDescriptor.TYPE_DOUBLE: "a number",
    FieldDescriptor.TYPE_FLOAT: "a number",
    FieldDescriptor.TYPE_INT64: "a whole number of 64 bits",
    FieldDescriptor.TYPE_UINT64: "a whole number of 64 bits, not negative",
    FieldDescriptor.TYPE_INT32: "a whole number of 32 bits",
    FieldDescriptor.TYPE_FIXED64: "a whole number of 64 bits, not negative",
    FieldDescriptor.TYPE_FIXED32: "a whole number of 32 bits, not negative",
    FieldDescriptor.TYPE_BOOL: "true or false",
    FieldDescriptor.TYPE_STRING: "a text",
    FieldDescriptor.TYPE_BYTES: "a text in base64",
    FieldDescriptor.TYPE_UINT32: "a whole number of 32 bits, not negative",
    FieldDescriptor.TYPE_SFIXED32: "a whole number of 32 bits",
    FieldDescriptor.TYPE_SFIXED64: "a whole number of 64 bits",
    FieldDescriptor.TYPE_SINT32: "a whole number of 32 bits",
    FieldDescriptor.TYPE_SINT64: "a whole number of 64 bits",
}


@dataclass(frozen=True, slots=True)
class Method:
    """One method of a service.

    Attributes:
        name: `package.Service/Method`.
        client_streaming, server_streaming: whether many messages go, or come.
    """

    name: str
    client_streaming: bool
    server_streaming: bool
    _pool: descriptor_pool.DescriptorPool
    _request: type[Message]
    _answer: type[Message]

    def encode(self, text: str) -> bytes:
        """A request message from its JSON mapping; fields by their JSON names or those of the `.proto`.

        Raises:
            Refused: it is no JSON, or a field is unknown or holds what it cannot. Line and column are those of JSON
                that cannot be read, pointers those of fields.
        """
        try:
            given = json.loads(text, object_pairs_hook=_once)
        except json.JSONDecodeError as error:
            problem = Problem(f"the message is no JSON: {error.msg.lower()}", line=error.lineno, column=error.colno)
            raise Refused(problem) from None
        except (ValueError, RecursionError) as error:
            raise Refused(Problem(f"the message is no JSON: {error}")) from None
        message = self._request()
        if not isinstance(given, dict) and message.DESCRIPTOR.file.package != "google.protobuf":
            raise Refused(*self._wrong(given, self._request, ""))  # an empty list would pass for an empty object
        try:
            json_format.ParseDict(given, message, descriptor_pool=self._pool, max_recursion_depth=_DEPTH)
        except (json_format.ParseError, TypeError, ValueError, AttributeError, RecursionError) as error:
            problems = tuple(self._wrong(given, self._request, ""))
            said = short(plain(str(error)), 300)
            raise Refused(
                *problems or (Problem(f"the message is no {self._request.DESCRIPTOR.full_name}: {said}"),)
            ) from None
        try:
            return bytes(message.SerializeToString(deterministic=True))
        except EncodeError:
            missing = sorted(message.FindInitializationErrors())
            problems = tuple(Problem("a required field is missing", pointer=_pointer(path)) for path in missing)
            raise Refused(*problems) from None

    def decode(self, data: bytes) -> Any:
        """An answer's JSON mapping: names in lowerCamelCase, 64-bit numbers as text.

        Fields without presence (most of proto3's) are always there, so that a check can look at a 0.

        Raises:
            ValueError: the bytes are no such message, or hold an Any of a type that is not known.
        """
        answer = self._answer()
        try:
            answer.ParseFromString(data)
            return json_format.MessageToDict(
                answer, always_print_fields_with_no_presence=True, descriptor_pool=self._pool
            )
        except (DecodeError, json_format.Error, TypeError, RecursionError) as error:
            raise ValueError(f"no {answer.DESCRIPTOR.full_name}: {error}") from error

    # ------------------------------------------------------------ what is wrong; only asked once something is

    def _fits(self, kind: type[Message], given: Any) -> bool:
        try:
            json_format.ParseDict(given, kind(), descriptor_pool=self._pool, max_recursion_depth=_DEPTH)
        except (json_format.ParseError, TypeError, ValueError, AttributeError, RecursionError):
            return False
        return True

    def _wrong(self, given: Any, kind: type[Message], pointer: str) -> Iterator[Problem]:
        """The fields of one message that are wrong, as deep as they can be told."""
        name = kind.DESCRIPTOR.full_name
        if not isinstance(given, dict):
            yield Problem(f"expected an object ({name}), found {_shown(given)}", pointer=pointer)
            return
        known = {field.json_name: field for field in kind.DESCRIPTOR.fields} | dict(kind.DESCRIPTOR.fields_by_name)
        chosen: dict[str, str] = {}
        for key, value in given.items():
            here, field = f"{pointer}/{_escaped(key)}", known.get(key)
            if field is None:
                if not (key.startswith("[") and self._fits(kind, {key: value})):
                    names = [each.json_name for each in kind.DESCRIPTOR.fields]
                    yield Problem(f"{name} has no field `{key}`", pointer=here, hint=nearest(key, names))
                continue
            if not self._fits(kind, {key: value}):
                yield from self._wrong_value(field, kind, key, value, here)
            group = field.containing_oneof.name if field.containing_oneof is not None else f" {field.name}"
            if value is not None and chosen.setdefault(group, key) != key:
                yield Problem(f"`{key}` and `{chosen[group]}` exclude each other in {name}", pointer=here)

    def _wrong_value(
        self, field: FieldDescriptor, kind: type[Message], key: str, value: Any, here: str
    ) -> Iterator[Problem]:
        """What is wrong in the value of one field that does not fit."""
        entry = field.message_type is not None and field.message_type.GetOptions().map_entry
        if entry and isinstance(value, dict):
            for name, item in value.items():
                if not self._fits(kind, {key: {name: item}}):
                    inner = field.message_type.fields_by_name["value"]
                    under = f"{here}/{_escaped(name)}"
                    if self._fits(kind, {key: {name: _plainest(inner)}}):
                        yield from self._wrong_item(inner, item, under)
                    else:
                        wanted = _wanted(field.message_type.fields_by_name["key"])
                        yield Problem(f"expected {wanted} as a key, found {_shown(name)}", pointer=under)
        elif entry:
            yield Problem(f"expected an object (a map), found {_shown(value)}", pointer=here)
        elif field.is_repeated and isinstance(value, list):
            for index, item in enumerate(value):
                if not self._fits(kind, {key: [item]}):
                    yield from self._wrong_item(field, item, f"{here}/{index}")
        elif field.is_repeated:
            yield Problem(f"expected a list, found {_shown(value)}", pointer=here)
        else:
            yield from self._wrong_item(field, value, here)

    def _wrong_item(self, field: FieldDescriptor, value: Any, here: str) -> Iterator[Problem]:
        if field.enum_type is not None and isinstance(value, str):
            names = [each.name for each in field.enum_type.values]
            message = f"{field.enum_type.full_name} has no value `{short(plain(value), _SHOWN)}`"
            yield Problem(message, pointer=here, hint=nearest(value, names))
        elif field.message_type is None or field.message_type.full_name.startswith("google.protobuf."):
            yield Problem(f"expected {_wanted(field)}, found {_shown(value)}", pointer=here)
        else:
            inner = tuple(self._wrong(value, message_factory.GetMessageClass(field.message_type), here))
            yield from inner or (Problem(f"expected {_wanted(field)}, found {_shown(value)}", pointer=here),)


def method(descriptors: bytes, name: str) -> Method:
    """Find a method.

    Args:
        descriptors: a serialised FileDescriptorSet, in any order; the well-known types may be left out.
        name: `package.Service/Method`.

    Raises:
        Refused: the set is none or not whole, or holds no such service or method.
    """
    pool = _pool(_files(descriptors))
    service_name, _, method_name = name.rpartition("/")
    try:
        service = pool.FindServiceByName(service_name)
    except KeyError:
        known = [f"{file.package}.{each.name}".lstrip(".") for file in _files(descriptors) for each in file.service]
        raise Refused(_unknown(f"there is no service `{service_name}` in the types", service_name, known)) from None
    found: MethodDescriptor | None = service.methods_by_name.get(method_name)
    if found is None:
        raise Refused(
            _unknown(f"the service {service_name} has no method `{method_name}`", method_name, _names(service))
        )
    return Method(
        name=name,
        client_streaming=found.client_streaming,
        server_streaming=found.server_streaming,
        _pool=pool,
        _request=message_factory.GetMessageClass(found.input_type),
        _answer=message_factory.GetMessageClass(found.output_type),
    )


def without_comments(descriptors: bytes) -> bytes:
    """The same set without the sources' comments and positions, which are most of it."""
    files = _files(descriptors)
    for file in files:
        file.ClearField("source_code_info")
    return bytes(FileDescriptorSet(file=files).SerializeToString(deterministic=True))


def _files(descriptors: bytes) -> list[FileDescriptorProto]:
    try:
        files = list(FileDescriptorSet.FromString(descriptors).file)
    except DecodeError:
        raise Refused(
            Problem(
                "the types are no FileDescriptorSet", hint="`protoc --descriptor_set_out` or `buf build` writes one"
            )
        ) from None
    if not files:
        raise Refused(Problem("the types hold no file: the FileDescriptorSet is empty"))
    return files


def _pool(files: Iterable[FileDescriptorProto]) -> descriptor_pool.DescriptorPool:
    by_name = _whole(files)
    pool = descriptor_pool.DescriptorPool()
    order = TopologicalSorter({file.name: set(file.dependency) for file in by_name.values()})
    try:
        for name in order.static_order():
            pool.Add(by_name[name])
        for name in by_name:
            pool.FindFileByName(name)
    except CycleError as error:
        circle = plain(" -> ".join(error.args[1]))
        raise Refused(Problem(f"the types' files import each other in a circle: {circle}")) from None
    except (TypeError, KeyError, ValueError) as error:
        raise Refused(Problem(f"the types contradict themselves: {short(plain(str(error)), 300)}")) from None
    return pool


def _whole(files: Iterable[FileDescriptorProto]) -> dict[str, FileDescriptorProto]:
    """The files by their names, with the well-known ones that they lack."""
    by_name: dict[str, FileDescriptorProto] = {}
    for file in files:
        if by_name.setdefault(file.name, file) != file:
            raise Refused(Problem(f"the types hold two different files `{plain(file.name)}`"))
    for missing in sorted({name for file in by_name.values() for name in file.dependency}.difference(by_name)):
        brought = tuple(_brought_along(missing))
        if not brought:
            hint = "`protoc --include_imports` puts every file into the set"
            raise Refused(Problem(f"the types lack the file `{plain(missing)}`, which is imported", hint=hint))
        for each in brought:
            by_name.setdefault(each.name, each)
    return by_name


def _brought_along(name: str) -> Iterator[FileDescriptorProto]:
    """A well-known file and what it imports; nothing where it is none."""
    stem = name.removeprefix(_WELL_KNOWN).removesuffix(".proto")
    if not name.startswith(_WELL_KNOWN) or not re.fullmatch(r"[a-z_]+", stem):
        return
    try:
        described = import_module(f"google.protobuf.{stem}_pb2").DESCRIPTOR
    except ModuleNotFoundError:
        return
    for dependency in described.dependencies:
        yield from _brought_along(dependency.name)
    yield FileDescriptorProto.FromString(described.serialized_pb)


def _names(service: ServiceDescriptor) -> list[str]:
    return [each.name for each in service.methods]


def _unknown(message: str, name: str, known: list[str]) -> Problem:
    close = nearest(name, known)
    return Problem(plain(message), hint=close or f"there is {', '.join(sorted(known)[:5])}" if known else "")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key `{next(name for name in names if names.count(name) > 1)}` stands there twice")
    return found


def _plainest(field: FieldDescriptor) -> Any:
    """A value that certainly fits."""
    if field.message_type is not None:
        return {}
    return {FieldDescriptor.CPPTYPE_STRING: "", FieldDescriptor.CPPTYPE_BOOL: False}.get(field.cpp_type, 0)


def _wanted(field: FieldDescriptor) -> str:
    if field.message_type is not None:
        return f"a {field.message_type.full_name}"
    if field.enum_type is not None:
        return f"a value of {field.enum_type.full_name}"
    return _KINDS[field.type]


def _shown(value: Any) -> str:
    return short(plain(json.dumps(value, ensure_ascii=False)), _SHOWN)


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


def _pointer(path: str) -> str:
    """A JSON pointer of a path as protobuf writes it, `a.b[0].c`."""
    return "/" + path.replace("[", "/").replace("]", "").replace(".", "/")
