from __future__ import annotations

import fcntl
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from gitslo.errors import Refused, Retry
from gitslo.model import ByteCount
from gitslo.ports import RefUpdate
from gitslo.testing.git_server import BareRepository
from tests.git.audit import processes
from tests.git.worlds import client

HEAD = "refs/heads/gitslo/shop/dev/promote"


@dataclass
class Cache:
    """A cache, as somebody who damages it sees it."""

    cache: Path

    @property
    def clone(self) -> Path:
        """The bare clone in it."""
        return self.cache / "repository.git"

    def unpack(self) -> None:
        """Put every object into a file of its own."""
        for pack in packs(self.clone, "pack"):
            content = pack.read_bytes()
            for file in pack.parent.glob(f"{pack.stem}.*"):
                file.unlink()
            BareRepository(self.clone).git("unpack-objects", "-q", stdin=content)


def packs(clone: Path, suffix: str) -> list[Path]:
    return sorted((clone / "objects" / "pack").glob(f"*.{suffix}"))


def writable(path: Path) -> Path:
    path.chmod(0o644)
    return path


def truncate(path: Path) -> None:
    os.truncate(writable(path), path.stat().st_size // 2)


def each_loose(clone: Path) -> list[Path]:
    return [path for path in (clone / "objects").glob("??/*") if path.is_file()]


def cached_refs(clone: Path) -> list[Path]:
    return list((clone / "refs" / "gitslo-cache").glob("*"))


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    writable(path).write_bytes(bytes(data))


DAMAGES = {
    "everything deleted": lambda at: shutil.rmtree(at.cache),
    "clone deleted": lambda at: shutil.rmtree(at.clone),
    "home deleted": lambda at: shutil.rmtree(at.cache / "home"),
    "lock deleted": lambda at: (at.cache / "lock").unlink(),
    "HEAD deleted": lambda at: (at.clone / "HEAD").unlink(),
    "HEAD garbage": lambda at: (at.clone / "HEAD").write_bytes(b"\0\0\0"),
    "config garbage": lambda at: (at.clone / "config").write_text("[core\n"),
    "objects deleted": lambda at: shutil.rmtree(at.clone / "objects"),
    "refs deleted": lambda at: shutil.rmtree(at.clone / "refs"),
    "packs truncated": lambda at: [truncate(path) for path in packs(at.clone, "pack")],
    "packs altered": lambda at: [flip(path) for path in packs(at.clone, "pack")],
    "packs deleted": lambda at: [path.unlink() for path in packs(at.clone, "pack")],
    "indexes truncated": lambda at: [truncate(path) for path in packs(at.clone, "idx")],
    "indexes deleted": lambda at: [path.unlink() for path in packs(at.clone, "idx")],
    "pack folder deleted": lambda at: shutil.rmtree(at.clone / "objects" / "pack"),
    "loose objects empty": lambda at: [os.truncate(writable(path), 0) for path in each_loose(at.clone)],
    "refs garbage": lambda at: [path.write_text("garbage\n") for path in cached_refs(at.clone)],
    "refs locked": lambda at: [path.with_suffix(".lock").touch() for path in cached_refs(at.clone)],
    "packed-refs locked": lambda at: (at.clone / "packed-refs.lock").touch(),
    "packed-refs garbage": lambda at: (at.clone / "packed-refs").write_text("garbage\n"),
    "shallow locked": lambda at: (at.clone / "shallow.lock").touch(),
    "shallow garbage": lambda at: (at.clone / "shallow").write_text("garbage\n"),
    "left by a dead maker": lambda at: (at.cache / "new.1.git" / "x").mkdir(parents=True),
}


@pytest.mark.parametrize("fresh", [False, True], ids=["same process", "next process"])
@pytest.mark.parametrize("damage", DAMAGES, ids=lambda name: name.replace(" ", "-"))
def test_a_damaged_clone_is_mended_unattended(tmp_path, bare_repository, damage, fresh) -> None:
    """Whatever happens to the cache between two calls: the next ones are right, and cost one clone at most."""
    old = bare_repository.commit({"dev/a": b"1", "dev/b": b"2" * 500})
    cache = tmp_path / "cache"
    repository = client(bare_repository.url, cache)
    repository.fetch(repository.list_refs())
    repository.commit([old], old, {"dev/a": b"never pushed"}, "m", 5.0)
    tip = bare_repository.commit({"dev/a": b"3"})

    DAMAGES[damage](Cache(cache))
    if fresh:
        repository = client(bare_repository.url, cache)
    listed = repository.list_refs()
    repository.fetch(listed)
    entries = repository.resolve(tip, ["dev/a", "dev/b", "dev/none"])
    walked = [entry.path for entry in repository.walk(old, "dev")]
    read = repository.read([entry.id for entry in entries.values() if entry], ByteCount(1000))
    contained = repository.is_ancestor(old, tip)
    made = repository.commit([tip], tip, {"dev/a": b"4"}, "m", 5.0)
    repository.swap([RefUpdate(HEAD, None, made)])

    assert {b"3", b"2" * 500} == set(read.values())
    assert (None, ["dev/a", "dev/b"], True) == (entries["dev/none"], walked, contained)
    assert (b"4", True) == (bare_repository.read("dev/a", HEAD), repository.clones_remade <= 1)


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda name: name.replace(" ", "-"))
def test_lost_objects_never_look_like_deleted_files(tmp_path, bare_repository, damage) -> None:
    """The first read after the damage, without any other call before it, is right."""
    tip = bare_repository.commit({"dev/a": b"1", "dev/b/c": b"2"})
    cache = tmp_path / "cache"
    repository = client(bare_repository.url, cache)
    repository.fetch(repository.list_refs())

    DAMAGES[damage](Cache(cache))

    assert ["dev/a", "dev/b/c"] == [entry.path for entry in repository.walk(tip, "")]
    assert 1 >= repository.clones_remade


