from __future__ import annotations

import copy
import pickle
from pathlib import Path

import pytest

from gitslo.config import (
    Credentials,
    RepositoryConfig,
    Secret,
    SecretRef,
    parse_operator,
)
from gitslo.errors import Refused
from tests.authority import Authority

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
