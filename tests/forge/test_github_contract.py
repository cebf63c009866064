"""The fake GitHub, held against its published description, and the adapter on it: the suite of every forge."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gitslo.testing.forge_contract import FORGE_CONTRACT, ISSUE_CONTRACT, ForgeWorld, IssueWorld
from tests.forge.github_world import GithubWorld
from tests.github.server import GithubServer


@pytest.mark.parametrize("check", FORGE_CONTRACT, ids=lambda check: check.__name__)
def test_github_keeps_the_contract(check: Callable[[ForgeWorld], None], github: GithubServer) -> None:
    """The adapter on the fake GitHub: the same suite again."""
    check(GithubWorld(github))


@pytest.mark.parametrize("check", ISSUE_CONTRACT, ids=lambda check: check.__name__)
def test_github_keeps_the_contract_of_issues(check: Callable[[IssueWorld], None], github: GithubServer) -> None:
    """Its rolling issues."""
    check(GithubWorld(github))
