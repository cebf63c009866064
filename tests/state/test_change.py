"""The change's machine: what should run here? Each test of a rule of promotion and revert carries its number."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gitslo.core.state import change_key, decide
from gitslo.core.steps import Attempting, Comment, MergePullRequest, Propose, SetStatus, Stay
from gitslo.model import (
    Action,
    Cause,
    ChangeKind,
    ChangeState,
    Claim,
    Hold,
    HoldCause,
    MergeMode,
    OutcomeRule,
    Request,
    RunState,
    Seconds,
    Verdict,
    WriteMode,
)
from gitslo.ports import PullRequestState, StatusState
from tests.state.observations import World, commit, environment, outcomes, pipeline


def passed_and_failed(**changed: object) -> World:
    """A world in which v1 has passed and v2 has just failed and stands at HEAD, before anything follows."""
    world = World(**changed)  # type: ignore[arg-type]
    world.judged(Verdict.PASS)
    world.commit_tag("v2")
    world.settle()
    world.end_attempt(Verdict.FAIL)
    world.step()
    return world


def test_a_promotion_goes_intent_branch_pull_request_status_merge_settled():
    """The ledger records the intent before anything is published, and the end after its content is on the branch."""
    world = World(candidate="v2")
    world.judged(Verdict.PASS)
    start = world.journal.index("Propose")

    assert world.journal[start : start + 6] == [
        "Propose",
        "PushChange",
        "OpenPullRequest",
        "SetStatus",
        "MergePullRequest",
        "Write:settle",
    ]


def test_rule_2_nothing_differs_nothing_is_committed():
    """Promotion edits that change nothing are no change, and nothing is written."""
    world = World(candidate="v1")
    world.judged(Verdict.PASS)

    assert (world.state.change, world.state.changes) == (None, 0)


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


def test_rule_7_closed_by_a_person_is_a_no_to_the_release():
    """Closed unmerged by a person: rejected, and not proposed again."""
    world = World(candidate="v2", env=environment(merge=MergeMode.MANUAL))
    world.judged(Verdict.PASS)

    world.pulls[0] = replace(world.pulls[0], state=PullRequestState.CLOSED, closed_by="ben")
    world.settle()

    assert (world.state.change.state, world.state.changes, world.state.rejected[0].release) == (
        ChangeState.REJECTED,
        1,
        "digest-v2",
    )


def test_rule_7_a_pull_request_that_went_with_its_branch_is_opened_again():
    """Nobody said no: the branch is published again, and a new pull request opened."""
    world = World(candidate="v2", env=environment(merge=MergeMode.MANUAL))
    world.judged(Verdict.PASS)

    world.pulls[0] = replace(world.pulls[0], state=PullRequestState.CLOSED, closed_by_us=True)
    world.tip = None
    world.settle()

    assert [PullRequestState.CLOSED, PullRequestState.OPEN] == [pull.state for pull in world.pulls]
    assert (ChangeState.PROPOSED, 1) == (world.state.change.state, world.state.changes)


def test_rule_7_what_the_forge_blocks_is_not_merged_and_says_why():
    """A missing approval is waited for; once nothing is known against it any more, it is merged."""
    world = World(candidate="v2", env=environment(merge=MergeMode.MANUAL))
    world.judged(Verdict.PASS)
    world.env = environment(merge=MergeMode.AUTO)
    world.pulls[0] = replace(world.pulls[0], blocked="it does not have enough approvals")
    stay = world.step()
    merged = list(world.merges)
    world.pulls[0] = replace(world.pulls[0], blocked="")
    world.settle()

    assert (
        "pull request 1 (promote app:v1 -> app:v2) is not merged yet: it does not have enough approvals" == stay.reason
    )
    assert ([], ["v2"]) == (merged, world.merges)


def test_rule_7_a_foreign_commit_stops_automatic_merging():
    """It stays open with one comment, and is never merged by us."""
    world = World(candidate="v2", env=environment(merge=MergeMode.MANUAL))
    world.judged(Verdict.PASS)
    world.env = environment(merge=MergeMode.AUTO)

    world.tip = commit("foreign")
    steps = [world.step() for _ in range(4)]

    comments = [step for step in steps if isinstance(step, Comment)]
    assert (len(comments), world.merges, world.state.change.state) == (1, [], ChangeState.PROPOSED)


def test_rule_7_merged_by_a_person_is_settled_by_content():
    """A merge is recognised by its content, never by ancestry."""
    world = World(candidate="v2", env=environment(merge=MergeMode.MANUAL))
    world.judged(Verdict.PASS)

    world.commit_tag("v2")
    world.settle()

    assert world.state.change.state is ChangeState.SETTLED


def test_the_edits_are_computed_again_when_the_tree_moved():
    """B's tree moved: the edits are recomputed and our branch is updated; one change, one pull request."""
    world = World(candidate="v3", env=environment(merge=MergeMode.MANUAL))
    world.judged(Verdict.PASS)
    first = world.tip

    world.commit_tag("v2")
    world.settle()

    assert (world.state.changes, len(world.pulls), world.tip != first, world.pulls[0].head_commit == world.tip) == (
        1,
        1,
        True,
        True,
    )


