"""Whole gRPC loads: over TLS, on connections that end, and by the engine in processes of its own."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from gitslo.cli.root import cli
from gitslo.errors import Refused
from gitslo.load.engines.own import ProcessLoadEngine
from gitslo.model import Call, Checks, Feeder, Seconds, TargetScheme, TlsSettings
from gitslo.ports import LoadJob, TlsMaterial
from gitslo.wiring_run import method_schemas
from tests.authority import Authority
from tests.load.grpc_calls import BUY, CHAT, HEALTH, carried_out, section, target
from tests.load.grpc_server import grpc_server
from tests.load.jobs import CEILINGS, bad, hold, job, total
from tests.load.scripted import plain
from tests.required import required

# --------------------------------------------------------------------------- connections


def test_over_tls_with_our_own_certificate(tmp_path) -> None:
    """By ALPN, under the plan's name for the server."""
    import grpc

    authority = Authority.create(tmp_path / "ca")
    certificate, key = (path.read_bytes() for path in authority.sign("DNS:shop.internal"))
    ours, our_key = (path.read_bytes() for path in authority.sign("DNS:load"))
    ca = authority.certificates.read_bytes()
    credentials = grpc.ssl_server_credentials([(key, certificate)], ca, require_client_auth=True)
    call = section(Call("buy", BUY, ('{"name": "x"}',)), timeout=2.0)
    with grpc_server(credentials=credentials) as server:
        to = target(server.port, tls=True, settings=TlsSettings(ca="ca", server_name="shop.internal"))
        done = carried_out(to, call, number=3, tls=TlsMaterial(ca, ours, our_key))
        wrong = carried_out(to, call, tls=TlsMaterial(b"", ours, our_key))

    assert (3, {}) == (done.good, done.kinds)
    assert 1 == sum(wrong.kinds.values())
    assert next(iter(wrong.kinds)).startswith("connect: certificate: ")


def test_a_server_that_closes_its_connections_loses_no_calls() -> None:
    """GOAWAY lets what is under way end; the rest goes on another connection."""
    options = (("grpc.max_connection_age_ms", 100), ("grpc.max_connection_age_grace_ms", 2000))
    with grpc_server(options=options) as server:
        calls = section(Call("buy", BUY, ('{"name": "x"}',)), streams=4)
        done = carried_out(target(server.port), calls, number=2000, at_once=4, most=2)

    assert (2000, {}) == (done.good, done.kinds)


def test_a_server_that_takes_few_streams() -> None:
    """Its limit is kept; nothing is refused."""
    with grpc_server(options=(("grpc.max_concurrent_streams", 2),)) as server:
        calls = section(Call("buy", BUY, ('{"name": "x"}',)))
        done = carried_out(target(server.port), calls, number=200, at_once=20)

    assert (200, {}) == (done.good, done.kinds)


def test_a_server_that_speaks_no_http2() -> None:
    """Said as what it is, at the price of one attempt each."""
    with plain(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n") as port:
        done = carried_out(target(port), section(HEALTH, timeout=1.0))

    assert {"connect: protocol: the server speaks no HTTP/2": 1} == done.kinds


# --------------------------------------------------------------------------- by the engine, in processes of its own


def load_job(port: int, *calls: Call, rate: float = 200.0, workers: int = 2, **more: object) -> LoadJob:
    made = job(port, scheme=TargetScheme.GRPC, stages=[hold(rate, 1.0)], workers=workers)
    return replace(made, section=replace(made.section, endpoints=(), calls=calls, **more))


def engine() -> ProcessLoadEngine:
    return ProcessLoadEngine(CEILINGS, lambda host: host == "127.0.0.1", schemas=method_schemas())


def test_a_whole_load_by_reflection(shop) -> None:
    """Types from the server, messages from rows that no two workers share, answers checked; nothing is lost."""
    rows = Feeder("rows", ("name",), tuple((f"n{index}",) for index in range(10)))
    text = '{"name": "${rows.name}", "count": ${seq}}'
    buy = Call("buy", BUY, (text,), checks=Checks(json=("starts_with(name, 'n')",)), weight=3)
    chat = Call("chat", CHAT, ('{"name": "x"}',), repeat=3, interval=Seconds(0.01))
    found = engine().measure(load_job(shop.port, buy, chat, data=(rows,)), lambda _: True)
    bought = [came[0] for (name, _, _), came in zip(shop.seen, shop.messages, strict=True) if name == "Buy"]

    assert (200, 0) == (total(found), bad(found))
    assert 150 == len({each.count for each in bought})
    assert {f"n{index}" for index in range(10)} == {each.name for each in bought}
    assert {3} == {count for name, _, count in shop.seen if name == "Chat"}


def test_a_wrong_message_is_refused_before_the_first_worker(shop) -> None:
    """With the field's place and what was probably meant."""
    call = Call("buy", BUY, ('{"naem": "x"}',))
    with pytest.raises(Refused) as refused:
        engine().run(load_job(shop.port, call), lambda _: True)

    assert "/naem: call `buy`: acme.shop.v1.Item has no field `naem` (did you mean `name`?)" == str(refused.value)
    assert [] == shop.seen


def test_a_go_server_answers_likewise() -> None:
    """Fortio's: health, and its ping by reflection."""
    ping = Call("ping", "fgrpc.PingServer/Ping", ('{"payload": "x${seq}"}',), checks=Checks(contains=('"payload":"x',)))
    with fortio(required("fortio")) as port:
        done = engine().measure(load_job(port, HEALTH, ping), lambda _: True)

    assert (200, 0) == (total(done), bad(done))


def test_a_go_server_answers_over_tls(tmp_path: Path) -> None:
    """`grpcs://`: only who knows its authority and shows a certificate of one that it knows is served."""
    authority = Authority.create(tmp_path / "authority")
    cert, key = authority.sign("IP:127.0.0.1")
    ca = str(authority.certificates)
    served = ("-cert", str(cert), "-key", str(key), "-cacert", ca, "-mtls")
    ours = ("--cert", str(cert), "--key", str(key))
    with fortio(required("fortio"), *served) as port:
        url = f"grpcs://127.0.0.1:{port}/grpc.health.v1.Health/Check"
        flags = ("--rate", "50/s", "--duration", "500ms", "--json")
        told = [
            CliRunner().invoke(cli, ["load", url, *flags, *access])
            for access in (("--ca", ca, *ours), ("--ca", ca), ours)
        ]
    found = [json.loads(each.stdout) for each in told]

    assert [each["requests"] for each in found] == [25, 25, 25]
    assert [sum(each["errors"].values()) for each in found] == [0, 25, 25]
    assert any("certificate" in kind for kind in found[2]["errors"])


@contextmanager
def fortio(program: Path, *options: str) -> Iterator[int]:
    """The gRPC port of a Fortio server."""
    off = ("-http-port", "disabled", "-tcp-port", "disabled", "-udp-port", "disabled", "-redirect-port", "disabled")
    argv = [str(program), "server", "-grpc-port", "127.0.0.1:0", *off, *options]
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            lines = iter(process.stderr.readline, "")
            yield next(int(found[1]) for line in lines if (found := re.search(r"grpc.*127\.0\.0\.1:(\d+)", line)))
        finally:
            process.kill()
