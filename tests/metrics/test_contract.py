"""Every metric source, and the fake, keeps the contract; no lie of a server becomes a value."""

from __future__ import annotations

import pytest

from gitslo.testing.metrics_contract import METRICS_CONTRACT, Lie, no_lie_becomes_a_value
from tests.metrics.worlds import WORLDS, Servers


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    made = Servers(tmp_path_factory.mktemp("servers"))
    yield made
    made.close()


@pytest.fixture(params=WORLDS)
def world(request, tmp_path, servers):
    made = WORLDS[request.param](tmp_path, servers)
    yield made
    made.close()


@pytest.mark.parametrize("check", METRICS_CONTRACT, ids=lambda check: check.__name__)
def test_contract(world, check):
    """The check's own docstring is the rule."""
    check(world)


@pytest.mark.parametrize("lie", Lie, ids=lambda lie: lie.replace(" ", "-"))
def test_no_lie_becomes_a_value(world, lie):
    """What a server says instead of the truth is not known, partial, refused or retried."""
    if world.tell(lie):
        no_lie_becomes_a_value(world, lie)
