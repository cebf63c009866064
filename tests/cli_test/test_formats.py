from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest

from gitslo.core.formats import Format, TestResult, render
from gitslo.core.judge import judge
from gitslo.model import (
    AttemptEvidence,
    Evidence,
    LoadSummary,
    Percentiles,
    RatePerSecond,
    Role,
    Seconds,
    Verdict,
)
from tests.judge.plans import errors, evidence, latency, plan

ERRORS, LATENCY = "browse.errors < 1%", "browse.latency.p95 < 250ms"
LOAD = LoadSummary(
    load="browse",
    endpoint=None,
    requests=1000,
    errors=(("status 503", 30), ("timeout", 2)),
    planned_rate=RatePerSecond(100.0),
    achieved_rate=RatePerSecond(99.5),
    latency=Percentiles(p50=0.01, p95=0.12, max=0.5),
    schedule_lag_p99=Seconds(0.0002),
    histogram="HIST",
)


def result(bad: int, slow: int = 0, *, notes=(), role: Role = Role.DECIDE, **gates) -> TestResult:
    current = replace(evidence((ERRORS, bad, 1000), (LATENCY, slow, 1000), **gates), loads=(LOAD,))
    judged = judge(plan(errors(), latency(role=role)), Evidence(), current, final=True)
    return TestResult("slo.yaml", "f" * 64, judged.verdict, judged.findings, Evidence((current,)), notes)


NOT_JUDGED = TestResult("slo.yaml", "f" * 64, Verdict.ERROR, (), Evidence(), ("no load worker came through",))


def suite(of: TestResult) -> ET.Element:
    root = ET.fromstring(render(of, Format.JUNIT))  # noqa: S314 - our own output
    assert root.tag == "testsuites"
    return root[0]


def outcome(case: ET.Element) -> str:
    found = [child.tag for child in case if child.tag != "system-out"]
    return found[0] if found else "passed"


@pytest.mark.parametrize("how", Format)
@pytest.mark.parametrize("of", [result(0), result(60), result(11), NOT_JUDGED], ids=lambda of: of.verdict.value)
def test_every_format_says_the_verdict(of, how) -> None:
    """Whatever is read, the verdict is in it, and it ends with a line break."""
    text = render(of, how)

    assert of.verdict.value in text.lower()
    assert text.endswith("\n")


def test_text_begins_with_the_verdict() -> None:
    """The first line is the verdict, then the notes, the findings, and what the load saw."""
    lines = render(result(60, notes=("goes on",), no_pass=("half",)), Format.TEXT).splitlines()

    assert lines[:2] == ["fail: slo.yaml", "goes on"]
    assert "browse.errors < 1%" in lines[4]
    assert lines[-3:] == [
        "browse: 1,000 requests at 99.5/s; p50 10 ms, p95 120 ms, max 500 ms; 30 status 503, 2 timeout",
        "",
        "attempt 1 cannot decide a pass: half",
    ]


def test_json_is_complete() -> None:
    """Findings with every number, and the attempts without their per-second counts."""
    document = json.loads(render(result(60), Format.JSON))

    assert (document["schema"], document["verdict"], document["plan"]) == ("gitslo/v1", "fail", "f" * 64)
    assert [finding["objective"] for finding in document["findings"]] == [ERRORS, LATENCY]
    assert document["findings"][0]["bad"] == 60
    assert document["attempts"][0]["judged_seconds"] == {"steady": 60.0}
    assert document["attempts"][0]["loads"][0]["latency"]["p95"] == 0.12


def test_junit_counts_what_it_holds() -> None:
    """A failure per failing finding; counts, properties and time are those of the cases."""
    found = suite(result(60))

    assert [outcome(case) for case in found.iter("testcase")] == ["failure", "passed"]
    assert {name: found.get(name) for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": "2",
        "failures": "1",
        "errors": "0",
        "skipped": "0",
    }
    assert found.get("timestamp") == "2023-11-14T22:13:20"
    assert {p.get("name"): p.get("value") for p in found.iter("property")} == {"verdict": "fail", "plan": "f" * 64}


def test_junit_is_never_green_undecided() -> None:
    """Inconclusive and error are errors there; only a pass has none."""
    assert [outcome(case) for case in suite(result(11)).iter("testcase")] == ["error", "passed"]
    assert [outcome(case) for case in suite(NOT_JUDGED).iter("testcase")] == ["error"]
    assert [outcome(case) for case in suite(result(0)).iter("testcase")] == ["passed", "passed"]


def test_junit_skips_what_a_failure_left_open() -> None:
    """Beside a failure the undecided are skipped: one broken limit is one failure."""
    assert [outcome(case) for case in suite(result(60, slow=55)).iter("testcase")] == ["failure", "skipped"]


def test_junit_reports_without_failing() -> None:
    """`role: report` never turns a pipeline red."""
    found = suite(result(0, slow=900, role=Role.REPORT))

    assert [outcome(case) for case in found.iter("testcase")] == ["passed", "skipped"]


def test_a_fail_of_readiness_is_a_failure() -> None:
    """The finding `readiness` is a test case like any other."""
    current = AttemptEvidence(1, 0.0, not_ready="status 503")
    judged = judge(plan(), Evidence(), current, final=True)
    of = TestResult("slo.yaml", "f" * 64, judged.verdict, judged.findings, Evidence((current,)))

    assert [(case.get("name"), outcome(case)) for case in suite(of).iter("testcase")] == [("readiness", "failure")]
    assert "status 503" in render(of, Format.TEXT)


@pytest.mark.parametrize("how", Format)
def test_text_of_others_acts_nowhere(how) -> None:
    """A service's error text can neither break the XML nor steer the terminal."""
    nasty = replace(LOAD, errors=(("\x1b[2J\x00\ufffe<!-- ]]> & \ud800", 3),))
    of = result(11)
    attempt = replace(of.evidence.attempts[0], loads=(nasty,), no_fail=("\x1b]0;x\x07",))
    text = render(replace(of, evidence=Evidence((attempt,))), how)

    assert not {"\x1b", "\x00", "\x07", "\ufffe"} & set(text)
    text.encode()
    if how is Format.JUNIT:
        ET.fromstring(text)  # noqa: S314 - our own output
    if how is Format.JSON:
        json.loads(text)
