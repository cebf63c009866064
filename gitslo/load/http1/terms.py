"""What all HTTP/1.1 connections of one section share: what they say of themselves, and redirects that wait. Pure.

Made by `full` before the run. A request whose redirect came with the end of its connection waits in the pool like
any other; what is asked next, and what the connection knew of it, waits here under its cell and its intended time.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from gitslo.load.http1.cookies import Jar
from gitslo.load.record.recorder import Cell
from gitslo.load.requests.content import Content, authority
from gitslo.load.requests.redirects import Origin, origins
from gitslo.model import LoadSection, Target

__all__ = ["Chain", "Terms", "terms_of"]


@dataclass(slots=True)
class Chain:
    """A request that was redirected and waits for a connection to go on with.

    Attributes:
        content: what is asked next.
        followed: redirects so far.
        queue: seconds that the request had waited before it was first sent.
        began: when it began to wait, on the monotonic clock.
        trace, jar: of the connection that it was on.
    """

    content: Content
    followed: int
    queue: float
    began: float
    trace: bytes
    jar: Jar | None


@dataclass(slots=True)
class Terms:
    """What all connections of one section share.

    Attributes:
        host: said in the Host header.
        base: `scheme://host`.
        origins: where a redirect may lead.
        secure: whether connections are TLS.
        chains: (cell, intended time) -> redirected requests that wait.
    """

    host: str
    base: str
    origins: frozenset[Origin]
    secure: bool
    keep_alive: bool
    redirects: int
    cookies: bool
    gzip: bool
    timeout: float
    chains: dict[tuple[Cell, float], list[Chain]] = field(default_factory=dict)

    def wait(self, cell: Cell, intended: float, chain: Chain) -> None:
        """Keep the rest of a chain; forget those whose request has timed out as it waited."""
        while self.chains and chain.began - next(iter(self.chains.values()))[0].began > 2 * self.timeout:
            del self.chains[next(iter(self.chains))]
        self.chains.setdefault((cell, intended), []).append(chain)

    def resume(self, cell: Cell, intended: float) -> Chain | None:
        """The rest of a request's chain, if it has one."""
        waiting = self.chains.get((cell, intended))
        if waiting is None:
            return None
        chain = waiting.pop(0)
        if not waiting:
            del self.chains[cell, intended]
        return chain


def terms_of(section: LoadSection, target: Target) -> Terms:
    """The terms of a section.

    Raises:
        Refused: the target's name cannot stand in a Host header.
    """
    host = authority(target)
    return Terms(
        host=host,
        base=f"{'https' if target.tls else 'http'}://{host}",
        origins=origins(target, host),
        secure=target.tls,
        keep_alive=section.keep_alive,
        redirects=section.redirects,
        cookies=section.cookies,
        gzip=section.gzip,
        timeout=section.timeout,
    )
