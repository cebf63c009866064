from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gitslo.cli.root import cli
from gitslo.ports import Status, StatusState
from tests.forge.worlds import GitWorld

HEAD = "gitslo/shop/dev/promote"
Gitslo = Callable[..., Result]


@pytest.fixture
def world(tmp_path: Path) -> GitWorld:
    world = GitWorld(tmp_path)
    head = world.push(HEAD, "image", "v2")
    forge = world.forge()
    forge.ensure_pull_request(
        key="k",
        head=HEAD,
        base="main",
        title="Promote \x1b[31mv2",
        body="**Pass**: the numbers\n\n| a |\n| --- |\n| 1 |\n",
    )
    forge.comment_once(1, "verdict", "judged again")
    forge.set_status(Status(head, "gitslo/shop/dev", StatusState.SUCCESS, "pass: 2 of 2 objectives"))
    return world


@pytest.fixture
def gitslo(world: GitWorld, tmp_path: Path) -> Gitslo:
    """The command line as Ada has it on her machine."""
    (tmp_path / ".gitconfig").write_text("[user]\n\tname = Ada Lovelace\n\temail = ada@example.com\n")
    environment = {"GITSLO_CACHE": str(tmp_path / "cache"), "HOME": str(tmp_path), "GIT_CONFIG_NOSYSTEM": "1"}

    def run(*arguments: str, repository: str = str(world.bare)) -> Result:
        return CliRunner(env=environment).invoke(cli, ["pulls", *arguments, "--repository", repository])

    return run


def output(result: Result) -> str:
    assert (result.exit_code, result.stderr) == (0, "")
    return result.stdout


def test_open_ones_are_listed(gitslo: Gitslo) -> None:
    """By path or URL; what a repository wrote cannot act on the terminal."""
    lines = [line.split() for line in output(gitslo("list")).splitlines()]

    assert lines == [
        ["NUMBER", "STATE", "HEAD", "BASE", "TITLE"],
        ["1", "open", HEAD, "main", "Promote", "\\x1b[31mv2"],
    ]


def test_urls_are_taken_too(gitslo: Gitslo, world: GitWorld) -> None:
    """A path is only a short way to write file://."""
    assert output(gitslo("list", repository=world.url)) == output(gitslo("list"))


def test_one_is_shown_whole(gitslo: Gitslo) -> None:
    """Title, where it stands, body, comments, statuses."""
    shown = output(gitslo("show", "1"))
    wanted = ("#1 Promote", f"open: {HEAD} at ", "| 1 |", "--- gitslo:", "judged again", "pass: 2 of 2 objectives")

    assert [part for part in wanted if part not in shown] == []
    assert "\x1b" not in shown


def test_a_person_merges_by_name(gitslo: Gitslo, world: GitWorld) -> None:
    """The merge is on the base branch, by Ada, and the pull request is gone from the list."""
    said = output(gitslo("merge", "1"))
    merge = world.tip("main")
    record = json.loads(output(gitslo("show", "1", "--json")))

    assert said == f"pull request 1 is merged as {merge}\n"
    assert (record["state"], record["merged"], record["ended_by"], record["ended_by_person"]) == (
        "merged",
        merge,
        "Ada Lovelace",
        True,
    )
    assert world.git("log", "-1", "--format=%an <%ae>: %s", "main") == (
        f"Ada Lovelace <ada@example.com>: Merge pull request 1 from {HEAD}"
    )
    assert output(gitslo("list")) == "no open pull requests\n"
    assert [each["number"] for each in json.loads(output(gitslo("list", "--all", "--json")))] == [1]


def test_a_person_closes_by_name(gitslo: Gitslo, world: GitWorld) -> None:
    """The daemon sees that it was a person, and who; the reason is a comment."""
    closed = json.loads(output(gitslo("close", "1", "--reason", "not before Monday", "--by", "Bob", "--json")))
    seen = world.forge().find(HEAD)[0]

    assert closed["comments"][-1]["body"] == "not before Monday"
    assert (seen.closed_by, seen.closed_by_us) == ("Bob", False)
    assert output(gitslo("close", "1")) == "pull request 1 is closed\n"


def test_a_persons_name_may_be_the_daemons(gitslo: Gitslo, world: GitWorld) -> None:
    """Somebody called as the daemon's account is a person all the same."""
    output(gitslo("close", "1", "--by", "gitslo"))

    assert world.forge().find(HEAD)[0].closed_by_us is False


def test_a_head_that_moved_is_not_merged(gitslo: Gitslo, world: GitWorld) -> None:
    """Who reviewed one commit merges that one or nothing."""
    reviewed = world.tip(HEAD)
    world.push(HEAD, "image", "v3")
    refused = gitslo("merge", "1", "--head", str(reviewed))

    assert (refused.exit_code, world.read("main", "image")) == (2, "v1")
    assert "not at the expected" in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("show", "7"), "there is no pull request 7"),
        (("merge", "7"), "there is no pull request 7"),
        (("close", "0"), "0 is not in the range"),
        (("list", "--branch", "trunk"), "has no branch trunk"),
        (("merge", "1", "--by", "<ada>"), "the author"),
    ],
)
def test_mistakes_are_said_in_one_line(gitslo: Gitslo, arguments: tuple[str, ...], expected: str) -> None:
    """Exit code 2, no traceback, nothing on standard output."""
    refused = gitslo(*arguments)

    assert (refused.exit_code, refused.stdout) == (2, "")
    assert expected in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_repository_that_is_not_there_is_said(gitslo: Gitslo, tmp_path: Path) -> None:
    """A wrong path is a clear message."""
    refused = gitslo("list", repository=str(tmp_path / "nowhere.git"))

    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "nowhere.git" in refused.stderr


def test_unreadable_ones_are_named(gitslo: Gitslo, world: GitWorld) -> None:
    """A forged record hides nothing else."""
    world.git("update-ref", "refs/gitslo-forge/pulls/9", str(world.tip("main")))
    listed = gitslo("list")

    assert listed.stderr == "refs/gitslo-forge/pulls/9 holds no pull request that can be read\n"
    assert "Promote" in listed.stdout


def test_help_imports_nothing_heavy() -> None:
    """`gitslo pulls --help` answers at once, with an example."""
    heavy = {"git", "rich", "scipy", "httpx", "grpc", "jsonschema", "ruamel.yaml", "structlog"}
    program = (
        "import sys\nfrom click.testing import CliRunner\nfrom gitslo.cli.root import cli\n"
        "said = CliRunner().invoke(cli, ['pulls', 'merge', '--help'])\nassert 'Example:' in said.output, said.output\n"
        f"print(*sorted({heavy!r} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)

    assert done.stdout.strip() == ""
