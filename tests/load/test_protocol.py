"""HTTP/1.1 as servers really speak it: each behaviour ends in a response or in a named, counted error."""

from __future__ import annotations

import ssl
import subprocess

import pytest

from tests.closed_port import closed_port
from tests.load.jobs import bad, get, hold, job, measured, total
from tests.load.service import service

NUMBER = 30
BRIEF = [hold(200, 0.15)]


BROKEN = {
    "/cut": "answer cut short",
    "/cut-closing": "answer cut short",
    "/hang-up": "closed without an answer",
    "/reset": "reset",
    "/garbage": "protocol error",
    "/twice": "protocol error",
}


@pytest.mark.parametrize(
    ("endpoints", "reused"),
    [
        ([get(path) for path in ("/", "/chunked", "/dribble", "/early", "/status/204", "/big")], True),
        ([get("/head", method="HEAD"), get("/")], True),
        ([get("/close"), get("/until-end")], False),
    ],
    ids=["framed", "head", "closing"],
)
def test_a_well_framed_response_is_good(endpoints, reused):
    """Keep-alive, chunked, byte by byte, 1xx, HEAD, `Connection: close` and bodies that end with the connection."""
    with service() as target:
        found = measured(job(target.port, *endpoints, stages=BRIEF, connections=5))
        accepted = target.accepted

    assert found.result.summaries[0].errors == ()
    assert (bad(found), total(found), found.done) == (0, NUMBER, NUMBER)
    assert accepted <= 5 if reused else accepted >= NUMBER


def test_a_broken_response_is_a_named_error():
    """Every one of them is counted, none is retried, and the arrivals after it find a new connection."""
    with service() as target:
        found = measured(job(target.port, *map(get, BROKEN), stages=[hold(200, 0.3)], timeout=2.0))
        received = [entry.path for entry in target.log]

    assert [summary.errors for summary in found.result.summaries[1:]] == [((kind, 10),) for kind in BROKEN.values()]
    assert bad(found) == total(found) == 60
    assert {path: received.count(path) for path in BROKEN} == dict.fromkeys(BROKEN, 10)


def test_a_port_with_nothing_on_it():
    """Refused connections cost one arrival each, and nobody is asked more often than the schedule says."""
    with closed_port() as port:
        found = measured(job(port, stages=BRIEF, timeout=0.5))
    summary = found.result.summaries[0]

    assert summary.errors == (("connect: refused", NUMBER),)
    assert summary.achieved_rate == 0
    assert abs((summary.latency.p50 or 0) - 0.5) < 0.001


def test_tls_against_a_plain_port_is_a_named_error():
    """A wrong protocol is an error of the handshake, said in words."""
    with service() as target:
        found = measured(job(target.port, stages=BRIEF, tls=True, timeout=0.3))
    kinds = dict(found.result.summaries[0].errors)

    assert sum(kinds.values()) == NUMBER
    assert all(kind.startswith("connect: ") for kind in kinds)


def test_a_name_with_two_addresses_is_tried_on_both():
    """`localhost` may be ::1 first: the address that listens is found."""
    with service() as target:
        found = measured(job(target.port, stages=BRIEF, host="localhost", address="localhost"))

    assert (bad(found), total(found)) == (0, NUMBER)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate for `shop.test` that nobody else trusts: (certificate, key)."""
    folder = tmp_path_factory.mktemp("certificate")
    paths = folder / "certificate.pem", folder / "key.pem"
    make = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "1",
    ]
    names = ["-subj", "/CN=shop.test", "-addext", "subjectAltName=DNS:shop.test"]
    subprocess.run([*make, *names, "-out", paths[0], "-keyout", paths[1]], check=True, capture_output=True)
    return paths


@pytest.mark.parametrize(
    ("host", "trusted", "kind"),
    [
        ("shop.test", True, None),
        ("shop.test", False, "connect: certificate: self-signed certificate"),
        ("127.0.0.1", True, "connect: certificate: IP address mismatch"),
    ],
)
def test_tls_is_verified_against_the_name_in_the_plan(certificate, monkeypatch, host, trusted, kind):
    """The system's authorities, and the plan's host wherever we connect to; anything else is a named error."""
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)
    with service(tls=context) as target:
        found = measured(job(target.port, stages=BRIEF, tls=True, host=host))
        received = len(target.log)
    kinds = dict(found.result.summaries[0].errors)

    assert received == (NUMBER if kind is None else 0)
    assert sum(kinds.values()) == NUMBER - received
    assert all(said.startswith(kind or "-") for said in kinds)
