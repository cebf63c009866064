"""What every Repository must do, as checks that run on a real one and on a fake alike.

A test suite builds a `RepositoryWorld` and runs every check of `REPOSITORY_CONTRACT` on a fresh one. A check raises
AssertionError where the repository breaks the contract.
"""

from __future__ import annotations

from collections.abc import Callable

from gitslo.testing.repository_reads import READS
from gitslo.testing.repository_world import LEDGERS, RepositoryWorld
from gitslo.testing.repository_writes import WRITES

__all__ = ["LEDGERS", "REPOSITORY_CONTRACT", "RepositoryWorld"]

REPOSITORY_CONTRACT: tuple[Callable[[RepositoryWorld], None], ...] = (*READS, *WRITES)
"""Every check, each for a fresh world."""
