"""The probe syncer: what counts as the expected image or commit, and what it never does."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from time import monotonic

import pytest

from gitslo.adapters.probe import ProbeSyncer
from gitslo.core.jsonpath import search
from gitslo.errors import Refused, Retry
from gitslo.model import Allowed, CommitId, PromotedKind, Release, ReleaseValue, SyncSpec
from gitslo.ports import Expected, SyncState
from tests.authority import Authority
from tests.syncer.worlds import ProbeWorld, environment

DIGEST = "sha256:" + "a" * 64
COMMIT = CommitId("0123456789abcdef0123456789abcdef01234567")


@pytest.fixture
def world():
    made = ProbeWorld()
    yield made
    made.close()


def release(value: str) -> Expected:
    values = (ReleaseValue(PromotedKind.IMAGE, "ghcr.io/acme/shop", value),)
    return Expected(COMMIT, "tree", Release(values, "release"))


@pytest.mark.parametrize(
    ("value", "answer", "state"),
    [
        ("v2", "v2", SyncState.SYNCED),
        ("v2", "ghcr.io/acme/shop:v2", SyncState.SYNCED),
        ("v2", "v20", SyncState.WAITING),
        ("v2", "ghcr.io/acme/other:v2", SyncState.WAITING),
        ("v2", "", SyncState.WAITING),
        (f"v2@{DIGEST}", "v2", SyncState.SYNCED),
        (f"v2@{DIGEST}", DIGEST, SyncState.SYNCED),
        (f"v2@{DIGEST}", f"ghcr.io/acme/shop:v2@{DIGEST}", SyncState.SYNCED),
        (f"v2@{DIGEST}", f"ghcr.io/acme/shop@{DIGEST}", SyncState.SYNCED),
        (f"@{DIGEST}", f"ghcr.io/acme/shop@{DIGEST}", SyncState.SYNCED),
        (f"@{DIGEST}", "v2", SyncState.WAITING),
    ],
)
def test_an_image_is_named_by_tag_digest_or_reference(world, value, answer, state):
    """A service may say its tag, its digest, or the whole reference; a part of a tag is another tag."""
    world.says(answer)

    assert world.syncer().report(world.environment, release(value)).state is state


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (COMMIT, SyncState.SYNCED),
        (COMMIT[:7], SyncState.SYNCED),
        (COMMIT[:12].upper(), SyncState.SYNCED),
        (COMMIT[:6], SyncState.WAITING),
        (COMMIT[1:12], SyncState.WAITING),
        ("main", SyncState.WAITING),
    ],
)
def test_a_commit_may_be_shortened_to_seven(answer, state):
    """Seven digits at least, from the start."""
    world = ProbeWorld("commit", "json")
    try:
        world.says(answer)
        found = world.syncer().report(world.environment, release("v2")).state
    finally:
        world.close()

    assert found is state


@pytest.mark.parametrize(
    ("answer", "carried", "state"),
    [
        ("f" * 40, True, SyncState.SYNCED),
        ("f" * 40, False, SyncState.WAITING),
        ("f" * 12, True, SyncState.WAITING),
    ],
)
def test_another_commit_with_the_same_tree_runs_the_same(answer, carried, state):
    """A deployer that redeploys only when its own folder changes reports an older commit; in full it is believed."""
    world = ProbeWorld("commit", "json")
    try:
        world.says(answer)
        expected = replace(release("v2"), carries=lambda commit: carried and commit == "f" * 40)
        found = world.syncer().report(world.environment, expected).state
    finally:
        world.close()

    assert found is state


def test_commits_with_one_tree_have_one_fingerprint():
    """A commit elsewhere in the repository is no new evidence."""
    world = ProbeWorld("commit", "json")
    try:
        expected = replace(release("v2"), carries=lambda _: True)
        found = set()
        for answer in (COMMIT, "f" * 40):
            world.says(answer)
            found.add(world.syncer().report(world.environment, expected).fingerprint)
    finally:
        world.close()

    assert len(found) == 1


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((200, None, b'{"build": {"version": "v1\x1b"}}'), "has no text at build.version"),
        ((200, None, b'{"build": {"version": "v\\u202e1"}}'), "v 1 answers, waiting for ghcr.io/acme/shop:v2"),
        ((200, None, b'{"build": {"version": 2}}'), "has no text at build.version"),
        ((200, None, b"<html>"), "has no text at build.version"),
        ((200, None, b"[" * 100_000), "has no text at build.version"),
        ((503, None, b'{"build": {"version": "v2"}}'), "answers with status 503"),
        ((302, None, b'{"build": {"version": "v2"}}'), "answers with status 302"),
    ],
)
def test_a_wrong_answer_is_waited_for(world, answer, said):
    """Whatever is not plainly the expected version is waited for, and said in printable words."""
    world.answer = answer
    report = world.syncer().report(world.environment, release("v2"))

    assert (report.state, said in report.detail, report.detail.isprintable()) == (SyncState.WAITING, True, True)


def test_an_endless_answer_is_cut(world):
    """An answer beyond the cap is no answer."""
    world.answer = (200, None, b" " * 1_000_000)
    with pytest.raises(Retry) as retry:
        world.syncer().report(world.environment, release("v2"))

    assert "longer than 262144 bytes" in str(retry.value)


def test_a_dripping_answer_is_cut():
    """A server that sends a byte now and then holds nobody beyond the time-out."""
    listener = socket.create_server(("127.0.0.1", 0))
    stop = threading.Event()

    def drip() -> None:
        connection, _ = listener.accept()
        with connection, suppress(OSError):
            connection.sendall(b"HTTP/1.1 200 OK\r\n")
            while not stop.wait(0.1):
                connection.sendall(b"X-Drip: 1\r\n")

    server = threading.Thread(target=drip)
    server.start()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    probed = environment(SyncSpec("probe", {"url": url, "header": "X-Version", "reports": "image"}))
    try:
        with pytest.raises(Retry):
            ProbeSyncer(Allowed(targets=("127.0.0.1",)), timeout=1.0).report(probed, release("v2"))
    finally:
        stop.set()
        server.join()
        listener.close()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"url": "http://evil.example/", "json": "v"}, "does not allow the probe's host evil.example"),
        ({"url": "file:///etc/passwd", "json": "v"}, "expected http:// or https:// and a host, no user"),
        ({"url": "http://user:secret@127.0.0.1/", "json": "v"}, "expected http:// or https:// and a host, no user"),
        ({"url": "http://127.0.0.1:99999/", "json": "v"}, "is no URL"),
    ],
)
def test_only_allowed_hosts_are_called(settings, said):
    """The operator's list decides, before anything is sent."""
    probed = environment(SyncSpec("probe", {"reports": "image", **settings}))
    with pytest.raises(Refused) as refused:
        ProbeSyncer(Allowed(targets=("127.0.0.1",))).report(probed, release("v2"))

    assert (said in str(refused.value), "secret" in str(refused.value)) == (True, False)


