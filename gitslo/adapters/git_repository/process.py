"""Starting Git: its arguments, its environment, its credentials. The only file that imports GitPython.

Called by everything in this package that needs Git. GitPython's `execute` hands the caller's whole environment on, and
its time-out signals only the descendants that it finds at that moment; so Git is started through `env -i` in a session
of its own, and `child` feeds it, reads it and ends it.

**Invariants**
* nothing of the caller's environment reaches Git (`GIT_*`, proxies, `HOME`) but PATH; the one exception is the
  `git version` that GitPython asks by itself when it is imported;
* an argument vector is `env -i NAME=VALUE... git -C HOME [--git-dir=CLONE] -c OPTION... SUBCOMMAND ...`;
* the password is in a descriptor that only the processes started for the remote inherit.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from gitslo.adapters.git_repository import askpass
from gitslo.adapters.git_repository.child import Child, Finished
from gitslo.adapters.git_repository.grammar import Remote
from gitslo.errors import Fatal, Refused

__all__ = ["OLDEST_GIT", "Finished", "GitProcesses"]

OLDEST_GIT = (2, 38)
"""`merge-tree --write-tree`; `cat-file --batch-command` came in 2.36."""

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


class GitProcesses:
    """Starts Git for one remote.

    Args:
        home: an empty folder, the processes' working directory and HOME; the askpass script lies beside it.
        repository: the bare clone.
        remote: decides which one transport is allowed.
        ca: a file of certificates that Git trusts for the remote, or None for the system's.
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
        ca: Path | None = None,
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
        trusted = (f"http.sslCAInfo={ca.absolute()}",) if ca is not None else ()
        self._options = tuple(part for option in (*_SAFETY, allowed, *stall, *trusted) for part in ("-c", option))
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
            argv = [self._env, "-i", *self._environment(descriptor), self._program, "-C", str(self._home)]
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
        popen: subprocess.Popen[bytes] | None = interrupted.proc
        if popen is None:
            raise Fatal("GitPython started no process")
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
        program = " ".join(map(shlex.quote, (sys.executable, "-I", "-S", askpass.__file__)))
        text = f'#!/bin/sh\nexec {program} "$1"\n'
        # One of an earlier installation names programs that may be gone, and Git would take that for a wrong password.
        if not script.exists() or script.read_text(errors="replace") != text:
            fresh = script.with_name(f"askpass.{os.getpid()}.{os.urandom(4).hex()}")
            fresh.write_text(text)
            fresh.chmod(0o700)
            fresh.replace(script)
        return script


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
