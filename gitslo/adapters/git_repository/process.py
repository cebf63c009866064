"""One Git process: its arguments, its environment, its deadline and its end. The only file that imports GitPython.

Called by `clone`, `reading`, `commits` and `publish`. GitPython's `execute` hands the caller's whole environment on and
its time-out signals processes one by one, so Git is started through `env -i` in a session of its own, and it is this
file that feeds it, reads it and ends it.

**Invariants**
* nothing of the caller's environment reaches Git (`GIT_*`, proxies, `HOME`);
* a time-out or an overrun ends the whole process group: asked first, so that Git removes its locks, then killed;
* when a call returns, the process has been waited for and every descriptor is closed.
"""

from __future__ import annotations

import contextlib
import os
import select
import selectors
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gitslo.adapters.git_repository import askpass
from gitslo.adapters.git_repository.faults import TimedOut, TooLarge, masked
from gitslo.adapters.git_repository.grammar import Remote
from gitslo.errors import Fatal, Refused

__all__ = ["OLDEST_GIT", "Child", "Finished", "GitProcesses"]

OLDEST_GIT = (2, 38)
"""`merge-tree --write-tree`; `cat-file --batch-command` came in 2.36."""

_CHUNK = 1 << 16
_ERROR_KEPT = 1 << 16
_GRACE = 1.0

_SAFETY = (
    "protocol.allow=never",
    "protocol.version=2",
    "core.hooksPath=/dev/null",
    "core.attributesFile=/dev/null",
    "core.fsmonitor=false",
    "core.askPass=",
    "core.protectHFS=true",
    "core.protectNTFS=true",
    "credential.helper=",
    "transfer.fsckObjects=true",
    "fetch.unpackLimit=1",
    "fetch.recurseSubmodules=false",
    "fetch.writeCommitGraph=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "http.followRedirects=false",
    "http.emptyAuth=false",
    "log.showSignature=false",
    "push.followTags=false",
    "push.gpgSign=false",
    "push.recurseSubmodules=no",
    "submodule.recurse=false",
)
# fetch.unpackLimit=1: a fetch that is cut off must leave nothing; unpacking writes a commit before its tree.


@dataclass(frozen=True, slots=True)
class Finished:
    """How a process ended.

    Attributes:
        code: exit code; negative: the signal that ended it.
        out: standard output.
        said: standard error, its end cut off where it is long, credentials masked.
    """

    code: int
    out: bytes
    said: str


