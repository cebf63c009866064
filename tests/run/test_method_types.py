from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc
import pytest

from gitslo.adapters.grpc_client import reflect
from gitslo.adapters.proto_compiler import compile_proto
from gitslo.core.protowire import fields, text_field
from gitslo.errors import Problem, Refused, Retry
from gitslo.load.grpc.protobuf import method
from gitslo.model import Call, SchemaForm, SchemaSource, Seconds, Target, TargetScheme, TlsSettings
from gitslo.ports import TlsMaterial
from gitslo.wiring_run import method_schemas
from tests.authority import Authority
from tests.closed_port import closed_port
from tests.load.grpc_server import MONEY, SERVICE, SHOP, SOURCES, grpc_server, types

TARGET = Target("shop", TargetScheme.GRPC, "shop.dev.svc", 9090)
NONE = TlsMaterial()
SOON = Seconds(5.0)
BUY = f"{SERVICE}/Buy"


def refusal(what: Callable[[], object]) -> tuple[Problem, ...]:
    with pytest.raises(Refused) as refused:
        what()
    return refused.value.problems


# --------------------------------------------------------------------------- reflection


@pytest.mark.parametrize("versions", [("v1",), ("v1alpha",), ("v1", "v1alpha")])
def test_a_server_tells_its_types_in_either_version(versions) -> None:
    """Every file that the service needs comes along, whichever version of reflection the server has."""
    with grpc_server(reflect=versions) as server:
        found = reflect(TARGET, ("127.0.0.1", server.port), SERVICE, NONE)

    assert b"\x0a\x01x2\x09\x0a\x03eur\x12\x02\x08\x02" == method(found, BUY).encode(
        '{"name": "x", "prices": {"eur": {"cents": 2}}}'
    )  # fmt: skip


def test_a_server_without_reflection_is_said_to_have_none() -> None:
    """It may get it with its next rollout: no person has to change anything here."""
    with grpc_server(reflect=()) as server, pytest.raises(Retry, match="offers no reflection"):
        reflect(TARGET, ("127.0.0.1", server.port), SERVICE, NONE)


def test_a_service_that_the_server_does_not_know_is_refused() -> None:
    """The plan names it, so a person has to mend the plan."""
    with grpc_server() as server:
        problems = refusal(lambda: reflect(TARGET, ("127.0.0.1", server.port), "acme.Shap", NONE))

    assert problems[0].message.startswith("the server knows no `acme.Shap`")


def test_the_health_protocol_is_known_without_asking() -> None:
    """It is the same everywhere, and many servers that have it have no reflection."""
    found = reflect(TARGET, ("127.0.0.1", 1), "grpc.health.v1.Health", NONE)

    assert b"\x0a\x04shop" == method(found, "grpc.health.v1.Health/Check").encode('{"service": "shop"}')


def test_nobody_listens() -> None:
    """Within the time-out, and worth another look."""
    with closed_port() as port, pytest.raises(Retry, match=r"gRPC status (UNAVAILABLE|DEADLINE_EXCEEDED)"):
        reflect(TARGET, ("127.0.0.1", port), SERVICE, NONE, Seconds(1.0))


@contextmanager
def answering(answer: Callable[[bytes], bytes | None]) -> Iterator[tuple[str, int]]:
    """A server whose reflection answers each question with these bytes; None: not at all, until the caller has gone."""

    def talk(questions: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        gone = threading.Event()
        context.add_callback(gone.set)
        for question in questions:
            said = answer(question)
            if said is None:
                gone.wait(60)
                return
            yield said

    with ThreadPoolExecutor(4) as threads:
        server = grpc.server(threads)
        handler = grpc.stream_stream_rpc_method_handler(talk)
        name = "grpc.reflection.v1.ServerReflection"
        server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(name, {"ServerReflectionInfo": handler}),)
        )
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            yield "127.0.0.1", port
        finally:
            server.stop(None).wait()


def files(*contents: bytes) -> bytes:
    return text_field(4, b"".join(text_field(1, content) for content in contents))


