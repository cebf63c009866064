"""A GitHub App as the account: its tokens, its name, and what is said where they cannot be had."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from gitslo.adapters.forges import GithubForge, github_forge
from gitslo.errors import Refused, Retry
from gitslo.forge_settings import AppSettings
from gitslo.model import Instant, Seconds
from gitslo.ports import PullRequest, PullRequestState
from gitslo.secret import SecretRef
from tests.forge.github_world import STRANGER, GithubWorld
from tests.github.server import App, GithubServer

HEAD = "gitslo/shop/dev/promote"


@pytest.fixture(scope="module")
def keys() -> tuple[str, str]:
    """A private key as GitHub makes them (PKCS #1), and its public one."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), public.decode()


class Apps(GithubWorld):
    """A repository on which an app is installed; its clock and GitHub's go together."""

    def __init__(self, server: GithubServer, keys: tuple[str, str], folder: Path) -> None:
        super().__init__(server)
        self.key = folder / "app.pem"
        self.key.write_text(keys[0])
        self.app: App = server.install("gitslo-shop", keys[1], [self.made.full_name])
        wanted = AppSettings(str(self.app.id), SecretRef(file=str(self.key)))
        self.settings = replace(self.settings, app=wanted)
        self._machine = self.clock
        self.ahead = 0.0
        self.drift = 0.0
        self.clock = self

    def now(self) -> Instant:
        now = self._machine.now()
        return Instant(now.monotonic + self.ahead, now.wall + self.ahead + self.drift)

    def sleep(self, seconds: Seconds) -> None:
        """Nobody waits: time goes on by itself."""
        self.ahead += seconds
        self.server.service.ahead += timedelta(seconds=seconds)

    def forge(self) -> GithubForge:
        return github_forge(self.settings, self.send, self)

    def with_app(self, **changes: Any) -> GithubForge:
        assert self.settings.app is not None
        self.settings = replace(self.settings, app=replace(self.settings.app, **changes))
        return self.forge()

    def open(self, forge: GithubForge) -> PullRequest:
        if self.tip(HEAD) is None:
            self.push(HEAD, "image", "v2")
        return forge.ensure_pull_request(key="k", head=HEAD, base="main", title="Promote", body="")


@pytest.fixture
def world(github: GithubServer, keys: tuple[str, str], tmp_path: Path) -> Iterator[Apps]:
    yield Apps(github, keys, tmp_path)
    github.service.ahead = timedelta()


def test_an_app_is_known_by_its_name(world: Apps) -> None:
    """It is found by the repository, its token is for that one only, and what it closes is closed by us."""
    world.app.repositories.add(world.server.service.new_repository("ada", []).full_name)
    forge = world.forge()
    pull = world.open(forge)
    forge.comment_once(pull.number, "verdict", "pass")
    forge.comment_once(pull.number, "verdict", "pass")
    forge.close(pull.number, "its pass is gone")
    second = world.open(forge)
    world.person_closes(second.number, STRANGER)
    reach = [token.reach for token in world.server.tokens.values() if world.made.full_name in (token.reach or ())]

    assert f"GitHub at {world.server.url}, as gitslo-shop[bot]" == forge.capabilities().name
    assert [(STRANGER, False), ("gitslo-shop[bot]", True)] == [
        (each.closed_by, each.closed_by_us) for each in forge.find(HEAD)
    ]
    assert (1, [frozenset({world.made.full_name})]) == (world.app.issued, reach)


def test_a_token_is_renewed_before_it_expires(world: Apps) -> None:
    """A token lives for an hour: after fifty minutes there is another one, and none is sent when it is over."""
    forge = world.forge()
    world.open(forge)
    issued = []
    for minutes in (49, 2, 48, 3):
        world.sleep(Seconds(60.0 * minutes))
        forge.find(HEAD)
        issued.append(world.app.issued)

    assert [1, 2, 2, 3] == issued
    assert [] == [seen for seen in world.server.journal if seen.status == 401 and world.made.name in seen.path]


def test_a_token_that_is_not_known_any_more_is_renewed_once(world: Apps) -> None:
    """Revoked early: what was to be written is written once. Revoked again at once, a person has to look."""
    forge = world.forge()
    pull = world.open(forge)
    world.sleep(Seconds(120.0))
    world.server.revoke(world.app)
    forge.comment_once(pull.number, "verdict", "pass")
    renewed = world.app.issued
    world.server.revoke(world.app)
    with pytest.raises(Refused, match="does not accept the token: Bad credentials"):
        forge.comment_once(pull.number, "verdict", "pass again")
    world.sleep(Seconds(61.0))
    forge.comment_once(pull.number, "verdict", "pass at last")

    assert (("verdict", "pass at last"),) == world.comments(pull.number)
    assert (2, 3) == (renewed, world.app.issued)


@pytest.mark.parametrize(("drift", "issued"), [(50.0, 1), (-300.0, 1), (120.0, 0), (-900.0, 0)])
def test_a_clock_that_is_off_is_said(world: Apps, drift: float, issued: int) -> None:
    """GitHub takes no signature of the future, nor an old one; a minute ahead and some behind do no harm."""
    world.drift = drift
    said = ""
    try:
        world.forge().find(HEAD)
    except Refused as refused:
        said = str(refused)

    assert (issued, issued == 0) == (world.app.issued, "is this machine's clock right?" in said)


def test_a_named_installation_is_not_looked_up(world: Apps) -> None:
    """Where the operator names it."""
    world.open(world.with_app(installation=world.app.installation))

    assert [] == [path for _, path in world.send.requests if path.endswith("/installation")]


def test_a_key_may_stand_in_one_line(world: Apps, monkeypatch: pytest.MonkeyPatch) -> None:
    """As variables of an environment often hold it."""
    monkeypatch.setenv("APP_KEY", world.key.read_text().replace("\n", "\\n"))
    pull = world.open(world.with_app(private_key=SecretRef(env="APP_KEY")))

    assert PullRequestState.OPEN is pull.state


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda world: world.with_app(id="7"), "does not know the app 7 by its key: A JSON web token could not be"),
        (lambda world: world.key.write_text("-----BEGIN RSA PRIVATE KEY-----\nAAAA\n"), "is not one that can be used"),
        (lambda world: world.key.unlink(), "the secret cannot be read"),
        (lambda world: world.app.repositories.clear(), "is not installed on ada/"),
        (lambda world: setattr(world.app, "suspended", True), "This installation has been suspended"),
        (lambda world: world.with_app(installation=7), "gets no token for ada/"),
    ],
)
def test_what_a_person_has_to_mend_is_said(world: Apps, spoil: Callable[[Apps], object], said: str) -> None:
    """Another app's key, a broken or missing one, an app that is not installed, suspended, or named wrongly."""
    key = world.key.read_text()
    spoil(world)
    with pytest.raises(Refused) as caught:
        world.forge().find(HEAD)

    assert said in str(caught.value)
    assert key.splitlines()[1] not in str(caught.value)


