from __future__ import annotations

import os
import re
import select
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gitslo.errors import Conflict, Refused, Retry
from gitslo.model import ByteCount
from gitslo.ports import RefUpdate
from gitslo.testing.git_server import BareRepository, GitServer
from tests.git.audit import processes
from tests.git.worlds import PASSWORD, USERNAME, client

HEAD = "refs/heads/gitslo/shop/dev/promote"


def children() -> set[int]:
    """Our direct children, the dead that were not waited for included."""
    tasks = Path(f"/proc/{os.getpid()}/task")
    return {int(pid) for task in tasks.iterdir() for pid in (task / "children").read_text().split()}


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def marked(text: str) -> list[int]:
    """Processes that carry `text` in their arguments."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                line = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if text.encode() in line:
                found.append(int(entry.name))
    return found


def gone(pid: int, within: float) -> bool:
    """Whether a process ends in that many seconds."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], within)[0])
    finally:
        os.close(descriptor)


def test_two_hundred_listings_leave_nothing_behind(tmp_path, bare_repository) -> None:
    """Descriptors and children are flat, whether a call succeeds or not."""
    bare_repository.commit({"a": b"1"})
    repository = client(bare_repository.url, tmp_path / "cache")
    broken = client(f"{bare_repository.url}.absent", tmp_path / "cache")
    repository.list_refs()
    before = (descriptors(), children())

    for _ in range(200):
        repository.list_refs()
    for _ in range(20):
        with pytest.raises(Refused):
            broken.list_refs()

    assert before == (descriptors(), children())


def test_every_kind_of_call_leaves_nothing_behind(tmp_path) -> None:
    """Also with credentials, overruns and conflicts."""
    bare = BareRepository.create(tmp_path / "remotes" / "shop.git")
    tip = bare.commit({"a": b"1" * 2000, "b/c": b"2"})
    with GitServer(tmp_path / "remotes", credentials=(USERNAME, PASSWORD)) as server:
        repository = client(server.url("shop.git"), tmp_path / "cache", username=USERNAME, password=lambda: PASSWORD)

        def everything(number: int) -> None:
            repository.list_refs()
            entry = repository.resolve(tip, ["a"])["a"]
            repository.walk(tip, "")
            with pytest.raises(Refused):
                repository.read([entry.id], ByteCount(10))
            made = repository.commit([tip], tip, {"a": b"%d" % number}, "m", 5.0)
            with pytest.raises(Conflict):
                repository.swap([RefUpdate(HEAD, made, made)])
            repository.history(made, None, ["a"], 5)
            repository.is_ancestor(tip, made)
            repository.merge_tree(tip, made)

        everything(0)
        before = (descriptors(), children(), threading.active_count())
        for number in range(1, 6):
            everything(number)

        # The server's own threads come and go; ours do not exist.
        assert before[:2] == (descriptors(), children())


@pytest.mark.parametrize("paths", [1, 1000])
def test_a_thousand_paths_are_one_process(tmp_path, bare_repository, paths) -> None:
    """`resolve` and `read` start one process each, whatever is asked."""
    files = {f"apps/{number % 50}/{number}/app.yaml": b"%d" % number for number in range(paths)}
    tip = bare_repository.commit(files)
    repository = client(bare_repository.url, tmp_path / "cache")
    repository.list_refs()
    repository.fetch({"refs/heads/main": tip})

    with processes() as resolving:
        found = repository.resolve(tip, list(files))
    with processes() as reading:
        contents = repository.read([entry.id for entry in found.values()], ByteCount(100))

    assert (1, 1) == (len(resolving), len(reading))
    assert files == {path: contents[entry.id] for path, entry in found.items()}


def test_a_listing_is_one_process_and_one_question(tmp_path, git_server, bare_repository) -> None:
    """A poll with nothing new costs one `ls-remote`; a fetch of what is here costs the network nothing."""
    tip = bare_repository.commit({"a": b"1"})
    repository = client(git_server.url("shop.git"), tmp_path / "cache")
    repository.fetch(repository.list_refs())
    asked = len(git_server.journal)

    with processes() as started:
        repository.list_refs(("refs/gitslo-forge/*",))
    listing = len(git_server.journal) - asked
    repository.fetch({"refs/heads/main": tip})

    assert (1, 2, 0) == (len(started), listing, len(git_server.journal) - asked - listing)