def test_files_that_come_one_by_one_are_asked_for() -> None:
    """The protocol lets a server send the service's own file alone; each is asked for once."""
    known = {dict(fields(file))[1]: file for _, file in fields(types())}
    asked: list[bytes] = []

    def one(question: bytes) -> bytes:
        number, name = list(fields(question))[1]
        asked.append(name)
        return files(known[b"acme/shop.proto" if number == 4 else name])

    with answering(one) as address:
        found = reflect(TARGET, address, SERVICE, NONE)

    assert b"\x10\x01" == method(found, BUY).encode('{"count": 1}')
    assert [SERVICE.encode(), b"acme/money.proto", b"google/protobuf/timestamp.proto"] == sorted(
        asked, key=lambda name: name != SERVICE.encode()
    )[:1] + sorted(asked[1:])


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"", "neither files nor an error"),
        (b"\xff", "a message that is cut short"),
        (b"\x22\x7f", "a message that is cut short"),
        (files(text_field(3, "more.proto")), "other files than `more.proto`"),
        (files(b"\x0a\x01"), "a message that is cut short"),
        (text_field(7, b"\x08\x03" + text_field(2, "bad\x1b[31m")), r"the error 3: bad\\x1b\[31m"),
    ],
)
def test_nonsense_is_no_types(answer, said) -> None:
    """Whatever a server says, it ends in a sentence."""
    with answering(lambda _: answer) as address, pytest.raises(Retry, match=said):
        reflect(TARGET, address, SERVICE, NONE)


def test_a_server_cannot_keep_us_busy() -> None:
    """Types without end are cut off, and so is silence."""
    numbers = iter(range(10**9))

    def endless(_: bytes) -> bytes:
        number = next(numbers)
        own = text_field(1, f"{number}.proto") + text_field(3, f"{number + 1}.proto")
        return files(own)

    with answering(endless) as address, pytest.raises(Retry, match="2000 files of types"):
        reflect(TARGET, address, SERVICE, NONE)
    with answering(lambda _: None) as address, pytest.raises(Retry, match="DEADLINE_EXCEEDED"):
        reflect(TARGET, address, SERVICE, NONE, Seconds(0.5))
    with answering(lambda _: bytes(17 * 1024 * 1024)) as address, pytest.raises(Retry, match="RESOURCE_EXHAUSTED"):
        reflect(TARGET, address, SERVICE, NONE)


def test_reflection_over_tls_uses_the_plans_material(tmp_path) -> None:
    """The plan's authority and name, and our own certificate where the server asks for one."""
    authority = Authority.create(tmp_path / "ca")
    certificate, key = (path.read_bytes() for path in authority.sign("DNS:shop.internal"))
    ours, our_key = (path.read_bytes() for path in authority.sign("DNS:load"))
    ca = authority.certificates.read_bytes()
    credentials = grpc.ssl_server_credentials([(key, certificate)], ca, require_client_auth=True)
    named = TlsSettings(server_name="shop.internal")
    target = Target("shop", TargetScheme.GRPC, "shop.dev.svc", 9090, tls=True, settings=named)
    with grpc_server(credentials=credentials) as server:
        address = ("127.0.0.1", server.port)
        found = reflect(target, address, SERVICE, TlsMaterial(ca, ours, our_key), SOON)
        with pytest.raises(Retry):
            reflect(target, address, SERVICE, TlsMaterial(ca), Seconds(1.0))
        with pytest.raises(Retry):
            reflect(target, address, SERVICE, TlsMaterial(b"", ours, our_key), Seconds(1.0))

    assert method(found, BUY).name == BUY


def test_an_unverified_connection_is_refused_and_says_what_to_do() -> None:
    """There is no such thing in grpcio, and types from just anybody would be no types."""
    target = Target("shop", TargetScheme.GRPC, "shop", 1, tls=True, settings=TlsSettings(insecure=True))
    problems = refusal(lambda: reflect(target, ("127.0.0.1", 1), SERVICE, NONE))

    assert "name the certificate's authority as `tls.ca`, or give the types as files" == problems[0].hint


# --------------------------------------------------------------------------- .proto files


def test_sources_become_the_types() -> None:
    """With everything that the first one imports, the well-known types included."""
    assert b"\x42\x02\x08\x01" == method(compile_proto(SOURCES), BUY).encode('{"bestBefore": "1970-01-01T00:00:01Z"}')


