from __future__ import annotations

import pytest

from gitslo.testing.repository_contract import REPOSITORY_CONTRACT
from tests.git.worlds import WORLDS, git_world


@pytest.mark.parametrize("kind", WORLDS)
@pytest.mark.parametrize("check", REPOSITORY_CONTRACT, ids=lambda check: check.__name__)
def test_git_keeps_the_contract(check, kind, tmp_path) -> None:
    """The adapter does what `ports.Repository` says, on every kind of server."""
    with git_world(kind, tmp_path) as world:
        check(world)


@pytest.mark.parametrize(("kind", "expected"), [("file", True), ("http", True), ("http without atomic pushes", False)])
def test_atomic_is_what_the_server_can(kind, expected, tmp_path) -> None:
    """`atomic` is False until a ledger shows, then what was proven; the proof leaves no ref behind."""
    with git_world(kind, tmp_path) as world:
        world.commit({"a": b"1"})
        repository = world.repository()
        repository.list_refs()
        before = repository.atomic
        world.set_ref("refs/gitslo/shop/dev", world.commit({"a": b"2"}, branch="gitslo/ledger"))
        repository.list_refs()
        refs = dict(world.refs())

        assert (False, expected, refs) == (before, repository.atomic, dict(world.refs()))
