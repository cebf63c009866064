"""What `gitslo verdict` prints and leaves for a pipeline."""

from __future__ import annotations

import subprocess
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gitslo.cli.root import cli
from gitslo.core.answer_formats import AnswerResult, answer_junit, answer_markdown, answer_text
from gitslo.core.gate import FindingSaid, finding_lines, finding_said
from gitslo.model import Phase, Verdict
from tests.cli_test.test_result_files import SCHEMA
from tests.required import required
from tests.state.observations import finding

GOOD = finding(Verdict.PASS)
BAD = replace(finding(Verdict.FAIL), objective="shop.latency.p95 < 250ms")
REPORT = "http://127.0.0.1:1/api/v1/report?repository=shop&environment=checkout%2Fdev&run=4"
OPEN = replace(finding(Verdict.INCONCLUSIVE), objective="shop.latency.p99 < 1s")
NASTY = "\x1b[2J\x00\ufffe<!-- ]]> & \"' \ud800 @all [x](http://x)"


def result(word: str, *findings, verdict: Verdict | None = None) -> AnswerResult:
    """An answer about a commit, with the findings of its run."""
    lines = ("for a reason",)
    counts = Verdict(word) if verdict is None else verdict
    return AnswerResult("shop checkout/dev", "a" * 40, word, counts, lines, REPORT, finding_lines(findings))


UNDECIDED = Verdict.INCONCLUSIVE
RESULTS = {
    "pass": result("pass", GOOD),
    "fail": result("fail", GOOD, BAD, OPEN),
    "withdrawn": result("fail", GOOD),
    "inconclusive": result("inconclusive", GOOD, OPEN),
    "error": result("error"),
    "held": result("pending", GOOD, verdict=UNDECIDED),
    "confirming": result("pending", BAD, verdict=UNDECIDED),
    "unknown": result("unknown", verdict=UNDECIDED),
    "reported": result("pass", GOOD, replace(BAD, decides=False)),
    "contradictory": result("pass", BAD, OPEN),
    "no answer": AnswerResult("shop checkout/dev", "", "no verdict", Verdict.ERROR, ("connection refused",)),
    "hostile": AnswerResult(
        NASTY, NASTY, "fail", Verdict.FAIL, (NASTY,), NASTY, (NASTY, f"{NASTY}: fail: {NASTY}", ": : ")
    ),
}


def cases(of: AnswerResult) -> list[tuple[str | None, str]]:
    """Name and what it came to, of each test case."""
    root = ET.fromstring(answer_junit(of))  # noqa: S314 - our own output
    return [
        (case.get("name"), next((child.tag for child in case if child.tag != "system-out"), "passed"))
        for case in root.iter("testcase")
    ]


@pytest.mark.parametrize("name", RESULTS)
def test_junit_is_what_readers_of_it_expect(tmp_path: Path, name: str) -> None:
    """Every answer is valid by the schema that `gitslo test` is held to."""
    file = tmp_path / "junit.xml"
    file.write_text(answer_junit(RESULTS[name]), encoding="utf-8")
    argv = [str(required("xmllint")), "--noout", "--nonet", "--schema", str(SCHEMA), str(file)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)

    assert (0, f"{file} validates") == (done.returncode, done.stderr.strip())


@pytest.mark.parametrize("name", RESULTS)
def test_junit_is_green_for_a_pass_and_nothing_else(name: str) -> None:
    """Whatever the findings of the run were: a held environment, a contradiction, nobody who answers."""
    red = {"failure", "error"} & {came_to for _, came_to in cases(RESULTS[name])}

    assert (RESULTS[name].verdict is Verdict.PASS) == (not red)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("pass", [("verdict", "passed"), (GOOD.objective, "passed")]),
        ("fail", [(GOOD.objective, "passed"), (BAD.objective, "failure"), (OPEN.objective, "skipped")]),
        ("withdrawn", [("verdict", "failure"), (GOOD.objective, "passed")]),
        ("inconclusive", [(GOOD.objective, "passed"), (OPEN.objective, "error")]),
        ("held", [("verdict", "error"), (GOOD.objective, "passed")]),
        ("reported", [("verdict", "passed"), (GOOD.objective, "passed"), (BAD.objective, "skipped")]),
        ("no answer", [("verdict", "error")]),
    ],
)
def test_one_broken_limit_is_one_failure(name: str, expected: list[tuple[str, str]]) -> None:
    """A test case per finding; one for the answer itself only where no finding says it already."""
    assert expected == cases(RESULTS[name])


