"""Signing with an OpenPGP key, as Git does: `gpg --detach-sign`, in a home of its own with the one key.

Called through `signing.Signer`. An OpenPGP signature carries its date (RFC 9580, section 5.2.3.11): it is the commit's,
or the key's own where that is later, and not the clock's, so that the same commit has the same signature.

**Invariants**: the home is for our user alone, in memory where the machine has a file system there, and removed when
the call returns, its agent ended; what a killed process left is removed by the next. Statuses are read
(doc/DETAILS of GnuPG), never its words.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import re
import shutil
import sys
import tempfile
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from gitslo.adapters.git_repository import gpg_child
from gitslo.adapters.git_repository.child import Finished
from gitslo.adapters.git_repository.faults import cleaned, masked
from gitslo.adapters.git_repository.signing import SigningKey, lines_of, located, run
from gitslo.errors import Retry

__all__ = ["GpgSigning"]

_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of random name is made in it
_PREFIX = "gitslo-gpg-"
_EXPORT = "export it with `gpg --armor --export-secret-keys ADDRESS`"
_NO_PINENTRY = 85
"""GPG_ERR_NO_PIN_ENTRY of libgpg-error: it would have to ask for a passphrase, and may not."""
_UNUSABLE_SECKEY = 54
"""GPG_ERR_UNUSABLE_SECKEY: it was usable when it was looked at, so it is the date."""
_CODE = 0xFFFF
_LATER = 30.0
_UNUSABLE = {"e": "has expired", "r": "is revoked", "d": "is disabled", "i": "is not valid", "n": "is not valid"}


@dataclass(frozen=True, slots=True)
class _Chosen:
    """What signs.

    Attributes:
        fingerprint: of the primary key or of a subkey.
        since: seconds since the epoch; it did not exist as it is before.
    """

    fingerprint: str
    since: int


class GpgSigning:
    """See the module.

    Args:
        timeout: seconds for one signature.

    Raises:
        Fatal: there is no gpg on this machine.
    """

    def __init__(self, timeout: float) -> None:
        self._gpg = located("gpg", "GnuPG 2.2 or later, e.g. the package gnupg")
        self._gpgconf = located("gpgconf", "GnuPG 2.2 or later, e.g. the package gnupg")
        self._timeout = timeout
        self._known: tuple[str, _Chosen] | None = None

    def sign(self, key: SigningKey, text: str, payload: bytes, wall: int) -> str:
        """See `signing.Way`."""
        if not text.startswith("-----BEGIN PGP PRIVATE KEY BLOCK-----"):
            raise key.wrong(*_what_it_is(text))
        chosen = self._chosen(key, text)
        _, said = self._session(
            text,
            payload,
            "--status-fd=2",
            "--digest-algo=SHA512",
            "--no-emit-version",
            f"--faked-system-time={max(wall, chosen.since)}!",
            f"--local-user={chosen.fingerprint}!",
            "--armor",
            "--detach-sign",
        )
        if said.code or "\n[GNUPG:] SIG_CREATED " not in f"\n{said.said}":
            failure = re.search(r"^\[GNUPG:\] FAILURE sign (\d+)", said.said, re.MULTILINE)
            code = int(failure[1]) & _CODE if failure is not None else 0
            if code == _NO_PINENTRY:
                raise key.wrong(
                    "the signing key is protected by a passphrase, and nobody is there to type it",
                    "take it off with `gpg --edit-key ADDRESS passwd`, export it, and keep it as you keep a token",
                )
            if code == _UNUSABLE_SECKEY:
                raise key.wrong("the signing key has expired, or is not valid at the commit's date", _EXPORT)
            raise key.wrong(f"gpg cannot sign with the key: {cleaned(said.said) or f'it ended with {said.code}'}")
        return said.out.decode("ascii").rstrip("\n")

    def _chosen(self, key: SigningKey, text: str) -> _Chosen:
        """The newest key of the one in the file that may sign and has not expired by now."""
        digest = sha256(text.encode()).hexdigest()
        if self._known is not None and self._known[0] == digest:
            return self._known[1]
        taken, listed = self._session(text, b"", "--with-colons", "--fixed-list-mode", "--list-secret-keys")
        rows = [line.split(":") for line in listed.out.decode("utf-8", "replace").splitlines()]
        primary = [row for row in rows if row[0] == "sec"]
        if not primary:
            raise key.wrong(f"gpg finds no private key in it: {cleaned(taken.said)}", _EXPORT)
        if len(primary) > 1:
            raise key.wrong(f"there are {len(primary)} private keys in it, and which one signs is not said", _EXPORT)
        found = _usable(rows)
        if not found:
            why = _UNUSABLE.get(primary[0][1], "has no part that may sign, or only its stub was exported")
            raise key.wrong(f"the signing key {why}", _EXPORT)
        # a self-signature is the address's date: before it, gpg does not take the key for valid
        since = max(int(row[5] or 0) for row in rows if row[0] in {"sec", "ssb", "uid"})
        chosen = _Chosen(max(found)[1], since)
        self._known = (digest, chosen)
        return chosen

    def _session(self, text: str, stdin: bytes, *arguments: str) -> tuple[Finished, Finished]:
        """Take the key in and run gpg once, in a home of their own: how either ended.

        Raises:
            Retry: it cannot be done now, or not in time.
        """
        try:
            home, lock = _made()
        except OSError as error:
            raise Retry(f"no folder for the signing key can be made: {error.strerror}", _LATER) from None
        quietly = ("--no-options", "--batch", "--no-tty", "--quiet", "--pinentry-mode=error", "--no-auto-key-locate")
        gpg = (self._gpg, f"--homedir={home}", "--trust-model=always", *quietly)
        steps = (
            ((*gpg, "--import"), text.encode()),
            ((*gpg, *arguments), stdin),
            ((self._gpgconf, f"--homedir={home}", "--kill", "all"), b""),
        )
        asked = [{"argv": argv, "stdin": base64.b64encode(read).decode()} for argv, read in steps]
        try:
            argv = (sys.executable, "-I", "-S", gpg_child.__file__)
            given = json.dumps(asked).encode()
            came = run(argv, given, text=text, timeout=self._timeout, GNUPGHOME=str(home), HOME=str(home))
        finally:
            # an agent that was not told to end does so by itself when its home is gone
            shutil.rmtree(home, ignore_errors=True)
            os.close(lock)
        if came.code:
            raise Retry(f"gpg cannot be run: {cleaned(came.said) or f'it ended with {came.code}'}", _LATER)
        taken, said, _ = (_finished(each, text) for each in json.loads(came.out))
        return taken, said


def _finished(step: dict[str, Any], text: str) -> Finished:
    """How a step ended; of the key nothing is repeated."""
    out, said = (base64.b64decode(step[key]) for key in ("out", "said"))
    return Finished(step["code"], out, masked(said.decode("utf-8", "replace"), lines_of(text)))


def _what_it_is(text: str) -> tuple[str, str]:
    if text.startswith("-----BEGIN PGP PUBLIC KEY BLOCK-----"):
        return "the signing key is a public key", _EXPORT
    if re.match(r"-----BEGIN [A-Z ]*PRIVATE KEY-----", text):
        return "the signing key is none of OpenPGP", "say `signing: ssh`, or name an armoured key of OpenPGP"
    return "the signing key is no armoured private key of OpenPGP", _EXPORT


def _usable(rows: list[list[str]]) -> list[tuple[int, str]]:
    """(since when, fingerprint) of each key that may sign, is there, and is neither expired nor revoked."""
    found: list[tuple[int, str]] = []
    good, since = False, 0
    for row in rows:
        if row[0] in {"sec", "ssb"}:
            good = "s" in row[11] and row[14] == "+" and row[1] not in _UNUSABLE
            since = int(row[5] or 0)
        elif row[0] == "fpr" and good:
            found.append((since, row[9]))
            good = False
    return found


def _made() -> tuple[Path, int]:
    """A new home, and the descriptor whose lock says that it is in use; what killed processes left goes first."""
    base = _MEMORY if os.access(_MEMORY, os.W_OK | os.X_OK) else Path(tempfile.gettempdir())
    for left in base.glob(f"{_PREFIX}*"):
        _remove_if_left(left)
    fresh = Path(tempfile.mkdtemp(prefix="gitslo-new-", dir=base))
    lock = os.open(fresh, os.O_RDONLY | os.O_DIRECTORY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    # only now does it get a name that is looked for
    return fresh.rename(fresh.with_name(fresh.name.replace("gitslo-new-", _PREFIX))), lock


def _remove_if_left(home: Path) -> None:
    """Remove a home whose process is gone: nobody holds its lock."""
    with contextlib.suppress(OSError):  # another user's cannot be opened
        descriptor = os.open(home, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(home, ignore_errors=True)
        finally:
            os.close(descriptor)