def test_one_lost_tree_is_damage_and_no_deletion(tmp_path, bare_repository) -> None:
    """Git itself calls a path missing when its tree is: here it is fetched again."""
    tip = bare_repository.commit({"dev/a": b"1", "prod/a": b"2"})
    repository = client(bare_repository.url, tmp_path / "cache")
    repository.fetch(repository.list_refs())
    tree = repository.resolve(tip, ["dev"])["dev"].id
    cache = Cache(tmp_path / "cache")
    cache.unpack()
    (cache.clone / "objects" / tree[:2] / tree[2:]).unlink()

    assert "100644" == repository.resolve(tip, ["dev/a"])["dev/a"].mode
    assert 1 == repository.clones_remade


def test_a_built_commit_that_is_lost_is_built_again(tmp_path, bare_repository) -> None:
    """The clone was deleted between building and pushing: Retry, and nothing was pushed."""
    tip = bare_repository.commit({"a": b"1"})
    repository = client(bare_repository.url, tmp_path / "cache")
    repository.list_refs()
    made = repository.commit([tip], tip, {"a": b"2"}, "m", 5.0)
    shutil.rmtree(tmp_path / "cache")

    with pytest.raises(Retry):
        repository.swap([RefUpdate(HEAD, None, made)])
    again = repository.commit([tip], tip, {"a": b"2"}, "m", 5.0)
    repository.swap([RefUpdate(HEAD, None, again)])

    assert (made, again) == (again, bare_repository.refs()[HEAD])


def test_a_commit_that_was_never_there_costs_no_clone(tmp_path, bare_repository) -> None:
    """A forged ledger may name any commit: the sound clone stays, and is checked once for one listing."""
    bare_repository.commit({"a": b"1"})
    repository = client(bare_repository.url, tmp_path / "cache")
    repository.list_refs()
    with processes() as started:
        for _ in range(3):
            with pytest.raises(Refused):
                repository.walk("0123456789" * 4, "")
            repository.list_refs()

    assert (0, 1) == (repository.clones_remade, sum("fsck" in argv for argv in started))