def test_the_edits_are_computed_again_when_the_history_was_rewritten():
    """The base has left the branch's history: merging our branch would bring back what somebody has taken out."""
    world = World(candidate="v3", env=environment(merge=MergeMode.MANUAL))
    world.judged(Verdict.PASS)
    change = world.state.change

    step = decide(replace(world.observe(), stranded=True))

    assert isinstance(step, Propose)
    assert (change, world.tip) == (step.change, step.replaces)


def _outdated_world(merge: MergeMode = MergeMode.AUTO) -> World:
    """An open pull request of ours on a forge that asks for branches that are up to date; somebody moves the branch."""
    world = World(candidate="v2", env=environment(merge=MergeMode.MANUAL), strict=True)
    world.judged(Verdict.PASS)
    world.env = environment(merge=merge)
    world.revision += 1
    return world


@pytest.mark.parametrize("atomic", [False, True])
def test_what_the_forge_finds_outdated_is_computed_again_and_merged(atomic):
    """The tree is the same, and yet the change goes out once more, on the moved branch: in the same pull request."""
    world = _outdated_world()
    world.atomic = atomic
    first, begun = world.tip, len(world.journal)

    world.settle()

    again = [step for step in world.journal[begun:] if step.startswith(("Propose", "OpenPull", "Merge"))]
    assert (["v2"], ["Propose", "OpenPullRequest", "MergePullRequest"]) == (world.merges, again)
    assert (1, 1, True) == (world.state.changes, len(world.pulls), world.pulls[0].head_commit != first)


def test_an_outdated_change_goes_out_once_for_each_move_of_the_branch():
    """A forge that does not see at once that the branch was brought up to date gets no second publication."""
    world = _outdated_world()
    world.lags = True

    stay = world.settle()
    published = [world.journal.count("Propose")]
    world.revision += 1
    world.settle()
    published.append(world.journal.count("Propose"))

    assert ([2, 3], []) == (published, world.merges)
    assert "is not merged yet: it is behind main" in stay.reason


def test_what_people_merge_is_not_computed_again_for_its_age():
    """Nobody's review is thrown away for a merge that is not ours to make."""
    world = _outdated_world(MergeMode.MANUAL)

    world.settle()

    assert (1, []) == (world.journal.count("Propose"), world.merges)


def test_an_outdated_change_waits_for_the_run_under_way():
    """Nothing is merged while a run is under way, so nothing is published for a merge either."""
    world = _outdated_world()
    run = world.state.run
    claim = Claim(world.instance, "nonce-x", Seconds(300.0))
    observation = world.observe()
    judging = replace(observation.ledger.state, run=replace(run, state=RunState.CLAIMED, claim=claim, verdict=None))
    under_way = replace(
        observation,
        ledger=replace(observation.ledger, state=judging),
        local=Attempting("nonce-x"),
        claimed_here=frozenset({"nonce-x"}),
    )

    assert (Propose, Stay) == (type(decide(observation)), type(decide(under_way)))


def test_somebody_elses_commit_on_an_outdated_branch_is_left_alone():
    """It is told, and nothing is published over it."""
    world = _outdated_world()
    world.tip = commit("foreign")
    world.pulls[0] = replace(world.pulls[0], head_commit=world.tip)

    world.settle()

    assert (1, [], commit("foreign")) == (world.journal.count("Propose"), world.merges, world.tip)


def test_changes_of_a_ledger_begun_anew_have_other_pull_requests():
    """Numbers begin anew where a ledger was lost: an old pull request does not settle a new change."""
    world = World(candidate="v3", env=environment(merge=MergeMode.MANUAL))
    world.judged(Verdict.PASS)
    o, change = world.observe(), world.state.change
    later = replace(change, proposed_wall=change.proposed_wall + 1)

    assert change_key(o, change) == change_key(o, replace(change, commit="another", base="another"))
    assert change_key(o, change) != change_key(o, later)


def test_a_withdrawn_pass_takes_the_candidate_away():
    """The source's pass is gone: the change is withdrawn and its pull request closed with the reason."""
    world = World(candidate="v2", env=environment(merge=MergeMode.MANUAL))
    world.judged(Verdict.PASS)

    world.candidate = None
    world.settle()

    red = [key for key in world.told if f"/{StatusState.FAILURE}/withdrawn" in key]
    assert (world.state.change.state, world.pulls[0].state, len(red)) == (
        ChangeState.WITHDRAWN,
        PullRequestState.CLOSED,
        1,
    )


def test_a_withdrawn_change_is_proposed_anew_when_its_candidate_holds_again():
    """Only a withdrawn pass takes a candidate away; when it passes again, the change comes again."""
    world = World(candidate="v2", env=environment(merge=MergeMode.MANUAL))
    world.judged(Verdict.PASS)
    world.candidate = None
    world.settle()

    world.candidate = "v2"
    world.settle()

    assert (world.state.changes, world.state.change.state, len(world.pulls)) == (2, ChangeState.PROPOSED, 2)