def test_permissions_that_are_missing_are_named(world: Apps) -> None:
    """As the token says them: a repository does not say what an app may do with it."""
    whole = world.forge().capabilities().cannot
    world.app.permissions = {"contents": "write", "metadata": "read", "pull_requests": "read"}
    lacking = world.forge().capabilities().cannot
    name = world.made.full_name

    assert [
        f"The app has no `{each}: write` on {name}: give it that, and accept it there."
        for each in ("issues", "pull_requests", "statuses")
    ] == [line for line in lacking if line not in whole]
    assert [] == [line for line in whole if "write" in line]


def test_a_limit_at_the_token_is_kept_too(world: Apps) -> None:
    """GitHub limits the app's own requests as well: the repository's wait as long as it says."""
    forge = world.forge()
    world.server.limit(403, "You have exceeded a secondary rate limit.", Retry_After="33")
    with pytest.raises(Retry) as caught:
        forge.find(HEAD)
    world.sleep(Seconds(34.0))

    assert (33.0, ()) == (caught.value.delay, forge.find(HEAD))


def test_writes_keep_the_distance_that_github_asks_for(world: Apps) -> None:
    """A second between two of them; reads have none."""
    forge = world.forge()
    pull = world.open(forge)
    before = world.ahead
    for number in range(3):
        forge.comment_once(pull.number, f"m{number}", "pass")

    assert pytest.approx(3.0, abs=0.9) == world.ahead - before
