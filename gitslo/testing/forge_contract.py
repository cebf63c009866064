"""What every Forge must do, as checks that run on a real one and on the fake alike.

A test suite builds a `ForgeWorld` around a forge and runs every check of `FORGE_CONTRACT` on a fresh one; where the
forge keeps issues, an `IssueWorld` and those of `ISSUE_CONTRACT` too. A check raises AssertionError where the forge
breaks the contract.
"""

from __future__ import annotations

from collections.abc import Callable

from gitslo.testing.forge_comments import COMMENTS
from gitslo.testing.forge_issues import ISSUES
from gitslo.testing.forge_merging import MERGING
from gitslo.testing.forge_pulls import PULLS
from gitslo.testing.forge_statuses import STATUSES
from gitslo.testing.forge_world import ForgeWorld, IssueWorld

__all__ = ["FORGE_CONTRACT", "ISSUE_CONTRACT", "ForgeWorld", "IssueWorld"]

FORGE_CONTRACT: tuple[Callable[[ForgeWorld], None], ...] = (*PULLS, *COMMENTS, *STATUSES, *MERGING)
"""Every check, each for a fresh world."""
ISSUE_CONTRACT: tuple[Callable[[IssueWorld], None], ...] = ISSUES
"""Every check of rolling issues, each for a fresh world."""
