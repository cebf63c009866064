"""Deliveries of forges: each a hint to look at its repository now, and nothing more.

Called by the daemon's HTTP server, in its one thread; composed by the wiring. **Invariants**
* polling stays the truth: a delivery that is lost, late, forged or repeated changes no decision;
* however many deliveries come, they cause at most one poll more per poll interval;
* what is remembered is bounded, and only what is signed is remembered.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from gitslo.core.webhooks import Sender, fault, keys
from gitslo.errors import GitsloError
from gitslo.model import Seconds
from gitslo.ports import Clock, Event, Observer, ServedReply, tell_all

__all__ = ["Endpoint", "Webhooks"]

WINDOW: Final = 600.0
"""Seconds in which the same delivery counts once. A signed time is believed for no longer, early and late."""
REMEMBERED: Final = 32_768
"""Keys of deliveries that are remembered, of all repositories together; each delivery has two. They take some 6 MB."""
TELL_EVERY: Final = 60.0
"""Seconds between two events about deliveries of one repository that were not believed."""


@dataclass(slots=True)
class Endpoint:
    """Where the deliveries of one repository arrive.

    Attributes:
        secret: read for each delivery, so that a new one is taken up.
        every: seconds between two polls.
        look: wakes the repository's patrol; returns at once.
    """

    sender: Sender
    secret: Callable[[], str]
    every: Seconds
    look: Callable[[], None]
    looked_at: float | None = None
    refused: int = 0
    told_at: float | None = None


class Webhooks:
    """A `ports.WebhookDesk`."""

    def __init__(self, endpoints: Mapping[str, Endpoint], clock: Clock, observers: Sequence[Observer]) -> None:
        """Args: endpoints: by the repository's name."""
        self._endpoints = endpoints
        self._seen: OrderedDict[bytes, float] = OrderedDict()
        self._clock = clock
        self._observers = observers

    def takes(self, repository: str) -> bool:
        """Whether deliveries of this repository are taken."""
        return repository in self._endpoints

    def receive(self, repository: str, headers: Mapping[str, str], body: bytes) -> ServedReply:
        """Look at a delivery: 202 taken, 200 known already, 401 not believed, 503 the secret cannot be read."""
        endpoint, instant = self._endpoints[repository], self._clock.now()
        now = instant.monotonic
        try:
            secret = endpoint.secret()
        except GitsloError:
            return _reply(503, "the secret of this webhook cannot be read now")
        wrong = fault(endpoint.sender, secret, headers, body, instant.wall)
        if wrong:
            self._refuse(repository, endpoint, wrong, now)
            return _reply(401, wrong)
        if self._repeated(keys(repository, endpoint.sender, headers, body), now):
            return _reply(200, "this delivery was taken already")
        if endpoint.looked_at is not None and now - endpoint.looked_at < endpoint.every:
            return _reply(202, "taken; the repository has just been looked at, and is again at its next poll")
        endpoint.looked_at = now
        endpoint.look()
        fields = {"repository": repository}
        tell_all(self._observers, Event("webhook.looked", "", f"{repository}: a delivery asks for a look", fields))
        return _reply(202, "taken; the repository is looked at now")

    def _repeated(self, found: tuple[bytes, ...], now: float) -> bool:
        seen = self._seen
        while seen and now - next(iter(seen.values())) > WINDOW:
            seen.popitem(last=False)
        if any(key in seen for key in found):
            return True
        seen.update(dict.fromkeys(found, now))
        while len(seen) > REMEMBERED:
            seen.popitem(last=False)
        return False

    def _refuse(self, repository: str, endpoint: Endpoint, reason: str, now: float) -> None:
        """Told once in a while: whoever may reach us could fill a log otherwise."""
        endpoint.refused += 1
        if endpoint.told_at is not None and now - endpoint.told_at < TELL_EVERY:
            return
        many = "a delivery was" if endpoint.refused == 1 else f"{endpoint.refused} deliveries were"
        message = f"{repository}: {many} not believed: {reason}"
        fields: dict[str, str | int | float | bool | None] = {
            "repository": repository,
            "reason": reason,
            "times": endpoint.refused,
        }
        tell_all(self._observers, Event("webhook.refused", "", message, fields))
        endpoint.refused, endpoint.told_at = 0, now


def _reply(status: int, message: str) -> ServedReply:
    headers = (("Retry-After", "60"),) if status == 503 else ()  # noqa: PLR2004 - HTTP's number
    return ServedReply(status, f"{message}\n".encode(), "text/plain; charset=utf-8", headers)
