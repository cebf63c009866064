"""One pull request and who closed it, as every forge's reading has them. Called by the readings of this package."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import datetime
from typing import ClassVar, Generic, TypeVar

from gitslo.adapters.forges.answers import Record, record
from gitslo.adapters.forges.closings import Closing
from gitslo.adapters.forges.http import ForgeHttp
from gitslo.adapters.forges.shown import ReadPull
from gitslo.errors import Refused

__all__ = ["ForgePulls"]

P = TypeVar("P", bound=ReadPull)


class ForgePulls(ABC, Generic[P]):
    """The pull requests of one repository.

    Args:
        http: requests to the forge.
        path: the repository's own below the API's base.
        read: what the API says of one; None where its head is no branch of the same repository.
    """

    noun: ClassVar[str] = "pull request"
    """What the forge calls them."""
    folder: ClassVar[str] = "pulls"
    """Where they are below the repository's path."""

    def __init__(self, http: ForgeHttp, path: str, read: Callable[[Record], P | None]) -> None:
        self._http, self._path, self.read = http, path, read
        self._closings: dict[tuple[int, datetime], Closing] = {}

    @abstractmethod
    def of_head(self, head: str) -> tuple[P, ...]:
        """Every one of one branch of this repository, newest first; what is said of an open one was read just now.

        Raises:
            Retry, Refused: as `ForgeHttp.get`.
        """

    @abstractmethod
    def into(self, base: str) -> tuple[P, ...]:
        """Every open one of a branch of this repository into `base`, newest first, as the list has them."""

    def where(self, number: int) -> str:
        """Its path."""
        return f"{self._path}/{self.folder}/{number}"

    def numbered(self, number: int) -> P:
        """One of them, with all that is said of it.

        Raises:
            Refused: there is none, or it is not of a branch of this repository.
        """
        reply = self._http.get(self.where(number), expect=(404,))
        pull = None if reply.data is None else self.read(record(reply.data))
        if pull is None:
            raise Refused(f"there is no {self.noun} {number}")
        return pull

    def closing(self, pull: P, us: str) -> Closing:
        """Who closed one that is closed without merge, and how; `us`: our own account. Asked once for each closing."""
        if pull.closed is None:
            return Closing("", with_branch=False)
        key = (pull.number, pull.closed)
        if key not in self._closings:
            self._closings[key] = self._closing(pull, pull.closed, us)
        return self._closings[key]

    @abstractmethod
    def _closing(self, pull: P, closed: datetime, us: str) -> Closing:
        """The same, asked of the forge."""
