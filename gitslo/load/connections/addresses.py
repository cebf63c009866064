"""Where a worker's connections may go: the addresses of the target's name, spread evenly, looked up again with time.

Invariants
- Only the one name of the assignment is ever looked up; the engine held it against the operator's allow-list.
- An address that no target in a cluster has (link-local, where clouds keep their metadata service; multicast;
  unspecified) is not connected to because a name said so, only where the plan and the operator name it as such.
- An address that failed is left out while another one works.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import time
from collections.abc import Iterable, Sequence

from gitslo.errors import Problem, Refused, Retry

__all__ = ["Address", "Addresses", "acceptable", "resolved"]

Address = tuple[str, int] | str
"""(numeric host, port), or the path of a socket."""


def acceptable(host: str, found: Iterable[tuple[str, int]]) -> tuple[tuple[str, int], ...]:
    """Those of the addresses of `host` that may be connected to, each once, in their order."""
    return tuple(dict.fromkeys(each for each in found if each[0] == host or not _special(each[0])))


def _special(numeric: str) -> bool:
    address = ipaddress.ip_address(numeric.partition("%")[0])
    mapped = getattr(address, "ipv4_mapped", None)
    each = mapped if mapped is not None else address
    return each.is_link_local or each.is_multicast or each.is_unspecified


def resolved(host: str, port: int) -> tuple[tuple[str, int], ...]:
    """The acceptable addresses of a name; blocks while it is looked up.

    Raises:
        Retry: the name is not known.
        Refused: it stands for nothing but addresses that no load goes to.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        said = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise Retry(f"the address of `{host}` is not known: {said}") from error
    good = acceptable(host, ((str(entry[4][0]), port) for entry in found))
    if not good:
        raise Refused(
            Problem(
                f"`{host}` stands for {found[0][4][0]}, which is no address that load is sent to",
                hint="link-local, multicast and unspecified addresses are connected to only where they are named",
            )
        )
    return good


class Addresses:
    """The present addresses of one target."""

    def __init__(self, known: Sequence[Address], name: tuple[str, int] | None = None, every: float = 0.0) -> None:
        """Start with what the engine found.

        Args:
            known: at least one.
            name: (host, port) to look up again; None: never.
            every: seconds between two looks; 0: never.
        """
        self._known = tuple(known)
        self._failed: set[Address] = set()
        self._turn = 0
        self._name = name if every > 0 else None
        self._every = every
        self._due = time.monotonic() + every
        self._look: asyncio.Task[None] | None = None

    def order(self) -> tuple[Address, ...]:
        """Where the next connection is tried, in turn; those that failed come last."""
        self._turn += 1
        turn = self._turn % len(self._known)
        around = self._known[turn:] + self._known[:turn]
        return tuple(sorted(around, key=self._failed.__contains__)) if self._failed else around

    def failed(self, address: Address) -> None:
        """No connection came about. Of an address that the name has left meanwhile, that says nothing."""
        if address in self._known:
            self._failed.add(address)
        if len(self._failed) == len(self._known):
            self._failed.clear()

    def refresh(self, now: float) -> None:
        """Look the name up again where it is time to; does not block."""
        if self._name is not None and now >= self._due and (self._look is None or self._look.done()):
            self._due = now + self._every
            self._look = asyncio.get_running_loop().create_task(self._again(*self._name))

    async def _again(self, host: str, port: int) -> None:
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            return  # what was known before goes on being used
        good = acceptable(host, ((str(entry[4][0]), port) for entry in found))
        if good:
            self._known = good
            self._failed.intersection_update(good)