def test_a_release_without_an_image_cannot_be_reported(world):
    """Missing data is no match."""
    world.says("v2")
    with pytest.raises(Refused) as refused:
        world.syncer().report(world.environment, Expected(COMMIT, "tree", Release((), "none")))

    assert "`promote` names none" in str(refused.value)


def test_jsonpath_finds_a_value():
    """A JMESPath expression is applied; what is not there, or of the wrong type, is None."""
    document = {"a": [{"b": "x"}], "n": 1}

    assert [search(text, document) for text in ("a[0].b", "a[1].b", "length(n)")] == ["x", None, None]


@pytest.mark.parametrize("expression", ["a[", "", "nothing(a)", "a" * 2000, "(" * 900])
def test_a_broken_expression_is_refused(expression):
    """A mistake in an expression is its author's, and never passes."""
    with pytest.raises(Refused):
        search(expression, {"a": 1})


@contextmanager
def one_connection(answer: Callable[[socket.socket], None]) -> Iterator[int]:
    """A server for one connection; gives its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection, suppress(OSError):
                answer(connection)

        server = threading.Thread(target=serve)
        server.start()
        try:
            yield listener.getsockname()[1]
        finally:
            server.join()


def test_a_dripping_handshake_is_cut():
    """The deadline is over TLS, too, where each byte comes in time and the next one never is the last."""
    stop = threading.Event()

    def drip(connection: socket.socket) -> None:
        connection.sendall(b"\x16\x03\x03\x40\x00")  # a record of 16 KiB begins
        while not stop.wait(0.1):
            connection.sendall(b"\x02")

    with one_connection(drip) as port:
        settings = {"url": f"https://127.0.0.1:{port}/", "header": "X-Version", "reports": "image"}
        began = monotonic()
        try:
            with pytest.raises(Retry):
                ProbeSyncer(Allowed(targets=("127.0.0.1",)), timeout=0.5).report(
                    environment(SyncSpec("probe", settings)), release("v2")
                )
            took = monotonic() - began
        finally:
            stop.set()

    assert took < 5.0


@pytest.mark.parametrize(("subject", "state"), [("IP:127.0.0.1", SyncState.SYNCED), ("DNS:other.example", None)])
def test_tls_is_verified(tmp_path, monkeypatch, subject, state):
    """The certificate must be the probed host's, of a known authority; otherwise nothing is known."""
    authority = Authority.create(tmp_path / "authority")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.sign(subject))
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificates))

    def answer(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secured:
            secured.recv(65536)
            secured.sendall(b"HTTP/1.1 200 OK\r\nX-Version: v2\r\nContent-Length: 0\r\n\r\n")

    with one_connection(answer) as port:
        settings = {"url": f"https://127.0.0.1:{port}/", "header": "X-Version", "reports": "image"}
        try:
            found = (
                ProbeSyncer(Allowed(targets=("127.0.0.1",)))
                .report(environment(SyncSpec("probe", settings)), release("v2"))
                .state
            )
        except Retry:
            found = None

    assert found is state
