"""Going back: fails, rejections and revalidations that fail. Each test of a rule carries its number."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gitslo.model import (
    Action,
    Cause,
    ChangeKind,
    ChangeState,
    HoldCause,
    MergeMode,
    OutcomeRule,
    Request,
    Verdict,
)
from gitslo.ports import PullRequestState
from tests.state.observations import World, environment, outcomes, passed_and_failed, pipeline


def test_rule_3_a_fail_is_reverted_to_the_last_passing_tree():
    """After a sync run's fail the last passing tree comes back as a change of its own."""
    world = passed_and_failed()

    world.settle()

    change = world.state.change
    assert (change.kind, change.state, world.tag) == (ChangeKind.REVERT, ChangeState.SETTLED, "v1")


def test_rule_3_a_fix_that_lands_while_its_predecessor_fails_is_not_reverted():
    """Only while HEAD still has the failing tree: a newer commit is tested instead."""
    world = passed_and_failed()

    world.commit_tag("v3")
    world.settle()

    assert (world.tag, world.state.run.release.values[0].value, world.state.change) == ("v3", "v3", None)


def test_rule_3_an_open_revert_is_withdrawn_when_the_fix_lands():
    """A revert whose failing tree has gone from HEAD is withdrawn, its pull request closed and its branch deleted."""
    world = passed_and_failed(env=environment(merge=MergeMode.MANUAL))
    world.settle()

    world.commit_tag("v3")
    world.settle()

    assert (world.state.change.state, world.pulls[0].state, world.tip) == (
        ChangeState.WITHDRAWN,
        PullRequestState.CLOSED,
        None,
    )


def test_rule_3_undoing_several_commits_by_people_is_never_merged_automatically():
    """A revert that undoes more than one person's commit waits for a person, whatever the policy says."""
    world = passed_and_failed(people_undone=2)

    world.settle()

    assert (world.state.change.state, world.merges) == (ChangeState.PROPOSED, [])


@pytest.mark.parametrize("problem", ["shared inputs changed since the last pass: base"])
def test_rule_3_shared_inputs_changed_is_a_hold_that_names_them(problem):
    """A revert that would not bring the passing state back is not made: held, with the reason."""
    world = passed_and_failed(shared_changed=problem)

    world.settle()

    assert (world.state.change, problem in world.state.hold.reason) == (None, True)


def test_rule_3_no_earlier_pass_is_a_hold():
    """Without an earlier pass there is nothing to go back to."""
    world = World()

    world.judged(Verdict.FAIL)

    assert "no earlier pass" in world.state.hold.reason


def test_rule_10_fresh_evidence_that_a_person_asked_for_goes_before_a_revert():
    """A hold where no revert can be made is lifted by `resume --fresh` and does not come back before the run."""
    world = World()
    world.judged(Verdict.FAIL)
    world.state = replace(world.state, hold=None, request=Request(Cause.MANUAL, fresh=True, by="ann"))

    world.judged(Verdict.PASS)

    assert (None, Cause.MANUAL, Verdict.PASS) == (world.state.hold, world.state.run.cause, world.state.run.verdict)


def test_rule_3_only_the_plan_changed_is_a_hold():
    """If the failing tree is the last passing one, only the plan changed: nothing to revert."""
    world = World()
    world.judged(Verdict.PASS)

    world.plan_digest = "plan-2"
    world.judged(Verdict.FAIL)

    assert (world.state.change, "only the plan changed" in world.state.hold.reason) == (None, True)


def test_rule_4_a_failing_tree_is_rejected_with_its_release():
    """The failing tree is always rejected; its release where it differs from the last passing one."""
    world = passed_and_failed()

    rejection = world.state.rejected[-1]
    assert (rejection.tree, rejection.release) == ("tree-v2", "digest-v2")


def test_rule_4_a_rejected_release_is_not_promoted_again():
    """A release that failed here is no candidate until the plan changes."""
    world = World()
    world.judged(Verdict.PASS)
    world.candidate = "v2"
    world.judged(Verdict.FAIL, Verdict.PASS)
    before = world.state.changes

    world.candidate_run = "7"
    world.settle()
    unchanged = world.state.changes
    world.plan_digest = "plan-2"
    world.judged()

    assert (before, unchanged, world.state.changes) == (2, 2, 3)