def test_an_object_that_holds_something_else_is_damage(tmp_path, bare_repository) -> None:
    """Git does not compare what it reads with its id: a file of another object in its place is found out here."""
    tip = bare_repository.commit({"a": b"1", "b": b"2"})
    repository = client(bare_repository.url, tmp_path / "cache")
    repository.fetch(repository.list_refs())
    cache = Cache(tmp_path / "cache")
    cache.unpack()
    one, other = (repository.resolve(tip, [path])[path].id for path in "ab")
    files = [cache.clone / "objects" / each[:2] / each[2:] for each in (one, other)]
    shutil.copyfile(files[1], writable(files[0]))

    assert ({one: b"1"}, 1) == (repository.read([one], ByteCount(10)), repository.clones_remade)


def test_a_clone_is_made_again_once_for_all_who_saw_the_damage(tmp_path, bare_repository) -> None:
    """Eight runs find the same damage at the same moment."""
    tip = bare_repository.commit({"a": b"1"})
    repository = client(bare_repository.url, tmp_path / "cache")
    repository.list_refs()
    repository.resolve(tip, ["a"])
    seen = repository._clone.prepare()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: repository._clone.remake(seen), range(8)))

    assert (1, "100644") == (repository.clones_remade, repository.resolve(tip, ["a"])["a"].mode)


def test_two_processes_share_a_cache(tmp_path, bare_repository) -> None:
    """Two clients on one folder, one of which finds it damaged, do not disturb each other."""
    tip = bare_repository.commit({"a": b"1"})
    clients = [client(bare_repository.url, tmp_path / "cache") for _ in range(2)]
    for each in clients:
        each.list_refs()
        each.resolve(tip, ["a"])
    shutil.rmtree(tmp_path / "cache" / "repository.git" / "objects")
    modes = [each.resolve(tip, ["a"])["a"].mode for each in clients]

    assert (["100644"] * 2, 1) == (modes, sum(each.clones_remade for each in clients))


def test_a_cache_that_cannot_be_written_is_tried_again(tmp_path, bare_repository) -> None:
    """A disk that is full or read-only may be mended: Retry that names the folder."""
    bare_repository.commit({"a": b"1"})
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(Retry) as caught:
        client(bare_repository.url, tmp_path / "file" / "cache").list_refs()

    assert str(tmp_path / "file" / "cache") in str(caught.value)


def test_a_built_commit_that_was_emptied_is_written_again(tmp_path, bare_repository) -> None:
    """A power cut leaves empty files that Git takes for the object: what is built is read back before it counts."""
    tip = bare_repository.commit({"a": b"1"})
    repository = client(bare_repository.url, tmp_path / "cache")
    repository.list_refs()
    made = repository.commit([tip], tip, {"a": b"2"}, "m", 5.0)
    for path in each_loose(Cache(tmp_path / "cache").clone):
        os.truncate(writable(path), 0)

    again = repository.commit([tip], tip, {"a": b"2"}, "m", 5.0)
    repository.swap([RefUpdate(HEAD, None, again)])

    assert (made, 1, b"2") == (again, repository.clones_remade, bare_repository.read("a", HEAD))


def test_a_clone_that_is_in_use_is_waited_for_and_left(tmp_path, bare_repository) -> None:
    """Another process fetches for longer than our time-out: Retry, and it is not disturbed."""
    bare_repository.commit({"a": b"1"})
    repository = client(bare_repository.url, tmp_path / "cache", timeout=0.5)
    repository.list_refs()
    with (tmp_path / "cache" / "lock").open("rb+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(Retry):
            repository.fetch(repository.list_refs())

    repository.fetch(repository.list_refs())
