"""Deliveries as forges make them, and the desk that takes them: shared by the tests here and by `bench/webhooks.py`."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field

from gitslo.core.webhooks import Sender
from gitslo.loop.webhooks import Endpoint, Webhooks
from gitslo.model import Seconds
from gitslo.ports import Address, Clock, Event

SECRET = "whsec_" + base64.b64encode(b"canary-0f4be1d2, of 32 bytes too").decode()
"""Of a form that every forge could have, GitLab as a signing token."""
NOW = 1_700_000_000.0
"""What a `ManualClock` shows first."""
EVERY = Seconds(30.0)
PATIENCE = 10.0


def mac(body: bytes, secret: str = SECRET) -> str:
    """HMAC-SHA-256 in hexadecimal digits."""
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def timed_mac(body: bytes, delivery: str, at: str, secret: str = SECRET) -> str:
    """HMAC-SHA-256 of id, time and body, by the key of a signing token, as Standard Webhooks writes it."""
    key = base64.b64decode(secret.removeprefix("whsec_")) if secret.startswith("whsec_") else secret.encode()
    found = hmac.new(key, f"{delivery}.{at}.".encode() + body, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(found).decode()}"


def signed(sender: Sender, body: bytes, delivery: str = "", secret: str = SECRET, at: float = NOW) -> dict[str, str]:
    """The headers that a forge sends with a body; `delivery` is its id for it, `at` when it sends it."""
    match sender:
        case Sender.GITHUB:
            found = {"X-Hub-Signature-256": f"sha256={mac(body, secret)}", "X-GitHub-Delivery": delivery}
        case Sender.GITLAB:
            found = {"X-Gitlab-Token": secret, "X-Gitlab-Event-UUID": delivery}
        case Sender.GITLAB_SIGNED:
            id_, time = delivery or "msg", f"{at:.0f}"
            proof = timed_mac(body, id_, time, secret)
            found = {"webhook-signature": proof, "webhook-id": id_, "webhook-timestamp": time}
        case Sender.GITEA:
            found = {"X-Gitea-Signature": mac(body, secret), "X-Gitea-Delivery": delivery}
        case Sender.FORGEJO:
            found = {"X-Forgejo-Signature": mac(body, secret), "X-Forgejo-Delivery": delivery}
        case Sender.BITBUCKET:
            found = {"X-Hub-Signature": f"sha256={mac(body, secret)}", "X-Request-UUID": delivery}
    return {name: value for name, value in found.items() if value}


class Heard:
    """An observer that remembers."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def tell(self, event: Event) -> None:
        """Remember."""
        self.events.append(event)


@dataclass
class Desk:
    """The real thing, for one repository per forge, named after it; `looks` counts the polls that it asks for."""

    clock: Clock
    secret: str = SECRET
    looks: int = 0
    heard: Heard = field(default_factory=Heard)

    def __post_init__(self) -> None:
        endpoints = {each.value: Endpoint(each, self._secret, EVERY, self._look) for each in Sender}
        self.webhooks = Webhooks(endpoints, self.clock, [self.heard])

    def _secret(self) -> str:
        return self.secret

    def _look(self) -> None:
        self.looks += 1

    def receive(self, sender: Sender, headers: Mapping[str, str], body: bytes) -> int:
        """The status that a delivery is answered with."""
        lower = {name.lower(): value for name, value in headers.items()}
        return self.webhooks.receive(sender.value, lower, body).status


def post(path: str, headers: Mapping[str, str], body: bytes, method: str = "POST") -> bytes:
    """A request as it goes over the wire, with its length."""
    lines = [f"{method} {path} HTTP/1.1", "Host: x", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def exchange(address: Address, sent: bytes) -> bytes:
    """Send bytes and read all that comes back; empty where the connection was cut without a word."""
    with socket.create_connection(address, timeout=PATIENCE) as connection:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # what was answered may be there all the same
            connection.sendall(sent)
        found = b""
        with contextlib.suppress(ConnectionResetError):
            while received := connection.recv(65536):
                found += received
        return found


def status(answer: bytes) -> int:
    """Of an answer; 0 where there is none."""
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else 0
