"""How the operator's file says that commits are signed. Called by `gitslo.config`; the wiring makes what signs.

Must stay true: the key is only where it is, never what it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from gitslo.core.document import Field
from gitslo.secret import SecretRef, secret_at

__all__ = ["CommitSigning", "Signing", "parse_signing"]


class Signing(StrEnum):
    """Which kind of signature."""

    SSH = "ssh"
    GPG = "gpg"


@dataclass(frozen=True, slots=True)
class CommitSigning:
    """Every commit is signed.

    Attributes:
        key: the private key, without passphrase.
    """

    kind: Signing
    key: SecretRef


def parse_signing(field: Field | None, author: Field | None) -> CommitSigning | None:
    """The `commit` of one repository.

    Args:
        field: as it stands there; None: it is left out.
        author: the repository's `author`.
    """
    if field is None or not field.sound:
        return None
    key, signing = field.get("key"), field.text_of("signing", "none")
    if signing == "none":
        if key is not None:
            key.add(
                "there is a key and nothing is signed", "say `signing: ssh` or `signing: gpg` beside it", on_key=True
            )
        return None
    if key is None:
        hint = f"e.g. `commit: {{signing: {signing}, key: {{file: /run/secrets/signing-key}}}}`"
        field.add(f"`signing: {signing}` needs a `key`", hint)
        return None
    if author is None or author.get("email") is None:
        field.add(
            "commits are signed, and `author` says no address",
            "give `author: {email: ...}`: a forge holds the signature against the account that has this address",
            on_key=True,
        )
    return CommitSigning(Signing(signing), secret_at(key))
