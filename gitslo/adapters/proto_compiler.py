"""`.proto` sources to a FileDescriptorSet, with the compiler that grpcio-tools brings. The one file with grpc_tools.

Sources come from a repository, so the compiler, a large C++ program, is a process of its own: without our environment,
with bounds on its memory, its processor time and what it writes, and with a time-out. It sees a folder that holds just
the given files, and the well-known types; nothing else of this machine can be imported.
"""

from __future__ import annotations

import contextlib
import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
from collections.abc import Collection, Sequence
from importlib.util import find_spec
from pathlib import Path, PurePosixPath

from gitslo.core.escape import plain, short
from gitslo.errors import Problem, Refused
from gitslo.model import Seconds

__all__ = ["COMPILE_TIMEOUT", "compile_proto"]

COMPILE_TIMEOUT = Seconds(20.0)
_SOURCES_CAP = 8 * 1024 * 1024
_MOST_FILES = 1000
_OUTPUT_CAP = 64 * 1024 * 1024
_MEMORY = 1024 * 1024 * 1024
_MOST_PROBLEMS = 20
_SAID = re.compile(
    r"^(?:\./)?(?P<file>[^:\n]+\.proto):(?:(?P<line>\d+):(?P<column>\d+):)? (?P<message>.*)$", re.MULTILINE
)
_IMPORT = re.compile(r'Import "(.*)" was not found or had errors')


def compile_proto(files: Sequence[tuple[str, bytes]], timeout: Seconds = COMPILE_TIMEOUT) -> bytes:
    """Compile the first file; the others are what it may import.

    Args:
        files: (path as imports say it, content).
        timeout: seconds.

    Raises:
        Refused: with file, line and column of every mistake; or the compiler is not installed, or took too long.
    """
    names = [_checked(name) for name, _ in files]
    if not names:
        raise Refused(Problem("there is no `.proto` file to compile"))
    if len(names) > _MOST_FILES or sum(len(content) for _, content in files) > _SOURCES_CAP:
        raise Refused(Problem(f"the `.proto` files are more than {_MOST_FILES}, or more than {_SOURCES_CAP >> 20} MiB"))
    if find_spec("grpc_tools") is None:
        raise Refused(Problem("`.proto` files need grpcio-tools, which is not installed", hint="or use a protoset"))
    with tempfile.TemporaryDirectory(prefix="gitslo-proto-") as folder:
        sources, out = Path(folder, "sources"), Path(folder, "out")
        for name, (_, content) in zip(names, files, strict=True):
            path = sources / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        code, said = _run(sources, out, names[0], timeout)
        if code == 0 and out.exists():
            return out.read_bytes()
    if code is None:
        raise Refused(Problem(f"compiling took longer than {timeout:g} s", file=names[0]))
    raise Refused(*tuple(_problems(said, names))[:_MOST_PROBLEMS] or (Problem(_last(code, said), file=names[0]),))


def _checked(name: str) -> str:
    path = PurePosixPath(name)
    if (
        not name.endswith(".proto")
        or name != str(path)
        or path.is_absolute()
        or ".." in path.parts
        or not re.fullmatch(r"[\w./+ -]{1,255}", name)
        or name.startswith("-")
    ):
        hint = "a relative path that ends in `.proto`, of letters, digits and `_ - + . /`"
        raise Refused(Problem(f"`{short(plain(name), 80)}` is no path that `.proto` files import", hint=hint))
    return name


def _run(sources: Path, out: Path, first: str, timeout: float) -> tuple[int | None, str]:
    """The compiler's exit code, None where it took too long, and what it said."""
    argv = [
        *(sys.executable, "-I", "-m", "grpc_tools.protoc"),
        *("-I.", "--include_imports", f"--descriptor_set_out={out}", first),
    ]
    with (sources.parent / "said").open("w+b") as said:
        process = subprocess.Popen(
            argv,
            cwd=sources,
            env={"LC_ALL": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        code: int | None = None
        try:
            with contextlib.suppress(ProcessLookupError):
                resource.prlimit(process.pid, resource.RLIMIT_AS, (_MEMORY, _MEMORY))
                resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (_OUTPUT_CAP, _OUTPUT_CAP))
                resource.prlimit(process.pid, resource.RLIMIT_CPU, (int(timeout) + 1, int(timeout) + 1))
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = process.wait(timeout)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        said.seek(0)
        return code, said.read(1 << 20).decode(errors="replace")


def _problems(said: str, given: Collection[str]) -> list[Problem]:
    """What the compiler found wrong, without what only follows from it."""
    found: list[Problem] = []
    for match in _SAID.finditer(said):
        message = plain(match["message"]).rstrip(".")
        imported = _IMPORT.fullmatch(message)
        if message.startswith("warning: ") or (imported is not None and imported[1] in given):
            continue  # the imported file's own mistakes are told
        if imported is not None:
            message = f"`{imported[1]}` is imported and neither among the given files nor a well-known one"
        line = int(match["line"]) if match["line"] else None
        column = int(match["column"]) if match["column"] else None
        found.append(Problem(message, file=match["file"], line=line, column=column))
    return [problem for problem in found if problem.line is not None] or found


def _last(code: int, said: str) -> str:
    lines = said.strip().splitlines()
    return f"the compiler ended with code {code}: {short(plain(lines[-1]), 200) if lines else 'without a word'}"
