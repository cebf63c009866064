"""What people are told of verdicts: statuses of commits, and rolling issues for what has no pull request."""

from __future__ import annotations

from dataclasses import replace

from gitslo.core.state import decide
from gitslo.core.steps import TRIED, Comment, CommentOnCommit, Propose, SetStatus
from gitslo.model import Action, Hold, HoldCause, OutcomeRule, Verdict, WriteMode
from gitslo.ports import StatusState
from tests.state.observations import World, environment, outcomes, pipeline

HOLDS = pipeline(outcomes=outcomes(fail=OutcomeRule(Action.HOLD)))


def last_status(world: World, of: str) -> StatusState:
    """The newest status of a commit."""
    return next(each.state for each in reversed(world.statuses) if each.commit == of)


def test_a_fail_is_told_before_its_revert_is_merged() -> None:
    """Its commit is red for good, although another one runs at once."""
    world = World()
    world.judged(Verdict.PASS)
    world.commit_tag("v2")
    failing = world.observe().head.revision
    world.judged(Verdict.FAIL)

    assert (world.merges, last_status(world, failing)) == (["v1"], StatusState.FAILURE)


def test_a_verdict_is_told_before_the_next_commit_is_judged() -> None:
    """A commit that came meanwhile does not leave the one before it pending."""
    world = World()
    world.settle()
    judged = world.observe().head.revision
    world.commit_tag("v2")
    world.runs_tag = "v1"  # the syncer has not come to it
    world.end_attempt(Verdict.PASS)
    world.settle()

    assert (world.state.run.verdict, last_status(world, judged)) == (Verdict.PASS, StatusState.SUCCESS)


def test_what_was_cut_off_is_told_as_superseded() -> None:
    """No verdict: its commit says why, and not that a run is under way."""
    world = World()
    world.settle()
    world.commit_tag("v2")
    world.settle()

    assert "superseded" in [each.description for each in world.statuses]


def until_proposed(world: World) -> list[str]:
    """The steps until a change is proposed, of which those to the forge are tried and come to nothing."""
    steps = []
    for _ in range(20):
        o = world.observe()
        step = decide(o)
        steps.append(type(step).__name__)
        if isinstance(step, Propose):
            break
        if isinstance(step, SetStatus | CommentOnCommit):
            world.told.add(f"{TRIED}{step.key}")
        else:
            world.apply(o, step)
    return steps


def test_a_forge_that_is_down_keeps_no_revert_waiting() -> None:
    """What comes before a push is tried once; then the push goes out all the same."""
    world = World(env=environment(mode=WriteMode.DIRECT))
    world.judged(Verdict.PASS)
    world.commit_tag("v2")
    world.settle()
    world.end_attempt(Verdict.FAIL)
    steps = until_proposed(world)

    assert steps[-3:] == ["Write", "SetStatus", "Propose"]


def promoted(*, keeps: bool = True) -> World:
    """A world in which v1 has passed and v2 has come straight onto the branch; `keeps`: comments on commits."""
    world = World(env=environment(mode=WriteMode.DIRECT), atomic=True, comments_on_commits=keeps)
    world.judged(Verdict.PASS)
    world.candidate = "v2"
    return world


def test_what_went_straight_onto_the_branch_is_told_on_its_commit() -> None:
    """What it is before its run begins, and that run's verdict; where the forge keeps comments on commits."""
    told, silent = promoted(), promoted(keeps=False)
    for world in (told, silent):
        world.judged(Verdict.PASS)

    order = [each for each in told.journal if each in ("Write:settle", "CommentOnCommit", "Write:claim")]
    assert (["change", "result"], []) == (told.said, silent.said)
    assert ["Write:claim", "Write:settle", "CommentOnCommit", "Write:claim", "CommentOnCommit"] == order


def test_a_revalidation_adds_nothing_to_what_was_brought() -> None:
    """The commit has its verdict; what the same tree does a day later is no news about it."""
    world = promoted()
    world.judged(Verdict.PASS)
    world.now += 4000.0
    world.seen_for = 4000.0
    world.judged(Verdict.PASS)

    assert ["change", "result"] == world.said


def test_a_comment_on_a_commit_keeps_no_revert_waiting() -> None:
    """As a status: tried once before something else is put there, and written later on."""
    world = promoted()
    world.settle()
    world.end_attempt(Verdict.FAIL)
    steps = until_proposed(world)

    assert steps[-4:] == ["Write", "SetStatus", "CommentOnCommit", "Propose"]


