from __future__ import annotations

from pathlib import Path

import pytest

from gitslo.config import (
    CommandConfig,
    ContainerConfig,
    Credentials,
    Operator,
    ProcessConfig,
    RepositoryConfig,
    SecretRef,
    load_operator,
    parse_operator,
)
from gitslo.core.webhooks import Sender
from gitslo.errors import Refused
from gitslo.forge_settings import ForgeSettings
from gitslo.identities import Basic, CertificateFiles, ClientAuthentication, ClientCredentials, Identity
from gitslo.model import Allowed, Ceilings
from gitslo.serve_settings import ServeSettings, WebhookConfig
from gitslo.wiring import secrets_of

LEAST = "schema: gitslo/v1\nrepositories:\n  - {name: shop, url: https://git.example.com/acme/shop.git}\n"

WHOLE = """\
schema: gitslo/v1
instance: gitslo-0
repositories:
  - name: shop
    url: https://git.example.com:8443/acme/shop-env.git
    branch: release/1.x
    poll: 1m
    credentials: {username: gitslo, password: {env: GIT_TOKEN}}
    forge: local
    ledger: {namespace: refs/heads/gitslo-ledger/, key: {file: /run/secrets/ledger.key}}
    author: {name: "gitslo bot", email: gitslo@example.com}
    allow: {environments: ["checkout/*"], targets: ["*.shop-dev.svc"]}
    process:
      state: /var/lib/gitslo/shop
      containers:
        example/app: {argv: [/bin/app, "--port={port}"], environment: [PORT, FEATURE_*], arguments: [--verbose]}
        example/web: {argv: [web], arguments: true}
        example/bare: {argv: [bare], arguments: false}
  - {name: other, url: "file:///srv/git/other.git"}
ceilings: {rate: 2000/s, duration: 15m, connections: 500, bytes: 5GiB, concurrent_runs: 4, pushes_per_minute: 60}
commands: {page-us: {argv: [/bin/page, --urgent], timeout: 10s}, log: {argv: [logger]}}
serve: {listen: "[::1]:8080"}
"""


def test_everything_that_is_said_is_understood() -> None:
    """Each field of the operator's file stands in its data."""
    expected = Operator(
        instance="gitslo-0",
        repositories=(
            RepositoryConfig(
                name="shop",
                url="https://git.example.com:8443/acme/shop-env.git",
                branch="release/1.x",
                poll=60.0,
                credentials=Credentials("gitslo", SecretRef(env="GIT_TOKEN")),
                ledger_namespace="refs/heads/gitslo-ledger",
                ledger_key=SecretRef(file="/run/secrets/ledger.key"),
                author_name="gitslo bot",
                author_email="gitslo@example.com",
                forge=ForgeSettings(branch="release/1.x"),
                process=ProcessConfig(
                    Path("/var/lib/gitslo/shop"),
                    (
                        ContainerConfig(
                            "example/app", ("/bin/app", "--port={port}"), ("PORT", "FEATURE_*"), ("--verbose",)
                        ),
                        ContainerConfig("example/web", ("web",), (), ("*",)),
                        ContainerConfig("example/bare", ("bare",)),
                    ),
                ),
                allowed=Allowed(("checkout/*",), ("*.shop-dev.svc",)),
            ),
            RepositoryConfig(
                name="other",
                url="file:///srv/git/other.git",
                branch="main",
                poll=30.0,
                credentials=None,
                ledger_namespace="refs/gitslo",
                ledger_key=None,
                author_name="gitslo",
                author_email="gitslo@localhost",
                forge=ForgeSettings(branch="main"),
                process=None,
                allowed=Allowed(),
            ),
        ),
        ceilings=Ceilings(2000.0, 900.0, 500, 5 * 1024**3, 4, 60),
        commands={
            "page-us": CommandConfig("page-us", ("/bin/page", "--urgent"), 10.0),
            "log": CommandConfig("log", ("logger",), 30.0),
        },
        serve=ServeSettings("[::1]:8080"),
    )

    assert expected == parse_operator(WHOLE.encode(), file="operator.yaml")


