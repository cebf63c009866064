"""What is said of a commit's content, by the entries that the real state machine has written."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gitslo.core.gate import Answer, Answered, Vantage, answer, finding_lines, guarded
from gitslo.model import (
    Action,
    Cause,
    Hold,
    HoldCause,
    OutcomeRule,
    Phase,
    Rejection,
    Request,
    RunState,
    Subject,
    Verdict,
)
from gitslo.ports import SyncState
from tests.state.observations import World, finding, outcomes, pipeline, release

DAY = 24 * 3600.0


def about(world: World, tag: str | None = None, plan: str | None = None, *, head: bool = True) -> Answer:
    """The answer about a tag, by what the world's ledger says now."""
    subject = Subject(world.tree(tag or world.tag), plan or world.plan_digest)
    synced = world.fingerprint if world.synced is SyncState.SYNCED else None
    at_head = Subject(world.tree(world.tag), world.plan_digest) if head else None
    vantage = Vantage(at_head, synced, "it waits")
    found = answer(subject, release(tag or world.tag), world.state, world.pipe, vantage)
    return guarded(found, world.state.hold)


def said(world: World, tag: str | None = None, plan: str | None = None) -> tuple[str, str | None]:
    """Verdict and run."""
    found = about(world, tag, plan)
    return found.verdict.value, found.run


def test_before_anything_is_judged_it_is_pending() -> None:
    """What the branch has and no run has judged yet is pending, for the reason that the loop gives."""
    world = World(runs_tag="v0")
    world.settle()

    assert (Answered.PENDING, None, "it waits") == (about(world).verdict, about(world).run, about(world).reason)


def test_a_run_under_way_is_pending() -> None:
    """A claimed run has no verdict yet, and is named."""
    world = World()
    world.settle()

    assert ("pending", "1") == said(world)


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ((Verdict.PASS,), "pass"),
        ((Verdict.FAIL,), "fail"),
        ((Verdict.INCONCLUSIVE,), "pending"),
        ((Verdict.INCONCLUSIVE, Verdict.PASS), "pass"),
        ((Verdict.INCONCLUSIVE, Verdict.INCONCLUSIVE, Verdict.INCONCLUSIVE), "inconclusive"),
        ((Verdict.ERROR,), "error"),
    ],
)
def test_a_judged_run_has_its_verdict(verdicts: tuple[Verdict, ...], expected: str) -> None:
    """The verdict of the run; while an inconclusive one will be extended there is none yet."""
    world = World()
    world.judged(*verdicts)

    assert (expected, "1") == said(world)


def test_an_inconclusive_run_that_nobody_extends_is_inconclusive() -> None:
    """Where the policy does nothing about it, and where something else is on the branch already."""
    world = World(pipe=pipeline(outcomes=outcomes(inconclusive=OutcomeRule(Action.NOTHING))))
    world.judged(Verdict.INCONCLUSIVE)
    extended = World()
    extended.settle()
    extended.end_attempt(Verdict.INCONCLUSIVE)
    extended.step()
    extended.commit_tag("v2")

    assert (("inconclusive", "1"), ("inconclusive", "1")) == (said(world), said(extended, "v1"))


def test_another_commit_with_the_same_content_has_the_same_verdict() -> None:
    """A verdict is about the content: another tree or another plan has none of it."""
    world = World()
    world.judged(Verdict.PASS)

    assert (("pass", "1"), ("unknown", None), ("unknown", None)) == (
        said(world),
        said(world, "v2"),
        said(world, plan="plan-2"),
    )


def test_what_runs_otherwise_is_not_what_passed() -> None:
    """The same tree with another fingerprint is new evidence: no pass until that is judged."""
    world = World()
    world.judged(Verdict.PASS)
    world.fingerprint = "other"
    before = said(world)
    world.settle()
    under_way = said(world)
    world.judged(Verdict.PASS)

    assert (("pending", "1"), ("pending", "2"), ("pass", "2")) == (before, under_way, said(world))


def test_a_pass_stands_while_it_is_validated_again() -> None:
    """A revalidation under way takes nothing away; one that failed leaves it open until another confirms it."""
    world = World()
    world.judged(Verdict.PASS)
    world.now += DAY
    world.seen_for = DAY
    world.settle()
    during = about(world)
    world.end_attempt(Verdict.FAIL)
    world.step()
    failed_once = about(world)
    world.settle()
    confirming = about(world)
    world.end_attempt(Verdict.FAIL)
    world.settle()

    assert (Answered.PASS, "1") == (during.verdict, during.run)
    assert [Answered.PENDING, Answered.PENDING] == [failed_once.verdict, confirming.verdict]
    assert (Answered.FAIL, "3", HoldCause.VERDICT) == (
        about(world).verdict,
        about(world).run,
        about(world).held.cause if about(world).held else None,
    )


