"""Every syncer, and the fake, keeps the syncer contract."""

from __future__ import annotations

import pytest

from gitslo.testing.syncer_contract import SYNCER_CONTRACT
from tests.syncer.worlds import FakeWorld, ProbeWorld, ProcessWorld

WORLDS = {
    "fake": lambda _: FakeWorld(),
    "process": ProcessWorld,
    "probe-image-json": lambda _: ProbeWorld("image", "json"),
    "probe-commit-header": lambda _: ProbeWorld("commit", "header"),
}


@pytest.fixture(params=WORLDS)
def world(request, tmp_path):
    made = WORLDS[request.param](tmp_path)
    yield made
    made.close()


@pytest.mark.parametrize("check", SYNCER_CONTRACT, ids=lambda check: check.__name__)
def test_contract(world, check):
    """The check's own docstring is the rule."""
    check(world)
