"""When it may be told who closed a pull request."""

from __future__ import annotations

from datetime import UTC, datetime

from gitslo.adapters.forges.closings import WITHIN, Closing, settled
from gitslo.adapters.forges.http import ForgeHttp
from gitslo.model import Instant, Seconds
from gitslo.ports import HttpAnswer

NO = Closing("eve", with_branch=False)
GONE = Closing("eve", with_branch=True)


class Life:
    """A clock that goes only while somebody sleeps, and what a forge shows from when on."""

    def __init__(self, shown: dict[float, Closing], age: float) -> None:
        self._shown = shown
        self._slept = 0.0
        self._age = age
        self.reads = 0

    def told(self, us: str = "bot") -> Closing:
        def send(*_: object, **__: object) -> HttpAnswer:
            raise AssertionError("nothing is asked by itself")

        http = ForgeHttp(
            send,
            "http://forge.invalid",
            list,
            name="a forge",
            repository="a/b",
            now=lambda: Instant(self._slept, 1000.0 + self._slept),
            sleep=self._sleep,
        )
        return settled(http, datetime.fromtimestamp(1000.0 - self._age, UTC), us, self._read)

    def _sleep(self, seconds: Seconds) -> None:
        self._slept += seconds

    def _read(self) -> Closing:
        self.reads += 1
        return self._shown[max(at for at in self._shown if at <= self._slept)]


def test_a_branch_that_goes_a_moment_later_is_nobodys_no() -> None:
    """The closing shows first, the branch's going half a second later."""
    assert Life({0.0: NO, 0.5: GONE}, age=0.2).told() == GONE


def test_a_no_is_told_when_nothing_else_has_come() -> None:
    """After as long as the branch's going could take to show, and not before."""
    life = Life({0.0: NO}, age=0.0)

    assert (life.told(), life.reads) == (NO, 1 + int(WITHIN / 0.5))


def test_what_is_old_or_our_own_is_told_at_once() -> None:
    """Nothing more will come of it; nor where the forge's clock is ahead of ours."""
    lives = [Life({0.0: NO}, age) for age in (3600.0, -60.0)]
    ours = Life({0.0: Closing("bot", with_branch=False)}, age=0.0)
    for life in (*lives, ours):
        life.told()

    assert [each.reads for each in (*lives, ours)] == [1, 1, 1]
