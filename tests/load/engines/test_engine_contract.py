"""Every load engine, and the fake, keeps the load contract."""

from __future__ import annotations

import pytest

from gitslo.testing.load_contract import LOAD_CONTRACT
from tests.load.foreign_engines import FOREIGN, FakeWorld, RealWorld, foreign
from tests.load.jobs import engine

WORLDS = {
    "fake": FakeWorld,
    "own": lambda: RealWorld(engine),
    **{name: lambda name=name: RealWorld(lambda: foreign(name)) for name in FOREIGN},
}


@pytest.fixture(params=WORLDS)
def world(request):
    made = WORLDS[request.param]()
    yield made
    made.close()


@pytest.mark.parametrize("check", LOAD_CONTRACT, ids=lambda check: check.__name__)
def test_contract(world, check):
    """The check's own docstring is the rule."""
    check(world)
