from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gitslo.adapters.git_repository import GpgSigning, Signer, SigningKey, SshSigning
from gitslo.adapters.git_repository.objects import commit_object, tree_object
from gitslo.errors import Fatal, Problem, Refused, Retry
from gitslo.ports import RefUpdate
from gitslo.testing.git_server import BareRepository
from tests.e2e.processes import command_lines
from tests.git.audit import processes
from tests.git.worlds import client
from tests.signing.keys import ADDRESS, Key, gpg_key, ssh_key

AUTHOR = ("gitslo", ADDRESS)
LEDGER = "refs/gitslo/shop/dev"


@pytest.fixture(scope="module", params=["ed25519", "rsa", "gpg ed25519", "gpg rsa2048", "gpg nistp256"])
def key(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Key]:
    """One key of each kind that may sign."""
    folder = tmp_path_factory.mktemp("key")
    way, _, kind = request.param.rpartition(" ")
    if not way:
        yield ssh_key(folder, kind)
        return
    with gpg_key(folder, kind=kind) as made:
        yield made


@pytest.fixture(scope="module")
def openpgp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Key]:
    """An OpenPGP key."""
    with gpg_key(tmp_path_factory.mktemp("openpgp")) as made:
        yield made


def signer(kind: str, text: str, timeout: float = 30.0) -> Signer:
    """What signs with a private key."""
    way = SshSigning(timeout) if kind == "ssh" else GpgSigning(timeout)
    return Signer(SigningKey(lambda: text, Problem("", file="operator.yaml", line=9)), way)


def of(key: Key) -> Signer:
    """What signs with this key."""
    return signer(key.kind, key.private.read_text())


def refused(kind: str, text: str) -> str:
    """What is said of a key that cannot sign."""
    with pytest.raises(Refused) as caught:
        signer(kind, text).check()
    return str(caught.value)


# --------------------------------------------------------------------------- what is signed


def test_what_is_published_is_signed_as_git_signs(key, tmp_path) -> None:
    """Git verifies the change and the ledger's entry as signed by the key, read back from the server."""
    bare = BareRepository.create(tmp_path / "shop.git")
    tip = bare.commit({"a": b"1"})
    repository = client(bare.url, tmp_path / "cache", author=AUTHOR, sign=of(key).sign)
    repository.list_refs()
    change = repository.commit([tip], tip, {"a": b"2"}, "Promote\n\nGitslo-Run: 1\n", 1_900_000_000.0)
    entry = repository.commit([], None, {"ledger.json": b"{}"}, "claim", 1_900_000_000.0)
    repository.swap([RefUpdate("refs/heads/main", tip, change)])
    repository.swap([RefUpdate(LEDGER, None, entry)])

    assert (change, entry) == (bare.tip(), bare.refs()[LEDGER])
    assert [True, True, False] == [key.verified(bare.path, commit) for commit in (change, entry, tip)]
    assert (("Gitslo-Run", "1"),) == repository.commit_info([change])[change].trailers


def test_a_commit_is_the_same_on_every_machine(key, tmp_path) -> None:
    """Two that know only the key and the arguments build the same signed commit, whenever they do."""
    bare = BareRepository.create(tmp_path / "shop.git")
    tip = bare.commit({"a": b"1"})
    made = set()
    for cache in ("one", "two"):
        repository = client(bare.url, tmp_path / cache, author=AUTHOR, sign=of(key).sign)
        repository.list_refs()
        made.add(repository.commit([tip], tip, {"a": b"2"}, "same", 5.0))
    unsigned = client(bare.url, tmp_path / "three", author=AUTHOR)
    unsigned.list_refs()

    assert 1 == len(made)
    assert made != {unsigned.commit([tip], tip, {"a": b"2"}, "same", 5.0)}


