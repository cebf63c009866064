"""What the operator gives to targets: who gets what, from where, and who does not."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from gitslo.adapters.http_client import HttpClient
from gitslo.adapters.target_access import OperatorAccess
from gitslo.errors import Refused, Retry
from gitslo.identities import Basic, CertificateFiles, ClientAuthentication, ClientCredentials, Identity
from gitslo.model import Allowed, Target, TargetScheme, TlsSettings
from gitslo.ports import Authorization, TlsMaterial
from gitslo.secret import SecretRef
from tests.run.token_endpoint import TokenEndpoint, token_endpoint

SHOP = Target("shop", TargetScheme.HTTP, "shop.dev.svc", 443, tls=True, auth="tester")
PEM = b"-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n"


def access(
    *identities: Identity,
    certificates: dict[str, CertificateFiles] | None = None,
    allowed: Allowed | None = None,
    monotonic: Callable[[], float] = lambda: 0.0,
) -> OperatorAccess:
    return OperatorAccess(
        certificates or {}, {each.name: each for each in identities}, allowed or Allowed(), HttpClient().post, monotonic
    )


def bearer(path: Path, *hosts: str, plain_http: bool = False) -> Identity:
    return Identity("tester", SecretRef(file=str(path)), hosts or ("*.dev.svc",), plain_http=plain_http)


@pytest.fixture
def token(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text("first\n")
    return path


def test_a_target_without_an_identity_gets_none(token: Path) -> None:
    """Nothing is sent because it is there."""
    assert access(bearer(token)).authorize(replace(SHOP, auth="")) is None


def test_a_token_from_a_file_is_read_again(token: Path) -> None:
    """A rotated token is taken up, and the load is told for how long this one is good."""
    given = access(bearer(token))
    first = given.authorize(SHOP)
    token.write_text("second\n")

    assert (Authorization("Bearer first", 60.0), Authorization("Bearer second", 60.0)) == (
        first,
        given.authorize(SHOP),
    )


def test_a_token_from_the_environment_does_not_change(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process keeps its environment."""
    monkeypatch.setenv("TESTER", "abc")
    identity = Identity("tester", SecretRef(env="TESTER"), ("*",))

    assert Authorization("Bearer abc", None) == access(identity).authorize(SHOP)


def test_basic_is_name_and_password(tmp_path: Path) -> None:
    """RFC 7617, in UTF-8."""
    (tmp_path / "password").write_text("pä:ss\n", encoding="utf-8")
    identity = Identity("tester", Basic("me", SecretRef(file=str(tmp_path / "password"))), ("*",))
    value = base64.b64encode("me:pä:ss".encode()).decode()

    assert Authorization(f"Basic {value}", 60.0) == access(identity).authorize(SHOP)


@pytest.mark.parametrize(
    ("target", "hosts", "said"),
    [
        (SHOP, ("other.svc",), "is not for the host `shop.dev.svc`"),
        (replace(SHOP, resolve=("evil.example", 443)), ("*.dev.svc",), "is not for the host `evil.example`"),
        (replace(SHOP, authority="a.dev.svc", host="evil.example"), ("*.dev.svc",), "not for the host `evil.example`"),
        (replace(SHOP, tls=False), ("*",), "would go over plain http to another machine"),
        (replace(SHOP, auth="testr"), ("*",), "did you mean `tester`?"),
    ],
)
def test_an_identity_goes_to_its_own_hosts_only(token: Path, target: Target, hosts: tuple[str, ...], said: str) -> None:
    """Neither an authority nor another address nor a plain connection takes it anywhere else."""
    with pytest.raises(Refused, match=said.replace("?", r"\?")):
        access(bearer(token, *hosts)).authorize(target)


@pytest.mark.parametrize(
    ("host", "plain_http"), [("127.0.0.1", False), ("::1", False), ("localhost", False), ("shop.dev.svc", True)]
)
def test_in_clear_it_goes_to_this_machine_or_where_it_may(token: Path, host: str, plain_http: bool) -> None:
    """On loopback nobody listens; elsewhere the operator has said so."""
    target = replace(SHOP, host=host, tls=False)

    assert access(bearer(token, "*", plain_http=plain_http)).authorize(target) == Authorization("Bearer first", 60.0)


def test_a_token_that_no_header_may_carry_is_refused(token: Path) -> None:
    """It could end the header; it is not repeated."""
    token.write_text("a\r\nX-Evil: 1")
    with pytest.raises(Refused, match="the token of the identity `tester` has a blank") as refused:
        access(bearer(token)).authorize(SHOP)

    assert "Evil" not in str(refused.value)


# --------------------------------------------------------------------------- OAuth2


def credentials(endpoint: TokenEndpoint, secret: Path, **more: object) -> Identity:
    form = ClientCredentials(endpoint.url, "me:", SecretRef(file=str(secret)), scope="a b", audience="shop")
    return Identity("tester", replace(form, **more), ("*",))  # type: ignore[arg-type]


