from __future__ import annotations

import gzip
import json
import threading

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

from gitslo.errors import Problem, Refused, Retry
from gitslo.load.grpc.prepared import framed, prepare
from gitslo.load.grpc.protobuf import method, without_comments
from gitslo.load.messages import PreparedMethod
from gitslo.model import (
    Call,
    Checks,
    Feeder,
    LoadSection,
    LoadStage,
    RatePerSecond,
    SchemaForm,
    SchemaSource,
    Seconds,
    StageForm,
)
from tests.load.grpc_server import SERVICE, types

BUY = f"{SERVICE}/Buy"


def refusal(text: str) -> tuple[Problem, ...]:
    with pytest.raises(Refused) as refused:
        method(types(), BUY).encode(text)
    return refused.value.problems


# --------------------------------------------------------------------------- messages


def test_a_message_survives_the_way_there_and_back() -> None:
    """Every kind of field: names of both kinds, 64 bits as text, enums, maps, well-known types, bytes."""
    buy = method(types(), BUY)
    given = {
        "name": "bün",
        "count": 3,
        "total": "9007199254740993",
        "kind": "BREAD",
        "parts": [{"name": "crumb"}],
        "prices": {"eur": {"cents": "129"}},
        "shelves": {"4": "left"},
        "best_before": "2030-01-02T03:04:05Z",
        "image": "AAEC",
    }
    said = buy.decode(buy.encode(json.dumps(given)))

    assert "crumb" == said["parts"][0]["name"]
    expected = {**given, "bestBefore": given["best_before"], "parts": said["parts"]}
    del expected["best_before"]
    assert expected == said


def test_a_field_of_an_answer_is_there_even_where_it_was_not_sent() -> None:
    """A check on a count of 0 or the first value of an enum has something to look at."""
    said = method(types(), BUY).decode(b"")

    assert (0, "0", "KIND_UNSPECIFIED", [], {}) == tuple(said[k] for k in ("count", "total", "kind", "parts", "prices"))


def test_bytes_that_are_no_message_are_said_to_be_none() -> None:
    """Whoever checks an answer counts that as a failure."""
    with pytest.raises(ValueError, match=r"no acme\.shop\.v1\.Item"):
        method(types(), BUY).decode(b"\x0a\xff")


@pytest.mark.parametrize(
    ("text", "pointer", "message", "hint"),
    [
        ('{"nme": 1}', "/nme", "acme.shop.v1.Item has no field `nme`", "did you mean `name`?"),
        ('{"name": 1}', "/name", "expected a text, found 1", ""),
        ('{"count": "many"}', "/count", 'expected a whole number of 32 bits, found "many"', ""),
        ('{"count": 2147483648}', "/count", "expected a whole number of 32 bits, found 2147483648", ""),
        ('{"kind": "FRIUT"}', "/kind", "acme.shop.v1.Kind has no value `FRIUT`", "did you mean `FRUIT`?"),
        ('{"parts": {}}', "/parts", "expected a list, found {}", ""),
        ('{"parts": [{}, {"parts": [{"name": 5}]}]}', "/parts/1/parts/0/name", "expected a text, found 5", ""),
        ('{"count": 0.5}', "/count", "expected a whole number of 32 bits, found 0.5", ""),
        ('{"parts": [null]}', "/parts/0", "expected an object (acme.shop.v1.Item), found null", ""),
        ('{"prices": {"/~": {"c": 1}}}', "/prices/~1~0/c", "acme.Money has no field `c`", "there is `cents`"),
        ('{"prices": []}', "/prices", "expected an object (a map), found []", ""),
        ('{"shelves": {"top": "x"}}', "/shelves/top", 'expected a whole number of 32 bits as a key, found "top"', ""),
        ('{"shelves": {"1": 2}}', "/shelves/1", "expected a text, found 2", ""),
        ('{"bestBefore": "soon"}', "/bestBefore", 'expected a google.protobuf.Timestamp, found "soon"', ""),
        ('{"image": 7}', "/image", "expected a text in base64, found 7", ""),
        ('{"text": "x", "image": "AA=="}', "/image", "`image` and `text` exclude each other in acme.shop.v1.Item", ""),
        ("[]", "", "expected an object (acme.shop.v1.Item), found []", ""),
        ('{"name": "x", "name": "y"}', "", "the message is no JSON: the key `name` stands there twice", ""),
    ],
)  # fmt: skip
def test_a_wrong_field_is_named(text: str, pointer: str, message: str, hint: str) -> None:
    """By its place in the message, with what belongs there."""
    assert (Problem(message, pointer=pointer, hint=hint),) == refusal(text)


def test_every_wrong_field_is_named_at_once() -> None:
    """One look mends them all."""
    assert ["/count", "/parts/0/x"] == [each.pointer for each in refusal('{"count": true, "parts": [{"x": 1}]}')]