class Child:
    """A running Git process that is fed and read in turns.

    Args:
        popen: started in a session of its own, with pipes.
        deadline: on the monotonic clock.
        cap: bytes of standard output it may print.
        secrets: masked in what it says.
    """

    def __init__(self, popen: subprocess.Popen[bytes], deadline: float, cap: int, secrets: Sequence[str]) -> None:
        self._popen = popen
        self._deadline = deadline
        self._cap = cap
        self._secrets = secrets
        self._printed = 0
        self._error = bytearray()
        self._selector = selectors.DefaultSelector()
        self._pending = memoryview(b"")
        for stream in (popen.stdout, popen.stderr):
            assert stream is not None
            os.set_blocking(stream.fileno(), False)
            self._selector.register(stream, selectors.EVENT_READ)
        assert popen.stdin is not None
        os.set_blocking(popen.stdin.fileno(), False)

    def exchange(self, data: bytes, feed: Callable[[bytes], bool]) -> None:
        """Write `data` and give standard output to `feed` until that says True or the output ends.

        Raises:
            TimedOut, TooLarge: the process has been killed.
            ValueError: whatever `feed` raises.
        """
        self._pending = memoryview(data)
        self._pump(feed)

    def finish(self, data: bytes = b"") -> Finished:
        """Write `data`, close standard input, read to the end and wait.

        Raises:
            TimedOut, TooLarge: the process has been killed.
        """
        out = bytearray()

        def keep(chunk: bytes) -> bool:
            out.extend(chunk)
            return False

        self._pending = memoryview(data)
        self._pump(keep, closing=True)
        try:
            code = self._popen.wait(max(0.0, self._deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            raise TimedOut from None
        return Finished(code, bytes(out), masked(self._error.decode(errors="replace"), self._secrets))

    def _pump(self, feed: Callable[[bytes], bool], *, closing: bool = False) -> None:
        popen, done = self._popen, False
        stdin = popen.stdin
        assert stdin is not None
        if self._pending:
            self._selector.register(stdin, selectors.EVENT_WRITE)
        elif closing:
            stdin.close()
        while not done:
            if set(self._selector.get_map()) <= ({stdin.fileno()} if not stdin.closed else set()):
                return
            left = self._deadline - time.monotonic()
            ready = self._selector.select(max(0.0, left)) if left > 0 else []
            if not ready:
                raise TimedOut
            for key, _ in ready:
                if key.fileobj is stdin:
                    self._write(closing=closing)
                else:
                    done = self._read(key.fileobj, feed) or done

    def _write(self, *, closing: bool) -> None:
        stdin = self._popen.stdin
        assert stdin is not None
        try:
            sent = os.write(stdin.fileno(), self._pending[:_CHUNK])
        except BrokenPipeError:
            sent = len(self._pending)  # it ended early; what it said tells why
        self._pending = self._pending[sent:]
        if not self._pending:
            self._selector.unregister(stdin)
            if closing:
                stdin.close()

    def _read(self, stream: Any, feed: Callable[[bytes], bool]) -> bool:
        chunk = os.read(stream.fileno(), _CHUNK)
        if not chunk:
            self._selector.unregister(stream)
            return False
        if stream is self._popen.stderr:
            self._error += chunk[: max(0, _ERROR_KEPT - len(self._error))]
            return False
        self._printed += len(chunk)
        if self._printed > self._cap:
            raise TooLarge
        return feed(chunk)

    def end(self) -> None:
        """End the process group if it still runs, wait, and close everything; does nothing twice."""
        popen = self._popen
        if popen.returncode is None:
            # The leader is not waited for before the last signal: until then its number can be nobody else's.
            self._signal(signal.SIGTERM)
            self._drain(time.monotonic() + _GRACE)
            self._signal(signal.SIGKILL)
        self._selector.close()
        for stream in (popen.stdin, popen.stdout, popen.stderr):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        popen.wait()

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._popen.pid, number)

    def _drain(self, until: float) -> None:
        """Wait until nobody holds the output any more, or until the grace is over."""
        streams = [stream for stream in (self._popen.stdout, self._popen.stderr) if stream is not None]
        while streams and (left := until - time.monotonic()) > 0:
            for stream in select.select(streams, [], [], left)[0]:
                with contextlib.suppress(BlockingIOError):
                    if not os.read(stream.fileno(), _CHUNK):
                        streams.remove(stream)


class GitProcesses:
    """Starts Git for one remote.

    Args:
        home: an empty folder, the processes' working directory and HOME; the askpass script lies beside it.
        repository: the bare clone.
        remote: decides which one transport is allowed.
        username: for the remote, or None.
        password: read anew for every process that talks to the remote, or None for no credentials.
        timeout: seconds.

    Raises:
        Fatal: there is no Git on this machine.
    """

    def __init__(
        self,
        home: Path,
        repository: Path,
        remote: Remote,
        *,
        username: str | None,
        password: Callable[[], str] | None,
        timeout: float,
    ) -> None:
        git, env = shutil.which("git"), shutil.which("env")
        if git is None or env is None:
            raise Fatal(f"git {_dotted(OLDEST_GIT)} or newer is needed, and the `env` program; they are not in PATH")
        # Importing GitPython asks git for its version, so it comes after the look for git.
        from git.cmd import Git

        self._git = Git
        self._program = git
        self._env = env
        self._home = home
        self._repository = repository
        self._remote = remote
        self._username = username
        self._password = password
        self.timeout = timeout
        allowed = f"protocol.{remote.scheme}.allow=always"
        stall = ("http.lowSpeedLimit=1", f"http.lowSpeedTime={max(1, round(timeout))}")
        self._options = tuple(part for option in (*_SAFETY, allowed, *stall) for part in ("-c", option))
        self._checked = False

    @property
    def signed_in(self) -> bool:
        """Whether credentials are offered to the remote."""
        return self._password is not None

    def check_version(self) -> None:
        """Refuse a Git that is too old; asked once.

        Raises:
            Refused: it is.
        """
        if self._checked:
            return
        said = self.run("version").out.decode(errors="replace")
        numbers = said.removeprefix("git version ").split(".")
        version = tuple(int(number) for number in numbers[:2] if number.isdecimal())
        if version < OLDEST_GIT:
            raise Refused(f"git {_dotted(OLDEST_GIT)} or newer is needed, this is {said.strip()[:80]!r}")
        self._checked = True

    def run(
        self,
        *arguments: str,
        stdin: bytes = b"",
        cap: int = 1 << 20,
        patience: float = 1.0,
        to_remote: bool = False,
        in_clone: bool = True,
    ) -> Finished:
        """Run Git to its end.

        Args:
            arguments: the subcommand and its arguments, of a constant shape.
            stdin: bytes it reads.
            cap: bytes it may print.
            patience: how many time-outs long it may take.
            to_remote: it talks to the remote: credentials are offered.
            in_clone: it works on the clone; otherwise it must need no repository.

        Raises:
            TimedOut, TooLarge: it was killed.
        """
        with self.child(*arguments, cap=cap, patience=patience, to_remote=to_remote, in_clone=in_clone) as child:
            return child.finish(stdin)

    @contextlib.contextmanager
    def child(
        self,
        *arguments: str,
        cap: int,
        patience: float = 1.0,
        to_remote: bool = False,
        in_clone: bool = True,
    ) -> Iterator[Child]:
        """A Git process to talk with; gone when the block is left. Arguments as in `run`."""
        secrets, descriptor = self._secrets() if to_remote else ((), None)
        try:
            argv = [self._env, "-i", *self._environment(descriptor), self._program]
            argv += [f"--git-dir={self._repository}"] if in_clone else []
            argv += [*self._options, *arguments]
            deadline = time.monotonic() + self.timeout * patience
            interrupted = self._git(str(self._home)).execute(
                argv,
                subprocess.PIPE,
                as_process=True,
                shell=False,
                start_new_session=True,
                pass_fds=() if descriptor is None else (descriptor,),
            )
        finally:
            if descriptor is not None:
                os.close(descriptor)
        popen = interrupted.proc
        assert popen is not None
        child = Child(popen, deadline, cap, secrets)
        try:
            yield child
        finally:
            child.end()
            interrupted.proc = None  # ended here: GitPython's own clean-up has nothing left to do

    def _environment(self, descriptor: int | None) -> list[str]:
        variables = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self._home),
            "XDG_CONFIG_HOME": str(self._home),
            "LC_ALL": "C",
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_CEILING_DIRECTORIES": str(self._home.parent),
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_LITERAL_PATHSPECS": "1",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_TERMINAL_PROMPT": "0",
        }
        if descriptor is not None:
            variables |= {
                "GIT_ASKPASS": str(self._askpass_script()),
                askpass.FD_VARIABLE: str(descriptor),
                askpass.ORIGIN_VARIABLE: self._remote.origin,
            }
        return [f"{name}={value}" for name, value in variables.items()]

    def _secrets(self) -> tuple[tuple[str, ...], int | None]:
        """What to mask, and a descriptor that holds the user name and the password."""
        if self._password is None or not self._remote.origin:
            return (), None
        username, password = self._username or "git", self._password()
        if any(sign in text for text in (username, password) for sign in "\0\r\n"):
            raise Refused("the repository's user name or password holds a line break or a NUL")
        descriptor = os.memfd_create("gitslo-askpass")
        os.write(descriptor, f"{username}\0{password}".encode())
        # The user name is no secret by itself, and masking "git" would make every message unreadable.
        return (password, f"{username}:{password}"), descriptor

    def _askpass_script(self) -> Path:
        """Git wants one program without arguments, and a script's first line is too short for some paths."""
        script = self._home.with_name("askpass")
        if not script.exists():
            program = " ".join(map(shlex.quote, (sys.executable, "-I", "-S", askpass.__file__)))
            fresh = script.with_name(f"askpass.{os.getpid()}.{os.urandom(4).hex()}")
            fresh.write_text(f'#!/bin/sh\nexec {program} "$1"\n')
            fresh.chmod(0o700)
            fresh.replace(script)
        return script


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
