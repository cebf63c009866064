"""Foreign engines: what they measure, what they refuse, and that nobody is loaded by one that nobody supervises."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import ssl
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from gitslo.cli.root import cli
from gitslo.config import parse_operator
from gitslo.core.parse_plan import parse_plan
from gitslo.errors import Refused, Retry
from gitslo.load.engines import guard
from gitslo.load.engines.access import NoAccess
from gitslo.load.engines.account import Account, Lane, Told
from gitslo.load.engines.foreign import Errand
from gitslo.load.engines.fortio import FortioEngine
from gitslo.load.engines.k6 import K6Engine, script
from gitslo.load.engines.program import Command, Files, Program
from gitslo.load.requests.content import Content
from gitslo.model import (
    Allowed,
    Arrivals,
    ByteCount,
    Call,
    Ceilings,
    Checks,
    LoadClock,
    LoadHistogram,
    TargetScheme,
    TlsSettings,
)
from gitslo.ports import TlsMaterial
from gitslo.wiring_run import load_engine
from tests.authority import Authority
from tests.closed_port import closed_port
from tests.load.engines import FOREIGN, allowed, foreign
from tests.load.grpc_server import SERVICE, grpc_server
from tests.load.jobs import CEILINGS, ERRORS, bad, faster_than, get, hold, job, late, ramp, total
from tests.load.service import service
from tests.load.test_fencing import ROOT, WITHIN, gone, watched
from tests.required import required

RATE = 200
HOSTILE = "'\"`; ${x} </script>\\u2028\\\n\u2028é"


# --------------------------------------------------------------------------- what is measured


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

    assert dropped >= 60
    assert summary.errors == (("not sent: dropped by k6", dropped),)
    assert (total(found), bad(found, 1)) == (2 * RATE, dropped)
    assert 2 * RATE - dropped <= received <= 2 * RATE - dropped + 1, "k6 sends one more as the time ends"
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
        replace_calls(Call("check", "grpc.health.v1.Health/Check", (json.dumps({"service": name}),)))
        for name in ("", "acme.Nothing")
    )
    with grpc_server() as server:
        good = foreign("fortio").measure(known(server.port), lambda _: True)
        without = foreign("fortio").measure(unknown(server.port), lambda _: True)

    assert (total(good), bad(good), good.result.summaries[0].errors) == (100, 0, ())
    assert (total(without), bad(without), without.result.summaries[0].errors) == (100, 100, (("grpc NOT_FOUND", 100),))


def replace_calls(call):
    """A gRPC job of one call."""

    def made(port):
        asked = job(port, stages=[hold(50, 2)], scheme=TargetScheme.GRPC, connections=4)
        return replace(asked, section=replace(asked.section, endpoints=(), calls=(call,)))

    return made


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


# --------------------------------------------------------------------------- what is sent


def sent(name, *endpoints, **more):
    """Send a few requests; what arrived."""
    with service() as target:
        foreign(name).run(job(target.port, *endpoints, stages=[hold(20, 1)], connections=2, **more), lambda _: True)
        return target.log


@pytest.mark.parametrize("name", FOREIGN)
def test_a_request_arrives_as_the_plan_has_it(name):
    """Method, path, headers and any bytes of a body; the name of the target; who calls."""
    text = HOSTILE.encode()
    endpoint = replace(
        get("/echo/a%20b'x'?y=\"`$${seq}&z=</script>\\", "it", method="PUT"),
        headers=(("X-One", "'; throw 1; \"\\ $${"), ("__proto__", "x"), ("X-Two", "zwei")),
        body=text.replace(b"${x}", b"$${x}"),
    )
    log = sent(name, endpoint, host="shop.test")
    first = log[0]

    assert {(entry.method, entry.path, entry.body) for entry in log} == {
        ("PUT", "/echo/a%20b'x'?y=\"`${seq}&z=</script>\\", text)
    }
    assert len(log) >= 20
    said = {line.partition(":")[0].lower(): line.partition(":")[2].strip() for line in first.head.splitlines()}
    assert said["host"].startswith("shop.test:")
    assert (said["x-one"], said["x-two"]) == ("'; throw 1; \"\\ ${", "zwei")
    assert said["user-agent"].startswith("gitslo/")
    assert said["gitslo-run"] == "1"


def test_a_script_holds_the_plan_as_data_only():
    """Whatever a plan says is within one ASCII literal, which is JSON, which is what the plan said."""
    endpoint = replace(get("/", "it"), checks=Checks(contains=(HOSTILE,)))
    asked = job(1, endpoint, stages=[hold(20, 1)])
    content = Content("GET", "/", (("X", HOSTILE), ("__proto__", "y")), HOSTILE.encode())
    text = script(Errand(asked, (content,), "shop.test", ("127.0.0.1", 1), TlsMaterial(), 4))
    (literal,) = re.findall(r"JSON\.parse\((\".*\")\);\n", text)
    request = json.loads(json.loads(literal))["requests"][0]

    assert text.isascii()
    assert text.count("JSON.parse") == 1
    assert (request["contains"], request["params"]["headers"]["X"]) == ([HOSTILE], HOSTILE)
    assert text.replace(literal, "") == script(
        Errand(job(2, stages=[hold(1, 1)]), (Content("GET", "/", (), b""),), "h", ("127.0.0.1", 2), TlsMaterial(), 1)
    ).replace(
        re.findall(
            r"JSON\.parse\((\".*\")\);\n",
            script(
                Errand(
                    job(2, stages=[hold(1, 1)]),
                    (Content("GET", "/", (), b""),),
                    "h",
                    ("127.0.0.1", 2),
                    TlsMaterial(),
                    1,
                )
            ),
        )[0],
        "",
    )


def test_k6_looks_for_a_text_in_the_body():
    """`contains` is a check that k6 can do; a body without the text has failed under the name that we give it."""
    with service() as target:
        asked = [
            replace(get("/json", name), checks=Checks(contains=(text,))) for name, text in (("a", "items"), ("b", "x"))
        ]
        found = foreign("k6").measure(job(target.port, *asked, stages=[hold(20, 1)], connections=4), lambda _: True)
    _, first, second = found.result.summaries

    assert (first.errors, second.errors) == ((), (("check: body does not contain", 10),))


# --------------------------------------------------------------------------- what is refused


def refused(name, asked, path=Path("/nowhere/at/all")):
    """Why a job is refused; nothing is started for it."""
    with pytest.raises(Refused) as fault:
        FOREIGN[name](CEILINGS, allowed, path=path).run(asked, lambda _: True)
    return str(fault.value)


def changed(**fields):
    """A job with another section."""
    asked = job(1, stages=[hold(20, 1)])
    return replace(asked, section=replace(asked.section, **fields))


@pytest.mark.parametrize(
    ("name", "asked", "told"),
    [
        ("fortio", job(1, get("/a"), get("/b"), stages=[hold(1, 1)]), "`endpoints` has 2"),
        ("fortio", job(1, stages=[ramp(1, 1), hold(1, 1)]), "more than hold one rate"),
        ("fortio", changed(endpoints=(replace(get("/"), checks=Checks(contains=("x",))),)), "`checks`"),
        ("fortio", replace_calls(Call("buy", f"{SERVICE}/Buy"))(1), "acme.shop.v1.Shop/Buy"),
        ("k6", replace_calls(Call("check", "grpc.health.v1.Health/Check"))(1), "gRPC"),
        ("k6", changed(endpoints=(replace(get("/"), checks=Checks(json=("a",))),)), "`json`"),
        ("k6", replace(changed(), target=replace(changed().target, http2=True)), "HTTP/2 without TLS"),
        ("k6", job(1, stages=[hold(1.00010001, 1)]), "exactly"),
        *(
            (name, asked, told)
            for name in FOREIGN
            for asked, told in (
                (job(1, stages=[hold(1, 1)], closed=True), "`closed`"),
                (job(1, stages=[hold(1, 1)], count=5), "`count`"),
                (changed(arrivals=Arrivals.POISSON), "`arrivals: poisson`"),
                (changed(redirects=1), "`redirects`"),
                (changed(cookies=True), "`cookies`"),
                (changed(endpoints=(get("/${uuid}"),)), "differ from each other"),
                (job(1, stages=[hold(1, 1)], host="elsewhere.test"), "not allowed"),
                (job(1, stages=[hold(9000, 1)]), "ceiling `rate`"),
            )
        ),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_what_an_engine_cannot_do_is_refused_by_name(name, asked, told):
    """Nothing of a plan is quietly left out, and no ceiling is wider than for our own engine."""
    assert told in refused(name, asked)


def test_a_program_that_is_not_there_is_refused():
    """With what to do about it."""
    assert "there is no k6 at /nowhere/k6" in refused("k6", changed(), Path("/nowhere/k6"))


def test_only_listed_engines_are_started():
    """A repository names an engine; the operator lists which there are and where."""
    asked = changed(engine="fortio")
    ceilings, reachable = Ceilings(), Allowed(targets=("127.0.0.1",))

    with pytest.raises(Refused, match="not listed"):
        load_engine(ceilings, reachable).run(asked, lambda _: True)
    with pytest.raises(Refused, match="no fortio at /nowhere"):
        load_engine(ceilings, reachable, None, {"fortio": Path("/nowhere")}).run(asked, lambda _: True)
    with pytest.raises(Refused, match="no installed package brings `hammer`"):
        load_engine(ceilings, reachable, None, {"hammer": None}).run(changed(engine="hammer"), lambda _: True)


def test_the_command_line_names_an_engine(monkeypatch):
    """`--engine` is found on PATH, does the same load, and its declaration is in the result."""
    monkeypatch.setenv("PATH", f"{required('fortio').parent}:{os.environ['PATH']}")
    with service() as target:
        url = f"http://127.0.0.1:{target.port}/every/2/500"
        flags = ["--engine", "fortio", "--rate", "50/s", "--duration", "1s", "--connections", "4", "--json"]
        result = CliRunner().invoke(cli, ["load", url, *flags])
    document = json.loads(result.stdout)

    assert (result.exit_code, document["requests"], document["errors"]) == (0, 50, {"status 500": 25})
    assert document["fidelity"]["engine"].startswith("fortio 1.")
    assert (document["fidelity"]["clock"], document["fidelity"]["drops"]) == ("scheduled", 0)


def test_a_plan_and_an_operators_file_name_engines():
    """The plan says which, the operator where it is; without either it is our own."""
    plan = b"""\
