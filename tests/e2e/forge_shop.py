"""The shop of `tests.e2e.world`, its repository on the fake of a forge. Called by the stories on GitHub and GitLab."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gitslo.testing.git_server import BareRepository
from tests.e2e.world import World

__all__ = ["HEAD", "ForgeShop", "Served"]

HEAD = "gitslo/shop/checkout/prod/promote"
"""The branch of its one promotion."""


class Served(BareRepository):
    """A repository of the fake, as the daemon reaches it."""

    def __init__(self, path: Path, url: str) -> None:
        super().__init__(path)
        self.served = url

    @property
    def url(self) -> str:
        """Over HTTP."""
        return self.served


@dataclass
class ForgeShop(World):
    """See the module; two of its environments prove what there is to prove."""

    only: str = "checkout/*"

    @abstractmethod
    def forge(self) -> str:
        """`forge` in the operator's file, in one line."""

    def operate(self, repositories: Mapping[str, str], credentials: str = "") -> None:
        """With the forge."""
        super().operate(repositories, credentials)
        said = f"poll: 500ms\n    forge: {self.forge()}"
        self.config.write_text(self.config.read_text().replace("poll: 200ms", said))