def test_a_withdrawn_pass_is_a_fail() -> None:
    """Also where a revalidation has passed since, and where something else came to run."""
    world = World()
    world.judged(Verdict.PASS)
    assert world.state.last_pass is not None
    withdrawn = replace(world.state.last_pass, withdrawn=True)
    world.state = replace(world.state, last_pass=withdrawn)
    here = said(world)
    world.commit_tag("v2")
    world.judged(Verdict.INCONCLUSIVE)

    assert (("fail", "1"), ("fail", "1")) == (here, said(world, "v1"))


def test_nothing_passes_where_a_verdict_holds() -> None:
    """Held by a verdict an environment is no source: a pass there waits for a person. A person's hold leaves it one."""
    world = World()
    world.judged(Verdict.PASS)
    held = Hold(HoldCause.VERDICT, "look here", "gitslo", 5.0)
    by_person = replace(held, cause=HoldCause.PERSON)

    world.state = replace(world.state, hold=held)
    by_verdict = about(world)
    world.state = replace(world.state, hold=by_person)

    assert (Answered.PENDING, held) == (by_verdict.verdict, by_verdict.held)
    assert "look here" in by_verdict.reason
    assert (Answered.PASS, by_person) == (about(world).verdict, about(world).held)


def test_what_failed_stays_failed_and_what_passed_before_stays_passed() -> None:
    """After a revert, of the commit that failed, of the one before it, and of what is on the branch again."""
    world = World()
    world.judged(Verdict.PASS)
    world.commit_tag("bad")
    world.judged(Verdict.FAIL)
    reverted = (said(world, "bad"), said(world))
    world.judged(Verdict.PASS)

    assert (("fail", "2"), ("pending", "3")) == reverted
    assert (("fail", "2"), ("pass", "3")) == (said(world, "bad"), said(world, "v1"))
    assert "run 2" in about(world, "bad").rejected


def test_the_pass_before_the_last_one_is_remembered() -> None:
    """Two passes with different trees are known from the newest entry; a third one back is not."""
    world = World()
    for tag in ("v1", "v2", "v3"):
        if tag != "v1":
            world.commit_tag(tag)
        world.judged(Verdict.PASS)

    assert [("unknown", None), ("pass", "2"), ("pass", "3")] == [said(world, tag) for tag in ("v1", "v2", "v3")]


def test_what_comes_back_is_judged_again() -> None:
    """A tree that is on the branch again after another one ran is pending until its new run has a verdict."""
    world = World()
    world.judged(Verdict.PASS)
    world.commit_tag("v2")
    world.judged(Verdict.PASS)
    world.commit_tag("v1")

    assert ("pending", None) == said(world, "v1")


def test_a_run_that_was_superseded_says_nothing() -> None:
    """Its commit is unknown while something else is on the branch."""
    world = World()
    world.settle()
    world.commit_tag("v2")
    assert world.state.run is not None
    world.state = replace(world.state, run=replace(world.state.run, state=RunState.SUPERSEDED, claim=None))

    assert (("unknown", None), ("pending", None)) == (said(world, "v1"), said(world))


def test_a_person_who_asks_for_fresh_evidence_reopens_it() -> None:
    """`gitslo resume --fresh` claims a manual run: pending, whatever was before."""
    world = World()
    world.judged(Verdict.PASS)
    world.state = replace(world.state, request=Request(Cause.MANUAL, fresh=True, by="ann"))
    world.settle()

    assert ("pending", "2") == said(world)


def test_a_release_that_a_person_closed_is_said_to_be_rejected() -> None:
    """A no to a release is no verdict: it is told beside what is known."""
    world = World()
    world.judged(Verdict.PASS)
    no = Rejection(None, release("v2").digest, "plan-1", "", "pull request 4 was closed unmerged by ann")
    world.state = replace(world.state, rejected=(no,))

    assert (Answered.UNKNOWN, no.reason) == (about(world, "v2").verdict, about(world, "v2").rejected)
    assert "" == about(world).rejected


def test_nothing_is_a_pass_without_a_pass_in_the_ledger() -> None:
    """Whatever the head and the syncer say, only `last_pass` or a judged pass makes one."""
    world = World()
    world.judged(Verdict.PASS)
    for tag in ("v2", "v3"):
        for plan in ("plan-1", "plan-2"):
            found = about(world, tag, plan, head=False)

            assert Answered.UNKNOWN is found.verdict


def test_a_finding_is_one_line() -> None:
    """The objective, its phase where that is not the usual one, the word, and the sentence; deciding ones first."""
    fails = finding(Verdict.FAIL)
    reported = replace(finding(Verdict.PASS), objective="b.errors < 1%", decides=False, phase=Phase.CHAOS)
    lines = finding_lines((reported, replace(fails, objective="a\x1b[2J\nb")))

    assert 2 == len(lines)
    assert lines[0].startswith("a\\x1b[2J b: fail: ")
    assert lines[1].startswith("b.errors < 1% (chaos): pass (report only): ")