schema: gitslo/v1
targets: {web: {http: "http://shop.test"}}
load:
  a: {target: web, get: /, engine: k6, stages: [{hold: 50/s, for: 2m}]}
  b: {target: web, get: /, stages: [{hold: 50/s, for: 2m}]}
objectives: [a.errors < 1%, b.errors < 1%]
"""
    operator = b"""\
schema: gitslo/v1
repositories: [{name: shop, url: "https://git.example.com/shop.git"}]
engines: {k6: {path: /opt/k6}, fortio: {}}
"""

    assert ["k6", ""] == [section.engine for section in parse_plan(plan, file="slo.yaml", read_file=lambda _: b"").load]
    assert {"k6": Path("/opt/k6"), "fortio": None} == dict(parse_operator(operator, file="operator.yaml").engines)


# --------------------------------------------------------------------------- supervision


def program(tmp_path, text):
    """A program that stands for k6 or Fortio."""
    path = tmp_path / "program"
    path.write_text(f'#!/bin/sh\n[ "$1" = version ] && echo v9.9.9 9.9.9 && exit\n{text}\n')
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("made", [K6Engine, FortioEngine])
def test_a_program_that_tells_nothing_is_retried(made, tmp_path):
    """With its version and its last words."""
    engine = made(CEILINGS, allowed, path=program(tmp_path, "echo something >&2; echo out of order >&2; exit 7"))

    with pytest.raises(Retry, match=r"9\.9\.9 told of no request: out of order"):
        engine.run(changed(), lambda _: True)


def test_a_program_that_breaks_off_decides_nothing(tmp_path):
    """What it told is kept; what it did not is counted as failed; both directions are blocked."""
    line = '{"latency":0.001,"timestamp":%s000000000,"thread":0,"iter":0,"ok":true,"details":"200"}'
    engine = FortioEngine(CEILINGS, allowed, path=program(tmp_path, f"printf '{line}\\n' $(date +%s); exit 9"))
    found = engine.run(job(1, stages=[hold(20, 1)], timeout=1.0), lambda _: True)

    assert sum(second.total for second in found.counts[0].seconds) == 20
    assert sum(second.bad for second in found.counts[0].seconds) == 19
    assert "fortio 9.9.9 was lost: it ended with code 9" in found.no_pass
    assert "fortio 9.9.9 was lost: it ended with code 9" in found.no_fail


def test_a_program_sees_nothing_of_ours(monkeypatch, tmp_path):
    """No credential of ours is in its environment, and no configuration of a person's own in its home."""
    monkeypatch.setenv("GITSLO_TEST_SECRET", "hunter2")
    monkeypatch.setenv("K6_OUT", "cloud")
    run = Program(Path("/usr/bin/env"), Command((), environment={"MINE": "1"}), Files(), 10.0)
    lines = []
    while not run.ended:
        lines += run.lines(WITHIN)
    run.kill()
    names = {line.partition(b"=")[0].decode() for line in lines if line}

    assert names <= {
        "PATH",
        "LANG",
        "LC_ALL",
        "TMPDIR",
        "SSL_CERT_DIR",
        "SSL_CERT_FILE",
        "HOME",
        "XDG_CONFIG_HOME",
        "MINE",
    }
    assert b"HOME=/nonexistent" in lines


