"""The change's machine: what should run here? Each test of a rule carries its number."""

from __future__ import annotations

from dataclasses import replace

from gitslo.core.state import change_key, decide
from gitslo.core.steps import Comment, MergePullRequest, Propose, SetStatus
from gitslo.model import (
    ChangeState,
    Hold,
    HoldCause,
    MergeMode,
    Verdict,
)
from gitslo.ports import PullRequestState, StatusState
from tests.state.observations import World, commit, environment


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


def test_a_pass_is_offered_once():
    """A person who moves on from what was promoted is not pulled back by the same pass."""
    world = World()
    world.judged(Verdict.PASS)
    world.candidate = "v2"
    world.judged(Verdict.PASS)

    world.commit_tag("hotfix")
    world.judged(Verdict.PASS)

    assert (world.tag, world.state.changes) == ("hotfix", 1)


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
