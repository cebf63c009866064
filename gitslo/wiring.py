"""The composition root: the only place that knows adapters by name.

Called by the command line. Forges and syncers are found through the entry points `gitslo.forges` and `gitslo.syncers`,
so that another package can bring its own; everything else is composed here.
"""

from __future__ import annotations

import hashlib
import os
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gitslo.config import CommandConfig, Operator, RepositoryConfig
from gitslo.loop import Controller, Poll, Settings
from gitslo.loop.attempts import Attempts, Places
from gitslo.loop.ledgers import Ledgers
from gitslo.loop.serve import Patrol, once, patrol
from gitslo.loop.sight import Sight
from gitslo.model import Seconds
from gitslo.ports import Event, Observer, Repository, Syncer, tell_all
from gitslo.wiring_forge import entry_point, forge_of, git_login, wording_of
from gitslo.wiring_git import signer_of
from gitslo.wiring_run import SystemClock, load_engine, metric_sources, readiness_probe, target_access
from gitslo.wiring_serve import GIT_PATIENCE, api_of, gate_of, reports_of, webhooks_of

__all__ = [
    "Daemon",
    "SystemClock",
    "build",
    "cache_folder",
    "once_all",
    "open_repository",
    "open_sight",
    "secrets_of",
    "serve_all",
]

JITTER = 0.1
"""Share of the poll interval that is added at random, so that many repositories are not polled at one moment."""


@dataclass(frozen=True, slots=True)
class Daemon:
    """Everything that `serve` and `once` run."""

    operator: Operator
    patrols: tuple[Patrol, ...]
    clock: SystemClock
    metrics: Callable[[], bytes]
    observers: tuple[Observer, ...] = ()


def cache_folder(url: str) -> Path:
    """Where the disposable clone of a repository lies: `$GITSLO_CACHE`, else the user's cache folder."""
    base = (
        os.environ.get("GITSLO_CACHE") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "gitslo"
    )
    return Path(base) / hashlib.sha256(url.encode()).hexdigest()[:20]


def open_repository(config: RepositoryConfig, cache: Path | None = None, timeout: float = 30.0) -> Repository:
    """The Git repository of the operator's file.

    Args:
        config: of the repository.
        cache: another place for its clone.
        timeout: seconds for one Git process, or exchange with the remote.
    """
    from gitslo.adapters.git_repository import GitRepository

    login = git_login(config, SystemClock())
    return GitRepository(
        url=config.url,
        branch=config.branch,
        cache=cache or cache_folder(config.url),
        ledger_prefix=f"{config.ledger_namespace}/",
        username=None if login is None else login[0],
        password=None if login is None else login[1],
        plain_http=config.credentials is not None and config.credentials.plain_http,
        ca=config.ca,
        author=(config.author_name, config.author_email),
        sign=signs.sign if (signs := signer_of(config)) is not None else None,
        timeout=timeout,
    )


def open_sight(config: RepositoryConfig) -> Sight:
    """A repository for reading and for a person's say, without a daemon; it has looked once."""
    repository = open_repository(config)
    sight = Sight(repository, Ledgers(repository, name=config.name, key=_ledger_key(config)), config.allowed)
    sight.look()
    return sight


def build(operator: Operator, observers: Sequence[Observer] = ()) -> Daemon:
    """Compose a daemon from the operator's file; `observers` are told everything, and closed by the caller."""
    from gitslo.observers.metrics import MetricsObserver

    clock = SystemClock()
    metrics = MetricsObserver()
    told = (*observers, metrics)
    places = Places(operator.ceilings.concurrent_runs)
    patrols = tuple(_patrol(operator, config, clock, told, places) for config in operator.repositories)
    return Daemon(operator, patrols, clock, metrics.render, told)


def serve_all(daemon: Daemon, stopping: threading.Event) -> None:
    """Poll every repository until `stopping`; serve health and metrics meanwhile; then drain."""
    from gitslo.adapters.http_server import HealthServer
    from gitslo.adapters.timer import Timer

    def ready() -> tuple[bool, str]:
        now = daemon.clock.now().monotonic
        said = [watch.ready(now) for watch in daemon.patrols]
        return all(ok for ok, _ in said), "; ".join(text for _, text in said)

    settings, server = daemon.operator.serve, None
    if settings.listen is not None:
        desk = webhooks_of(settings, daemon.patrols, daemon.clock, daemon.observers)
        ask = api_of(settings, daemon.patrols, daemon.observers)
        server = HealthServer(settings.listen, ready, daemon.metrics, ask=ask, webhooks=desk)
    timer = Timer(on_error=lambda error: print(f"timer: {error}", file=sys.stderr))  # noqa: T201 - the last resort
    threads = [
        threading.Thread(target=patrol, args=(watch, daemon.clock, stopping), name=watch.controller.settings.name)
        for watch in daemon.patrols
    ]
    try:
        if server is not None:
            listening = Event("serve.listening", "", f"listening on {server.url}", {"url": server.url})
            tell_all(daemon.observers, listening)  # where port 0 came to be is told nowhere else
        for watch, thread in zip(daemon.patrols, threads, strict=True):
            thread.start()
            timer.every(watch.every, Seconds(watch.every * JITTER), watch.wake.set)
        stopping.wait()
    finally:
        stopping.set()
        for watch in daemon.patrols:
            watch.wake.set()
        for thread in threads:
            thread.join()
        timer.stop(wait=False)
        if server is not None:
            server.stop()


