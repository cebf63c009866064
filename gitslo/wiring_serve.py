"""What `gitslo serve` answers to others. The part of the composition root that only the daemon's own server needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from urllib.parse import urlencode

from gitslo.config import RepositoryConfig, SecretRef
from gitslo.core.webhooks import secret_fault
from gitslo.errors import Refused
from gitslo.loop.api import PREFIX, Api
from gitslo.loop.gate import Gate
from gitslo.loop.ledgers import Ledgers
from gitslo.loop.serve import Patrol
from gitslo.loop.webhooks import Endpoint, Webhooks
from gitslo.ports import Ask, Clock, Observer, Repository, WebhookDesk
from gitslo.serve_settings import ServeSettings

__all__ = ["GIT_PATIENCE", "api_of", "gate_of", "reports_of", "webhooks_of"]

GIT_PATIENCE = 3.0
"""Seconds that one Git process of a gate may take: whoever asks waits for it."""
DECODED_BYTES = 2 * 1024 * 1024
COMPRESSED_BYTES = 16 * 1024 * 1024


def gate_of(config: RepositoryConfig, repository: Repository, key: bytes | None, clock: Clock) -> Gate:
    """Args: repository: a client of its own, with short time-outs; key: of the ledgers, or None."""
    ledgers = Ledgers(repository, name=config.name, key=key, decoded=DECODED_BYTES, compressed=COMPRESSED_BYTES)
    return Gate(config.name, repository, ledgers, every=config.poll, clock=clock)


def api_of(settings: ServeSettings, patrols: Sequence[Patrol], observers: Sequence[Observer]) -> Ask:
    """What answers below `/api/`."""
    gates = {watch.gate.name: watch.gate for watch in patrols if watch.gate is not None}
    return Api(gates, None if settings.token is None else _revealed(settings.token), observers).ask


def reports_of(url: str, repository: str) -> str:
    """The URL of a repository's reports, to which environment and run are added; empty where people reach none."""
    return f"{url}{PREFIX}report?{urlencode({'repository': repository})}" if url else ""


def webhooks_of(
    settings: ServeSettings, patrols: Sequence[Patrol], clock: Clock, observers: Sequence[Observer]
) -> WebhookDesk | None:
    """What takes deliveries; None where the operator wants none.

    Raises:
        Refused: a secret is of another form than the forge's.
    """
    for webhook in settings.webhooks.values():
        wrong = secret_fault(webhook.sender, webhook.secret.resolve().reveal())
        if wrong:
            raise Refused(replace(webhook.secret.place, message=wrong))
    by_name: Mapping[str, Patrol] = {watch.controller.settings.name: watch for watch in patrols}
    endpoints = {
        name: Endpoint(webhook.sender, _revealed(webhook.secret), by_name[name].every, by_name[name].wake.set)
        for name, webhook in settings.webhooks.items()
    }
    return Webhooks(endpoints, clock, observers) if endpoints else None


def _revealed(reference: SecretRef) -> Callable[[], str]:
    return lambda: reference.resolve().reveal()
