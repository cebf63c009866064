"""The bare clone as a cache: made without templates, shared under a lock, renamed away and made again when damaged.

Called by `repository` around everything that touches local objects. **Invariants**: work on the clone holds the lock
shared, fetching and re-making hold it alone; a clone appears by a rename, so half a clone is never seen; the folder may
be deleted between any two calls.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from gitslo.adapters.git_repository.faults import Damaged, TimedOut
from gitslo.adapters.git_repository.process import GitProcesses
from gitslo.errors import Retry

__all__ = ["Clone", "Folders"]

_LOOK_AGAIN = 0.01
_TIDY_PACKS = 50
_TIDY_LOOSE_IN_ONE = 27
"""Loose objects in one of 256 folders; Git itself tidies at 6,700 in all."""


class Folders:
    """What lies where in the cache.

    Args:
        cache: the folder that is this repository's alone.
    """

    def __init__(self, cache: Path) -> None:
        self.cache = cache.absolute()
        self.home = self.cache / "home"
        self.repository = self.cache / "repository.git"
        self.damaged = self.cache / "damaged.git"
        self.lock = self.cache / "lock"


class Clone:
    """The clone of one remote in one folder.

    Args:
        folders: where.
        git: starts the processes.
    """

    def __init__(self, folders: Folders, git: GitProcesses) -> None:
        self._folders = folders
        self._git = git
        self.remade = 0
        """How often this object renamed a damaged clone away."""

    def prepare(self) -> int:
        """See that there is a clone; returns which one it is, for `remake`.

        Raises:
            Retry: the disk does not let us.
        """
        try:
            # A private repository's content lies here: for nobody else on this machine.
            self._folders.cache.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._folders.home.mkdir(parents=True, exist_ok=True)
            self._git.check_version()
            if not self._folders.repository.is_dir():
                with self._locked(fcntl.LOCK_EX):
                    if not self._folders.repository.is_dir():
                        self._make()
            return self._folders.repository.stat().st_ino
        except OSError as error:
            raise Retry(f"the clone's folder {self._folders.cache} cannot be used: {error.strerror}") from error

    def shared(self) -> contextlib.AbstractContextManager[None]:
        """Read, and add objects."""
        return self._locked(fcntl.LOCK_SH)

    def alone(self) -> contextlib.AbstractContextManager[None]:
        """Move refs, and tidy."""
        return self._locked(fcntl.LOCK_EX)

    def remake(self, seen: int) -> None:
        """Rename the clone `seen` by `prepare` away and make an empty one; does nothing where somebody already has."""
        try:
            with self.alone():
                here = self._folders.repository
                if here.exists():
                    if here.stat().st_ino != seen:
                        return
                    shutil.rmtree(self._folders.damaged, ignore_errors=True)
                    here.replace(self._folders.damaged)
                self.remade += 1
                self._make()
        except OSError as error:
            raise Retry(f"the damaged clone in {self._folders.cache} cannot be replaced: {error.strerror}") from error

    def sound(self) -> bool:
        """Whether every object that a fetched ref reaches is there."""
        checked = self._git.run(
            "fsck", "--connectivity-only", "--no-dangling", "--no-progress", patience=20, cap=1 << 24
        )
        return checked.code == 0

    def tidy(self) -> None:
        """Roll small packs and loose objects up where they have become many; held alone.

        Nothing is ever dropped: a commit that is built and not yet pushed is reached by no ref.
        """
        objects = self._folders.repository / "objects"
        packs = sum(1 for _ in (objects / "pack").glob("*.pack"))
        loose = sum(1 for _ in (objects / "17").glob("*")) if (objects / "17").is_dir() else 0
        if packs > _TIDY_PACKS or loose > _TIDY_LOOSE_IN_ONE:
            self._git.run("repack", "-d", "-q", "--geometric=2", patience=20)

    def _make(self) -> None:
        """Held alone. Left-overs of a maker that was killed are cleared on the way."""
        for left in self._folders.cache.glob("new.*.git"):
            shutil.rmtree(left, ignore_errors=True)
        fresh = self._folders.cache / f"new.{os.getpid()}.git"
        made = self._git.run(
            "init", "--bare", "-q", "--template=", "--initial-branch=unborn", "--", str(fresh), in_clone=False
        )
        if made.code:
            raise Retry(f"git init in {self._folders.cache} failed: {made.said.strip()[:300]}")
        fresh.replace(self._folders.repository)

    @contextlib.contextmanager
    def _locked(self, how: int) -> Iterator[None]:
        deadline = time.monotonic() + self._git.timeout
        while (descriptor := self._attempt(how)) is None:
            if time.monotonic() > deadline:
                raise TimedOut
            time.sleep(_LOOK_AGAIN)
        try:
            yield
        finally:
            os.close(descriptor)

    def _attempt(self, how: int) -> int | None:
        """A descriptor that holds the lock, or None: somebody else does, or the folder was deleted meanwhile."""
        try:
            descriptor = os.open(self._folders.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:
            raise Damaged from None  # deleted after `prepare`
        try:
            fcntl.flock(descriptor, how | fcntl.LOCK_NB)
            if self._folders.lock.stat().st_ino == os.fstat(descriptor).st_ino:
                return descriptor
        except (BlockingIOError, FileNotFoundError):
            pass
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        return None