SHAPE = re.compile(
    r"/\S+/env -i( [A-Z_]+=\S*)+ /\S+/git -C \S+( --git-dir=\S+)?( -c [a-zA-Z.]+=\S*)+ "
    r"(version|init|ls-remote|fetch|cat-file|log|merge-base|merge-tree|unpack-objects|push|fsck|repack)( .*)?"
)


def test_every_argument_vector_has_the_constant_shape(tmp_path) -> None:
    """No shell, no inherited environment, hooks and other transports off, and no credential anywhere in it."""
    bare = BareRepository.create(tmp_path / "remotes" / "shop.git")
    tip = bare.commit({"a": b"1"})
    client(bare.url, tmp_path / "first").list_refs()  # importing GitPython asks git for its version
    with (
        GitServer(tmp_path / "remotes", credentials=(USERNAME, PASSWORD)) as server,
        processes() as started,
    ):
        repository = client(server.url("shop.git"), tmp_path / "cache", username=USERNAME, password=lambda: PASSWORD)
        repository.list_refs()
        made = repository.commit([tip], tip, {"b": b"2"}, "m", 5.0)
        repository.swap([RefUpdate(HEAD, None, made)])
        repository.merge_tree(tip, made)
        repository.history(made, None, [], 5)

    assert [] == [argv for argv in started if not SHAPE.fullmatch(" ".join(argv))]
    assert [] == [argv for argv in started if PASSWORD in " ".join(argv) or USERNAME in " ".join(argv)]
    for option in (
        "protocol.allow=never",
        "protocol.http.allow=always",
        "core.hooksPath=/dev/null",
        "credential.helper=",
    ):
        assert [] == [argv for argv in started if option not in argv]
    assert [] == [argv for argv in started if "protocol.file.allow=always" in argv]


def test_nothing_of_our_environment_reaches_git(tmp_path, bare_repository, monkeypatch) -> None:
    """`GIT_*`, proxies and HOME of whoever started us steer nothing."""
    bare_repository.commit({"a": b"1"})
    client(bare_repository.url, tmp_path / "first").list_refs()  # importing GitPython asks git for its version
    home = tmp_path / "home"
    home.mkdir()
    (home / ".gitconfig").write_text(f'[url "file://{tmp_path}/trap"]\n\tinsteadOf = file://\n')
    for name, value in {
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home),
        "GIT_DIR": str(tmp_path / "trap"),
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "protocol.allow",
        "GIT_CONFIG_VALUE_0": "never",
        "GIT_CONFIG_PARAMETERS": "'core.sshCommand=false'",
        "GIT_OBJECT_DIRECTORY": str(tmp_path / "trap"),
        "GIT_EXEC_PATH": str(tmp_path / "trap"),
        "GIT_SSH_COMMAND": f"touch {tmp_path}/sprung",
        "GIT_PROXY_COMMAND": f"touch {tmp_path}/sprung",
        "GIT_TRACE": str(tmp_path / "trace"),
        "http_proxy": "http://127.0.0.1:1",
        "https_proxy": "http://127.0.0.1:1",
        "ALL_PROXY": "http://127.0.0.1:1",
    }.items():
        monkeypatch.setenv(name, value)
    with GitServer(tmp_path / "remotes") as server:
        repository = client(server.url("shop.git"), tmp_path / "cache")
        tip = repository.list_refs()["refs/heads/main"]
        made = repository.commit([tip], tip, {"a": b"2"}, "m", 5.0)
        repository.swap([RefUpdate(HEAD, None, made)])

    assert (made, [], False) == (
        bare_repository.refs()[HEAD],
        [path.name for path in tmp_path.iterdir() if path.name in {"sprung", "trace", "trap"}],
        (tmp_path / "cache" / "home" / ".gitconfig").exists(),
    )


