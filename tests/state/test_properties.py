"""What holds of every history, whatever happens when."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from gitslo.core.state import CHANGE_TABLE, RUN_TABLE, Edge, decide
from gitslo.core.steps import Attempting, Interrupted, Propose, Stay, Write
from gitslo.model import (
    Action,
    ChangeState,
    Hold,
    HoldCause,
    MergeMode,
    NewerCommit,
    OutcomeRule,
    RunState,
    Verdict,
    WriteMode,
)
from gitslo.ports import PullRequestState, SyncState
from tests.state.observations import World, environment, outcomes, pipeline

HAPPENINGS = st.sampled_from(
    [
        "step",
        "step",
        "step",
        "commit v1",
        "commit v2",
        "commit v3",
        "plan",
        "candidate",
        "no candidate",
        "pass",
        "fail",
        "inconclusive",
        "interrupt",
        "crash",
        "other instance",
        "patience",
        "hour",
        "fingerprint",
        "syncing",
        "synced",
        "failed rollout",
        "foreign commit",
        "close",
        "hold",
        "lift",
        "full",
        "room",
    ]
)

WORLDS = st.builds(
    World,
    env=st.builds(environment, mode=st.sampled_from(WriteMode), merge=st.sampled_from(MergeMode)),
    pipe=st.builds(
        pipeline,
        newer_commit=st.sampled_from(NewerCommit),
        outcomes=st.sampled_from(
            [
                outcomes(),
                outcomes(fail_revalidation=OutcomeRule(Action.REVERT)),
                outcomes(fail=OutcomeRule(Action.HOLD, run="page"), inconclusive=OutcomeRule(Action.NOTHING)),
            ]
        ),
    ),
    people_undone=st.integers(0, 3),
    atomic=st.booleans(),
    shared_changed=st.sampled_from(["", "", "", "shared inputs changed: base"]),
)


def happen(world: World, what: str) -> None:  # noqa: C901, PLR0912 - one case per happening
    """One thing that may come about at any time."""
    match what.split():
        case ["step"]:
            world.step()
        case ["commit", tag]:
            world.commit_tag(tag)
        case ["plan"]:
            world.plan_digest = "plan-2" if world.plan_digest == "plan-1" else "plan-1"
        case ["candidate"]:
            world.candidate, world.candidate_run = "v2", str(int(world.candidate_run) + 1)
        case ["no", "candidate"]:
            world.candidate = None
        case ["pass" | "fail" | "inconclusive"]:
            if isinstance(world.local, Attempting):
                world.end_attempt(Verdict(what))
        case ["interrupt"]:
            if isinstance(world.local, Attempting):
                world.local = Interrupted(world.local.nonce, "no answer")
        case ["crash"]:
            world.crash()
        case ["other", "instance"]:
            world.crash("two" if world.instance == "one" else "one")
        case ["patience"]:
            world.seen_for = 300.0
        case ["hour"]:
            world.now += 3600
        case ["fingerprint"]:
            world.fingerprint += "'"
        case ["syncing"]:
            world.runs_tag = "something else"
        case ["synced"]:
            world.runs_tag, world.synced = None, SyncState.SYNCED
        case ["failed", "rollout"]:
            world.synced = SyncState.FAILED
        case ["foreign", "commit"]:
            world.tip = "f" * 40 if world.tip else None
        case ["close"]:
            world.pulls = [
                replace(p, state=PullRequestState.CLOSED, closed_by="ben") if p.state is PullRequestState.OPEN else p
                for p in world.pulls
            ]
        case ["hold"]:
            world.state = replace(world.state, hold=Hold(HoldCause.PERSON, "freeze", "ann", 1.0))
        case ["lift"]:
            world.state = replace(world.state, hold=None)
        case ["full"]:
            world.room = False
        case ["room"]:
            world.room = True
        case _:
            raise AssertionError(what)


@settings(max_examples=400, deadline=None)
@given(WORLDS, st.lists(HAPPENINGS, max_size=60))
def test_decide_is_total_and_pure(world, history):
    """Every observation gives a step, and the same observation the same step."""
    for what in history:
        happen(world, what)
        observation = world.observe()

        assert decide(observation) == decide(observation)


@settings(max_examples=400, deadline=None)
@given(WORLDS, st.lists(HAPPENINGS, max_size=60))
def test_what_is_over_stays_over_and_every_write_is_on_the_table(world, history):
    """No step undoes a terminal entry; ids only grow; every move of both machines is an edge of its table."""
    for what in history:
        happen(world, what)
        observation = world.observe()
        step = decide(observation)
        if not isinstance(step, Write):
            continue
        before, after = observation.ledger.state, step.state

        assert after.entry == before.entry + 1
        if before.run is not None and before.run.state is not RunState.CLAIMED and after.run is not None:
            same = before.run.id == after.run.id
            told = step.event == "told"
            extended = step.event == "extend" and before.run.verdict is Verdict.INCONCLUSIVE
            assert told or extended or before.run == after.run or (not same and after.run.id > "0")
            if same and not extended:
                assert (before.run.verdict, before.run.findings) == (after.run.verdict, after.run.findings)
        if before.change is not None and before.change.state is not ChangeState.PROPOSED:
            assert after.change is not None
            assert after.change == before.change or after.changes == before.changes + 1
        if step.event not in ("hold", "told"):
            table = RUN_TABLE if any(edge.event == step.event for edge in RUN_TABLE) else CHANGE_TABLE
            old = before.run if table is RUN_TABLE else before.change
            new = after.run if table is RUN_TABLE else after.change
            assert Edge(old.state if old else "none", step.event, new.state if new else "none") in table


@settings(max_examples=300, deadline=None)
@given(WORLDS, st.lists(HAPPENINGS, max_size=60))
def test_an_effect_is_not_asked_for_again_after_itself(world, history):
    """`decide` after its own effect never asks for the same effect: the world comes to rest within bounded steps."""
    for what in history:
        happen(world, what)
    world.room = True

    assert isinstance(world.settle(80), Stay)


@settings(max_examples=300, deadline=None)
@given(WORLDS, st.lists(HAPPENINGS, max_size=60))
def test_while_held_nothing_moves_into_the_environment(world, history):
    """While held nothing is claimed, proposed or merged."""
    for what in history:
        happen(world, what)
        if world.state.hold is None:
            continue
        step = decide(world.observe())

        assert not isinstance(step, Propose)
        assert not (isinstance(step, Write) and step.event in ("claim", "extend", "take over"))
        assert type(step).__name__ not in ("MergePullRequest", "PushChange", "OpenPullRequest")


@settings(max_examples=300, deadline=None)
@given(WORLDS, st.lists(HAPPENINGS, max_size=60))
def test_only_a_pass_is_remembered_as_one_and_only_a_fail_rejects(world, history):
    """last_pass moves only with a pass; a tree is rejected only with a fail."""
    for what in history:
        happen(world, what)
        observation = world.observe()
        step = decide(observation)
        if not isinstance(step, Write):
            continue
        before, after = observation.ledger.state, step.state
        if after.last_pass != before.last_pass and not (after.last_pass and after.last_pass.withdrawn):
            assert after.run.verdict is Verdict.PASS
        added = [no for no in after.rejected if no not in before.rejected and no.tree is not None]
        if added:
            assert after.run.verdict is Verdict.FAIL
