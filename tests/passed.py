"""What the ledger of an environment says after its first run passed: where a story is to begin with a pass."""

from __future__ import annotations

from gitslo.loop.sight import Sight
from gitslo.model import (
    Cause,
    Environment,
    EnvironmentState,
    Evidence,
    Outcome,
    Passed,
    Run,
    RunState,
    Subject,
    Verdict,
)

__all__ = ["passed_once"]


def passed_once(sight: Sight, environment: Environment, *, fingerprint: str, wall: float) -> EnvironmentState:
    """The first entry's state for what the branch has now.

    Args:
        fingerprint: what the syncer says of what runs.
        wall: when it was judged, in seconds.
    """
    facts = sight.facts(environment)
    subject = Subject(facts.tree.digest, facts.plan.digest)
    run = Run(
        id="1",
        cause=Cause.SYNC,
        subject=subject,
        revision=sight.revision,
        release=facts.release,
        fingerprint=fingerprint,
        confirming=False,
        state=RunState.JUDGED,
        attempt=1,
        extensions=0,
        takeovers=0,
        cut_off=(),
        claim=None,
        evidence=Evidence(),
        verdict=Verdict.PASS,
        findings=(),
        judged_wall=wall,
        outcome=Outcome.DONE,
    )
    passed = Passed(
        run="1",
        revision=sight.revision,
        subject=subject,
        release=facts.release,
        fingerprint=fingerprint,
        withdrawn=False,
        limits=facts.plan.limits(),
    )
    return EnvironmentState(
        environment.pipeline, environment.name, entry=1, why="judge", run=run, last_pass=passed, runs=1
    )