def test_a_fail_is_told_on_the_pull_request_that_brought_it_before_its_revert_is_proposed() -> None:
    """Afterwards the ledger's change is the revert, and nobody would come back to it."""
    world = World()
    world.judged(Verdict.PASS)
    world.candidate = "v2"
    world.settle()
    world.journal.clear()
    world.judged(Verdict.FAIL)

    told = [each for each in world.journal if each in ("Comment", "Propose")]
    assert (world.merges, told[:2]) == (["v2", "v1"], ["Comment", "Propose"])


def test_no_revert_waits_for_a_comment_either() -> None:
    """A forge that takes no comment is asked once."""
    world = World()
    world.judged(Verdict.PASS)
    world.candidate = "v2"
    world.settle()
    world.end_attempt(Verdict.FAIL)
    steps = []
    for _ in range(20):
        o = world.observe()
        step = decide(o)
        steps.append(type(step).__name__)
        if isinstance(step, Propose):
            break
        if isinstance(step, Comment | SetStatus):
            world.told.add(f"{TRIED}{step.key}")
        else:
            world.apply(o, step)

    assert steps[-3:] == ["SetStatus", "Comment", "Propose"]


def test_a_status_links_to_the_report_it_is_about() -> None:
    """A verdict to its own run's, a permission to the run that it rests on; nowhere where nobody can be reached."""
    reports = "https://gitslo.example.com/api/v1/report?repository=shop"
    linked, unlinked = World(candidate="v2", candidate_run="7", reports=reports), World(candidate="v2")
    for world in (linked, unlinked):
        world.judged(Verdict.PASS)

    assert {each.url for each in unlinked.statuses} == {""}
    assert {each.url for each in linked.statuses} == {
        f"{reports}&environment=dev&run=7",
        f"{reports}&environment=staging&run=1",
    }


def held(**changed: object) -> World:
    """A world whose first run failed and is held for it."""
    world = World(keeps_issues=True, pipe=HOLDS, **changed)  # type: ignore[arg-type]
    world.judged(Verdict.FAIL)
    return world


def test_a_hold_by_verdict_opens_it_once() -> None:
    """It is told when the hold is set, and not again while nothing changes."""
    world = held()
    world.settle()

    assert world.issues == [True]


def test_a_process_that_has_just_started_looks_again() -> None:
    """What was told is not remembered across processes: whether it stands is for the forge to say."""
    world = held()
    world.crash()
    world.settle()

    assert world.issues == [True, True]


def test_the_next_pass_closes_it() -> None:
    """A person lifts the hold, another commit passes: it is closed, after that pass and not before."""
    world = held()
    world.state = replace(world.state, hold=None)
    world.commit_tag("v2")
    world.settle()
    before = list(world.issues)
    world.judged(Verdict.PASS)

    assert (before, world.issues) == ([True], [True, False])


def test_a_second_hold_is_news() -> None:
    """Held again, by another run: told again."""
    world = held()
    world.state = replace(world.state, hold=None)
    world.commit_tag("v2")
    world.judged(Verdict.FAIL)

    assert world.issues == [True, True]


def test_what_a_person_holds_opens_none() -> None:
    """Whoever holds an environment knows it."""
    world = World(keeps_issues=True)
    world.judged(Verdict.PASS)
    world.state = replace(world.state, hold=Hold(HoldCause.PERSON, "freeze", "ann", 1.0))
    world.settle()

    assert world.issues == [False]


def test_a_revert_with_a_pull_request_opens_none() -> None:
    """The pull request tells what broke."""
    world = World(keeps_issues=True)
    world.judged(Verdict.PASS)
    world.commit_tag("v2")
    world.judged(Verdict.FAIL)

    assert (True in world.issues, len(world.pulls)) == (False, 1)


def test_a_revert_without_a_pull_request_opens_one() -> None:
    """Pushed straight to the branch, it would be seen by nobody."""
    world = World(keeps_issues=True, env=environment(mode=WriteMode.DIRECT))
    world.judged(Verdict.PASS)
    world.commit_tag("v2")
    world.judged(Verdict.FAIL)
    world.judged(Verdict.PASS)

    assert world.issues == [False, True, False]


def test_a_ledger_that_cannot_be_believed_opens_one() -> None:
    """Without any run: the hold alone."""
    world = World(keeps_issues=True)
    world.state = replace(world.state, hold=Hold(HoldCause.VERDICT, "its ledger is missing", "gitslo", 1.0))
    world.settle()

    assert world.issues == [True]


def test_a_forge_without_issues_is_told_nothing() -> None:
    """The rule is silent there."""
    world = World(pipe=HOLDS)
    world.judged(Verdict.FAIL)

    assert world.issues == []
