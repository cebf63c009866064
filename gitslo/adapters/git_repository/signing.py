"""Signatures of commits: the key as it is read, the program that signs, and the proof that it signs twice the same.

Used by `repository` for every commit that it builds; `ssh_signing` and `gpg_signing` are the two ways. Made by the
wiring. **Invariants**
* the same commit has the same signature on every machine that has the key: a change's id is recorded before it is
  published, and whoever continues builds it again (docs/decisions/0004 and 0015). A key of which that does not hold is
  refused at its first use;
* the key is in no argument vector, no environment, no error, and on no disk (see the two ways for where it is);
* a program that signs knows nothing of the caller's environment, asks nobody, and is gone when the call returns.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Protocol

from gitslo.adapters.git_repository.child import Child, Finished
from gitslo.adapters.git_repository.faults import TimedOut, TooLarge
from gitslo.errors import Fatal, Problem, Refused, Retry

__all__ = ["Signer", "SigningKey", "Way", "lines_of", "located", "run"]

_CAP = 1 << 18
_LATER = 30.0
_SHORTEST_MASKED = 16


@dataclass(frozen=True, slots=True)
class SigningKey:
    """Where the private key comes from.

    Attributes:
        read: its text, anew at every use, so that a rotated one is taken up.
        place: where the operator's file names it, for messages.
    """

    read: Callable[[], str]
    place: Problem = field(default=Problem(""))

    def wrong(self, message: str, hint: str = "") -> Refused:
        """What is said of a key that cannot sign."""
        return Refused(replace(self.place, message=message, hint=hint))


class Way(Protocol):
    """One kind of signature."""

    def sign(self, key: SigningKey, text: str, payload: bytes, wall: int) -> str:
        """The signature of `payload`, armoured, without a final line break.

        Args:
            key: for messages.
            text: of the private key; every line ends with a line break.
            payload: the commit without its signature.
            wall: of the commit, seconds since the epoch.

        Raises:
            Refused: the key cannot sign. Retry: the program did not end in time.
        """


class Signer:
    """Signs commits with one key.

    Args:
        key: the private key.
        way: how.
    """

    def __init__(self, key: SigningKey, way: Way) -> None:
        self._key = key
        self._way = way
        self._proven = ""

    def sign(self, payload: bytes, wall: int) -> str:
        """As `Way.sign`.

        Raises:
            Refused: the key cannot sign, or not twice the same. Retry: the program did not end in time.
        """
        text = "".join(f"{line.rstrip()}\n" for line in self._key.read().strip().splitlines())
        signature = self._way.sign(self._key, text, payload, wall)
        known = sha256(text.encode()).hexdigest()
        if self._proven != known:
            if self._way.sign(self._key, text, payload, wall) != signature:
                raise self._key.wrong(
                    "the key signs the same commit differently each time, so that no other process could go on",
                    "an ssh key of type ed25519 or rsa, or any OpenPGP key with GnuPG 2.2 or 2.4, signs it the same",
                )
            self._proven = known
        return signature

    def check(self) -> None:
        """Sign something, so that a key that cannot sign is known before it is needed; errors as `sign`."""
        self.sign(b"gitslo\n", 0)


def located(program: str, package: str) -> str:
    """A program's path.

    Raises:
        Fatal: it is not installed.
    """
    found = shutil.which(program)
    if found is None:
        raise Fatal(f"`commit.signing` needs the program `{program}`, which is not in PATH; it is part of {package}")
    return found


def lines_of(text: str) -> list[str]:
    """What is masked of a key wherever it would be said."""
    return [line for line in text.splitlines() if len(line) >= _SHORTEST_MASKED and not line.startswith("-----")]


def run(
    argv: Sequence[str], stdin: bytes, *, text: str, timeout: float, descriptor: int | None = None, **variables: str
) -> Finished:
    """Run a program that signs to its end, in a session and an environment of its own.

    Args:
        argv: the program's path and its arguments.
        stdin: what it reads.
        text: of the key, of which nothing is repeated.
        timeout: seconds.
        descriptor: of ours, which it inherits.
        variables: of its environment, beside PATH.

    Raises:
        Retry: it cannot be started now, or did not end in time. Refused: it printed too much.
    """
    environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", **variables}
    try:
        popen = subprocess.Popen(
            list(argv),
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            pass_fds=() if descriptor is None else (descriptor,),
            cwd="/",
        )
    except OSError as error:
        raise Retry(f"{argv[0]} cannot be started: {error.strerror}", _LATER) from None
    child = Child(popen, time.monotonic() + timeout, _CAP, lines_of(text))
    try:
        return child.finish(stdin)
    except TimedOut:
        raise Retry(f"{argv[0]} did not end within {timeout:g} s", _LATER) from None
    except TooLarge:
        raise Refused(f"{argv[0]} printed more than {_CAP >> 10} KiB") from None
    finally:
        child.end()
