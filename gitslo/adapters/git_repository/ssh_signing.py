"""Signing with an SSH key, as Git does: `ssh-keygen -Y sign -n git` (PROTOCOL.sshsig of OpenSSH).

Called through `signing.Signer`. The key is in a memory file that only the program inherits: on no disk, and gone with
the two processes however they end. Whether it can sign is read from the file itself, whose format is PROTOCOL.key of
OpenSSH, because ssh-keygen would only say that it is no key, or ask for a passphrase.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import struct

from gitslo.adapters.git_repository.faults import cleaned
from gitslo.adapters.git_repository.signing import SigningKey, located, run

__all__ = ["SshSigning", "see_that_it_signs"]

_BLOCK = re.compile(r"-----BEGIN OPENSSH PRIVATE KEY-----\n([A-Za-z0-9+/=\n]+)-----END OPENSSH PRIVATE KEY-----\n?\Z")
_MAGIC = b"openssh-key-v1\0"
_DETERMINISTIC = {"ssh-ed25519", "ssh-rsa"}
_ANOTHER = "make one that only gitslo has: `ssh-keygen -t ed25519 -N '' -f KEY`"
_SIGNATURE = b"-----BEGIN SSH SIGNATURE-----\n"


class SshSigning:
    """See the module.

    Args:
        timeout: seconds for one signature.

    Raises:
        Fatal: there is no ssh-keygen on this machine.
    """

    def __init__(self, timeout: float) -> None:
        self._program = located("ssh-keygen", "OpenSSH 8.2 or later, e.g. the package openssh-client")
        self._timeout = timeout

    def sign(self, key: SigningKey, text: str, payload: bytes, wall: int) -> str:  # noqa: ARG002 - it has no date
        """See `signing.Way`; an SSH signature has no date in it."""
        see_that_it_signs(key, text)
        descriptor = os.memfd_create("gitslo-signing")
        try:
            os.fchmod(descriptor, 0o600)  # ssh-keygen refuses a key that others may read
            os.write(descriptor, text.encode())
            argv = (self._program, "-q", "-Y", "sign", "-n", "git", "-f", f"/proc/self/fd/{descriptor}")
            said = run(
                argv,
                payload,
                text=text,
                timeout=self._timeout,
                descriptor=descriptor,
                SSH_ASKPASS_REQUIRE="never",
            )
        finally:
            os.close(descriptor)
        if said.code or not said.out.startswith(_SIGNATURE):
            raise key.wrong(
                f"ssh-keygen cannot sign with the key: {cleaned(said.said) or f'it ended with {said.code}'}"
            )
        return said.out.decode("ascii").rstrip("\n")


def see_that_it_signs(key: SigningKey, text: str) -> None:
    """Whether this is a private key of OpenSSH's own format, of a type that signs the same twice, without passphrase.

    Raises:
        Refused: it is not.
    """
    block = _BLOCK.match(text)
    if block is None:
        raise key.wrong(*_what_it_is(text))
    try:
        cipher, kind = _cipher_and_type(base64.b64decode(block[1]))
    except (binascii.Error, struct.error, UnicodeDecodeError, ValueError):
        raise key.wrong("the signing key is cut off or garbled", _ANOTHER) from None
    if cipher != "none":
        raise key.wrong(
            "the signing key is protected by a passphrase, and nobody is there to type it",
            "take it off with `ssh-keygen -p -N '' -f KEY` and keep the key as you keep a token",
        )
    if kind.startswith("sk-"):
        raise key.wrong(f"the signing key is of type {kind}: its device wants to be touched for each commit", _ANOTHER)
    if kind not in _DETERMINISTIC:
        raise key.wrong(
            f"the signing key is of type {kind}, which signs the same commit differently each time", _ANOTHER
        )


def _what_it_is(text: str) -> tuple[str, str]:
    if re.match(r"(ssh-|ecdsa-|sk-)\S+ [A-Za-z0-9+/=]+", text):
        return "the signing key is a public key", "name the private one: the file of the same name without `.pub`"
    if text.startswith("-----BEGIN PGP"):
        return "the signing key is one of OpenPGP", "say `signing: gpg`"
    if text.startswith("PuTTY-User-Key-File"):
        return "the signing key is in PuTTY's format", "write it with `puttygen KEY -O private-openssh-new -o NEW`"
    if re.match(r"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----", text) or "ENCRYPTED" in text:
        return "the signing key is not in OpenSSH's own format", "`ssh-keygen -p -N '' -f KEY` writes it so"
    return "the signing key is no private key of OpenSSH", _ANOTHER


def _cipher_and_type(data: bytes) -> tuple[str, str]:
    """What the file says before the part that a passphrase protects: the cipher, and the first key's type."""
    if not data.startswith(_MAGIC):
        raise ValueError("no key of this format")
    at = len(_MAGIC)

    def text() -> bytes:
        nonlocal at
        (length,) = struct.unpack_from(">I", data, at)
        found = data[at + 4 : at + 4 + length]
        if len(found) < length:
            raise ValueError("cut off")
        at += 4 + length
        return found

    cipher = text().decode("ascii")
    text()  # how the passphrase becomes a key
    text()  # and with what
    at += 4  # how many keys
    public = text()
    (length,) = struct.unpack_from(">I", public)
    return cipher, public[4 : 4 + length].decode("ascii")