GIVEN = """\
schema: gitslo/v1
repositories:
  - name: shop
    url: file:///srv/git/shop.git
    allow: {targets: ["*.svc"], variables: [TENANT], insecure_tls: true}
certificates:
  shop-ca: {file: /etc/gitslo/ca.pem}
  own: {certificate: /etc/gitslo/own.pem, key: /etc/gitslo/own.key}
identities:
  tester: {bearer: {env: TOKEN}, hosts: ["*.svc"]}
  named: {basic: {username: me, password: {file: /run/password}}, hosts: [a.svc, b.svc], plain_http: true}
  client:
    oauth2:
      token_url: https://id.example.com/token/
      client_id: gitslo
      client_secret: {env: SECRET}
      scope: a b
      audience: shop
      ca: shop-ca
      method: client_secret_post
    hosts: ["*"]
"""


def test_what_is_given_to_targets_is_understood() -> None:
    """Certificates, identities with the hosts that they are for, variables, and whether nothing need be verified."""
    found = parse_operator(GIVEN.encode(), file="operator.yaml")

    assert Allowed(("*",), ("*.svc",), ("TENANT",), insecure_tls=True) == found.repositories[0].allowed
    assert {
        "shop-ca": CertificateFiles(ca=Path("/etc/gitslo/ca.pem")),
        "own": CertificateFiles(certificate=Path("/etc/gitslo/own.pem"), key=Path("/etc/gitslo/own.key")),
    } == found.certificates
    assert {
        "tester": Identity("tester", SecretRef(env="TOKEN"), ("*.svc",)),
        "named": Identity("named", Basic("me", SecretRef(file="/run/password")), ("a.svc", "b.svc"), plain_http=True),
        "client": Identity(
            "client",
            ClientCredentials(
                "https://id.example.com/token/",
                "gitslo",
                SecretRef(env="SECRET"),
                "a b",
                "shop",
                "shop-ca",
                ClientAuthentication.POST,
            ),
            ("*",),
        ),
    } == found.identities
    assert ["TOKEN", None, "SECRET"] == [each.secret.env for each in found.identities.values()]


def test_what_is_left_out_is_cautious() -> None:
    """No host may be called, nothing listens, no command exists; the instance is the machine's own name."""
    found = parse_operator(LEAST.encode(), file="f")

    assert (Allowed(("*",), ()), ServeSettings(), {}, Ceilings()) == (
        found.repositories[0].allowed,
        found.serve,
        found.commands,
        found.ceilings,
    )
    assert found.instance


SERVED = (
    LEAST
    + """\
serve: {listen: "127.0.0.1:8080", token: {file: /run/api}}
webhooks:
  shop: {from: forgejo, secret: {env: HOOK}}
"""
)


def test_what_is_served_names_its_secrets() -> None:
    """The API's token and the webhooks' secrets are references, and known as such."""
    found = parse_operator(SERVED.encode(), file="f").serve

    assert found == ServeSettings(
        "127.0.0.1:8080",
        token=SecretRef(file="/run/api"),
        webhooks={"shop": WebhookConfig(Sender.FORGEJO, SecretRef(env="HOOK"))},
    )
    assert (SecretRef(file="/run/api"), SecretRef(env="HOOK")) == found.secrets


