"""What is measured where a foreign engine sends: from the schedule, whatever it drops or delays."""

from __future__ import annotations

import json
import ssl
from dataclasses import replace

import pytest

from gitslo.load.engines.access import NoAccess
from gitslo.model import (
    Call,
    LoadClock,
    LoadHistogram,
    TlsSettings,
)
from gitslo.ports import TlsMaterial
from tests.authority import Authority
from tests.load.foreign_engines import FOREIGN, allowed, call_job, foreign
from tests.load.grpc_server import grpc_server
from tests.load.jobs import CEILINGS, ERRORS, bad, faster_than, get, hold, job, late, ramp, total
from tests.load.service import service
from tests.required import required

RATE = 200


@pytest.mark.parametrize(("name", "connections"), [("k6", 100), ("fortio", 4)])
def test_a_stall_is_measured_from_the_schedule(name, connections):
    """A freeze of 0.4 s: every request due more than 0.2 s before its end is over 200 ms, whoever sent it when.

    Fortio's four threads send four slow requests and then forty quick ones, and its own report says so.
    """
    with service() as target:
        target.freeze(RATE, 0.4)
        found = foreign(name).measure(
            job(target.port, stages=[hold(RATE, 3)], objectives=[faster_than(0.2), ERRORS], connections=connections),
            lambda _: True,
        )
    summary = found.result.summaries[0]

    assert (total(found), total(found, 1), bad(found, 1), summary.errors) == (3 * RATE, 3 * RATE, 0, ())
    assert 36 <= bad(found) - late(found) <= 60
    assert 0.35 <= (summary.latency.max or 0) <= 0.8
    assert (summary.fidelity.clock, summary.fidelity.histogram) == (LoadClock.SCHEDULED, LoadHistogram.SAMPLES)
    assert summary.fidelity.engine.startswith(name)
    assert (summary.fidelity.open_loop, summary.fidelity.drops) == (True, 0)


def test_what_k6_drops_has_failed_and_decides_nothing():
    """Four users and a freeze: what k6 has no user for never goes out. It stands at the time-out, and blocks both."""
    with service() as target:
        target.freeze(RATE, 0.5)
        asked = job(target.port, stages=[hold(RATE, 2)], objectives=[faster_than(0.2), ERRORS], connections=4)
        found = foreign("k6").measure(asked, lambda _: True)
        received = len(target.log)
    summary = found.result.summaries[0]
    dropped = summary.fidelity.drops

    # On a busy machine k6 dates some drops a tick off; what then is left over was not told of.
    by_k6 = dict(summary.errors)["not sent: dropped by k6"]
    untold = dict(summary.errors).get("not sent: k6 did not tell of it", 0)
    assert 60 <= by_k6
    assert (dropped, untold < 20) == (by_k6 + untold, True)
    assert (total(found), bad(found, 1)) == (2 * RATE, dropped)
    assert 2 * RATE - dropped <= received <= 2 * RATE - by_k6 + 1, "k6 sends one more as the time ends"
    assert any("never sent" in reason for reason in found.result.no_pass)
    assert any("never sent" in reason for reason in found.result.no_fail)
    assert abs((summary.latency.max or 0) - 1.0) < 0.001


def test_k6_sends_ramps_and_shares_arrivals_out_by_weight():
    """A ramp is sent and not judged; a hold after it is, each endpoint with its own counts."""
    pay, browse = get("/status/500", "pay"), get("/", "browse", weight=3)
    with service() as target:
        asked = job(
            target.port,
            browse,
            pay,
            stages=[ramp(80, 1), hold(80, 2)],
            judged=(1.0, 3.0),
            objectives=[ERRORS, faster_than(0.5, "pay")],
            connections=20,
        )
        found = foreign("k6").measure(asked, lambda _: True)
        paths = [entry.path for entry in target.log]
    whole, first, second = found.result.summaries

    assert [(s.endpoint, s.requests) for s in (whole, first, second)] == [(None, 160), ("browse", 120), ("pay", 40)]
    assert second.errors == (("status 500", 40),)
    assert [s.total for s in found.result.counts[0].seconds if s.at] == [80, 80]
    assert [s.total for s in found.result.counts[1].seconds if s.at] == [20, 20]
    assert abs(len(paths) - 200) <= 3


def test_fortio_checks_health_over_grpc():
    """The only gRPC call that Fortio knows, counted like any other request, its failures by their status."""
    known, unknown = (
        Call("check", "grpc.health.v1.Health/Check", (json.dumps({"service": name}),)) for name in ("", "acme.Nothing")
    )
    with grpc_server() as server:
        good = foreign("fortio").measure(call_job(server.port, known), lambda _: True)
        without = foreign("fortio").measure(call_job(server.port, unknown), lambda _: True)

    assert (total(good), bad(good), good.result.summaries[0].errors) == (100, 0, ())
    assert (total(without), bad(without), without.result.summaries[0].errors) == (100, 100, (("grpc NOT_FOUND", 100),))


@pytest.mark.parametrize("name", FOREIGN)
def test_tls_is_verified_against_the_operators_authorities(name, tmp_path):
    """With the authority all goes well; without it nothing does."""
    authority = Authority.create(tmp_path / "ca")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.sign("DNS:shop.test"))

    class Access(NoAccess):
        def tls(self, target):
            return TlsMaterial(ca=authority.certificates.read_bytes()) if target.settings.ca else TlsMaterial()

    engine = FOREIGN[name](CEILINGS, allowed, Access(), required(name))
    with service(tls=context) as target:
        asked = job(target.port, stages=[hold(50, 1)], host="shop.test", tls=True, connections=4)
        known = replace(asked, target=replace(asked.target, settings=TlsSettings(ca="own")))
        good, without = engine.measure(known, lambda _: True), engine.measure(asked, lambda _: True)
        heads = {line.partition(":")[2].strip() for entry in target.log for line in entry.head.splitlines()[:1]}

    assert (total(good), bad(good)) == (50, 0), good.result.summaries[0].errors
    assert (total(without), bad(without)) == (50, 50)
    assert heads == {f"shop.test:{target.port}"}