def test_rule_4_a_rejected_tree_written_again_is_held_by_name():
    """No test, no second revert: held, the committer named."""
    world = passed_and_failed()
    world.settle()
    world.judged(Verdict.PASS)
    runs = world.state.runs

    world.commit_tag("v2")
    world.settle()

    assert (world.state.runs, "Ann <a@b>" in world.state.hold.reason) == (runs, True)


def test_rule_4_a_revert_is_never_reverted():
    """If the reverted-to tree fails too: hold."""
    world = passed_and_failed()
    world.settle()

    world.end_attempt(Verdict.FAIL)
    world.settle()

    assert (world.state.changes, world.state.hold is not None) == (1, True)


def test_a_pass_after_our_own_revert_confirms_and_moves_nothing():
    """Its pass confirms the earlier pass: later stages are offered nothing new."""
    world = passed_and_failed()
    first = world.state.last_pass
    world.settle()

    world.end_attempt(Verdict.PASS)
    world.settle()

    assert (world.state.last_pass.run, world.state.last_pass.revision) == (first.run, first.revision)


def test_a_tree_that_a_person_brought_back_is_a_pass_like_any_other():
    """Known from the ledger, not from a trailer: what we did not revert is offered again."""
    world = World()
    world.judged(Verdict.PASS)
    world.commit_tag("v2")
    world.judged(Verdict.PASS)

    world.commit_tag("v1")
    world.judged(Verdict.PASS)

    assert (world.state.last_pass.run, world.state.last_pass.release.digest) == ("3", "digest-v1")


def test_rule_5_one_failing_revalidation_is_confirmed_at_once():
    """The second starts at once, on fresh evidence; nothing is withdrawn yet."""
    world = World()
    world.judged(Verdict.PASS)
    world.now += 3600

    world.judged(Verdict.FAIL)

    run = world.state.run
    assert (run.cause, run.verdict, run.evidence.attempts, world.state.last_pass.withdrawn) == (
        Cause.REVALIDATION,
        None,
        (),
        False,
    )


def test_rule_5_a_pass_in_between_resets_the_count():
    """fail, pass, fail withdraws nothing."""
    world = World()
    world.judged(Verdict.PASS)
    world.now += 3600
    world.judged(Verdict.FAIL, Verdict.PASS)
    world.now += 3600

    world.judged(Verdict.FAIL)

    assert (world.state.failing_revalidations, world.state.last_pass.withdrawn) == (1, False)


def test_rule_5_two_failing_revalidations_withdraw_the_pass_and_hold():
    """What drifted is usually not the commit: withdrawn and held, not reverted."""
    world = World()
    world.judged(Verdict.PASS)
    world.now += 3600

    world.judged(Verdict.FAIL, Verdict.FAIL)

    state = world.state
    assert (state.last_pass.withdrawn, state.hold.cause, state.change) == (True, HoldCause.VERDICT, None)


def test_rule_5_a_revalidation_reverts_only_where_the_policy_says_so():
    """With `fail: {revalidation: revert}` the tree before the last passing one comes back."""
    policy = outcomes(fail_revalidation=OutcomeRule(Action.REVERT))
    world = World(pipe=pipeline(outcomes=policy))
    world.judged(Verdict.PASS)
    world.commit_tag("v2")
    world.judged(Verdict.PASS)
    world.now += 3600

    world.judged(Verdict.FAIL, Verdict.FAIL)

    assert (world.tag, world.state.change.kind, world.state.hold) == ("v1", ChangeKind.REVERT, None)


def test_a_revert_goes_before_a_promotion():
    """While a fail stands at HEAD, the revert is made, and the promotion only after it."""
    world = passed_and_failed(env=environment(merge=MergeMode.MANUAL))

    world.candidate = "v3"
    world.settle()

    assert world.state.change.kind is ChangeKind.REVERT
