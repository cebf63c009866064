"""A process that is killed with a signed change half published, and another that goes on."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.checker import check
from tests.crash.world import World
from tests.signing.keys import ADDRESS, Key, gpg_key, ssh_key

BRANCH = "refs/heads/gitslo/shop/prod/promote"
PROVEN = {"dev": "v2", "prod": "v2"}


@contextlib.contextmanager
def key_of(kind: str, folder: Path) -> Iterator[Key]:
    """A new key."""
    if kind == "ssh":
        yield ssh_key(folder)
    else:
        with gpg_key(folder) as key:
            yield key


def signing(world: World, instance: str, key: Key) -> None:
    """An instance signs by this key from now on."""
    file = world.config(instance)
    text = file.read_text().replace("email: gitslo@localhost", f"email: {ADDRESS}")
    text = "".join(line for line in text.splitlines(keepends=True) if not line.startswith("    commit:"))
    said = f"    commit: {{signing: {key.kind}, key: {{file: {key.private}}}}}\n    allow:"
    file.write_text(text.replace("    allow:", said))


def changes(world: World) -> list[str]:
    """Every commit that our branch was ever moved to."""
    return [new for _, new, ref in world.pushes() if ref == BRANCH and set(new) != {"0"}]


def ours(world: World) -> list[str]:
    """Commits on the protected branch that carry our trailers."""
    return world.git("log", "--format=%H", "--grep=^Gitslo-Action:", "refs/heads/main").split()


@pytest.mark.parametrize(
    ("kind", "point"),
    [
        ("ssh", "intent:before"),
        ("ssh", "intent:after"),
        ("ssh", "publish:before"),
        ("ssh", "publish:after"),
        ("gpg", "intent:after"),
        ("gpg", "publish:after"),
    ],
)
def test_a_signed_change_is_published_once(tmp_path, kind, point) -> None:
    """Killed around the intent and the push, and gone on with by another instance without the clone: one commit."""
    with key_of(kind, tmp_path / "key") as key, World(tmp_path / "world", atomic=False, proved=True) as world:
        for instance in ("one", "two"):
            signing(world, instance, key)
        world.release("v2")
        killed = world.run(failpoints=f"{point}=kill")
        code = world.run(instance="two", cache="two")
        published = changes(world)
        said = world.git("log", "--format=%s", "refs/gitslo/shop/prod")

        assert (-9, 0) == (killed, code)
        assert () == check(world)
        assert world.tags() == PROVEN
        assert 1 == len(published)
        assert "built again" not in said
        assert [True] * 2 == [key.verified(world.repository, commit) for commit in (published[0], *ours(world)[:1])]


@pytest.mark.parametrize("kind", ["ssh", "gpg"])
def test_in_direct_mode_the_branch_gets_one_signed_commit(tmp_path, kind) -> None:
    """The change itself is pushed onto the protected branch, once, and signed."""
    with (
        key_of(kind, tmp_path / "key") as key,
        World(tmp_path / "world", atomic=False, proved=True, mode="direct") as world,
    ):
        for instance in ("one", "two"):
            signing(world, instance, key)
        world.release("v2")
        killed = world.run(failpoints="publish:after=kill")
        code = world.run(instance="two", cache="two")
        made = ours(world)

        assert (-9, 0) == (killed, code)
        assert () == check(world)
        assert world.tags() == PROVEN
        assert [True] == [key.verified(world.repository, commit) for commit in made]


@pytest.mark.parametrize("point", ["intent:after", "publish:before"])
def test_another_key_writes_the_intent_again(tmp_path, point) -> None:
    """The key is rotated between the intent and the push: the intent is written again, and one commit published."""
    old, new = ssh_key(tmp_path / "old"), ssh_key(tmp_path / "new")
    with World(tmp_path / "world", atomic=False, proved=True) as world:
        signing(world, "one", old)
        signing(world, "two", new)
        world.release("v2")
        killed = world.run(failpoints=f"{point}=kill")
        code = world.run(instance="two", cache="two")
        said = world.git("log", "--format=%s", "refs/gitslo/shop/prod").splitlines()

        assert (-9, 0) == (killed, code)
        assert () == check(world)
        assert world.tags() == PROVEN
        assert ["propose again: change 1 is built again"] == [line for line in said if "built again" in line]
        assert [True] == [new.verified(world.repository, commit) for commit in changes(world)]


def test_a_push_that_was_under_way_while_the_key_changed_is_ours_too(tmp_path) -> None:
    """The old process is stopped before its push, the new one writes the intent again, and the old push arrives."""
    old, new = ssh_key(tmp_path / "old"), ssh_key(tmp_path / "new")
    with World(tmp_path / "world", atomic=False, proved=True) as world:
        signing(world, "one", old)
        signing(world, "two", new)
        world.release("v2")
        killed = [world.run(failpoints="publish:before=kill")]
        late = world.git("rev-parse", "refs/gitslo/shop/prod")
        killed.append(world.run(instance="two", cache="two", failpoints="publish:before=kill"))
        pushed = pushed_late(world, late)
        code = world.run(instance="two", cache="two")
        published = changes(world)

        assert [-9, -9, 0] == [*killed, code]
        assert () == check(world)
        assert world.tags() == PROVEN
        assert [pushed] == published[:1]
        assert [(True, False), (False, True)] == [
            tuple(key.verified(world.repository, commit) for key in (old, new)) for commit in published
        ]


def pushed_late(world: World, entry: str) -> str:
    """What the first process had built arrives on our branch: it lies in its clone."""
    commit = json.loads(world.git("show", f"{entry}:ledger.json"))["change"]["commit"]
    [clone] = (world.folder / "cache-one").glob("*/repository.git")
    world.git("-C", str(clone), "push", "-q", world.repository.as_uri(), f"{commit}:{BRANCH}", bare=False)
    return commit
