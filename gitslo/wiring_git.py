"""What signs a repository's commits. The part of the composition root that knows the two ways of signing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitslo.commit_settings import Signing
from gitslo.config import RepositoryConfig

if TYPE_CHECKING:
    from gitslo.adapters.git_repository import Signer

__all__ = ["signer_of"]

PATIENCE = 30.0
"""Seconds for one process that signs: it takes a hundredth, and longer only where a machine stands still."""


def signer_of(config: RepositoryConfig) -> Signer | None:
    """What the operator's file says; None: commits are not signed. No key is read yet.

    Raises:
        Fatal: the program that signs is not on this machine.
    """
    if config.signing is None:
        return None
    from gitslo.adapters.git_repository import (  # noqa: PLC0415 - with GitPython, for whoever signs
        GpgSigning,
        Signer,
        SigningKey,
        SshSigning,
    )

    reference = config.signing.key
    way = SshSigning(PATIENCE) if config.signing.kind is Signing.SSH else GpgSigning(PATIENCE)
    return Signer(SigningKey(lambda: reference.resolve().reveal(), reference.place), way)
