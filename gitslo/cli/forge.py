"""What a forge can do and cannot do, as a document and as text: for `status`, and what is known of it for `check`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from gitslo.config import RepositoryConfig
    from gitslo.ports import Repository

__all__ = ["ForgeDocument", "forge_document", "forge_lines"]


class ForgeDocument(TypedDict):
    """One forge in the JSON of `status`; `problem`: why it could not be asked, or null."""

    name: str
    merges: list[str]
    cannot: list[str]
    problem: str | None


def forge_document(config: RepositoryConfig, repository: Repository, *, direct: bool = False) -> ForgeDocument:
    """Ask the forge; one that does not answer is said, and stops nothing.

    Args:
        config: the operator's file about the repository.
        repository: for the forge that lives in it.
        direct: whether changes go straight onto the branch, so that it matters how those are told.
    """
    from gitslo.errors import GitsloError
    from gitslo.wiring_forge import forge_of
    from gitslo.wiring_run import SystemClock

    try:
        known = forge_of(config, repository, SystemClock()).capabilities()
    except GitsloError as error:
        return ForgeDocument(name=config.forge.kind, merges=[], cannot=[], problem=str(error))
    cannot = list(known.cannot)
    for missing, what in ((not known.statuses, "commit statuses"), (not known.comments, "comments")):
        if missing:
            cannot.append(f"It has no {what}.")
    if direct and not known.commit_comments:
        cannot.append(
            "It has no comments on commits: with `mode: direct` the statuses of commits are all that is told."
        )
    if not known.expected_head_merge:
        cannot.append("A merge cannot name the head that it means: a push in the last moment would be merged, too.")
    return ForgeDocument(name=known.name or config.forge.kind, merges=list(known.merges), cannot=cannot, problem=None)


def forge_lines(forge: ForgeDocument) -> Iterator[str]:
    """The same for people."""
    from gitslo.cli.style import plain

    if forge["problem"] is not None:
        yield plain(f"forge: {forge['name']}: {forge['problem']}")
        return
    first, *others = forge["merges"] or ["merge"]
    also = f" ({', '.join(others)} would do, too)" if others else ""
    yield plain(f"forge: {forge['name']}; we merge by {first}{also}")
    for line in forge["cannot"]:
        yield f"  {plain(line)}"