def test_a_signature_is_where_git_looks_for_it(tmp_path) -> None:
    """What is signed is the commit as it would be without its signature, which is its last header."""
    told = []

    def sign(payload: bytes, wall: int) -> str:
        told.append((payload, wall))
        return "-----BEGIN\n\nline\n-----END"

    tree = tree_object([]).id
    plain = commit_object(tree, [], AUTHOR, 7, "subject\n\nbody")
    signed = commit_object(tree, [], AUTHOR, 7, "subject\n\nbody", sign)
    head, _, rest = plain.body.partition(b"\n\n")

    assert [(plain.body, 7)] == told
    assert head + b"\ngpgsig -----BEGIN\n \n line\n -----END\n\n" + rest == signed.body


def test_a_rotated_key_is_taken_up(tmp_path) -> None:
    """The key is read for each commit: the next one is signed by what stands there then."""
    keys = [ssh_key(tmp_path / name) for name in ("old", "new")]
    texts = [keys[0].private.read_text()]
    way = Signer(SigningKey(lambda: texts[-1]), SshSigning(30.0))
    first = way.sign(b"x", 5)
    texts.append(keys[1].private.read_text())

    assert [of(keys[0]).sign(b"x", 5), of(keys[1]).sign(b"x", 5)] == [first, way.sign(b"x", 5)]


def test_a_key_that_is_younger_than_the_commit_signs_it(tmp_path) -> None:
    """A key that was rotated while a change was under way: its signature is dated by the key, which is then valid."""
    with gpg_key(tmp_path, made=1_750_000_000) as key:
        bare = BareRepository.create(tmp_path / "shop.git")
        tip = bare.commit({"a": b"1"})
        repository = client(bare.url, tmp_path / "cache", author=AUTHOR, sign=of(key).sign)
        repository.list_refs()
        commit = repository.commit([tip], tip, {"a": b"2"}, "older than the key", 1_700_000_000.0)
        repository.swap([RefUpdate("refs/heads/main", tip, commit)])
        shown = bare.git("cat-file", "commit", commit)

    assert b"gpgsig -----BEGIN PGP SIGNATURE-----" in shown


def test_a_subkey_signs_where_there_is_one(tmp_path) -> None:
    """A primary key that only certifies, and a subkey that signs, as people keep them."""
    with gpg_key(tmp_path, "--quick-add-key FPR ed25519 sign never", "--quick-add-key FPR cv25519 encr never") as key:
        bare = BareRepository.create(tmp_path / "shop.git")
        tip = bare.commit({"a": b"1"})
        repository = client(bare.url, tmp_path / "cache", author=AUTHOR, sign=of(key).sign)
        repository.list_refs()
        commit = repository.commit([tip], tip, {"a": b"2"}, "by the subkey", 1_900_000_000.0)
        repository.swap([RefUpdate("refs/heads/main", tip, commit)])

        assert key.verified(bare.path, commit)


# --------------------------------------------------------------------------- where the key is


def test_the_key_is_in_no_argument_and_no_environment(key) -> None:
    """Neither what is started nor what a process list shows has a line of the key."""
    lines = [line for line in key.private.read_text().splitlines() if len(line) > 16 and "-----" not in line]
    with processes() as started:
        of(key).check()
    seen = "\n".join(" ".join(argv) for argv in started)

    assert started
    assert [] == [line for line in lines if line in seen or line in str(os.environ)]


def test_nothing_is_left_of_an_openpgp_key(openpgp) -> None:
    """Neither its home nor its agent outlives the signature, not even as a zombie of ours; what was left is removed."""
    base = Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else Path(os.environ.get("TMPDIR", "/tmp"))
    left = base / "gitslo-gpg-left"
    left.mkdir()
    (left / "secret").write_text("x")
    before = set(base.glob("gitslo-*")) - {left}
    of(openpgp).check()
    agents = [line for line in command_lines().values() if b"gpg-agent" in line and b"gitslo-gpg-" in line]

    assert set() == set(base.glob("gitslo-*")) - before
    assert [] == agents