def test_output_without_end_is_bounded():
    """A program that writes faster than it is heard waits; one line without an end is dropped."""
    run = Program(Path("/usr/bin/yes"), Command(("x" * 100,)), Files(), 30.0)
    heard = sum(len(run.lines(WITHIN)) for _ in range(10))
    read = run.read
    run.kill()

    assert heard > 0
    assert read < 100 << 20
    assert run.code != 0


@pytest.mark.parametrize("name", FOREIGN)
def test_the_ceiling_of_bytes_ends_a_program(name):
    """What the kernel says that it read and wrote is held against the operator's ceiling."""
    ceilings = replace(CEILINGS, bytes=ByteCount(3_000_000))
    engine = FOREIGN[name](ceilings, allowed, path=required(name))
    with service() as target:
        found = engine.run(job(target.port, get("/big"), stages=[hold(50, 20)], connections=10), lambda _: True)
        received = len(target.log)

    assert any("the ceiling of 3000000 bytes was reached" in reason for reason in found.no_pass)
    assert found.ended_at < 10
    assert 20 <= received <= 200


@pytest.mark.parametrize("frozen", [False, True], ids=["running", "stopped"])
def test_a_program_dies_with_its_guard(frozen):
    """SIGKILL of the guard, even where the program is stopped and could not notice."""
    argv = [sys.executable, "-I", "-S", guard.__file__, str(os.getpid()), "60", "/usr/bin/yes"]
    started = subprocess.Popen(argv, stdout=subprocess.PIPE, start_new_session=True)
    try:
        assert select.select([started.stdout], [], [], WITHIN)[0]
        (child,) = Path(f"/proc/{started.pid}/task/{started.pid}/children").read_text().split()
        with watched(int(child)) as descriptor:
            if frozen:
                os.kill(int(child), signal.SIGSTOP)
            started.kill()
            assert gone(descriptor)
    finally:
        started.kill()
        started.wait(WITHIN)
        started.stdout.close()


