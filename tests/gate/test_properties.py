"""What no ledger can make a gate say, whatever stands in it."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from gitslo.core.gate import Answer, Answered, Vantage, answer, guarded
from gitslo.model import (
    Cause,
    EnvironmentState,
    Evidence,
    Hold,
    HoldCause,
    Outcome,
    Passed,
    Rejection,
    Run,
    RunState,
    Subject,
    Verdict,
)
from tests.state.observations import commit, pipeline, release

SUBJECTS = (Subject("tree-1", "plan-1"), Subject("tree-1", "plan-2"), Subject("tree-2", "plan-1"))
subjects = st.sampled_from(SUBJECTS)


verdicts = st.sampled_from(Verdict)
prints = st.sampled_from(["print", "other"])


def runs() -> st.SearchStrategy[Run]:
    """Any run, as far as an answer looks at one."""
    judged = st.tuples(st.just(RunState.JUDGED), verdicts)
    open_ = st.tuples(st.sampled_from([RunState.CLAIMED, RunState.SUPERSEDED]), st.none())

    def run(subject: Subject, end: tuple[RunState, Verdict | None], cause: Cause, prints: str, extensions: int) -> Run:
        return Run(
            id="7",
            cause=cause,
            subject=subject,
            revision=commit("claimed"),
            release=release("v1"),
            fingerprint=prints,
            confirming=False,
            state=end[0],
            attempt=1,
            extensions=extensions,
            takeovers=0,
            cut_off=(),
            claim=None,
            evidence=Evidence(),
            verdict=end[1],
            findings=(),
            judged_wall=None,
            outcome=Outcome.DONE,
        )

    return st.builds(run, subjects, judged | open_, st.sampled_from(Cause), prints, st.integers(0, 3))


def passes(number: str) -> st.SearchStrategy[Passed | None]:
    """Any pass, or none."""
    some = st.builds(
        lambda subject, withdrawn: Passed(number, commit(number), subject, release("v1"), "print", withdrawn, ()),
        subjects,
        st.booleans(),
    )
    return st.none() | some


def rejections() -> st.SearchStrategy[tuple[Rejection, ...]]:
    """Trees and releases that were rejected."""
    trees, plans = st.sampled_from(["tree-1", "tree-2", None]), st.sampled_from(["plan-1", "plan-2"])
    one = st.builds(lambda tree, plan: Rejection(tree, release("v1").digest, plan, "5", "it failed"), trees, plans)
    return st.lists(one, max_size=2).map(tuple)


holds = st.none() | st.builds(lambda cause: Hold(cause, "look here", "ann", 1.0), st.sampled_from(HoldCause))


def entries() -> st.SearchStrategy[EnvironmentState]:
    """Any entry, whose parts are about a few subjects."""
    return st.builds(
        EnvironmentState,
        pipeline=st.just("shop"),
        environment=st.just("dev"),
        run=st.none() | runs(),
        last_pass=passes("6"),
        previous_pass=passes("4"),
        failing_revalidations=st.integers(0, 2),
        rejected=rejections(),
        hold=holds,
    )


vantages = st.builds(
    Vantage, st.none() | subjects, st.none() | st.sampled_from(["print", "other"]), st.just("it waits")
)


def found(state: EnvironmentState, subject: Subject, vantage: Vantage) -> Answer:
    return guarded(answer(subject, release("v1"), state, pipeline(), vantage), state.hold)


def evidence(state: EnvironmentState, subject: Subject) -> bool:
    """Whether the entry has a pass of the subject at all, that was not taken back."""
    run, last, before = state.run, state.last_pass, state.previous_pass
    withdrawn = last is not None and last.withdrawn and last.subject == subject
    judged = run is not None and run.subject == subject and run.state is RunState.JUDGED and run.verdict is Verdict.PASS
    passed = any(each is not None and each.subject == subject and not each.withdrawn for each in (last, before))
    return (judged or passed) and not withdrawn


@settings(derandomize=True, database=None, deadline=None, max_examples=250)
@given(entries(), subjects, vantages)
def test_a_pass_has_evidence_that_stands(state, subject, vantage) -> None:
    """Never without a pass of just this subject, never after it was withdrawn, never while a verdict holds."""
    if found(state, subject, vantage).verdict is Answered.PASS:
        held = state.hold is not None and state.hold.cause is HoldCause.VERDICT

        assert (True, False) == (evidence(state, subject), held)


@settings(derandomize=True, database=None, deadline=None, max_examples=250)
@given(entries(), subjects, vantages)
def test_an_answer_is_whole(state, subject, vantage) -> None:
    """There is always one, with a sentence; a hold is always told, and a verdict names its run."""
    said = found(state, subject, vantage)

    assert ("", state.hold) != (said.reason, None)
    assert state.hold == said.held
    if said.verdict in {Answered.PASS, Answered.INCONCLUSIVE, Answered.ERROR}:
        assert said.run is not None


@settings(derandomize=True, database=None, deadline=None, max_examples=250)
@given(entries(), vantages)
def test_what_failed_is_no_pass_by_an_earlier_one(state, vantage) -> None:
    """A tree that was rejected under its plan and has not run since is a fail, whatever had passed before."""
    subject = SUBJECTS[0]
    rejected = any(no.tree == subject.tree and no.plan == subject.plan for no in state.rejected)
    if rejected and (state.run is None or state.run.subject != subject):
        assert Answered.FAIL is found(state, subject, vantage).verdict