def test_another_plan_withdraws_an_open_change():
    """B's plan changed: withdrawn."""
    world = World(candidate="v2", env=environment(merge=MergeMode.MANUAL))
    world.judged(Verdict.PASS)

    world.plan_digest = "plan-2"
    world.settle()

    assert world.pulls[0].state is PullRequestState.CLOSED


def test_while_held_nothing_is_merged_and_the_pull_request_is_red():
    """While held: no change is proposed or merged by us; open pull requests stay, their status red."""
    world = World(candidate="v2", env=environment(merge=MergeMode.MANUAL))
    world.judged(Verdict.PASS)
    world.env = environment(merge=MergeMode.AUTO)

    world.state = replace(world.state, hold=Hold(HoldCause.PERSON, "freeze", "ann", 1.0))
    steps = [world.step() for _ in range(5)]

    red = [step for step in steps if isinstance(step, SetStatus) and step.status.state is StatusState.FAILURE]
    assert (world.merges, world.pulls[0].state, bool(red)) == ([], PullRequestState.OPEN, True)


def test_while_held_no_run_is_claimed():
    """A held environment is observed and not judged."""
    world = World()
    world.state = replace(world.state, hold=Hold(HoldCause.PERSON, "freeze", "ann", 1.0))

    world.settle()

    assert world.state.run is None


def test_a_merge_of_ours_waits_for_the_run_under_way():
    """Our own merge would cut the run off, so it waits until it is judged."""
    world = World()
    world.settle()

    world.candidate = "v2"
    world.settle()
    during = list(world.merges)
    world.end_attempt(Verdict.PASS)
    world.settle()

    assert (during, world.merges) == ([], ["v2"])


def test_direct_mode_pushes_to_the_branch():
    """`mode: direct` has neither branch nor pull request."""
    world = World(candidate="v2", env=environment(mode=WriteMode.DIRECT))

    world.judged(Verdict.PASS)

    assert (world.tag, world.pulls, world.state.change.state) == ("v2", [], ChangeState.SETTLED)


def test_direct_mode_brings_a_change_with_its_intent():
    """One push on an atomic remote: the intent and the branch together, and then the change is seen to be there."""
    world = World(candidate="v2", env=environment(mode=WriteMode.DIRECT), atomic=True)

    world.judged(Verdict.PASS)

    changes = [each for each in world.journal if each in ("Propose", "PushChange", "Write:settle")]
    assert (world.tag, changes) == ("v2", ["Propose", "Write:settle"])


@pytest.mark.parametrize("atomic", [False, True])
def test_direct_mode_proposes_nothing_while_a_run_is_under_way(atomic):
    """The push would take what is judged away, and every commit of others would make the intent another one."""
    world = World(env=environment(mode=WriteMode.DIRECT), atomic=atomic)
    world.settle()
    world.candidate = "v2"
    world.settle()
    during = ("Propose" in world.journal, world.tag)
    world.end_attempt(Verdict.PASS)
    world.settle()

    assert (during, world.tag) == ((False, "v1"), "v2")


def test_direct_mode_tells_what_ran_before_it_brings_something_else():
    """The verdict is set on its commit first: afterwards nobody looks there."""
    world = World(env=environment(mode=WriteMode.DIRECT), atomic=True)
    world.judged(Verdict.PASS)
    world.commit_tag("v2")
    world.judged(Verdict.FAIL)

    steps = [each for each in world.journal if each in ("Write:judge", "SetStatus", "Propose")]
    assert steps[steps.index("Propose") - 2 : steps.index("Propose")] == ["Write:judge", "SetStatus"]


def test_a_pass_is_offered_once():
    """A person who moves on from what was promoted is not pulled back by the same pass."""
    world = World()
    world.judged(Verdict.PASS)
    world.candidate = "v2"
    world.judged(Verdict.PASS)

    world.commit_tag("hotfix")
    world.judged(Verdict.PASS)

    assert (world.tag, world.state.changes) == ("hotfix", 1)


def test_a_revert_goes_before_a_promotion():
    """While a fail stands at HEAD, the revert is made, and the promotion only after it."""
    world = passed_and_failed(env=environment(merge=MergeMode.MANUAL))

    world.candidate = "v3"
    world.settle()

    assert world.state.change.kind is ChangeKind.REVERT


def test_a_crash_between_any_two_steps_opens_no_second_pull_request():
    """Whatever was told is told again idempotently; what was recorded is not recorded again."""
    world = World(candidate="v2")
    world.judged(Verdict.PASS)
    for _ in range(30):
        step = world.step()
        if isinstance(step, MergePullRequest):
            break
        world.crash()

    assert (len(world.pulls), world.state.changes, world.merges) == (1, 1, ["v2"])
