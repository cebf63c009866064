from __future__ import annotations

from pathlib import Path

import pytest

from gitslo.errors import Refused, Retry
from gitslo.ports import RefUpdate
from gitslo.testing.git_server import BareRepository, GitServer
from tests.authority import Authority
from tests.git.worlds import PASSWORD, USERNAME, client

HEAD = "refs/heads/gitslo/shop/dev/promote"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.create(tmp_path_factory.mktemp("tls") / "authority")


def served(folder: Path) -> BareRepository:
    bare = BareRepository.create(folder / "remotes" / "shop.git")
    bare.commit({"a": b"1"})
    return bare


def test_an_authority_of_ones_own_is_trusted_where_it_is_named(tmp_path, authority) -> None:
    """With `ca`, reading and writing go over TLS with a password, and nothing else is asked."""
    bare = served(tmp_path)
    with GitServer(
        tmp_path / "remotes", credentials=(USERNAME, PASSWORD), tls=authority.sign("IP:127.0.0.1")
    ) as server:
        repository = client(
            server.url("shop.git"),
            tmp_path / "cache",
            ca=authority.certificates,
            username=USERNAME,
            password=lambda: PASSWORD,
        )
        tip = repository.list_refs()["refs/heads/main"]
        repository.fetch({"refs/heads/main": tip})
        repository.swap([RefUpdate(HEAD, None, tip)])

    assert ("https", tip) == (server.origin.partition(":")[0], bare.refs()[HEAD])


def test_an_authority_that_nobody_named_is_not_trusted(tmp_path, authority) -> None:
    """Without `ca` no password leaves: the handshake is refused, and what to do is said."""
    served(tmp_path)
    with GitServer(
        tmp_path / "remotes", credentials=(USERNAME, PASSWORD), tls=authority.sign("IP:127.0.0.1")
    ) as server:
        repository = client(server.url("shop.git"), tmp_path / "cache", username=USERNAME, password=lambda: PASSWORD)
        with pytest.raises(Retry, match=r"certificate is not accepted.*`ca`"):
            repository.list_refs()

    assert () == server.journal


def test_a_certificate_of_another_host_is_not_accepted(tmp_path, authority) -> None:
    """The named authority vouches for a host, not for everything that it has signed."""
    served(tmp_path)
    with GitServer(tmp_path / "remotes", tls=authority.sign("DNS:other.example.com")) as server:
        repository = client(server.url("shop.git"), tmp_path / "cache", ca=authority.certificates)
        with pytest.raises(Retry, match="certificate is not accepted"):
            repository.list_refs()

    assert () == server.journal


@pytest.mark.parametrize(
    "url", ["http://git.example.invalid/shop.git", "http://192.0.2.1/shop.git", "http://localhost.example.invalid/x"]
)
def test_a_password_does_not_go_in_clear_to_another_machine(tmp_path, url) -> None:
    """Refused before any process is started; the clone's folder is not even made."""
    with pytest.raises(Refused, match=r"plain http://.*plain_http"):
        client(url, tmp_path / "cache", username=USERNAME, password=lambda: PASSWORD)

    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("url", "given"),
    [
        ("http://git.example.invalid/shop.git", {"plain_http": True}),
        ("https://git.example.invalid/shop.git", {}),
        ("http://127.0.0.1:1/shop.git", {}),
        ("http://127.1.2.3:1/shop.git", {}),
        ("http://[::1]:1/shop.git", {}),
        ("http://localhost:1/shop.git", {}),
    ],
)
def test_a_password_goes_where_nobody_reads_it_or_where_it_was_said(tmp_path, url, given) -> None:
    """TLS, this machine, or the operator's word."""
    assert client(url, tmp_path / "cache", username=USERNAME, password=lambda: PASSWORD, **given).branch_ref
