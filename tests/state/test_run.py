"""The run's machine: is what runs here good?"""

from __future__ import annotations

from dataclasses import replace

import pytest

from gitslo.core.state import decide
from gitslo.core.steps import Attempting, CancelAttempt, Interrupted, Stay, Write
from gitslo.model import (
    Action,
    Cause,
    HoldCause,
    NewerCommit,
    OutcomeRule,
    Request,
    RunState,
    ScoredObjective,
    ScoreResult,
    Scoring,
    Share,
    Verdict,
)
from gitslo.ports import SyncState
from tests.state.observations import World, commit, outcomes, pipeline


def test_waiting_for_the_sync_claims_nothing():
    """Waiting for the sync is not a state: until the syncer reports the tree nothing is claimed or burnt."""
    world = World(runs_tag="v0")

    stay = world.settle()

    assert (stay.syncing, world.state.run, world.state.entry) == (True, None, 0)


def test_a_tree_that_fails_to_roll_out_is_claimed():
    """Applied but failing to roll out is a fail with the syncer's reason, so it is claimed and not waited for."""
    world = World(synced=SyncState.FAILED)

    world.settle()

    assert world.state.run is not None
    assert world.state.run.state is RunState.CLAIMED


def test_a_pass_takes_two_ledger_writes():
    """A run is two ledger writes: claimed, judged."""
    world = World()

    world.judged(Verdict.PASS)

    assert [entry for entry in world.journal if entry.startswith("Write")] == ["Write:claim", "Write:judge"]


def test_an_unrelated_commit_keeps_the_verdict():
    """A commit that changes neither tree nor plan starts no run."""
    world = World()
    world.judged(Verdict.PASS)

    world.revision += 1
    stay = world.settle()

    assert (stay.busy, world.state.runs) == (False, 1)


def test_another_plan_is_another_subject():
    """Another plan starts a run of its own, on evidence of its own."""
    world = World()
    world.judged(Verdict.PASS)

    world.plan_digest = "plan-2"
    world.settle()

    assert world.state.run is not None
    assert (world.state.run.id, world.state.run.cause, world.state.run.evidence.attempts) == ("2", Cause.SYNC, ())


def test_another_fingerprint_is_new_evidence():
    """The same tree with another fingerprint is judged anew."""
    world = World()
    world.judged(Verdict.PASS)

    world.fingerprint = "another"
    world.settle()

    assert world.state.run is not None
    assert (world.state.run.id, world.state.run.cause) == ("2", Cause.SYNC)


def test_an_extension_continues_the_evidence():
    """`inconclusive` with extensions left goes back to claimed, attempt + 1, with its evidence."""
    world = World()

    world.judged(Verdict.INCONCLUSIVE)

    run = world.state.run
    assert run is not None
    assert (run.id, run.attempt, run.extensions, len(run.evidence.attempts)) == ("1", 2, 1, 1)


def test_extensions_run_out_into_a_hold():
    """When the extensions are used up, what the policy says comes: a hold."""
    world = World()

    world.judged(Verdict.INCONCLUSIVE, Verdict.INCONCLUSIVE, Verdict.INCONCLUSIVE)

    assert world.state.hold is not None
    assert (world.state.run.extensions, world.state.hold.cause) == (2, HoldCause.VERDICT)


def test_an_extension_on_another_fingerprint_is_a_new_run():
    """Evidence is only continued for what it was gathered on."""
    world = World()
    world.settle()
    world.end_attempt(Verdict.INCONCLUSIVE)
    world.step()

    world.fingerprint = "another"
    world.settle()

    assert (world.state.run.id, world.state.run.evidence.attempts) == ("2", ())


def test_the_same_instance_takes_over_at_once():
    """A restarted holder takes its own claim over at once, as attempt + 1 without that attempt's evidence."""
    world = World()
    world.settle()

    world.crash()
    world.settle()

    run = world.state.run
    assert (run.id, run.attempt, run.takeovers, run.cut_off, run.evidence.attempts) == ("1", 2, 1, (1,), ())


def test_another_instance_waits_for_its_patience():
    """Another instance takes over only after it has seen the ledger stand still for `takeover_after`."""
    world = World()
    world.settle()
    world.crash(instance="two")

    early = world.settle()
    world.seen_for = 300.0
    world.settle()

    assert (early.busy, early.wake) == (True, 300.0)
    assert (world.state.run.claim.instance, world.state.run.attempt) == ("two", 2)


