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
from gitslo.loop.sight import Sight
from gitslo.ports import Expected
from gitslo.wiring import open_repository
from tests.passed import passed_once


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
        fingerprint = probe.report(environment, expected).fingerprint
        state = passed_once(sight, environment, fingerprint=fingerprint, wall=time.time())
        update = sight.ledgers.build(None, state, "proven before the story begins", time.time())
        repository.swap([update])
