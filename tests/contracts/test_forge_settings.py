from __future__ import annotations

from pathlib import Path

import pytest

from gitslo.config import parse_operator
from gitslo.errors import Refused
from gitslo.forge_settings import AppSettings, ForgeSettings, MergeMethod
from gitslo.secret import SecretRef
from tests.authority import Authority

FILE = """\
schema: gitslo/v1
repositories:
  - name: shop
    url: {url}
    branch: stable
    forge: {forge}
"""
TOKEN = "{env: FORGE_TOKEN}"
APP = "{id: 7, private_key: {env: APP_KEY}}"


def parsed(forge: str, url: str = "https://git.example.com/acme/shop-env.git") -> ForgeSettings:
    return parse_operator(FILE.format(url=url, forge=forge).encode(), file="operator.yaml").repositories[0].forge


def refused(forge: str, url: str = "https://git.example.com/acme/shop-env.git") -> str:
    with pytest.raises(Refused) as caught:
        parsed(forge, url)
    return str(caught.value)


def test_everything_that_is_said_of_a_forge_is_understood(tmp_path: Path) -> None:
    """Each field stands in its data; the token only as where it is."""
    authorities = Authority.create(tmp_path / "ca").certificates
    given = (
        "{forgejo: {url: https://forge.example.com/hub/, token: {file: /run/secrets/token}, method: squash, "
        f"draft: true, ca: {authorities}, assignees: [ada, ada], reviewers: [eve, acme/sre], "
        "labels: [gitslo, '\u00fcber']}}"
    )

    assert ForgeSettings(
        kind="forgejo",
        url="https://forge.example.com/hub",
        project="acme/shop-env",
        branch="stable",
        token=SecretRef(file="/run/secrets/token"),
        ca=authorities,
        assignees=("ada",),
        reviewers=("eve", "acme/sre"),
        labels=("gitslo", "\u00fcber"),
        draft=True,
        method=MergeMethod.SQUASH,
    ) == parsed(given)


@pytest.mark.parametrize(
    ("given", "app"),
    [
        ("{id: 1234567, private_key: {file: /run/app.pem}}", AppSettings("1234567", SecretRef(file="/run/app.pem"))),
        (
            "{id: Iv23liABC, private_key: {env: APP_KEY}, installation: 42}",
            AppSettings("Iv23liABC", SecretRef(env="APP_KEY"), 42),
        ),
    ],
)
def test_on_github_an_app_takes_the_place_of_a_token(given: str, app: AppSettings) -> None:
    """By its number or its client id; the rest is as on every forge."""
    found = parsed(f"{{github: {{app: {given}, draft: true}}}}", "https://github.com/acme/shop-env.git")

    assert ("github", "https://github.com", "acme/shop-env", None, app, True) == (
        found.kind,
        found.url,
        found.project,
        found.token,
        found.app,
        found.draft,
    )


@pytest.mark.parametrize(
    ("url", "forge", "expected"),
    [
        ("https://git.example.com:8443/acme/shop.git", "", ("https://git.example.com:8443", "acme/shop")),
        (
            "https://git.example.com/hub/acme/shop/",
            "url: https://git.example.com/hub, ",
            (
                "https://git.example.com/hub",
                "acme/shop",
            ),
        ),
        (
            "https://git.example.com/acme/shop",
            "url: https://api.example.com, ",
            ("https://api.example.com", "acme/shop"),
        ),
        ("http://127.0.0.1:3000/acme/shop.git", "", ("http://127.0.0.1:3000", "acme/shop")),
        ("http://gitea.git.svc/acme/shop.git", "plain_http: true, ", ("http://gitea.git.svc", "acme/shop")),
    ],
)
def test_where_the_forge_is_follows_from_the_repository(url: str, forge: str, expected: tuple[str, str]) -> None:
    """Its host and its path, unless the forge's own URL is given: then the path is below that."""
    found = parsed(f"{{gitea: {{{forge}token: {TOKEN}}}}}", url)

    assert expected == (found.url, found.project)


@pytest.mark.parametrize(
    ("forge", "url", "said"),
    [
        ("{gitea: {}}", "https://git.example.com/a/b", "token"),
        ("{gitea: {token: hunter2}}", "https://git.example.com/a/b", "/forge/gitea/token"),
        (f"{{gitea: {{token: {TOKEN}}}}}", "http://git.example.com/a/b", "the token would go over plain http://"),
        (f"{{gitea: {{token: {TOKEN}}}}}", "file:///srv/shop.git", "a forge has repositories with https:// URLs"),
        (f"{{gitea: {{token: {TOKEN}, method: octopus}}}}", "https://git.example.com/a/b", "`squash`"),
        (f"{{gitea: {{token: {TOKEN}, reviewers: ['a b']}}}}", "https://git.example.com/a/b", "/reviewers/0"),
        (f"{{gitea: {{token: {TOKEN}, ca: /nowhere.pem}}}}", "https://git.example.com/a/b", "cannot be read"),
        (f"{{gitea: {{token: {TOKEN}, ca: /etc/hostname}}}}", "http://127.0.0.1:1/a/b", "only an https:// forge"),
        (f"{{gitea: {{url: 'https://u:p@x/', token: {TOKEN}}}}}", "https://git.example.com/a/b", "no user name"),
        (f"{{gitea: {{token: {TOKEN}}}, forgejo: {{token: {TOKEN}}}}}", "https://git.example.com/a/b", "forge"),
        ("{github: {}}", "https://github.com/a/b", "/forge/github: expected either a `token` or an `app`"),
        (f"{{github: {{token: {TOKEN}, app: {APP}}}}}", "https://github.com/a/b", "expected either a `token` or an"),
        ("{github: {app: {id: 7}}}", "https://github.com/a/b", "private_key"),
        ("{github: {app: {id: 0, private_key: {env: K}}}}", "https://github.com/a/b", "/forge/github/app/id"),
        ("{github: {app: {id: 7, private_key: hunter2}}}", "https://github.com/a/b", "/forge/github/app/private_key"),
        (f"{{gitea: {{app: {APP}}}}}", "https://git.example.com/a/b", "app"),
        ("github", "https://github.com/a/b", "found `github` (it needs a token: `forge: {github: {token: "),
        ("gitea", "https://git.example.com/a/b", "found `gitea` (it needs a token: `forge: {gitea: {token: "),
    ],
)
def test_what_cannot_work_is_refused_by_place(forge: str, url: str, said: str) -> None:
    """A mistake is said with its place, and never with a secret."""
    found = refused(forge, url)

    assert said in found
    assert "hunter2" not in found
    assert "u:p" not in found