def test_a_token_is_asked_for_once_and_renewed_before_it_ends(token: Path) -> None:
    """RFC 6749, 4.4: in a form, the client's secret in a header; the token is kept for nine tenths of its life."""
    now = [1000.0]
    with token_endpoint() as endpoint:
        given = access(credentials(endpoint, token), monotonic=lambda: now[0])
        first = given.authorize(SHOP)
        now[0] += 89.0
        again = given.authorize(SHOP)
        endpoint.body = b'{"access_token": "new", "token_type": "Bearer", "expires_in": "3600"}'
        now[0] += 1.5
        renewed = given.authorize(SHOP)
    headers, form = endpoint.asked[0]

    assert (
        Authorization("Bearer abc.def", 90.0),
        Authorization("Bearer abc.def", 5.0),
        Authorization("Bearer new", 3240.0),
    ) == (first, again, renewed)
    assert (2, "grant_type=client_credentials&scope=a+b&audience=shop") == (len(endpoint.asked), form)
    assert f"Basic {base64.b64encode(b'me%3A:first').decode()}" == headers["authorization"]
    assert "application/x-www-form-urlencoded" == headers["content-type"]


def test_the_clients_secret_can_go_in_the_form(token: Path) -> None:
    """For endpoints that know nothing else."""
    with token_endpoint() as endpoint:
        access(credentials(endpoint, token, method=ClientAuthentication.POST, scope="", audience="")).authorize(SHOP)
    headers, form = endpoint.asked[0]

    assert ("grant_type=client_credentials&client_id=me%3A&client_secret=first", False) == (
        form,
        "authorization" in headers,
    )


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (
            401,
            b'{"error": "invalid_client", "error_description": "first"}',
            "answered with status 401 (invalid_client)",
        ),
        (500, b"<html>first</html>", "answered with status 500 and no JSON object"),
        (200, b"[]", "answered with status 200 and no JSON object"),
        (200, b"{}", "gave no `access_token` that a header could carry"),
        (200, b'{"access_token": "first\\nX: 1"}', "gave no `access_token` that a header could carry"),
        (200, b'{"access_token": "first", "token_type": "mac"}', "gave a token that is no bearer token"),
        (400, b'{"error": "first\\u0007"}', "answered with status 400"),
        (200, b" " * 300_000, "the answer is larger than"),
    ],
)
def test_an_endpoint_that_gives_no_token_is_asked_again_later(token: Path, status: int, body: bytes, said: str) -> None:
    """Not the plan's fault, and no verdict; nothing that looks like a secret is repeated."""
    with token_endpoint() as endpoint:
        endpoint.status, endpoint.body = status, body
        with pytest.raises(Retry) as error:
            access(credentials(endpoint, token)).authorize(SHOP)

    assert (True, True, False) == (
        said in str(error.value),
        "`tester`" in str(error.value),
        "first" in str(error.value),
    )


# --------------------------------------------------------------------------- certificates and variables


def test_the_names_of_a_target_become_its_material(tmp_path: Path) -> None:
    """Authorities, certificate and key, each from its own file; read again each time."""
    for name in ("ca", "own", "key"):
        (tmp_path / name).write_bytes(PEM + name.encode())
    given = access(
        certificates={
            "shop-ca": CertificateFiles(ca=tmp_path / "ca"),
            "own": CertificateFiles(certificate=tmp_path / "own", key=tmp_path / "key"),
        }
    )
    target = replace(SHOP, settings=TlsSettings(ca="shop-ca", certificate="own"))
    first = given.tls(target)
    (tmp_path / "ca").write_bytes(PEM)

    assert TlsMaterial(PEM + b"ca", PEM + b"own", PEM + b"key") == first
    assert (PEM, TlsMaterial(), TlsMaterial()) == (
        given.tls(target).ca,
        given.tls(SHOP),
        given.tls(replace(target, tls=False)),
    )


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (TlsSettings(ca="shop-c"), "asks for the authorities `shop-c`.*did you mean `shop-ca`"),
        (TlsSettings(ca="own"), "asks for the authorities `own`"),
        (TlsSettings(certificate="shop-ca"), "asks for the client certificate `shop-ca`"),
        (TlsSettings(ca="gone"), "gone.pem: cannot be read: No such file"),
        (TlsSettings(ca="shop-ca"), "is no PEM file"),
        (TlsSettings(insecure=True), "the operator does not allow that"),
    ],
)
def test_what_the_operator_does_not_give_is_refused(tmp_path: Path, settings: TlsSettings, said: str) -> None:
    """A name that is unknown or of the other kind, a file that is none, a certificate that nobody verifies."""
    (tmp_path / "empty.pem").write_bytes(b"")
    given = access(
        certificates={
            "shop-ca": CertificateFiles(ca=tmp_path / "empty.pem"),
            "own": CertificateFiles(certificate=tmp_path / "empty.pem", key=tmp_path / "empty.pem"),
            "gone": CertificateFiles(ca=tmp_path / "gone.pem"),
        }
    )
    with pytest.raises(Refused, match=said):
        given.tls(replace(SHOP, settings=settings))


def test_insecure_is_allowed_by_the_operator() -> None:
    """And by nobody else."""
    given = access(allowed=Allowed(insecure_tls=True))

    assert TlsMaterial() == given.tls(replace(SHOP, settings=TlsSettings(insecure=True)))


def test_only_the_listed_variables_are_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest of the environment stays here."""
    monkeypatch.setenv("TENANT", "test")
    monkeypatch.setenv("OTHER", "secret")

    assert {"TENANT": "test"} == access(allowed=Allowed(variables=("TENANT", "UNSET"))).environment()
