"""What the daemon's own HTTP server hands to whoever answers, and what it gets back.

The server (`gitslo.adapters.http_server`) knows sockets, caps and deadlines; who answers knows none of them. Both sides
are put together by the wiring.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

__all__ = ["Ask", "ServedReply", "ServedRequest", "WebhookDesk"]


@dataclass(frozen=True, slots=True)
class ServedRequest:
    """One request for reading.

    Attributes:
        path: without its query, as it was sent and decoded.
        query: names and values, decoded, in order.
        headers: by name in lower case, each byte a character; of one that was sent twice, the last.
    """

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ServedReply:
    """One answer.

    Attributes:
        status: 200 to 599.
        media: the body's content type.
        headers: further ones.
    """

    status: int
    body: bytes
    media: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()


Ask = Callable[[ServedRequest], ServedReply]
"""Answers a request; called from several threads at once, returns within seconds, never raises."""


class WebhookDesk(Protocol):
    """Takes deliveries of forges. Called from the server's loop: returns at once, never raises."""

    def takes(self, repository: str) -> bool:
        """Whether there is an endpoint of this name."""

    def receive(self, repository: str, headers: Mapping[str, str], body: bytes) -> ServedReply:
        """Look at a whole delivery.

        Args:
            repository: one that it `takes`.
            headers: by name in lower case, each byte a character.
            body: as it came, not decoded.
        """
