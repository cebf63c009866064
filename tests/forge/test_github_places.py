"""Where a GitHub's API is, and Enterprise Servers: an older description of the API holds us to account as well."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gitslo.adapters.forges import github_forge
from gitslo.adapters.forges.opening import github_api
from gitslo.errors import Refused
from gitslo.forge_settings import ForgeSettings
from gitslo.secret import SecretRef
from gitslo.testing.forge_contract import FORGE_CONTRACT, ISSUE_CONTRACT, IssueWorld
from gitslo.wiring_run import SystemClock
from tests.forge.gitea_world import CountingSend
from tests.forge.github_world import GithubWorld
from tests.github.server import GENERAL, KNOWN, GithubServer
from tests.openapi import Description
from tests.required import required


@pytest.fixture(scope="module")
def enterprise() -> Iterator[GithubServer]:
    """An Enterprise Server of the oldest version that GitHub still describes."""
    file = required("github-api").parent / "ghes-3.17.json"
    with GithubServer(Description.of(file, general=GENERAL, known=KNOWN)) as server:
        yield server
        assert [] == server.undescribed


@pytest.mark.parametrize("check", [*FORGE_CONTRACT, *ISSUE_CONTRACT], ids=lambda check: check.__name__)
def test_an_enterprise_server_keeps_the_contract(check: Callable[[IssueWorld], None], enterprise: GithubServer) -> None:
    """The same requests and answers, as that version describes them."""
    check(GithubWorld(enterprise))


@pytest.mark.parametrize(
    ("url", "api"),
    [
        ("https://github.com", "https://api.github.com"),
        ("https://www.github.com", "https://api.github.com"),
        ("https://GitHub.com", "https://api.github.com"),
        ("https://api.github.com", "https://api.github.com"),
        ("https://octocorp.ghe.com", "https://api.octocorp.ghe.com"),
        ("https://api.octocorp.ghe.com", "https://api.octocorp.ghe.com"),
        ("https://ghe.example.com", "https://ghe.example.com/api/v3"),
        ("https://ghe.example.com/api/v3", "https://ghe.example.com/api/v3"),
        ("https://notghe.com", "https://notghe.com/api/v3"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080/api/v3"),
    ],
)
def test_the_api_is_where_github_has_it(url: str, api: str) -> None:
    """Beside github.com and a company's own domain; inside an Enterprise Server."""
    assert api == github_api(url)


def test_the_token_is_read_for_every_request(enterprise: GithubServer, tmp_path: Path) -> None:
    """As the operator's file refers to it: one that was exchanged is taken up."""
    world = GithubWorld(enterprise)
    file = tmp_path / "token"
    file.write_text("ghp_old\n")
    settings = replace(world.settings, token=SecretRef(file=str(file)))
    forge = github_forge(settings, world.send, SystemClock())
    with pytest.raises(Refused, match="does not accept the token"):
        forge.capabilities()
    file.write_text(enterprise.token("gitslo-bot") + "\n")

    assert f"GitHub at {enterprise.url}, as gitslo-bot" == forge.capabilities().name


@pytest.mark.parametrize("project", ["shop", "group/sub/shop", ""])
def test_a_repository_has_an_owner_and_a_name(project: str) -> None:
    """Anything else is no repository of a GitHub, and said before anything is asked."""
    settings = ForgeSettings(kind="github", url="https://github.com", project=project)
    with pytest.raises(Refused, match="ends in OWNER/NAME"):
        github_forge(settings, CountingSend(), SystemClock())