@pytest.mark.parametrize(
    ("shop", "money", "expected"),
    [
        (SHOP.replace(b"int32 count = 2;", b"int32 count;"), MONEY, ("acme/shop.proto", 15, 14)),
        (SHOP.replace(b"Kind kind", b"Kynd kind"), MONEY, ("acme/shop.proto", 17, 3)),
        (SHOP, MONEY + b"oops", ("acme/money.proto", 7, 1)),
        (SHOP.replace(b"acme/money.proto", b"acme/monei.proto"), MONEY, ("acme/shop.proto", 4, 1)),
        (SHOP.replace(b"acme/money.proto", b"/etc/hosts.proto"), MONEY, ("acme/shop.proto", 4, 1)),
        (SHOP.replace(b"acme/money.proto", b"../money.proto"), MONEY, ("acme/shop.proto", 4, 1)),
    ],
)
def test_a_mistake_in_a_source_is_named_with_its_place(shop, money, expected) -> None:
    """File, line and column; what only follows from it is left out."""
    problems = refusal(lambda: compile_proto((("acme/shop.proto", shop), ("acme/money.proto", money))))

    assert expected == (problems[0].file, problems[0].line, problems[0].column)
    assert all(problem.line is not None for problem in problems)


def test_what_is_not_given_cannot_be_imported(tmp_path) -> None:
    """Neither by an absolute path nor by a relative one, even where the file is there."""
    (tmp_path / "secret.proto").write_bytes(MONEY)
    source = f'syntax = "proto3"; import "{tmp_path}/secret.proto";'.encode()
    problems = refusal(lambda: compile_proto((("x.proto", source),)))

    said = f"`{tmp_path}/secret.proto` is imported and neither among the given files nor a well-known one"
    assert said == problems[0].message


@pytest.mark.parametrize(
    "name", ["/etc/x.proto", "../x.proto", "a/../x.proto", "./x.proto", "a//x.proto", "-I.proto", "x.txt", "", "a\n.p"]
)  # fmt: skip
def test_a_source_lies_where_imports_can_name_it(name) -> None:
    """A path leads nowhere else, and is no option of the compiler."""
    assert "is no path that `.proto` files import" in refusal(lambda: compile_proto(((name, MONEY),)))[0].message


def test_compiling_is_cut_off() -> None:
    """A source comes from a repository; it cannot hold a run."""
    problems = refusal(lambda: compile_proto(SOURCES, Seconds(0.001)))

    assert Problem("compiling took longer than 0.001 s", file="acme/shop.proto") == problems[0]
    assert "there is no `.proto` file to compile" == refusal(lambda: compile_proto(()))[0].message
    assert "more than 8 MiB" in refusal(lambda: compile_proto((("x.proto", bytes(9 * 1024 * 1024)),)))[0].message


def test_warnings_are_no_mistakes() -> None:
    """An import that nothing uses compiles."""
    unused = b'syntax = "proto3"; import "acme/money.proto"; message A {} service B { rpc C(A) returns (A); }'

    assert "B/C" == method(compile_proto((("a.proto", unused), ("acme/money.proto", MONEY))), "B/C").name


# --------------------------------------------------------------------------- the choice


def test_the_plan_says_where_types_come_from() -> None:
    """Reflection, a protoset or sources: the same method comes of each."""
    schemas = method_schemas()
    protoset = SchemaSource(SchemaForm.PROTOSET, (("shop.binpb", types()),))
    sources = SchemaSource(SchemaForm.PROTO, SOURCES)
    with grpc_server() as server:
        found = [
            schemas.descriptors(TARGET, ("127.0.0.1", server.port), Call("buy", BUY, schema=schema), NONE)
            for schema in (SchemaSource(), protoset, sources)
        ]

    assert [b"\x10\x01"] * 3 == [method(each, BUY).encode('{"count": 1}') for each in found]


def test_a_protoset_is_one_file() -> None:
    """Two would say two things."""
    schema = SchemaSource(SchemaForm.PROTOSET, (("a", types()), ("b", types())))
    call = Call("buy", BUY, schema=schema)

    assert "a protoset is one file, and 2 are given" == refusal(
        lambda: method_schemas().descriptors(TARGET, ("127.0.0.1", 1), call, NONE)
    )[0].message  # fmt: skip
