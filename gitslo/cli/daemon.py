"""`gitslo serve` and `gitslo once`."""

from __future__ import annotations

import json
import os
import signal
import threading
from pathlib import Path

import click

__all__ = ["once", "serve"]

CONFIG = click.option(
    "--config",
    "-c",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The operator's file; never in the repository.",
)

LOG = click.option(
    "--log",
    type=click.Choice(["live", "text", "json"]),
    default="live",
    show_default=True,
    help="Progress for people, or log lines for machines; both on standard error.",
)


def _stop_on_signals() -> threading.Event:
    """An event that SIGTERM and SIGINT set.

    Through a pipe and a thread of its own: a Python handler runs in the main thread alone, which sleeps on when the
    kernel gave the signal to another one, and which may hold the lock that setting an event needs.
    """
    stopping = threading.Event()
    heard, tell = os.pipe()
    os.set_blocking(tell, False)
    signal.set_wakeup_fd(tell, warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)

    def hear() -> None:
        os.read(heard, 1)
        stopping.set()

    threading.Thread(target=hear, name="signals", daemon=True).start()
    return stopping


@click.command()
@CONFIG
@LOG
def serve(config: Path, log: str) -> None:
    """Watch repositories until told to stop.

    SIGTERM drains: load is stopped, children end, and a claim under way is left to be taken over.

    Example: gitslo serve --config operator.yaml
    """
    from gitslo.cli.observing import observer
    from gitslo.config import load_operator
    from gitslo.wiring import build, secrets_of, serve_all

    stopping = _stop_on_signals()
    operator = load_operator(config)
    with observer(log, secrets_of(operator, serving=True)) as told:
        serve_all(build(operator, [told]), stopping)


@click.command()
@CONFIG
@click.option("--wait", default="5m", show_default=True, help="How long a syncer is waited for.")
@click.option("--json", "as_json", is_flag=True, help="Print where every environment stands as JSON.")
@LOG
def once(config: Path, wait: str, as_json: bool, log: str) -> None:
    """Do what is to be done, until every environment is idle, held, or waits for a person.

    Exit code 0 when nothing is held or refused, 1 otherwise.

    Example: gitslo once --config operator.yaml --wait 2m
    """
    from gitslo.cli.observing import observer
    from gitslo.cli.standing import COLUMNS, of_sight, unread, words
    from gitslo.cli.style import table
    from gitslo.config import load_operator
    from gitslo.core.units import parse_duration
    from gitslo.errors import Problem, Refused
    from gitslo.wiring import build, once_all, secrets_of

    stopping = _stop_on_signals()
    try:
        patience = parse_duration(wait)
    except Refused as refused:
        raise Refused(*(Problem(f"--wait: {each.message}", hint=each.hint) for each in refused.problems)) from None
    documents = []
    operator = load_operator(config)
    with observer(log, secrets_of(operator)) as told:
        daemon = build(operator, [told])
        for watch, poll in zip(daemon.patrols, once_all(daemon, patience, stopping), strict=False):
            problems = {s.environment: str(s.problem) for s in poll.standings if s.problem is not None}
            if poll.problem is not None:
                problems[""] = str(poll.problem)
            stays = {s.environment: s.stay.reason for s in poll.standings if s.stay is not None}
            sight = watch.controller.sight
            if sight.pipeline is None:
                unreadable = poll.problem or click.ClickException("nothing could be read")
                if len(daemon.patrols) == 1:
                    raise unreadable
                documents.append(unread(watch.controller.settings.name, str(unreadable)))
                continue
            documents.append(of_sight(sight, watch.controller.settings.name, problems, stays))
    if as_json:
        click.echo(json.dumps(documents, indent=2))
    else:
        table(COLUMNS, [tuple(row) for row in words(documents)])
        for problem in (text for document in documents for text in document["problems"]):
            click.echo(problem, err=True)
    entries = [entry for document in documents for entry in document["environments"].values()]
    if any(entry["held"] or entry["problem"] for entry in entries) or any(d["problems"] for d in documents):
        raise SystemExit(1)
