from __future__ import annotations

import copy
import pickle
from pathlib import Path

import pytest

from gitslo.config import (
    CommandConfig,
    ContainerConfig,
    Credentials,
    Operator,
    ProcessConfig,
    RepositoryConfig,
    Secret,
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
from tests.authority import Authority

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


# --------------------------------------------------------------------------- secrets


def test_a_secret_is_not_shown() -> None:
    """Neither printed nor formatted nor pickled; only `reveal` gives it."""
    secret = Secret("hunter2")

    assert (["***"] * 4, "hunter2") == ([str(secret), repr(secret), f"{secret}", f"{[secret]}"[1:-1]], secret.reveal())
    with pytest.raises(TypeError):
        pickle.dumps(secret)
    with pytest.raises(TypeError):
        copy.copy(secret)


def test_a_secret_is_read_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a variable or a file, when it is needed; one line break at a file's end is not part of it."""
    path = tmp_path / "key"
    path.write_bytes(b" pass word \n")
    monkeypatch.setenv("TOKEN", "hunter2")

    assert ("hunter2", " pass word ") == (
        SecretRef(env="TOKEN").resolve().reveal(),
        SecretRef(file=str(path)).resolve().reveal(),
    )


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff", b"x" * 70_000, None])
def test_a_secret_that_is_none_is_refused(tmp_path: Path, content: bytes | None) -> None:
    """Missing, empty, too large or no text: said with the path, never with the content."""
    path = tmp_path / "key"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(Refused, match="key: the secret"):
        SecretRef(file=str(path)).resolve()


def test_a_variable_that_is_not_set_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Said by its name."""
    monkeypatch.delenv("GITSLO_NO_SUCH", raising=False)
    with pytest.raises(Refused, match="GITSLO_NO_SUCH is not set"):
        SecretRef(env="GITSLO_NO_SUCH").resolve()


# --------------------------------------------------------------------------- what goes to the remote


def one_repository(text: str) -> RepositoryConfig:
    found = parse_operator(f"schema: gitslo/v1\nrepositories: [{{name: shop, {text}}}]\n".encode(), file="f")
    return found.repositories[0]


SIGNED_IN = "credentials: {username: gitslo, password: {env: GIT_TOKEN}"


@pytest.mark.parametrize(
    "host", ["git.example.com", "git.example.com:8080", "192.0.2.7", "'[2001:db8::1]'", "10.0.0.1"]
)
def test_a_password_is_not_sent_in_clear(host: str) -> None:
    """Plain http to another machine is refused, with the ways out."""
    url = f"'http://{host.strip(chr(39))}/shop.git'"
    with pytest.raises(
        Refused, match=r"f:2:\d+: /repositories/0/credentials: .*plain http://.*https://.*plain_http: true"
    ):
        one_repository(f"url: {url}, {SIGNED_IN}}}")


@pytest.mark.parametrize(
    ("url", "more"),
    [
        ("http://git.example.com/shop.git", ", plain_http: true"),
        ("https://git.example.com/shop.git", ""),
        ("https://git.example.com/shop.git", ", plain_http: false"),
        ("http://127.0.0.1:3000/shop.git", ""),
        ("http://[::1]:3000/shop.git", ""),
        ("http://localhost:3000/shop.git", ""),
    ],
)
def test_a_password_is_sent_where_the_operator_may_mean_it(url: str, more: str) -> None:
    """Over TLS, to this machine, or where it is said that it may go in clear."""
    found = one_repository(f'url: "{url}", {SIGNED_IN}{more}}}')

    assert Credentials("gitslo", SecretRef(env="GIT_TOKEN"), plain_http="true" in more) == found.credentials


def test_no_password_needs_no_tls() -> None:
    """What everybody may read anyway may come over plain http."""
    assert one_repository("url: http://git.example.com/shop.git").credentials is None


def test_the_certificates_of_an_authority_are_named(tmp_path: Path) -> None:
    """An absolute path to a file that holds some, whatever stands between them."""
    authority = Authority.create(tmp_path / "authority")
    bundle = tmp_path / "bundle.pem"
    bundle.write_bytes("# Öffentlich\n".encode() + authority.certificates.read_bytes() * 2)

    assert bundle == one_repository(f"url: https://git.example.com/x.git, ca: {bundle}").ca
    assert one_repository("url: https://git.example.com/x.git").ca is None


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "the certificates cannot be read: No such file or directory"),
        (b"", "no certificate can be read"),
        (b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n", "no certificate can be read"),
    ],
)
def test_certificates_that_are_none_are_refused(tmp_path: Path, content: bytes | None, said: str) -> None:
    """When the file is read, with its place; not at the first handshake."""
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(Refused, match=f"f:2:.*/repositories/0/ca: {said}"):
        one_repository(f"url: https://git.example.com/x.git, ca: {path}")


@pytest.mark.parametrize("url", ["http://127.0.0.1/x.git", "file:///srv/git/x.git"])
def test_certificates_without_tls_are_refused(tmp_path: Path, url: str) -> None:
    """They would be of no use, and who names them thinks that they are."""
    with pytest.raises(Refused, match="/repositories/0/ca: only an https:// repository"):
        one_repository(f'url: "{url}", ca: {tmp_path}/ca.pem')


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
