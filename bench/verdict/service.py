"""The service that is judged for real: it fails and is slow by chance, as often as it was told last.

    python -m bench.verdict.service ERRORS SLOW SEED

`POST /pay` fails in a share ERRORS of its answers, `GET /items` takes 1.2 s in a share SLOW of them, otherwise 1 ms.
It is the demo's application but for that, and a line `ERRORS SLOW` on its standard input changes both.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import sys

from gitslo.demo.app import Service, _Server

SLOW_SECONDS, QUICK_SECONDS = 1.2, 0.001


class Injected(Service):
    """Attributes: errors, slowness: shares of the answers."""

    def __init__(self, errors: float, slowness: float, seed: int) -> None:
        super().__init__("v2", seed=seed)
        self.errors, self.slowness = errors, slowness
        self._dice = random.Random(seed)  # noqa: S311 - which request fails is no secret

    def answer(self, method: str, target: str, now: float) -> tuple[int, bytes, float]:
        """As the demo's, with what is injected."""
        status, body, _ = super().answer(method, target, now)
        if target == "/pay" and self._dice.random() < self.errors:
            return 500, b'{"error": "injected"}', QUICK_SECONDS
        slow = target == "/items" and self._dice.random() < self.slowness
        return status, body, SLOW_SECONDS if slow else QUICK_SECONDS

    def heard(self) -> None:
        """Take a line of standard input."""
        words = sys.stdin.readline().split()
        if len(words) == 2:  # noqa: PLR2004 - both shares
            self.errors, self.slowness = float(words[0]), float(words[1])


def main(arguments: list[str]) -> int:
    errors, slowness, seed = float(arguments[0]), float(arguments[1]), int(arguments[2])

    async def run() -> None:
        service = Injected(errors, slowness, seed)
        loop = asyncio.get_running_loop()
        loop.add_reader(sys.stdin.fileno(), service.heard)
        await _Server(service, None, loop).serve("127.0.0.1", 0)

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(run())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