def once_all(
    daemon: Daemon, wait: Seconds, stopping: threading.Event, told: Callable[[Poll], None] = lambda _: None
) -> tuple[Poll, ...]:
    """Poll until nothing is left to do."""
    return once(daemon.patrols, daemon.clock, wait=wait, stopping=stopping, told=told)


# --------------------------------------------------------------------------- pieces


def _patrol(
    operator: Operator, config: RepositoryConfig, clock: SystemClock, observers: tuple[Observer, ...], places: Places
) -> Patrol:
    repository = open_repository(config)
    if (signs := signer_of(config)) is not None:
        signs.check()  # a key that cannot sign is said now, and not when the first change is ready
    access = target_access(operator.certificates, operator.identities, config.allowed)
    wake = threading.Event()
    controller = Controller(
        Settings(
            config.name,
            operator.instance,
            config.allowed,
            operator.ceilings,
            _ledger_key(config),
            check_pull_requests=config.forge.check_pull_requests,
            reports=reports_of(operator.serve.url, config.name),
        ),
        repository=repository,
        forge=forge_of(config, repository, clock),
        syncers=_syncers(config),
        readiness=readiness_probe(access),
        engine=load_engine(operator.ceilings, config.allowed, access, operator.engines),
        clock=clock,
        commands=_commands(operator.commands),
        observers=observers,
        attempts=Attempts(places, wake.set),
        wording=wording_of(config),
        sources=metric_sources(operator.sources, config.allowed, operator.certificates),
    )
    gate = None
    if operator.serve.listen is not None:
        # Another client on the same clone: nobody who asks waits for the remote, and the loop for nobody who asks.
        gate = gate_of(config, open_repository(config, timeout=GIT_PATIENCE), _ledger_key(config), clock)
    return Patrol(controller, config.poll, wake, gate=gate)


def _syncers(config: RepositoryConfig) -> Mapping[str, Syncer]:
    syncers: dict[str, object] = {"probe": entry_point("gitslo.syncers", "probe")(config.allowed)}
    if config.process is not None:
        syncers["process"] = entry_point("gitslo.syncers", "process")(Path(config.process.state))
    return syncers  # type: ignore[return-value]  # the entry points' contract


def _commands(known: Mapping[str, CommandConfig]) -> Callable[[str, Mapping[str, str], bytes], str]:
    def run(name: str, variables: Mapping[str, str], stdin: bytes) -> str:
        from gitslo.adapters.commands import run_command

        command = known.get(name)
        if command is None:
            return f"the operator's file names no command `{name}`"
        result = run_command(command.argv, variables, stdin, command.timeout)
        if result.exit_code == 0:
            return ""
        how = "ran into its time-out" if result.timed_out else f"ended with exit code {result.exit_code}"
        return f"{how}: {result.output.strip()[-200:]}"

    return run


def _ledger_key(config: RepositoryConfig) -> bytes | None:
    return config.ledger_key.resolve().reveal().encode() if config.ledger_key is not None else None


def secrets_of(operator: Operator, *, serving: bool = False) -> tuple[str, ...]:
    """The values of every secret that is used, to be masked wherever text goes out.

    Args:
        operator: whose file refers to them.
        serving: whether those that only the daemon's own server needs are among them.
    """
    references = [c.credentials.password for c in operator.repositories if c.credentials is not None]
    references += [c.ledger_key for c in operator.repositories if c.ledger_key is not None]
    references += [c.signing.key for c in operator.repositories if c.signing is not None]
    references += [c.forge.token for c in operator.repositories if c.forge.token is not None]
    references += [c.forge.app.private_key for c in operator.repositories if c.forge.app is not None]
    references += [identity.secret for identity in operator.identities.values()]
    references += [secret for source in operator.sources.values() for secret in source.secrets]
    references += operator.serve.secrets if serving else ()
    return tuple(reference.resolve().reveal() for reference in references)
