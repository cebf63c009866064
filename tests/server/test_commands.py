from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from gitslo.adapters.commands import OUTPUT_CAP, CommandResult, run_command
from gitslo.errors import Refused
from gitslo.model import Seconds

LONG = Seconds(20.0)


def python(source: str, *arguments: str, **given: object) -> CommandResult:
    settings = {"environment": {}, "stdin": b"", "timeout": LONG, **given}
    return run_command((sys.executable, "-I", "-c", source, *arguments), **settings)  # type: ignore[arg-type]


def test_it_gets_its_input_and_gives_its_output() -> None:
    """Standard input arrives whole, both output streams are kept, the exit code is the command's."""
    text = b"verdict\n" * 50_000
    source = (
        "import sys; n = len(sys.stdin.buffer.read()); print(n, flush=True); print('e', file=sys.stderr); sys.exit(3)"
    )

    assert CommandResult(3, f"{len(text)}\ne\n", truncated=False) == python(source, stdin=text)


def test_it_sees_only_what_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """The child's environment is PATH and what was given; none of the daemon's own variables."""
    monkeypatch.setenv("GITSLO_CANARY_TOKEN", "canary")
    result = python("import os; print(sorted(os.environ))", environment={"GITSLO_VERDICT": "fail"})
    seen = set(result.output.strip("[]\n").replace("'", "").split(", "))

    assert {"GITSLO_VERDICT", "PATH"} == seen - {"LC_CTYPE"}


def test_output_is_capped_and_the_rest_is_read() -> None:
    """A chatty command is not blocked: all of its output is read, the first 64 KiB are kept."""
    result = python("import sys; sys.stdout.write('x' * 1_000_000); sys.exit(0)")

    assert (0, OUTPUT_CAP, True) == (result.exit_code, len(result.output), result.truncated)


def test_a_command_need_not_read() -> None:
    """A command that closes its input, or never reads it, still ends well."""
    result = python("import os; os.close(0)", stdin=b"x" * 1_000_000)

    assert 0 == result.exit_code


def test_the_time_out_kills_the_group(tmp_path: Path) -> None:
    """At the time-out the command and what it started are gone, and what it said so far is there."""
    source = (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-I', '-c', 'import time; time.sleep(600)'])\n"
        "print(child.pid, flush=True)\n"
        "child.wait()\n"
    )
    result = python(source, timeout=Seconds(1.5))

    assert (None, True) == (result.exit_code, result.timed_out)
    assert gone(int(result.output))


def test_nothing_of_the_group_outlives_a_command_that_ended() -> None:
    """A child left in the background, holding the output open, neither delays the result nor lives on."""
    source = (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-I', '-c', 'import time; time.sleep(600)'])\n"
        "print(child.pid)\n"
    )
    result = python(source)

    assert 0 == result.exit_code
    assert gone(int(result.output))


def test_a_signal_is_an_exit_code() -> None:
    """A command that a signal ended says which, as a negative number."""
    assert -signal.SIGTERM == python("import os, signal; os.kill(os.getpid(), signal.SIGTERM)").exit_code


@pytest.mark.parametrize("argv", [("/nonexistent/page-us",), (), ("a\0b",)])
def test_what_cannot_be_started_is_refused(argv: tuple[str, ...]) -> None:
    """A command that is not there is the operator's mistake, said in one line."""
    with pytest.raises(Refused, match="cannot be started"):
        run_command(argv, {}, b"", LONG)


def test_nothing_is_left_open() -> None:
    """However a command ends, no descriptor stays open."""
    before = open_descriptors()
    python("pass")
    python("import time; time.sleep(600)", timeout=Seconds(0.2))

    assert before == open_descriptors()


def open_descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def gone(pid: int) -> bool:
    """Whether the process is dead (an init that is slow to reap may leave a zombie) within some seconds."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        os.sched_yield()
    return False
