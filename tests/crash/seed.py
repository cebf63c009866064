"""What a first `gitslo once` leaves behind: a pass of what runs, in every environment, in its ledger.

Called by a world that is to begin there: twenty-five scenarios need not each prove v1 first. That gitslo takes it for
its own is a test.
"""

from __future__ import annotations

import time
from pathlib import Path

from gitslo.adapters.probe import ProbeSyncer
from gitslo.config import load_operator
from gitslo.loop.ledgers import Ledgers
from gitslo.loop.sight import Facts, Sight
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
from gitslo.ports import Expected
from gitslo.wiring import open_repository


def prove(config: Path, cache: Path) -> None:
    """Write a passing first entry for every environment of the operator's first repository."""
    settings = load_operator(config).repositories[0]
    repository = open_repository(settings, cache)
    key = settings.ledger_key.resolve().reveal().encode() if settings.ledger_key is not None else None
    sight = Sight(repository, Ledgers(repository, name=settings.name, key=key), settings.allowed)
    sight.look()
    probe = ProbeSyncer(settings.allowed)
    for environment in sight.environments:
        facts = sight.facts(environment)
        expected = Expected(sight.revision, facts.tree.digest, facts.release)
        state = _passed(sight, environment, facts, probe.report(environment, expected).fingerprint)
        update = sight.ledgers.build(None, state, "proven before the story begins", time.time())
        repository.swap([update])


def _passed(sight: Sight, environment: Environment, facts: Facts, fingerprint: str) -> EnvironmentState:
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
        judged_wall=time.time(),
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
