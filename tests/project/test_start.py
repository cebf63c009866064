from __future__ import annotations

import os
import subprocess
import sys

import pytest

from gitslo import __version__
from gitslo.cli.root import COMMANDS

HEAVY = {
    "anyio", "apscheduler", "asyncio", "git", "grpc", "hdrh", "httpx", "httptools", "jmespath", "jsonschema", "numpy",
    "prometheus_client", "rich", "ruamel", "scipy", "starlette", "structlog", "uvicorn", "uvloop",
}  # fmt: skip


def modules_after(code: str) -> set[str]:
    program = f"import sys\n{code}\nprint(*sys.modules, file=sys.stderr)"
    run = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )
    return {name.split(".")[0] for name in run.stderr.split()}


@pytest.mark.parametrize(
    "code",
    [
        "import gitslo",
        "import gitslo.cli.root",
        "from gitslo.cli.root import cli; cli(['--version'], standalone_mode=False)",
        "from gitslo.cli.root import cli; cli(['init', '--help'], standalone_mode=False)",
    ],
)
def test_nothing_heavy_is_imported_at_the_start(code: str) -> None:
    """Starting costs what starting needs: libraries are imported by the commands that use them."""
    assert set() == modules_after(code) & HEAVY


def test_the_check_sees_heavy_imports() -> None:
    """A heavy import would be noticed."""
    assert {"rich"} <= modules_after("import rich.text") & HEAVY


def test_the_version_is_printed() -> None:
    """`python -m gitslo --version` says name and version, and nothing on standard error."""
    run = subprocess.run(
        [sys.executable, "-m", "gitslo", "--version"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env={**os.environ, "PYTHONWARNINGS": "error"},
    )

    assert (f"gitslo, version {__version__}\n", "") == (run.stdout, run.stderr)


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_the_help_of_every_command_has_an_example(name: str) -> None:
    """`gitslo COMMAND --help` shows how it is typed, for subcommands as well."""
    import click

    from gitslo.cli.root import cli
    from tests.project.reference import helps

    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    shown = helps(command, ("gitslo", name))

    assert [] == [" ".join(path) for path, text in shown if f"Example: {' '.join(path)}" not in " ".join(text.split())]