def test_a_guard_ends_its_program_at_the_deadline_whatever_we_do():
    """Nobody asks it to, nobody reads what it writes: after its time the whole group is gone."""
    argv = [sys.executable, "-I", "-S", guard.__file__, str(os.getpid()), "0.3", "/usr/bin/yes"]
    started = subprocess.Popen(argv, stdout=subprocess.PIPE, start_new_session=True)
    with watched(started.pid) as descriptor:
        assert gone(descriptor)
    assert started.wait(WITHIN) == -signal.SIGKILL
    started.stdout.close()


@pytest.mark.parametrize("name", FOREIGN)
def test_a_program_dies_with_us(name):
    """SIGKILL of the process that asked for a load: the program is gone, and so is the load."""
    path = required(name)
    with service() as target:
        argv = [sys.executable, "-m", "tests.load.parent", str(target.port), "1", name, str(path)]
        parent = subprocess.Popen(argv, cwd=ROOT)
        try:
            target.wait(lambda s: len(s.log) > 5)
            guards = Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text().split()
            descendants = [
                child
                for each in guards
                for child in (each, *Path(f"/proc/{each}/task/{each}/children").read_text().split())
            ]
            assert len(descendants) == 2
            parent.kill()
            parent.wait(WITHIN)
        finally:
            parent.kill()
            parent.wait(WITHIN)
        target.wait(lambda s: s.connections == 0)

    assert [each for each in descendants if Path(f"/proc/{each}/exe").exists()] == []


