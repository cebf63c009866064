"""The root command: names every command and imports its module only when it is used."""

from __future__ import annotations

from importlib import import_module

import click

from gitslo import __version__
from gitslo.errors import GitsloError

__all__ = ["USAGE_ERROR", "cli"]

USAGE_ERROR = 2
"""Exit code of a mistake in the arguments or in an input."""
INTERRUPTED = 130
"""Exit code of a command that Ctrl-C has ended, as shells have it; click's own 1 would be the code of a fail."""

COMMANDS = {
    "check": "gitslo.cli.check",
    "demo": "gitslo.cli.demo",
    "hold": "gitslo.cli.person",
    "import": "gitslo.cli.imports",
    "init": "gitslo.cli.init",
    "judge": "gitslo.cli.judge",
    "load": "gitslo.cli.load",
    "log": "gitslo.cli.ledger",
    "once": "gitslo.cli.daemon",
    "pulls": "gitslo.cli.pulls",
    "report": "gitslo.cli.ledger",
    "resume": "gitslo.cli.person",
    "revalidate": "gitslo.cli.person",
    "serve": "gitslo.cli.daemon",
    "simulate": "gitslo.cli.simulate",
    "status": "gitslo.cli.ledger",
    "syncer": "gitslo.cli.syncer",
    "test": "gitslo.cli.test",
    "verdict": "gitslo.cli.verdict",
}
"""Command -> module with a click command in a variable of the command's name, or `<name>_command` for keywords."""


class _LazyGroup(click.Group):
    """Imports a command's module when the command is looked up, and turns our errors into one clear message."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        module = COMMANDS.get(cmd_name)
        if module is None:
            return None
        loaded = import_module(module)
        command = getattr(loaded, cmd_name, None) or getattr(loaded, f"{cmd_name}_command")
        assert isinstance(command, click.Command)  # noqa: S101 - the table above is ours
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in COMMANDS and not args[0].startswith("-"):
            from gitslo.core.nearest import nearest

            hint = nearest(args[0], COMMANDS) or "`gitslo --help` lists them"
            ctx.fail(f"There is no command `{args[0]}` ({hint})")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except GitsloError as error:
            click.echo(str(error), err=True)
            ctx.exit(USAGE_ERROR)
        except KeyboardInterrupt:
            click.echo("interrupted", err=True)
            ctx.exit(INTERRUPTED)


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="gitslo")
def cli() -> None:
    """A commit is promoted when it has proven its SLOs, reverted when it has broken them.

    Start with `gitslo demo`; then `gitslo init` and `gitslo check`.
    """
