"""HTTP for adapters: one exchange with one host, and one conversation with a server of the operator's file.

`HttpSend` is implemented by `gitslo.adapters.http_client`; a `ConfiguredServer` is composed by the wiring, which alone
knows its address, its certificates and who we are to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from gitslo.model import ByteCount, Seconds, Target
from gitslo.ports.load import TlsMaterial
from gitslo.ports.syncer import Address

__all__ = ["ConfiguredServer", "Exchange", "HttpAnswer", "HttpSend", "Said"]


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """One HTTP answer.

    Attributes:
        status: 100 to 599.
        headers: names in lower case, in order.
        body: at most as many bytes as asked for.
        whole: whether that was all of it.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    whole: bool


class HttpSend(Protocol):
    """One exchange with one host; no redirect is followed."""

    def __call__(
        self,
        method: str,
        target: Target,
        path: str,
        *,
        address: Address,
        timeout: Seconds,
        headers: Sequence[tuple[str, str]] = (),
        body: bytes = b"",
        cap: ByteCount = ...,
        tls: TlsMaterial = ...,
    ) -> HttpAnswer:
        """Send `method` `target.path` + `path`.

        Args:
            method: in upper case.
            target: Host, SNI and the certificate's name are its host's, or what it says instead.
            path: starts with `/`; with its query.
            address: where to connect to.
            timeout: seconds for the whole exchange, the name's resolution included.
            headers: further ones.
            body: sent as it is.
            cap: bytes of the answer's body; what lies beyond is not read.
            tls: the target's material.

        Raises:
            Retry: no answer in time, or none that is HTTP; the message is one line for people.
            Refused: the material cannot be used.
        """


@dataclass(frozen=True, slots=True)
class Said:
    """What a configured server said: a whole body of a 2xx answer.

    Attributes:
        body: without any of the secrets that were sent, should the server have repeated them.
        headers: names in lower case, in order.
        skew: seconds that the server's clock is ahead of ours, as its Date header says, to about a second; None where
            it does not say.
    """

    body: bytes
    headers: tuple[tuple[str, str], ...]
    skew: float | None


class Exchange(Protocol):
    """Some requests to one server that share one deadline and one allowance of bytes."""

    def ask(self, method: str, path: str, *, headers: Sequence[tuple[str, str]] = (), body: bytes = b"") -> Said:
        """One request.

        Args:
            method: in upper case.
            path: added to the server's base path; starts with `/`, may hold a query.
            headers: beside those that the operator configured.
            body: sent as it is.

        Raises:
            Refused: the server says that the request is wrong, that we may not, or that this is elsewhere (a redirect);
                in its own words where it has some.
            Retry: no answer in time, too large, cut off, 408, 425, 429 or 5xx.
        """


class ConfiguredServer(Protocol):
    """A server of the operator's file: where it is, who we are to it, how long it may take, how much it may say."""

    @property
    def name(self) -> str:
        """As the operator names it, for messages."""

    def begin(self) -> Exchange:
        """The clock starts."""
