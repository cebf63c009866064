"""What of a plan a foreign engine sends, to the byte, and what it refuses by name."""

from __future__ import annotations

import json
import os
import re
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from gitslo.cli.root import cli
from gitslo.config import parse_operator
from gitslo.core.parse_plan import parse_plan
from gitslo.errors import Refused
from gitslo.load.engines.foreign import Errand
from gitslo.load.engines.k6 import script
from gitslo.load.requests.content import Content
from gitslo.model import (
    Allowed,
    Arrivals,
    Call,
    Ceilings,
    Checks,
)
from gitslo.ports import TlsMaterial
from gitslo.wiring_run import load_engine
from tests.load.foreign_engines import FOREIGN, allowed, call_job, changed, foreign
from tests.load.grpc_server import SERVICE
from tests.load.jobs import CEILINGS, get, hold, job, ramp
from tests.load.service import service
from tests.required import required

HOSTILE = "'\"`; ${x} </script>\\u2028\\\n\u2028é"


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


@pytest.mark.parametrize(
    ("name", "asked", "told"),
    [
        ("fortio", job(1, get("/a"), get("/b"), stages=[hold(1, 1)]), "`endpoints` has 2"),
        ("fortio", job(1, stages=[ramp(1, 1), hold(1, 1)]), "more than hold one rate"),
        ("fortio", changed(endpoints=(replace(get("/"), checks=Checks(contains=("x",))),)), "`checks`"),
        ("fortio", call_job(1, Call("buy", f"{SERVICE}/Buy")), "acme.shop.v1.Shop/Buy"),
        ("k6", call_job(1, Call("check", "grpc.health.v1.Health/Check")), "gRPC"),
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
