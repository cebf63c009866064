"""The operator's file's `serve` and `webhooks`: where the daemon listens, who may ask it, whose deliveries it believes.

Called by `gitslo.config`. Must stay true: secrets are references; a webhook belongs to a repository of the same file.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field

from gitslo.core.addresses import parse_http_url
from gitslo.core.document import Field
from gitslo.core.nearest import nearest
from gitslo.core.webhooks import Sender
from gitslo.secret import SecretRef, secret_at

__all__ = ["ServeSettings", "WebhookConfig", "parse_serve"]


@dataclass(frozen=True, slots=True)
class WebhookConfig:
    """How the deliveries about one repository are believed."""

    sender: Sender
    secret: SecretRef


@dataclass(frozen=True, slots=True)
class ServeSettings:
    """What the daemon serves.

    Attributes:
        listen: `ADDRESS:PORT` of its own endpoints, or None.
        url: where people reach it, without a final slash; empty where that is not said.
        token: what must be shown to ask the API; None: nothing.
        webhooks: by the repository's name.
    """

    listen: str | None = None
    url: str = ""
    token: SecretRef | None = None
    webhooks: Mapping[str, WebhookConfig] = field(default_factory=dict)

    @property
    def secrets(self) -> tuple[SecretRef, ...]:
        """Every secret that is referred to."""
        token = () if self.token is None else (self.token,)
        return (*token, *(webhook.secret for webhook in self.webhooks.values()))


def parse_serve(root: Field, repositories: Collection[str], listen: Callable[[str], str]) -> ServeSettings:
    """`serve` and `webhooks` of the operator's file.

    Args:
        root: the whole file.
        repositories: the names of those that stand in it.
        listen: parses an address and a port.
    """
    serve, webhooks = root.get("serve"), root.get("webhooks")
    address = serve.get("listen") if serve is not None else None
    token = serve.get("token") if serve is not None else None
    found = dict(_webhooks(webhooks, repositories)) if webhooks is not None else {}
    if webhooks is not None and found and serve is None:
        webhooks.add("webhooks arrive at `serve`, which is not there", "e.g. `serve: {listen: '127.0.0.1:8080'}`")
    return ServeSettings(
        listen=None if address is None else address.parsed(listen, ""),
        url="" if serve is None else serve.parsed_of("url", _url, ""),
        token=None if token is None else secret_at(token),
        webhooks=found,
    )


def _url(text: str) -> str:
    parse_http_url(text)
    return text.rstrip("/")


def _webhooks(given: Field, repositories: Collection[str]) -> Iterator[tuple[str, WebhookConfig]]:
    for name, each in given.fields():
        if name not in repositories:
            each.add(f"`repositories` has no `{name}`", nearest(name, repositories), on_key=True)
        secret = each.get("secret")
        if each.sound and secret is not None:
            yield name, WebhookConfig(Sender(each.text_of("from", "")), secret_at(secret))
