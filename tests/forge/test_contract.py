from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gitslo.testing.forge_contract import FORGE_CONTRACT, ISSUE_CONTRACT, ForgeWorld, IssueWorld
from tests.forge.gitea_world import GiteaWorld
from tests.forge.worlds import FakeWorld, GitWorld
from tests.gitea_server import GiteaServer

WORLDS: dict[str, Callable[[Path], ForgeWorld]] = {
    "git": GitWorld,
    "git-without-atomic-pushes": lambda folder: GitWorld(folder, atomic=False),
    "fake": lambda _: FakeWorld(),
}


@pytest.mark.parametrize("check", FORGE_CONTRACT, ids=lambda check: check.__name__)
@pytest.mark.parametrize("world", WORLDS)
def test_every_forge_keeps_the_contract(world: str, check: Callable[[ForgeWorld], None], tmp_path: Path) -> None:
    """The local forge on a real server, with and without atomic pushes, and the fake: the same suite for all."""
    check(WORLDS[world](tmp_path))


@pytest.mark.parametrize("check", FORGE_CONTRACT, ids=lambda check: check.__name__)
def test_gitea_keeps_the_contract(check: Callable[[ForgeWorld], None], gitea: GiteaServer) -> None:
    """The adapter on a real Gitea: the same suite again."""
    check(GiteaWorld(gitea))


@pytest.mark.parametrize("check", ISSUE_CONTRACT, ids=lambda check: check.__name__)
def test_every_forge_keeps_the_contract_of_issues(check: Callable[[IssueWorld], None]) -> None:
    """The fake's rolling issues."""
    check(FakeWorld())


@pytest.mark.parametrize("check", ISSUE_CONTRACT, ids=lambda check: check.__name__)
def test_gitea_keeps_the_contract_of_issues(check: Callable[[IssueWorld], None], gitea: GiteaServer) -> None:
    """Issues of a real Gitea: the same suite again."""
    check(GiteaWorld(gitea))