def test_the_third_takeover_is_an_error_and_a_hold():
    """Three takeovers in one run without a judged entry between them: error, held."""
    world = World()
    world.settle()

    for _ in range(3):
        world.crash()
        world.settle()

    run = world.state.run
    assert (run.verdict, run.cut_off, world.state.hold is not None) == (Verdict.ERROR, (1, 2, 3), True)


def test_a_judged_attempt_resets_the_count_of_takeovers():
    """Only takeovers in a row count."""
    world = World()
    world.settle()
    for _ in range(2):
        world.crash()
        world.settle()

    world.judged(Verdict.INCONCLUSIVE)
    world.crash()
    world.settle()

    assert (world.state.run.takeovers, world.state.run.verdict) == (1, None)


def test_an_interrupted_attempt_is_repeated_and_the_third_is_an_error():
    """Syncer or engine unreachable during a run: the attempt is repeated, and only the third that fails so is error."""
    world = World()
    world.settle()

    for _ in range(3):
        world.local = Interrupted(world.state.run.claim.nonce, "no answer")
        world.settle()

    assert (world.state.run.verdict, world.state.run.attempt) == (Verdict.ERROR, 3)


def test_finish_lets_the_run_end_while_its_tree_still_runs():
    """`newer_commit: finish`: the run in flight goes on while the syncer still runs its tree."""
    world = World()
    world.settle()

    world.commit_tag("v2")
    world.runs_tag = "v1"
    world.settle()
    world.end_attempt(Verdict.PASS)
    world.step()

    assert (world.state.run.verdict, world.state.last_pass.release.values[0].value) == (Verdict.PASS, "v1")


def test_a_deployed_newer_commit_supersedes_the_run():
    """Once something else runs, the attempt is cut off, and the run ends without a verdict."""
    world = World()
    world.settle()

    world.commit_tag("v2")
    step = world.step()
    world.step()

    assert isinstance(step, CancelAttempt)
    assert (world.state.run.state, world.state.run.verdict) == (RunState.SUPERSEDED, None)


def test_supersede_cuts_the_run_off_at_the_commit():
    """`newer_commit: supersede`: the commit itself ends the run, whatever still runs."""
    world = World(pipe=pipeline(newer_commit=NewerCommit.SUPERSEDE))
    world.settle()

    world.commit_tag("v2")
    world.runs_tag = "v1"
    step = world.step()

    assert isinstance(step, CancelAttempt)


def test_a_verdict_about_what_no_longer_runs_is_dropped():
    """A fail measured while another tree came to run is no fail of the newer one, and reverts nothing."""
    world = World()
    world.judged(Verdict.PASS)
    world.commit_tag("v2")
    world.settle()
    world.end_attempt(Verdict.FAIL)

    world.commit_tag("v3")
    world.settle()

    assert (world.state.rejected, world.state.run.subject.tree) == ((), "tree-v3")


def test_a_pass_needs_the_fingerprint_it_was_claimed_on():
    """A pass is dropped when what ran changed under it, even though the tree is the same."""
    world = World()
    world.settle()
    world.end_attempt(Verdict.PASS)

    world.fingerprint = "restarted as something else"
    world.step()

    assert (world.state.last_pass, world.state.run.attempt) == (None, 2)


def test_a_revalidation_is_due_by_time():
    """What runs is judged again when the interval is over, on fresh evidence."""
    world = World()
    world.judged(Verdict.PASS)

    world.now += 3600
    world.settle()

    assert (world.state.run.cause, world.state.run.evidence.attempts) == (Cause.REVALIDATION, ())


@pytest.mark.parametrize(("jump", "runs"), [(-10_000_000.0, 1), (10_000_000.0, 2)])
def test_a_clock_that_jumped_costs_at_most_one_early_revalidation(jump, runs):
    """A jump forward is one revalidation, not one after the other; a jump back leaves the wait as it was."""
    world = World()
    world.judged(Verdict.PASS)

    world.now += jump
    stay = world.judged(*[Verdict.PASS] * (runs - 1))

    assert (world.state.runs, stay.wake) == (runs, 3600.0)


