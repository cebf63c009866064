"""Thousands of ledgers: what is fetched in several parts is there as a whole."""

from __future__ import annotations

import subprocess

import pytest

from gitslo.errors import Conflict
from gitslo.testing.repository_contract import LEDGERS
from tests.git.worlds import git_world

MANY = 1_100


def test_more_refs_than_one_fetch_takes(tmp_path) -> None:
    """Every tip that was listed is readable, and one that moved meanwhile is a conflict, in whichever part it is."""
    with git_world("file", tmp_path) as world:
        world.commit({"a": b"1"})
        stream = "".join(
            f"commit {LEDGERS}s{number:04d}/dev\ncommitter A <a@example.invalid> {number} +0000\ndata 1\nx\n"
            for number in range(MANY)
        )
        bare = tmp_path / "remotes" / "shop.git"
        subprocess.run(["git", "fast-import", "--quiet"], cwd=bare, input=stream.encode(), check=True, timeout=60)
        repository, late = world.repository(), world.repository()
        listed = repository.list_refs()
        late.list_refs()
        repository.fetch(listed)
        tips = list(listed.values())
        infos = repository.commit_info(tips)
        last = f"{LEDGERS}s{MANY - 1:04d}/dev"
        world.set_ref(last, listed["refs/heads/main"])

        assert (MANY + 1, set(tips)) == (len(tips), set(infos))
        with pytest.raises(Conflict, match=last):
            late.fetch(listed)