def test_json_that_cannot_be_read_is_refused_with_its_place() -> None:
    """Line and column within the message; a message of a thousand levels is no reason to fall over."""
    assert [(2, 3)] == [(each.line, each.column) for each in refusal("{\n  name: 1}")]
    assert 1 == len(refusal('{"parts":[' * 200 + "{}" + "]}" * 200))
    assert 1 == len(refusal('{"parts":[' * 100_000))


# --------------------------------------------------------------------------- types


def test_the_kind_of_a_method_is_in_the_types() -> None:
    """Whether many messages go or come decides how a call is carried."""
    found = [method(types(), f"{SERVICE}/{name}") for name in ("Buy", "Watch", "Collect", "Chat")]

    assert [(False, False), (False, True), (True, False), (True, True)] == [
        (each.client_streaming, each.server_streaming) for each in found
    ]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("acme.shop.v1.Shop/By", "the service acme.shop.v1.Shop has no method `By` (did you mean `Buy`?)"),
        ("acme.Shop/Buy", "there is no service `acme.Shop` in the types (did you mean `acme.shop.v1.Shop`?)"),
        ("a.Item/Buy", "there is no service `a.Item` in the types (there is `acme.shop.v1.Shop`)"),
    ],
)  # fmt: skip
def test_an_unknown_method_has_a_hint(name: str, said: str) -> None:
    """The nearest name, or what there is."""
    with pytest.raises(Refused) as refused:
        method(types(), name)

    assert said == str(refused.value)


def test_files_may_come_in_any_order_and_without_the_well_known_ones() -> None:
    """Servers and compilers differ in both."""
    files = list(FileDescriptorSet.FromString(types()).file)
    bare = FileDescriptorSet(file=[each for each in reversed(files) if not each.name.startswith("google/")])

    assert b"\x0a\x01x" == method(bare.SerializeToString(), BUY).encode('{"name": "x"}')


def test_types_that_are_not_whole_are_refused() -> None:
    """Each says what is missing."""
    files = list(FileDescriptorSet.FromString(types()).file)
    lacking = FileDescriptorSet(file=[each for each in files if each.name != "acme/money.proto"])
    twice = FileDescriptorSet(file=files)
    twice.file.add(name="acme/money.proto", package="other")
    circle = FileDescriptorSet()
    circle.file.add(name="a.proto", dependency=["b.proto"])
    circle.file.add(name="b.proto", dependency=["a.proto"])
    said = []
    for broken in (
        lacking.SerializeToString(),
        twice.SerializeToString(),
        circle.SerializeToString(),
        b"",
        b"\xff\xff",
    ):
        with pytest.raises(Refused) as refused:
            method(broken, BUY)
        said.append(refused.value.problems[0].message)

    assert "the types lack the file `acme/money.proto`, which is imported" == said[0]
    assert "the types hold two different files `acme/money.proto`" == said[1]
    assert said[2].startswith("the types' files import each other in a circle: ")
    assert ["the types hold no file: the FileDescriptorSet is empty", "the types are no FileDescriptorSet"] == said[3:]


def test_required_fields_are_missed_by_their_place() -> None:
    """Of proto2, which still has them."""
    file = FileDescriptorProto(name="old.proto", package="old")
    inner = file.message_type.add(name="Inner")
    inner.field.add(name="id", number=1, type="TYPE_INT32", label="LABEL_REQUIRED")
    outer = file.message_type.add(name="Outer")
    outer.field.add(name="all", number=1, type="TYPE_MESSAGE", type_name=".old.Inner", label="LABEL_REPEATED")
    file.service.add(name="Old").method.add(name="Get", input_type=".old.Outer", output_type=".old.Outer")
    get = method(FileDescriptorSet(file=[file]).SerializeToString(), "old.Old/Get")
    with pytest.raises(Refused) as refused:
        get.encode('{"all": [{"id": 1}, {}]}')

    assert (Problem("a required field is missing", pointer="/all/1/id"),) == refused.value.problems


def test_types_that_contradict_themselves_are_refused() -> None:
    """A field of a type that there is not."""
    file = FileDescriptorProto(name="bad.proto")
    file.message_type.add(name="A").field.add(name="b", number=1, type="TYPE_MESSAGE", type_name=".Nobody")
    with pytest.raises(Refused, match="the types contradict themselves: "):
        method(FileDescriptorSet(file=[file]).SerializeToString(), "A/B")


def test_comments_do_not_travel() -> None:
    """The types go to every worker; what only people read stays behind."""
    commented = FileDescriptorSet.FromString(types())
    commented.file[0].source_code_info.location.add(leading_comments="long " * 1000)

    assert without_comments(types()) == without_comments(commented.SerializeToString())