def test_a_finding_comes_back_from_its_line() -> None:
    """Name, phase, verdict, whether it decides, and the sentence."""
    only = replace(BAD, decides=False, phase=Phase.CHAOS)
    [good, line] = finding_lines((GOOD, only))
    said = finding_said(line)

    assert said is not None
    assert (f"{BAD.objective} (chaos)", Verdict.FAIL, False) == (said.name, said.verdict, said.decides)
    assert FindingSaid(GOOD.objective, Verdict.PASS, True, good.partition(": pass: ")[2]) == finding_said(good)


@pytest.mark.parametrize("line", ["", "a: b", "a: passed: b", "a: pass:", ": pass: ", "a: pass (reported): b"])
def test_a_line_of_another_form_is_no_finding(line: str) -> None:
    """It is shown as it is, and decides nothing."""
    of = replace(RESULTS["pass"], findings=(line,))

    assert (None, [("verdict", "passed")]) == (finding_said(line), cases(of))
    assert line.strip() in answer_text(of)


def test_the_summary_says_the_answer_and_its_findings() -> None:
    """For a job's page: the word, what it is about, why, and a line per finding."""
    lines = answer_markdown(RESULTS["fail"]).splitlines()

    assert f"**Fail**: `shop checkout/dev {'a' * 12}`" == lines[0]
    assert ["* for a reason", f"* [report]({REPORT})", "## Findings"] == [*lines[2:4], lines[5]]
    assert lines[8].startswith(f"* `{BAD.objective}`: **fail**: ")


@pytest.mark.parametrize(
    "report", [REPORT + ")", REPORT + " x", "javascript:alert(1)?x", "http://a](b)/?x", "http://@all/?x"]
)
def test_only_a_plain_url_is_a_link(report: str) -> None:
    """What could end the link, or be none, is text."""
    assert "[report](" not in answer_markdown(replace(RESULTS["pass"], report=report))


@pytest.mark.parametrize("form", [answer_text, answer_junit, answer_markdown])
def test_text_of_others_acts_nowhere(form) -> None:
    """What a daemon says steers no terminal, breaks no XML, and mentions nobody in Markdown."""
    text = form(RESULTS["hostile"])

    text.encode()
    assert not {"\x1b", "\x00", "\ufffe"} & set(text)
    assert form is not answer_markdown or "@all" not in text


# --------------------------------------------------------------------------- the command


def asked(*more: str) -> Result:
    """Nobody answers at that port."""
    about = ("--url", "http://127.0.0.1:9", "--repository", "shop", "--environment", "dev", "--commit", "a" * 8)
    return CliRunner().invoke(cli, ["verdict", *about, *more])


def test_both_files_say_that_nobody_answered(tmp_path: Path) -> None:
    """An error, in all three forms, and the exit code of one."""
    junit, summary = tmp_path / "junit.xml", tmp_path / "summary.md"
    done = asked("--junit", str(junit), "--summary", str(summary))

    assert (4, "no verdict: shop dev aaaaaaaa") == (done.exit_code, done.stdout.splitlines()[0])
    assert ["verdict", "error"] == list(next(ET.parse(junit).iter("property")).attrib.values())  # noqa: S314 - ours
    assert "**No verdict**: `shop dev aaaaaaaa`" == summary.read_text().splitlines()[0]


def test_an_earlier_verdict_is_never_left(tmp_path: Path) -> None:
    """What an earlier question has left is gone, also where this one cannot be asked."""
    junit = tmp_path / "junit.xml"
    junit.write_text("<testsuites/>")
    done = asked("--junit", str(junit), "--wait", "soon")

    assert (2, False) == (done.exit_code, junit.exists())


def test_two_results_in_one_file_are_refused(tmp_path: Path) -> None:
    """Nothing is asked for a result that has no place."""
    done = asked("--junit", str(tmp_path / "x"), "--summary", str(tmp_path / "x"))

    assert (2, True) == (done.exit_code, "--summary and --junit name one file" in done.output)
