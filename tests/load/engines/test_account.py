"""The account of what a foreign program tells: no guess passes, and none fails."""

from __future__ import annotations

from gitslo.load.engines.account import Account, Lane, Told
from tests.closed_port import closed_port
from tests.load.foreign_engines import foreign
from tests.load.jobs import ERRORS, faster_than, get, hold, job


def told(index, response, *, lag=0.0, kind="", endpoint=0):
    """One request of the only lane."""
    return Told(0, index, endpoint, index / 10 + lag, response, lag, 0.0, kind)


def account(resolution=0.0, *endpoints):
    """Ten arrivals in one second, against 100 ms."""
    asked = job(1, *endpoints, stages=[hold(10, 1)], objectives=[faster_than(0.1), ERRORS])
    return Account(asked, [Lane(0.0, 10.0, 10)], resolution)


def counts(found, index=0):
    """(total, bad, late) of an objective at the end."""
    (second,) = found.end(2.0, 0.0, "").counts[index].seconds
    return second.total, second.bad, second.late


def test_what_is_told_roughly_neither_passes_nor_fails_on_a_guess():
    """Between 95 and 105 ms against 100 ms: bad for a pass, excused for a fail. Beyond that not."""
    found = account(0.01)
    for index, response in enumerate((0.09, 0.105, 0.12)):
        found.tell(told(index, response))
    found.fail_rest("x")

    assert counts(found) == (10, 9, 1)


def test_our_own_lag_is_no_reason_to_fail():
    """100 ms too late to be sent and answered in 20 ms: bad, and late."""
    found = account()
    found.tell(told(0, 0.12, lag=0.1))
    found.fail_rest("x")

    assert counts(found) == (10, 10, 1)


def test_until_we_are_told_it_is_our_fault_that_we_are_not():
    """A look counts what nobody told of as bad and excused; told of later, it is what it was."""
    found = account()
    for index in range(8):
        found.tell(told(index, 0.01))
    looked = found.report(1.2).counts[0].seconds
    found.tell(told(8, 0.01))
    found.tell(told(9, 0.2))
    again = found.report(1.3).counts[0].seconds

    assert [(s.at, s.total, s.bad, s.late) for s in looked] == [(0, 10, 2, 2)]
    assert [(s.at, s.total, s.bad, s.late) for s in again] == [(0, 10, 1, 0)]


def test_a_request_counts_once_and_for_its_own_endpoint():
    """A second telling, and one of an arrival that the schedule has not, change nothing; totals follow the endpoint."""
    found = account(0.0, get("/a"), get("/b"))
    for index in (0, 1, 1, 10):
        found.tell(told(index, 0.01, endpoint=0))
    found.fail_rest("x")
    end = found.end(2.0, 0.0, "")

    assert [part.requests for part in end.endpoints] == [6, 4]
    assert (found.told, found.done, found.errors) == (2, 10, 8)


def test_a_stop_excuses_what_it_cuts_off():
    """Nothing is due after it; what was under way is bad, and no reason to fail."""
    found = account()
    for index in range(3):
        found.tell(told(index, 0.01))
    found.close(0.55)
    found.tell(told(7, 0.01))
    found.excuse_rest("cut off")
    (second,) = found.end(0.6, 0.0, "").counts[0].seconds

    assert (second.total, second.bad, second.late) == (6, 3, 3)


def test_a_dead_target_is_not_the_engines_fault():
    """Nothing listens: all has failed, and nothing blocks a fail."""
    with closed_port() as port:
        found = foreign("fortio").run(job(port, stages=[hold(50, 1)], connections=4, timeout=0.5), lambda _: True)

    assert (found.no_fail, found.no_pass) == ((), ())