def test_only_the_daemon_needs_what_it_serves_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`gitslo once` works where they are not set; the daemon masks them, and does not start without them."""
    token = tmp_path / "api"
    token.write_text("token\n")
    operator = parse_operator(SERVED.replace("/run/api", str(token)).encode(), file="f")
    with pytest.raises(Refused, match="the environment variable HOOK is not set"):
        secrets_of(operator, serving=True)
    monkeypatch.setenv("HOOK", "hook")

    assert ((), ("token", "hook")) == (secrets_of(operator), secrets_of(operator, serving=True))


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("shop: {from", "shopp: {from", "f:6:3: /webhooks/shopp: `repositories` has no `shopp` (did you mean `shop`?)"),
        ("forgejo", "gitbucket", "f:6:16: /webhooks/shop/from: expected"),
        ("{env: HOOK}", "hunter2", "f:6:33: /webhooks/shop/secret: "),
        ("from: forgejo, ", "", "/webhooks/shop: "),
        (
            'serve: {listen: "127.0.0.1:8080", token: {file: /run/api}}\n',
            "",
            "f:5:3: /webhooks: webhooks arrive at `serve`",
        ),
    ],
)
def test_a_webhook_that_cannot_work_is_told(old: str, new: str, expected: str) -> None:
    """An unknown repository or forge, a secret in clear, no server: by line and column, and without the secret."""
    with pytest.raises(Refused) as refused:
        parse_operator(SERVED.replace(old, new).encode(), file="f")

    assert expected in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """One line, not a traceback; the same for a folder."""
    with pytest.raises(Refused, match=r"nowhere\.yaml: the operator's file cannot be read: No such file"):
        load_operator(tmp_path / "nowhere.yaml")
    with pytest.raises(Refused, match="cannot be read"):
        load_operator(tmp_path)


def test_a_file_is_read(tmp_path: Path) -> None:
    """From disk, with the path in the messages."""
    path = tmp_path / "operator.yaml"
    path.write_text(WHOLE, encoding="utf-8")

    assert parse_operator(WHOLE.encode(), file="f") == load_operator(path)


# --------------------------------------------------------------------------- names


@pytest.mark.parametrize(
    "url",
    [
        "ssh://git@h/x",
        "git@h:x.git",
        "ext::sh -c id",
        "--upload-pack=id",
        "file://x",
        "file:///",
        "file:///-x",
        "file:///a/../b",
        "git://h/x",
        "https://h",
        "https://h/",
        "https://h/a/../b",
        "https://u@h/x",
        "https://u:p@h/x",
        "https://h/x?a=b",
        "https://h/x#a",
        "http://127.1/x",
        "https://h:99999/x",
        "/srv/git/x",
        "HTTPS://h/x",
        "https://h//x",
    ],
)
def test_urls_by_allow_list(url: str) -> None:
    """file, http and https to one plain place; every other transport, option or spelling is refused (F19)."""
    with pytest.raises(Refused, match="/repositories/0/url"):
        parse_operator(f'schema: gitslo/v1\nrepositories: [{{name: a, url: "{url}"}}]\n'.encode(), file="f")


@pytest.mark.parametrize(
    "branch",
    [
        "-x",
        "--upload-pack=x",
        "a..b",
        "a b",
        "a~1",
        "a^",
        "a:b",
        "a?",
        "a*",
        "a[",
        "a\\\\b",
        "/a",
        "a/",
        "a//b",
        ".a",
        "a/.b",
        "a.lock",
        "a.lock/b",
        "a.",
        "@",
        "HEAD",
        "a@{1}",
        "refs/heads/main",
        "gitslo/shop/dev/promote",
        "ä",
    ],
)
def test_branches_by_allow_list(branch: str) -> None:
    """What Git, a shell or an option parser could take for something else is refused; so are gitslo's own branches."""
    with pytest.raises(Refused, match="/repositories/0/branch"):
        parse_operator(LEAST.replace("git}", f'git, branch: "{branch}"}}').encode(), file="f")


@pytest.mark.parametrize("branch", ["main", "release/1.x", "a_b-c+d", "v1@2"])
def test_plain_branches_are_taken(branch: str) -> None:
    """Names as people give them."""
    found = parse_operator(LEAST.replace("git}", f"git, branch: {branch}}}").encode(), file="f")

    assert branch == found.repositories[0].branch


@pytest.mark.parametrize(
    "listen",
    ["localhost:80", "127.0.0.1", ":80", "127.0.0.1:", "127.0.0.1:70000", "::1:80", "[127.0.0.1]:80", "127.0.0.1:-1"],
)
def test_an_address_to_listen_on_is_one(listen: str) -> None:
    """An IP address and a port; a name would let a name service decide who is served."""
    with pytest.raises(Refused, match="/serve/listen"):
        parse_operator(f'{LEAST}serve: {{listen: "{listen}"}}\n'.encode(), file="f")


@pytest.mark.parametrize(
    ("old", "new", "pointer"),
    [
        ("poll: 1m", "poll: 99ms", "/repositories/0/poll"),
        ("argv: [web]", "argv: ['']", "/repositories/0/process/containers/example~1web/argv"),
        ("namespace: refs/heads/gitslo-ledger/", "namespace: gitslo", "/repositories/0/ledger/namespace"),
        ("namespace: refs/heads/gitslo-ledger/", "namespace: refs/a..b", "/repositories/0/ledger/namespace"),
    ],
)
def test_what_cannot_work_is_refused(old: str, new: str, pointer: str) -> None:
    """Polls without a pause, a program without a name, ledgers outside refs."""
    assert old in WHOLE
    with pytest.raises(Refused) as refused:
        parse_operator(WHOLE.replace(old, new).encode(), file="f")

    assert [pointer] == [problem.pointer for problem in refused.value.problems]