def test_a_home_in_use_is_nobody_elses_to_remove(openpgp) -> None:
    """Several sign at once: each in a home of its own, which the others leave alone."""
    came: list[str] = []
    threads = [threading.Thread(target=lambda: came.append(of(openpgp).sign(b"x", 1_900_000_000))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [came[0]] * 4 == came


# --------------------------------------------------------------------------- keys that cannot sign


@pytest.mark.parametrize(
    ("kind", "passphrase", "options", "expected"),
    [
        ("ed25519", "secret words", (), "protected by a passphrase"),
        ("rsa", "secret words", (), "protected by a passphrase"),
        ("ecdsa", "", (), "ecdsa-sha2-nistp256, which signs the same commit differently each time"),
        ("rsa", "", ("-m", "PEM"), "not in OpenSSH's own format (`ssh-keygen -p"),
        ("rsa", "", ("-m", "PKCS8"), "not in OpenSSH's own format (`ssh-keygen -p"),
    ],
)
def test_an_ssh_key_that_cannot_sign_is_said_with_what_to_do(tmp_path, kind, passphrase, options, expected) -> None:
    """The reason and the command that mends it, with the place in the operator's file, and nothing of the key."""
    made = ssh_key(tmp_path, kind, passphrase, *options)
    said = refused("ssh", made.private.read_text())

    assert said.startswith("operator.yaml:9: the signing key is ")
    assert expected in said
    assert "PRIVATE" not in said


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIP8f bot", "is a public key (name the private one"),
        ("-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nlFgE\n-----END PGP PRIVATE KEY BLOCK-----", "say `signing: gpg`"),
        ("PuTTY-User-Key-File-3: ssh-ed25519\n", "PuTTY's format"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----", "is cut off or garbled"),
        ("hunter2", "is no private key of OpenSSH"),
    ],
)
def test_what_is_no_ssh_key_is_said_as_what_it_is(text, expected) -> None:
    """A public key, an OpenPGP key, PuTTY's file, half a key, anything else; the text itself is not repeated."""
    said = refused("ssh", text)

    assert expected in said
    assert "hunter2" not in said


def test_a_key_on_a_device_is_refused(tmp_path) -> None:
    """It would wait for a finger at each commit."""
    import base64
    import struct

    def text(data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + data

    public = text(text(b"sk-ssh-ed25519@openssh.com"))
    body = b"openssh-key-v1\0" + text(b"none") + text(b"none") + text(b"") + struct.pack(">I", 1) + public
    block = base64.b64encode(body).decode()
    said = refused("ssh", f"-----BEGIN OPENSSH PRIVATE KEY-----\n{block}\n-----END OPENSSH PRIVATE KEY-----\n")

    assert "its device wants to be touched" in said


def test_an_openpgp_key_with_a_passphrase_is_refused(tmp_path) -> None:
    """Nobody could type it; what gpg would ask for is not waited for."""
    with gpg_key(tmp_path, passphrase="secret words") as key:
        said = refused("gpg", key.private.read_text())

    assert "operator.yaml:9: the signing key is protected by a passphrase, and nobody is there to type it" in said


def test_an_expired_openpgp_key_is_refused(tmp_path) -> None:
    """Whatever the commit's date: a forge would not call it verified."""
    with gpg_key(tmp_path, made=1_600_000_000, expires="1y") as key:
        said = refused("gpg", key.private.read_text())

    assert "operator.yaml:9: the signing key has expired" in said


def test_an_openpgp_key_that_expires_while_it_is_used_is_refused(tmp_path) -> None:
    """It was good when it was first looked at, and is not any more when the commit is made."""
    with gpg_key(tmp_path, expires="1y") as key:
        way = of(key)
        way.check()
        with pytest.raises(Refused, match=r"operator\.yaml:9: the signing key has expired"):
            way.sign(b"x", 1_950_000_000)


def test_a_key_that_may_not_sign_is_refused(tmp_path) -> None:
    """The part that signs was exported as a stub, whose secret stayed elsewhere: what is left only decrypts."""
    with gpg_key(tmp_path, "--quick-add-key FPR cv25519 encr never") as key:
        argv = ["gpg", "--batch", "--armor", "--export-secret-subkeys"]
        environment = {"PATH": os.environ["PATH"], "GNUPGHOME": str(key.mark)}
        stub = subprocess.run(argv, env=environment, capture_output=True, check=True, timeout=60).stdout.decode()
        said = refused("gpg", stub)

    assert "the signing key has no part that may sign, or only its stub was exported" in said


def test_two_openpgp_keys_are_one_too_many(tmp_path) -> None:
    """Which of them signs would be chance."""
    with gpg_key(tmp_path / "one") as one, gpg_key(tmp_path / "two") as two:
        said = refused("gpg", one.private.read_text() + two.private.read_text())

    assert "there are 2 private keys in it" in said


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmDME\n", "is a public key"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----", "say `signing: ssh`"),
        (
            "-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nhunter2\n-----END PGP PRIVATE KEY BLOCK-----",
            "no private key in it",
        ),
        ("hunter2", "no armoured private key of OpenPGP"),
    ],
)
def test_what_is_no_openpgp_key_is_said_as_what_it_is(text, expected) -> None:
    """A public key, an SSH key, a garbled one, anything else; the text itself is not repeated."""
    said = refused("gpg", text)

    assert expected in said
    assert "hunter2" not in said


