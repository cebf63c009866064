"""`gitslo pulls list|show|merge|close`: the local forge's pull requests, for people who have plain Git."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from gitslo.adapters.local_forge import LocalForge, PullRecord

__all__ = ["pulls"]

_NUMBER = click.argument("number", type=click.IntRange(1))
_ASKING = 10.0
"""Seconds for asking Git who this is."""


def _options(command: Callable[..., None]) -> Callable[..., None]:
    """The options that all four share."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print JSON."),
        click.option("--branch", default="main", show_default=True, help="A branch that the repository has."),
        click.option("--repository", "-r", required=True, help="URL, or path of a bare repository on this machine."),
    ):
        command = option(command)
    return command


@click.group()
def pulls() -> None:
    """Pull requests of a repository without a forge: they live in its own refs.

    Example: gitslo pulls list --repository /srv/git/shop-env.git
    """


@pulls.command("list")
@_options
@click.option("--all", "every", is_flag=True, help="Merged and closed ones, too.")
def list_pulls(repository: str, branch: str, as_json: bool, every: bool) -> None:
    """Open pull requests, newest first.

    Example: gitslo pulls list --repository https://git.example.com/shop-env.git --all
    """
    from gitslo.cli.style import table
    from gitslo.ports import PullRequestState

    known = _forge(repository, branch).pulls()
    shown = [each for each in known.found if every or each.state is PullRequestState.OPEN]
    for ref in known.unreadable:
        click.echo(f"{ref} holds no pull request that can be read", err=True)
    if as_json:
        click.echo(json.dumps([_document(each) for each in shown], indent=2))
    elif shown:
        rows = [(str(each.number), each.state.value, each.head, each.base, each.title) for each in shown]
        table(("number", "state", "head", "base", "title"), rows)
    else:
        click.echo("no pull requests" if every else "no open pull requests")


@pulls.command()
@_NUMBER
@_options
def show(number: int, repository: str, branch: str, as_json: bool) -> None:
    """One pull request with its numbers, comments and statuses.

    Example: gitslo pulls show 3 --repository /srv/git/shop-env.git
    """
    from gitslo.cli.style import markdown, plain, table

    forge = _forge(repository, branch)
    pull = forge.pull(number)
    statuses = forge.statuses(pull.head_commit)
    if as_json:
        said = [{"context": s.context, "state": s.state.value, "description": s.description} for s in statuses]
        click.echo(json.dumps({**_document(pull), "statuses": said}, indent=2))
        return
    ended = f" by {pull.ended_by}" if pull.ended_by else ""
    click.echo(plain(f"#{pull.number} {pull.title}"))
    click.echo(plain(f"{pull.state.value}{ended}: {pull.head} at {pull.head_commit[:12]} into {pull.base}"))
    if pull.merged is not None:
        click.echo(f"merged as {pull.merged}")
    click.echo()
    markdown(pull.body)
    for comment in pull.comments:
        click.echo(plain(f"--- {comment.author}:"))
        markdown(comment.body)
    if statuses:
        table(("status", "state", "description"), [(s.context, s.state.value, s.description) for s in statuses])


@pulls.command()
@_NUMBER
@_options
@click.option("--by", default=None, help="Who merges; `git config user.name` by default.")
@click.option("--head", default=None, help="Merge only if the head branch is at this commit; default: where it is now.")
def merge(number: int, repository: str, branch: str, as_json: bool, by: str | None, head: str | None) -> None:
    """Merge a pull request into its base branch.

    Example: gitslo pulls merge 3 --repository /srv/git/shop-env.git
    """
    from gitslo.core.escape import quiet
    from gitslo.model import CommitId

    forge = _forge(repository, branch, by=by or _person())
    pull = forge.pull(number)
    expected = CommitId(head) if head is not None else pull.head_commit
    message = f"Merge pull request {number} from {pull.head}\n\n{quiet(pull.title)}\n"
    merged = forge.merge(number, expected, message)
    _say(forge.pull(number), f"pull request {number} is merged as {merged}", as_json=as_json)


@pulls.command()
@_NUMBER
@_options
@click.option("--by", default=None, help="Who closes it; `git config user.name` by default.")
@click.option("--reason", default="", help="Why; it becomes a comment.")
def close(number: int, repository: str, branch: str, as_json: bool, by: str | None, reason: str) -> None:
    """Close a pull request without merging: its release is then rejected in that environment.

    Example: gitslo pulls close 3 --repository /srv/git/shop-env.git --reason "not before Monday"
    """
    forge = _forge(repository, branch, by=by or _person())
    forge.close(number, reason)
    pull = forge.pull(number)
    _say(pull, f"pull request {number} is {pull.state.value}", as_json=as_json)


# --------------------------------------------------------------------------- pieces


def _forge(repository: str, branch: str, *, by: str = "reader") -> LocalForge:
    """The forge as a person sees it; who only reads needs no name."""
    from gitslo.adapters.git_repository import GitRepository
    from gitslo.adapters.local_forge import LocalForge
    from gitslo.wiring import cache_folder

    url = repository if "://" in repository else f"file://{Path(repository).expanduser().resolve()}"
    opened = GitRepository(
        url=url,
        branch=branch,
        cache=cache_folder(url),
        ledger_prefix="refs/gitslo/",
        author=(by, _asked("user.email") or "gitslo-pulls@localhost"),
    )
    return LocalForge(opened, account=by, wall=time.time, person=True)


def _person() -> str:
    """Who this is: as Git would write it into a commit, else as the machine knows it."""
    from gitslo.cli.person import who

    return who(_asked("user.name"))


def _asked(setting: str) -> str:
    """A setting of the user's Git, or empty."""
    try:
        asked = subprocess.run(
            ["git", "config", "--get", setting], capture_output=True, text=True, timeout=_ASKING, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return asked.stdout.strip()


def _say(pull: PullRecord, text: str, *, as_json: bool) -> None:
    click.echo(json.dumps(_document(pull), indent=2) if as_json else text)


def _document(pull: PullRecord) -> dict[str, object]:
    from gitslo.core.codec import to_json

    document = to_json(pull)
    assert isinstance(document, dict)  # noqa: S101 - a record that is no row becomes an object
    return {**document}
