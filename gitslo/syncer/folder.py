"""The syncer's state folder: one syncer per folder, and where the daemon finds it.

`<state>/syncer.json` (mode 0600) says where the control endpoint listens and holds its token; it is written whole or
not at all and removed at an orderly end. `<state>/syncer.lock` is held for as long as the syncer lives, whatever
becomes of the rest.
"""

from __future__ import annotations

import fcntl
import json
import os
from contextlib import suppress
from pathlib import Path

from gitslo.errors import Fatal, Problem, Refused
from gitslo.syncer.instance import Place

__all__ = ["STATE_FILE", "StateFolder"]

STATE_FILE = "syncer.json"
LOCK_FILE = "syncer.lock"


class StateFolder:
    """The folder, locked."""

    def __init__(self, path: Path) -> None:
        """Make the folder where it is missing, and lock it.

        Raises:
            Refused: another syncer holds it.
            Fatal: it cannot be made or written.
        """
        self.path = path
        try:
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = os.open(path / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise Fatal(f"the syncer's state folder {path} cannot be used: {error.strerror}") from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.read(self._lock, 20).decode("ascii", "replace").strip() or "unknown"
            os.close(self._lock)
            message = f"another syncer (process {holder}) holds the state folder {path}"
            raise Refused(Problem(message, hint="stop it, or name another folder in the operator's file")) from error
        os.truncate(self._lock, 0)
        os.pwrite(self._lock, f"{os.getpid()}\n".encode(), 0)

    def place(self, environment: str) -> Place:
        """Folders of one environment's processes."""
        name = environment.replace("/", ".")  # a sign that no environment has: `a-b/c` is not `a/b-c`
        place = Place(self.path / "work" / name, self.path / "logs" / name)
        place.work.mkdir(parents=True, exist_ok=True, mode=0o700)
        place.logs.mkdir(parents=True, exist_ok=True, mode=0o700)
        return place

    def announce(self, port: int, token: str, started: float) -> None:
        """Say where the control endpoint listens.

        Args:
            port: on 127.0.0.1.
            token: what callers must show.
            started: seconds since the epoch.
        """
        said = {
            "schema": "gitslo/v1",
            "pid": os.getpid(),
            "started": started,
            "control": f"http://127.0.0.1:{port}",
            "token": token,
        }
        fresh = self.path / f"{STATE_FILE}.new"
        with suppress(FileNotFoundError):
            fresh.unlink()
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(said, file)
            file.flush()
            os.fsync(descriptor)
        fresh.replace(self.path / STATE_FILE)

    def leave(self) -> None:
        """Take the announcement back and unlock."""
        with suppress(FileNotFoundError):
            (self.path / STATE_FILE).unlink()
        os.close(self._lock)