class Fickle:
    """A way that never signs the same twice."""

    def __init__(self) -> None:
        self.times = 0

    def sign(self, key: SigningKey, text: str, payload: bytes, wall: int) -> str:
        self.times += 1
        return str(self.times)


def test_a_key_that_signs_differently_each_time_is_refused() -> None:
    """Another process could not build the commit whose id is in the ledger: said at the first signature."""
    with pytest.raises(Refused, match="signs the same commit differently each time"):
        Signer(SigningKey(lambda: "key"), Fickle()).sign(b"x", 5)


@pytest.mark.parametrize(("way", "program"), [(SshSigning, "ssh-keygen"), (GpgSigning, "gpg")])
def test_a_program_that_is_missing_is_named(monkeypatch, tmp_path, way, program) -> None:
    """Before anything is signed: the process must not start."""
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(Fatal, match=f"`commit.signing` needs the program `{program}`"):
        way(30.0)


@pytest.mark.parametrize(("way", "program"), [(SshSigning, "ssh-keygen"), (GpgSigning, "gpg")])
def test_a_program_that_does_not_end_is_ended(monkeypatch, tmp_path, openpgp, way, program) -> None:
    """It is killed with everything it started, and tried again later."""
    key = openpgp if way is GpgSigning else ssh_key(tmp_path / "key")
    for name in ("ssh-keygen", "gpg", "gpgconf"):
        (tmp_path / name).write_text("#!/bin/sh\nexec sleep 600\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    way = Signer(SigningKey(key.private.read_text), way(0.5))

    with pytest.raises(Retry, match="did not end within"):
        way.check()


def test_a_program_that_fails_is_heard_without_the_key(monkeypatch, tmp_path) -> None:
    """Its words are shown as text, and no line of the key is in them, should it repeat one."""
    key = ssh_key(tmp_path / "key")
    program = tmp_path / "ssh-keygen"
    program.write_text('#!/bin/sh\nfor last; do :; done\ncat "$last" >&2\necho "\x1b[2J broken" >&2\nexit 7\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    said = refused("ssh", key.private.read_text())
    body = [line for line in key.private.read_text().splitlines() if "-----" not in line]

    assert "broken" in said
    assert [] == [line for line in body if len(line) > 16 and line in said]
    assert "\x1b" not in said