# --------------------------------------------------------------------------- the account


def told(index, response, *, lag=0.0, kind="", endpoint=0):
    """One request of the only lane."""
    return Told(0, index, endpoint, index / 10 + lag, response, lag, 0.0, kind)


def account(resolution=0.0, *endpoints):
    """Ten arrivals in one second, against 100 ms."""
    asked = job(1, *endpoints, stages=[hold(10, 1)], objectives=[faster_than(0.1), ERRORS])
    return Account(asked, [Lane(0.0, 10.0, 10)], resolution)


def counts(found, index=0):
    """(total, bad, late) of an objective at the end."""
    (second,) = found.end(2.0, 0.0, "").counts[index].seconds
    return second.total, second.bad, second.late


def test_what_is_told_roughly_neither_passes_nor_fails_on_a_guess():
    """Between 95 and 105 ms against 100 ms: bad for a pass, excused for a fail. Beyond that not."""
    found = account(0.01)
    for index, response in enumerate((0.09, 0.105, 0.12)):
        found.tell(told(index, response))
    found.fail_rest("x")

    assert counts(found) == (10, 9, 1)


def test_our_own_lag_is_no_reason_to_fail():
    """100 ms too late to be sent and answered in 20 ms: bad, and late."""
    found = account()
    found.tell(told(0, 0.12, lag=0.1))
    found.fail_rest("x")

    assert counts(found) == (10, 10, 1)


def test_until_we_are_told_it_is_our_fault_that_we_are_not():
    """A look counts what nobody told of as bad and excused; told of later, it is what it was."""
    found = account()
    for index in range(8):
        found.tell(told(index, 0.01))
    looked = found.report(1.2).counts[0].seconds
    found.tell(told(8, 0.01))
    found.tell(told(9, 0.2))
    again = found.report(1.3).counts[0].seconds

    assert [(s.at, s.total, s.bad, s.late) for s in looked] == [(0, 10, 2, 2)]
    assert [(s.at, s.total, s.bad, s.late) for s in again] == [(0, 10, 1, 0)]


def test_a_request_counts_once_and_for_its_own_endpoint():
    """A second telling, and one of an arrival that the schedule has not, change nothing; totals follow the endpoint."""
    found = account(0.0, get("/a"), get("/b"))
    for index in (0, 1, 1, 10):
        found.tell(told(index, 0.01, endpoint=0))
    found.fail_rest("x")
    end = found.end(2.0, 0.0, "")

    assert [part.requests for part in end.endpoints] == [6, 4]
    assert (found.told, found.done, found.errors) == (2, 10, 8)


def test_a_stop_excuses_what_it_cuts_off():
    """Nothing is due after it; what was under way is bad, and no reason to fail."""
    found = account()
    for index in range(3):
        found.tell(told(index, 0.01))
    found.close(0.55)
    found.tell(told(7, 0.01))
    found.excuse_rest("cut off")
    (second,) = found.end(0.6, 0.0, "").counts[0].seconds

    assert (second.total, second.bad, second.late) == (6, 3, 3)


def test_a_dead_target_is_not_the_engines_fault():
    """Nothing listens: all has failed, and nothing blocks a fail."""
    with closed_port() as port:
        found = foreign("fortio").run(job(port, stages=[hold(50, 1)], connections=4, timeout=0.5), lambda _: True)

    assert (found.no_fail, found.no_pass) == ((), ())
