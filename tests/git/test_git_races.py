from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from gitslo.errors import Conflict
from gitslo.ports import RefUpdate
from tests.git.worlds import git_world

LEDGER = "refs/gitslo/shop/dev"
KINDS = ("file", "http")


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_claim_is_won_once(kind, tmp_path) -> None:
    """Two clones build the very same entry and push it at the same moment: exactly one wins, every time."""
    rounds = 10
    with git_world(kind, tmp_path) as world, ThreadPoolExecutor(2) as pool:
        world.commit({"a": b"1"})
        replicas = [world.repository(), world.repository()]
        for replica in replicas:
            replica.list_refs()
        start = threading.Barrier(2)

        def claim(replica, parent, number) -> bool:
            entry = replica.commit([parent] if parent else [], None, {"ledger.json": b"%d" % number}, "claim", 5.0)
            start.wait(20)
            try:
                replica.swap([RefUpdate(LEDGER, parent, entry)])
            except Conflict:
                return False
            return True

        wins = []
        for number in range(rounds):
            parent = world.refs().get(LEDGER)
            if parent:
                for replica in replicas:
                    replica.fetch({LEDGER: parent})
            wins.append(sum(pool.map(lambda replica, p=parent, n=number: claim(replica, p, n), replicas)))
        grown = len(world.bare.log(LEDGER))

    assert ([1] * rounds, rounds) == (wins, grown)


@pytest.mark.parametrize("kind", KINDS)
def test_four_writers_lose_no_commit(kind, tmp_path) -> None:
    """Each looks, builds on what it saw, swaps, and looks again where it lost: all 40 commits are on the branch."""
    writers, each = 4, 10
    with git_world(kind, tmp_path) as world, ThreadPoolExecutor(writers) as pool:
        world.commit({"seed": b"0"})

        def write(writer: int) -> list[str]:
            repository, made = world.repository(), []
            while len(made) < each:
                tip = repository.list_refs()["refs/heads/main"]
                text = f"{writer}-{len(made)}"
                commit = repository.commit([tip], tip, {f"files/{text}": text.encode()}, text, 5.0)
                try:
                    repository.swap([RefUpdate("refs/heads/main", tip, commit)])
                except Conflict:
                    continue
                made.append(commit)
            return made

        made = [commit for commits in pool.map(write, range(writers)) for commit in commits]
        log = world.bare.log()
        files = world.files()

    assert (writers * each, set(), writers * each + 1) == (len(set(made)), set(made) - set(log), len(files))


@pytest.mark.parametrize("kind", KINDS)
def test_people_who_push_meanwhile_lose_nothing(kind, tmp_path) -> None:
    """A person's push between our look and our swap stays, and ours is built anew on it."""
    with git_world(kind, tmp_path) as world:
        world.commit({"a": b"0"})
        repository = world.repository()
        people, ours = [], []
        for number in range(5):
            tip = repository.list_refs()["refs/heads/main"]
            built = repository.commit([tip], tip, {"bot": b"%d" % number}, "ours", 5.0)
            people.append(world.commit({"a": b"%d" % (number + 1)}))
            with pytest.raises(Conflict):
                repository.swap([RefUpdate("refs/heads/main", tip, built)])
            tip = repository.list_refs()["refs/heads/main"]
            ours.append(repository.commit([tip], tip, {"bot": b"%d" % number}, "ours", 5.0))
            repository.swap([RefUpdate("refs/heads/main", tip, ours[-1])])
        log = set(world.bare.log())

    assert set() == {*people, *ours} - log
