"""A load ends early where its target is down, and goes on where it is not."""

from __future__ import annotations

import pytest

from gitslo.load.engines.abort import Watch
from gitslo.model import Abort, Seconds, Share
from gitslo.ports import LoadSnapshot

TEN = Seconds(10.0)


def looks(seconds: int, errors: int, *, before: int = 0, watched: float | None = None) -> list[LoadSnapshot]:
    """A look a second at 100 requests/s, of which `errors` fail, after `before` good seconds."""
    return [
        LoadSnapshot(
            elapsed=Seconds(float(at)),
            sent=100 * at,
            done=100 * at,
            errors=errors * max(0, at - before),
            in_flight=0,
            p50=None,
            p99=None,
            counts=(),
            watched=watched,
        )
        for at in range(1, seconds + 1)
    ]


def ended(abort: Abort, snapshots: list[LoadSnapshot]) -> float | None:
    """When it ended."""
    watch = Watch(abort)
    return next((look.elapsed for look in snapshots if not watch.goes_on(look)), None)


def test_a_target_that_is_down_is_left_alone_after_one_window():
    """Everything fails: the load ends as soon as a whole window has been seen."""
    assert ended(Abort(Share(0.9), window=TEN), looks(60, 100)) == 10.0


def test_a_target_that_goes_down_later_is_noticed_within_a_window():
    """Good seconds before the window do not keep it going."""
    assert ended(Abort(Share(0.9), window=TEN), looks(120, 100, before=60)) == 70.0


@pytest.mark.parametrize("errors", [0, 50, 90])
def test_up_to_the_limit_it_goes_on(errors):
    """Objectives are what fails a release; this only spares a target that answers next to nothing."""
    assert ended(Abort(Share(0.9), window=TEN), looks(60, errors)) is None


def test_it_may_be_switched_off():
    """A share of None never ends a load."""
    assert ended(Abort(None, window=TEN), looks(60, 100)) is None


def test_too_few_requests_end_nothing():
    """Nine failed requests are no outage."""
    assert ended(Abort(Share(0.9), window=TEN, requests=2000), looks(15, 100)) is None


@pytest.mark.parametrize(("watched", "at"), [(3.0, 10.0), (None, 10.0), (1.0, None)])
def test_a_quantile_above_its_limit_in_every_second_ends_it(watched, at):
    """A second without any answer counts as slow."""
    abort = Abort(None, latency=(0.99, Seconds(2.0)), window=TEN)

    assert ended(abort, looks(20, 0, watched=watched)) == at
