"""`gitslo syncer`."""

from __future__ import annotations

import signal
import sys
import threading
import time
from functools import partial
from pathlib import Path

import click

__all__ = ["syncer"]


@click.command()
@click.option(
    "--config",
    "-c",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The operator's file; repositories with `process:` are followed.",
)
@click.option("--log", type=click.Choice(["text", "json"]), default="text", show_default=True, help="Log format.")
def syncer(config: Path, log: str) -> None:
    """Run what repositories' manifests say as processes on this machine, until told to stop.

    For a laptop, a test or the demo, in place of a cluster. Containers are run as the programs that the operator's file
    names for their images, on loopback ports. SIGTERM ends every process.

    Example: gitslo syncer --config operator.yaml
    """
    from gitslo.config import load_operator
    from gitslo.errors import Problem, Refused
    from gitslo.observers.log import LogForm, LogObserver
    from gitslo.observers.redaction import Redactor
    from gitslo.syncer.program import Followed, serve
    from gitslo.wiring import open_repository

    followed, secrets = [], []
    for repository in load_operator(config).repositories:
        if repository.process is not None:
            state = Path(repository.process.state)
            # A clone of its own: the syncer and the daemon live and die apart.
            opened = partial(open_repository, repository, state / "clone")
            programs = repository.process.containers
            if repository.credentials is not None:
                secrets.append(repository.credentials.password.resolve().reveal())
            followed.append(Followed(repository.name, opened, state, programs, repository.allowed, repository.poll))
    if not followed:
        hint = "give one a `process:` with a state folder and its containers"
        raise Refused(Problem("no repository of the operator's file has a process syncer", file=str(config), hint=hint))
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    observer = LogObserver(sys.stderr, LogForm.JSON if log == "json" else LogForm.TEXT, Redactor(secrets))
    try:
        serve(followed, stop, time.time(), (observer,))
    finally:
        observer.close()
