"""The ceiling on attempts is the process's, whatever repository they belong to."""

from __future__ import annotations

import threading

from gitslo.errors import Retry
from gitslo.loop.attempts import Attempts, Places, Stop
from gitslo.run import AttemptOutcome

WITHIN = 10.0


class Work:
    """An attempt that goes on until it is let go."""

    def __init__(self) -> None:
        self.begun, self.over = threading.Event(), threading.Event()

    def __call__(self, _: Stop) -> AttemptOutcome:
        self.begun.set()
        assert self.over.wait(WITHIN)
        raise Retry("that was all")


def test_repositories_share_the_places():
    """Two repositories and one place: the second attempt begins when the first has ended, and no sooner."""
    places = Places(1)
    woken = threading.Semaphore(0)
    one, other = Attempts(places, woken.release), Attempts(places, woken.release)
    first, second = Work(), Work()

    assert (one.room, other.room) == (True, True)
    one.start("dev", "a", first)
    assert (one.room, other.room) == (False, False)
    other.start("dev", "b", second)
    assert first.begun.wait(WITHIN)
    assert not second.begun.is_set()
    first.over.set()
    assert second.begun.wait(WITHIN)
    second.over.set()
    assert woken.acquire(timeout=WITHIN)
    assert woken.acquire(timeout=WITHIN)
    assert (one.room, other.room) == (True, True)


def test_a_place_is_taken_at_once():
    """Whoever starts three in a row sees the places go, however late their threads come to run."""
    attempts = Attempts(Places(3), lambda: None)
    works = [Work() for _ in range(3)]
    seen = []
    for number, work in enumerate(works):
        seen.append(attempts.room)
        attempts.start(f"env-{number}", "a", work)
    seen.append(attempts.room)
    for work in works:
        work.over.set()

    assert seen == [True, True, True, False]
    assert attempts.drain("over", WITHIN)