def test_a_time_out_ends_everything_that_was_started(tmp_path) -> None:
    """A remote helper's children die with it: the group is ended, not the leader."""
    started = tmp_path / "started"
    os.mkfifo(started)
    marker = f"9{os.getpid()}.25"
    bare = BareRepository.create(
        tmp_path / "shop.git",
        hooks={"pre-receive": f"#!/bin/sh\ntrap '' TERM\nsh -c 'echo up > {started}; exec sleep {marker}' &\nwait\n"},
    )
    tip = bare.commit({"a": b"1"})
    repository = client(bare.url, tmp_path / "cache", timeout=4.0)
    repository.fetch(repository.list_refs())

    fifo = os.open(started, os.O_RDONLY | os.O_NONBLOCK)
    with ThreadPoolExecutor(1) as pool:
        pushing = pool.submit(repository.swap, [RefUpdate(HEAD, None, tip)])
        ready = select.select([fifo], [], [], 10)[0]
        deadline = time.monotonic() + 3
        while not (hanging := marked(marker)) and time.monotonic() < deadline:
            """It is between two programs."""
        with pytest.raises(Retry):
            pushing.result()

    os.close(fifo)
    # Who was killed may take a moment to be gone; who was not would stay for days.
    left = [pid for pid in marked(marker) if not gone(pid, within=5)]
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert ([fifo], True, []) == (ready, bool(hanging), left)


def test_an_answer_beyond_its_budget_is_cut_off(tmp_path, bare_repository) -> None:
    """Somebody commits with a message of 40 MiB: refused within the budget, and everything else still works."""
    tip = bare_repository.commit({"a": b"1"}, "x" * (40 << 20))
    repository = client(bare_repository.url, tmp_path / "cache")
    repository.list_refs()
    repository.fetch({"refs/heads/main": tip})
    before = children()

    with pytest.raises(Refused):
        repository.commit_info([tip])
    assert ("100644", before) == (repository.resolve(tip, ["a"])["a"].mode, children())


def test_threads_share_one_repository(tmp_path, bare_repository) -> None:
    """Runs in a pool read, build and swap at the same time."""
    tip = bare_repository.commit({f"{number}/a": b"%d" % number for number in range(8)})
    repository = client(bare_repository.url, tmp_path / "cache")
    repository.list_refs()

    def one(number: int) -> str:
        repository.list_refs()
        entry = repository.resolve(tip, [f"{number}/a"])[f"{number}/a"]
        made = repository.commit([tip], tip, {f"{number}/a": b"new"}, "m", 5.0)
        repository.swap([RefUpdate(f"refs/heads/gitslo/{number}", None, made)])
        return repository.read([entry.id], ByteCount(10))[entry.id].decode()

    with ThreadPoolExecutor(8) as pool:
        read = list(pool.map(one, range(8)))

    assert ([str(number) for number in range(8)], 9) == (read, len(bare_repository.refs()))


def test_many_small_objects_are_rolled_up(tmp_path, bare_repository) -> None:
    """A daemon that builds for months does not drown its clone in files, and loses nothing that is not pushed."""
    tip = bare_repository.commit({"a": b"1"})
    repository = client(bare_repository.url, tmp_path / "cache")
    repository.list_refs()
    files = {f"f/{number}": b"%d" % number for number in range(9000)}
    built = repository.commit([tip], tip, files, "many", 5.0)
    objects = tmp_path / "cache" / "repository.git" / "objects"
    before = len(list(objects.glob("17/*")))
    newer = bare_repository.commit({"a": b"2"})
    repository.fetch({"refs/heads/main": newer})

    assert (True, 0, 9001) == (before > 27, len(list(objects.glob("17/*"))), len(repository.walk(built, "")))


def test_an_askpass_script_of_an_earlier_installation_is_written_anew(tmp_path) -> None:
    """The cache outlives an upgrade; a script that names a Python that is gone would look like a wrong password."""
    BareRepository.create(tmp_path / "remotes" / "shop.git").commit({"a": b"1"})
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / "askpass").write_text("#!/bin/sh\nexec /opt/gone/python\n")
    (cache / "askpass").chmod(0o700)
    with GitServer(tmp_path / "remotes", credentials=(USERNAME, PASSWORD)) as server:
        repository = client(server.url("shop.git"), cache, username=USERNAME, password=lambda: PASSWORD)

        assert ["refs/heads/main"] == list(repository.list_refs())


def test_a_new_clone_is_for_nobody_else(tmp_path, bare_repository) -> None:
    """What may be read only with a password is not readable by every account of this machine."""
    bare_repository.commit({"a": b"1"})
    client(bare_repository.url, tmp_path / "cache").list_refs()

    assert 0o700 == (tmp_path / "cache").stat().st_mode & 0o777
