"""A run in a few plain lines."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gitslo.core.notice import MOST_LINES, notice
from gitslo.model import EnvironmentState, Hold, HoldCause, Run, Verdict
from tests.render.cases import FAILED, HOSTILE, PASSED, UNDECIDED, environment

STATE = EnvironmentState("hello", "dev", entry=9, runs=3)
DEV = environment("dev")


@pytest.mark.parametrize(("run", "word"), [(PASSED, "pass"), (FAILED, "fail"), (UNDECIDED, "inconclusive")])
def test_it_begins_with_where_and_what(run: Run, word: str) -> None:
    """The first line alone is news; the last line without a link is the commit."""
    lines = notice(run, STATE, DEV).split("\n")

    assert lines[0].startswith(f"dev: {word} in run {run.id} ({run.cause}) of ")
    assert f"commit {run.revision[:12]}" == lines[-1]


def test_what_broke_is_told_and_what_held_is_not() -> None:
    """A fail names the findings that are no pass; a pass those that decided it."""
    broken = [each for each in FAILED.findings if each.decides and each.verdict is not Verdict.PASS]
    told = notice(FAILED, STATE, DEV).split("\n")[1:-1]

    assert len(broken) == len(told)
    assert all(line.startswith(each.objective) for line, each in zip(told, broken, strict=True))
    assert len(notice(PASSED, STATE, DEV).split("\n")) > 2


def test_a_hold_and_the_link_are_told() -> None:
    """Why a person is needed, and where all the numbers are."""
    held = replace(STATE, hold=Hold(HoldCause.VERDICT, "run 3 failed", "gitslo", 1.0))
    lines = notice(FAILED, held, DEV, "https://gitslo.example/report?run=3").split("\n")

    assert ["held: run 3 failed", f"commit {FAILED.revision[:12]}", "https://gitslo.example/report?run=3"] == lines[-3:]


def test_many_findings_are_counted() -> None:
    """One message of a chat: the first few, and how many more there are."""
    many = replace(FAILED, findings=tuple(f for f in FAILED.findings if f.verdict is Verdict.FAIL)[:1] * 9)
    lines = notice(many, STATE, DEV).split("\n")

    assert (MOST_LINES + 3, f"and {9 - MOST_LINES} more") == (len(lines), lines[-2])


def test_nobody_is_mentioned_and_nothing_acts() -> None:
    """Text of a repository stays text: no mention, no control character, no line of its own."""
    held = replace(STATE, hold=Hold(HoldCause.VERDICT, f"{HOSTILE} <!channel>", "gitslo", 1.0))
    said = notice(FAILED, held, DEV)

    assert len(notice(FAILED, replace(held, hold=None), DEV).split("\n")) + 1 == len(said.split("\n"))
    assert ["@everyone", "<!", "\x1b", "\u202e", "#1"] == [
        each for each in ("@everyone", "<!", "\x1b", "\u202e", "#1") if each not in said
    ]
    assert max(len(line) for line in said.split("\n")) <= 200