# --------------------------------------------------------------------------- calls made ready


def section(*calls: Call, data: tuple[Feeder, ...] = ()) -> LoadSection:
    stages = (LoadStage(StageForm.HOLD, RatePerSecond(1.0), Seconds(1.0)),)
    return LoadSection("shop", "shop", (), Seconds(1.0), Seconds(0.0), stages, data=data, calls=calls)


def never(call: Call) -> bytes:
    raise Retry(f"types were asked for {call.method}")


def test_an_empty_message_needs_no_types() -> None:
    """The health check works against every server that has it."""
    calls = section(Call("health", "grpc.health.v1.Health/Check"))

    assert (
        PreparedMethod("/grpc.health.v1.Health/Check", False, True, (b"\0\0\0\0\0",)),
    ) == prepare(calls, {}, never)  # fmt: skip


def test_constant_messages_are_encoded_once_and_their_types_stay_behind() -> None:
    """A worker sends bytes."""
    call = Call("buy", BUY, ('{"name": "x"}',))

    assert (PreparedMethod(f"/{BUY}", messages=(b"\0\0\0\0\x03\x0a\x01x",)),) == prepare(
        section(call), {}, lambda _: types()
    )


def test_types_travel_where_messages_vary_or_fields_are_checked() -> None:
    """And only there."""
    varies = Call("a", BUY, ('{"count": ${seq}}',))
    checked = Call("b", BUY, ('{"name": "x"}',), checks=Checks(json=("count == `1`",)))
    ready = prepare(section(varies, checked), {}, lambda _: types())

    assert [((), True), ((framed(b"\x0a\x01x", compress=False),), True)] == [
        (each.messages, each.descriptors == without_comments(types())) for each in ready
    ]


def test_a_message_that_varies_is_tried_before_the_load() -> None:
    """With the first row, the operator's variables and an example of what is built in; values are escaped."""
    feeder = Feeder("users", ("name", "count"), (('An "A"', "7"), ("Bo", "8")))
    good = Call(
        "buy", BUY, ('{"name": "${users.name} ${env.REGION} ${uuid}", "count": ${users.count}, "total": ${seq}}',)
    )
    wrong = Call("buy", BUY, ('{"count": "${users.name}"}',))
    prepare(section(good, data=(feeder,)), {"REGION": "eu"}, lambda _: types())
    with pytest.raises(Refused) as refused:
        prepare(section(wrong, data=(feeder,)), {}, lambda _: types())

    assert '/count: call `buy`: expected a whole number of 32 bits, found "An \\"A\\""' == str(refused.value)


def test_a_method_without_a_client_stream_takes_one_message() -> None:
    """More would be ignored, or be an error of every call."""
    for call in (Call("buy", BUY, ('{"name":"x"}', "{}")), Call("buy", BUY, ('{"name":"x"}',), repeat=3)):
        with pytest.raises(Refused, match=f"{BUY} takes exactly one message"):
            prepare(section(call), {}, lambda _: types())

    many = Call("collect", f"{SERVICE}/Collect", ('{"name":"x"}', "{}"), repeat=3)

    assert 2 == len(prepare(section(many), {}, lambda _: types())[0].messages)


def test_a_method_is_written_with_its_service() -> None:
    """`package.Service/Method`, without a slash before it."""
    for name in ("/a.B/C", "a.B.C", "a.B/", "a.B/C/D", "a b/C", ""):
        with pytest.raises(Refused, match=r"is no `package\.Service/Method`"):
            prepare(section(Call("x", name)), {}, never)


def test_the_types_of_one_service_are_asked_for_once() -> None:
    """However many calls it has."""
    asked: list[str] = []

    def find(call: Call) -> bytes:
        asked.append(call.name)
        return types()

    calls = [Call(name, f"{SERVICE}/{name}", ('{"name":"x"}',)) for name in ("Buy", "Watch", "Collect")]
    other = Call("other", BUY, ('{"name":"x"}',), schema=SchemaSource(SchemaForm.PROTOSET, (("x", types()),)))
    prepare(section(*calls, other), {}, find)

    assert ["Buy", "other"] == asked


def test_a_compressed_message_says_so() -> None:
    """The same bytes each time: what is compressed is constant."""
    made = framed(b"x" * 1000, compress=True)

    assert (1, len(made) - 5, b"x" * 1000) == (made[0], int.from_bytes(made[1:5], "big"), gzip.decompress(made[5:]))
    assert made == framed(b"x" * 1000, compress=True)


def test_methods_can_be_used_from_any_thread() -> None:
    """The engine prepares where the run lives, not where the process began."""
    found: list[bytes] = []
    thread = threading.Thread(target=lambda: found.append(method(types(), BUY).encode('{"count": 1}')))
    thread.start()
    thread.join()

    assert [b"\x10\x01"] == found