def test_a_clock_that_jumped_back_does_not_stop_revalidation():
    """Our own monotonic clock bounds the wait."""
    world = World()
    world.judged(Verdict.PASS)

    world.now -= 10_000_000
    world.seen_for = 3600.0
    world.settle()

    assert world.state.run.cause is Cause.REVALIDATION


def test_no_free_place_no_claim():
    """A run is claimed only when it can start at once."""
    world = World(room=False)

    stay = world.settle()

    assert (stay.busy, world.state.run) == (True, None)


def test_the_outcome_command_runs_once_per_judged_run():
    """`outcomes.<verdict>.run` runs the operator's command once; a restart does not run it again."""
    world = World(pipe=pipeline(outcomes=outcomes(error=OutcomeRule(Action.HOLD, run="page"))))
    world.settle()
    for _ in range(3):
        world.crash()
        world.settle()

    world.crash()
    world.settle()

    assert world.commands == ["page"]


def test_resume_continues_the_evidence_and_fresh_does_not():
    """A manual run goes on with the evidence there is, unless the person asks for fresh evidence."""
    world = World()
    world.judged(Verdict.INCONCLUSIVE, Verdict.INCONCLUSIVE, Verdict.INCONCLUSIVE)
    held = world.state

    kept = []
    for fresh in (False, True):
        world.state = replace(held, hold=None, request=Request(Cause.MANUAL, fresh, "ann"))
        world.settle()
        run = world.state.run
        kept.append((run.cause, len(run.evidence.attempts), run.attempt, world.state.request))
        world.crash()

    assert kept == [(Cause.MANUAL, 3, 4, None), (Cause.MANUAL, 0, 1, None)]


def test_a_ledger_that_cannot_be_believed_is_a_hold():
    """A forged ledger stops everything; a missing one is begun anew with a hold."""
    world = World()
    observation = world.observe()
    forged = replace(observation, ledger=replace(observation.ledger, id=commit("x"), problem="does not verify"))
    missing = replace(observation, ledger=replace(observation.ledger, id=None, problem="is missing"))

    first, second = decide(forged), decide(missing)

    assert isinstance(first, Stay)
    assert isinstance(second, Write)
    assert second.state.hold is not None


def test_an_attempt_does_not_begin_under_another_plan():
    """The branch moved between the claim and the load: the run ends without a verdict, and the latest is claimed."""
    world = World()
    while world.state.run is None:
        world.step()
    world.plan_digest = "plan-2"
    world.settle()

    run = world.state.run
    assert ("plan-2", "2", isinstance(world.local, Attempting)) == (run.subject.plan, run.id, True)
    assert ["Write:claim", "Write:supersede", "Write:claim", "StartAttempt"] == [
        step for step in world.journal if step not in {"SetStatus", "Stay"}
    ]


@pytest.mark.parametrize("gone", [None, "another"])
def test_an_attempt_whose_claim_is_gone_is_cut_off_once(gone):
    """Another instance took over, or the claim has ended: two loads at once are one too many."""
    world = World()
    world.settle()
    nonce = world.local.nonce
    run = world.state.run
    claim = replace(run.claim, nonce=gone, instance="two") if gone else None
    world.state = replace(world.state, run=replace(run, claim=claim))
    step = decide(world.observe())
    world.local = Attempting(nonce, ending=True)

    assert CancelAttempt(nonce, "its claim is not ours any more") == step
    assert not isinstance(decide(world.observe()), CancelAttempt)


def test_a_score_is_remembered_with_its_run():
    """What later runs are compared with is written with the verdict, once per run; without a scoring there is none."""
    scored, plain = World(scoring=Scoring((ScoredObjective("browse.latency.p95"),), Share(0.9))), World()

    scored.judged(Verdict.PASS)
    plain.judged(Verdict.PASS)

    assert [(record.run, record.result) for record in scored.state.scores] == [("1", ScoreResult.PASS)]
    assert plain.state.scores == ()


def test_a_pass_that_moves_nothing_says_so() -> None:
    """`outcomes: {pass: nothing}`: it is recorded, and no later stage may rest on it; usually they may."""
    silent = World(pipe=pipeline(outcomes=outcomes(**{"pass": OutcomeRule(Action.NOTHING)})))
    usual = World()
    for world in (silent, usual):
        world.judged(Verdict.PASS)

    assert [world.state.last_pass.promotes for world in (silent, usual)] == [False, True]
