"""The whole way on the fake GitHub, as an app: it is all that the operator names, for Git and for the API."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from gitslo.testing.git_server import BareRepository
from tests.e2e.forge_shop import HEAD, ForgeShop, Served
from tests.github.server import App, GithubServer
from tests.github.state import Repository

DIRECT = """\
write:
  promotion: {mode: direct}
  revert: {mode: direct}
"""


@dataclass
class GithubShop(ForgeShop):
    """The shop with its repository on the fake GitHub, on which an app is installed."""

    server: GithubServer | None = None

    def created(self) -> BareRepository:
        """On the forge."""
        assert self.server is not None
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.key = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        public = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        self.made: Repository = self.server.service.new_repository("ada", ["eve"])
        self.app: App = self.server.install("gitslo-shop", public.decode(), [self.made.full_name])
        (self.folder / "app.pem").write_bytes(self.key)
        return Served(self.made.git.path, f"{self.server.url}/{self.made.full_name}.git")

    def forge(self) -> str:
        """The app, and no other credentials."""
        key = self.folder / "app.pem"
        return f"{{github: {{app: {{id: {self.app.id}, private_key: {{file: {key}}}}}, labels: [gitslo]}}}}"


@pytest.fixture
def shop(github: GithubServer, tmp_path: Path) -> Iterator[GithubShop]:
    with GithubShop(tmp_path, server=github) as world:
        yield world


def test_an_app_proves_promotes_and_merges(shop: GithubShop, github: GithubServer) -> None:
    """Pushed, opened, merged and told by the app alone; no token and no key is in what it says."""
    said = [shop.once()]
    shop.release("checkout/dev", "v2")
    said.append(shop.once())
    shown = shop.gitslo("status")
    [thread] = [each for each in shop.made.threads.values() if each.pull is not None]
    pull = thread.pull
    assert pull is not None
    contexts = {row.context: (row.state, row.creator.login) for row in shop.made.statuses[pull.head_sha]}

    assert ([0, 0], ("v2", "pass")) == ([each.code for each in said], shop.judged("checkout/prod")), said[-1].err
    assert (HEAD, "main", ["gitslo"], "gitslo-shop[bot]") == (pull.head, pull.base, thread.labels, thread.author.login)
    assert (shop.app.account, ("success", "gitslo-shop[bot]")) == (pull.merged_by, contexts["gitslo/checkout/prod"])
    assert f"GitHub at {github.url}, as gitslo-shop[bot]" in " ".join(shown.out.split())
    told = "".join(each.out + each.err for each in (*said, shown))
    assert [] == [text for text in (*github.tokens, shop.key.decode().splitlines()[1]) if text in told]


def test_what_the_app_may_not_is_said(shop: GithubShop) -> None:
    """Not installed, suspended: Git and the API say the same, and what to do."""
    shop.app.suspended = True
    suspended = shop.gitslo("status")
    shop.app.repositories.clear()
    gone = shop.gitslo("status")

    assert "This installation has been suspended (is it installed there, and not suspended?)" in suspended.err
    assert f"the app {shop.app.id} is not installed on {shop.made.full_name}" in gone.err
    assert (0, 0) != (suspended.code, gone.code)


def test_what_needs_no_pull_request_is_told_on_its_commit(github: GithubServer, tmp_path: Path) -> None:
    """`mode: direct`: the promotion's page and its verdict are comments of the app, once each, whoever looks again."""
    with GithubShop(tmp_path, policy=DIRECT, server=github) as shop:
        said = [shop.once()]
        shop.release("checkout/dev", "v2")
        said += [shop.once(), shop.once()]
        assert ([0] * 3, ("v2", "pass")) == ([each.code for each in said], shop.judged("checkout/prod")), said[-1].err
        commit = shop.repository.tip()
        comments = shop.made.commit_comments[commit]
        lines = [each.body.partition("\n")[0] for each in comments]

    assert [*shop.made.commit_comments] == [commit]
    assert {"gitslo-shop[bot]"} == {each.author.login for each in comments}
    assert [
        "**Pass**: this release passed in `checkout/dev` (run 2) and may go to `checkout/prod`",
        "**Pass**: run 2 (sync) of `example/checkout:v2` in `checkout/prod`, after this was pushed",
    ] == lines
    assert [] == [thread for thread in shop.made.threads.values() if thread.pull is not None]
