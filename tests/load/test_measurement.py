"""What is measured, against a real server and closed forms. Latency counts from the moment a request was due."""

from __future__ import annotations

import pytest

from tests.load.jobs import ERRORS, bad, engine, faster_than, get, hold, job, late, measured, ramp, total
from tests.load.service import service

RATE = 200


def test_a_stall_is_measured_from_the_intended_time():
    """Two connections, a freeze of 0.5 s: every arrival due more than 0.25 s before its end is over 250 ms.

    A clock that starts at the send would see two slow requests; the schedule says 50.
    """
    with service() as target:
        target.freeze(RATE // 2, 0.5)
        found = measured(
            job(target.port, stages=[hold(RATE, 1.2)], objectives=[faster_than(0.25), ERRORS], connections=2)
        )
    summary = found.result.summaries[0]

    assert total(found) == 1.2 * RATE
    assert 46 <= bad(found) - late(found) <= 60
    assert [second.at for second in found.result.counts[0].seconds if second.bad > 3] == [0]
    assert (bad(found, 1), summary.errors) == (0, ())
    assert summary.latency.p50 is not None
    assert summary.latency.p90 is not None
    assert summary.latency.p50 < 0.1
    assert 0.25 < (summary.latency.max or 0) < 0.7
    assert found.service.p95 is not None
    assert found.service.p95 < 0.1, "only the two requests under way were slow to be answered once sent"
    assert found.queue.p90 is not None
    assert found.queue.p90 > 0.1, "the others waited for a connection, and that is the target's doing"


def test_unfinished_requests_are_bad_once_their_watermark_has_passed():
    """A snapshot shows second s from s + 1 + limit on, with what is still under way counted as bad."""
    snapshots = []
    with service(fixed=1.2) as target:
        asked = job(
            target.port, stages=[hold(50, 1)], objectives=[faster_than(0.1), ERRORS], connections=100, timeout=3.0
        )
        result = engine().run(asked, lambda snapshot: snapshots.append(snapshot) or True)

    for snapshot in snapshots:
        for counts, mark in zip(snapshot.counts, (0.1, 3.0), strict=True):
            assert all(second.at + 1 + mark <= snapshot.elapsed for second in counts.seconds)
    early = next(snapshot for snapshot in snapshots if snapshot.counts[0].seconds)
    assert early.elapsed < 2.5
    assert (early.counts[0].seconds[0].total, early.counts[0].seconds[0].bad) == (50, 50)
    assert [(s.at, s.total, s.bad) for s in result.counts[0].seconds] == [(0, 50, 50)]
    assert [(s.at, s.total, s.bad) for s in result.counts[1].seconds] == [(0, 50, 0)]


def test_statuses_outside_the_expected_are_errors_and_stay_in_the_distribution():
    """One 503 in ten: counted by kind, bad for both objectives, none missing from the histogram."""
    with service() as target:
        found = measured(
            job(target.port, get("/every/10/503"), stages=[hold(2 * RATE, 0.5)], objectives=[ERRORS, faster_than(0.5)])
        )
    summary = found.result.summaries[0]

    assert summary.errors == (("status 503", 20),)
    assert (bad(found), late(found), total(found)) == (20, 0, 200)
    assert bad(found, 1) >= 20
    assert summary.requests == 200


def test_expected_statuses_can_be_named():
    """`expect: [404]` makes 404 good and 200 an error; without it 204 and 304 are good."""
    with service() as target:
        named = measured(job(target.port, get("/every/2/404"), stages=[hold(250, 0.2)], expect=frozenset({404})))
        usual = measured(job(target.port, get("/status/204"), get("/status/304"), stages=[hold(250, 0.2)]))

    assert named.result.summaries[0].errors == (("status 200", 25),)
    assert usual.result.summaries[0].errors == ()


def test_time_outs_stand_at_the_time_out():
    """A target that never answers: every request failed, at exactly the time-out, on connections that are given up."""
    with service() as target:
        found = measured(
            job(
                target.port, get("/silent"), stages=[hold(200, 0.2)], objectives=[ERRORS, faster_than(0.1)], timeout=0.3
            )
        )
    summary = found.result.summaries[0]

    assert (summary.errors, bad(found), bad(found, 1)) == ((("timeout", 40),), 40, 40)
    assert summary.latency.p50 is not None
    assert abs(summary.latency.p50 - 0.3) < 0.001
    assert abs((summary.latency.max or 0) - 0.3) < 0.001


def test_what_was_never_sent_has_failed_and_stands_at_the_time_out():
    """Two connections to a silent target: the rest of the arrivals find none, and none of them disappears."""
    with service() as target:
        found = measured(job(target.port, get("/silent"), stages=[hold(1000, 0.5)], timeout=0.4, connections=2))
        received = len(target.log)
    summary = found.result.summaries[0]
    kinds = dict(summary.errors)

    assert sum(kinds.values()) == bad(found) == total(found) == summary.requests == 500
    assert set(kinds) == {"timeout", "not sent: no free connection"}
    assert received <= kinds["timeout"] < 400, "one that was sent as it timed out may not have left us"
    assert abs((summary.latency.p50 or 0) - 0.4) < 0.001
    assert summary.achieved_rate == pytest.approx(kinds["timeout"] / 0.5, rel=0.2)
    assert found.result.no_pass == (), "the target held it back, and its failures say so"


def test_overflow_is_counted():
    """`max_in_flight: 5` and a silent target: the sixth arrival is refused at once, as a failure."""
    with service() as target:
        found = measured(job(target.port, get("/silent"), stages=[hold(100, 0.5)], timeout=0.8, max_in_flight=5))
    kinds = dict(found.result.summaries[0].errors)

    assert kinds == {"not sent: too many in flight": 45, "timeout": 5}


def test_an_objective_of_an_endpoint_counts_its_requests_only():
    """Three browses to one purchase: weights share the arrivals out, failures hit only their endpoint's objective."""
    pay, browse = get("/status/500", "pay"), get("/", "browse", weight=3)
    objectives = [faster_than(0.5, "pay"), faster_than(0.5, "browse"), ERRORS]
    with service() as target:
        found = measured(job(target.port, browse, pay, stages=[hold(2 * RATE, 0.5)], objectives=objectives))
        paths = [received.path for received in target.log]
    whole, first, second = found.result.summaries

    assert [total(found, index) for index in range(3)] == [50, 150, 200]
    assert (bad(found, 0), bad(found, 2)) == (50, 50)
    assert bad(found, 1) - late(found, 1) <= 2
    assert (paths.count("/"), paths.count("/status/500")) == (150, 50)
    assert [(s.endpoint, s.requests) for s in (whole, first, second)] == [(None, 200), ("browse", 150), ("pay", 50)]
    assert (first.errors, second.errors) == ((), (("status 500", 50),))


def test_ramps_and_warm_up_are_sent_and_not_summed_up():
    """Only the judged stretch is in the summary; the per-second counts hold everything."""
    with service() as target:
        found = measured(job(target.port, stages=[ramp(100, 0.5), hold(100, 1.5)], judged=(1.0, 2.0)))
        received = len(target.log)
    summary = found.result.summaries[0]

    assert received == found.sent == 175
    assert [(second.at, second.total) for second in found.result.counts[0].seconds] == [(0, 75), (1, 100)]
    assert (summary.requests, summary.planned_rate) == (100, pytest.approx(100))
    assert summary.achieved_rate == pytest.approx(100, rel=0.2)


def test_shards_add_up_to_the_whole():
    """Three workers send what one would have: the same arrivals, each once, counted once, merged exactly."""
    endpoints = [get("/", "a", weight=2), get("/every/5/500", "b")]
    with service() as target:
        found = measured(job(target.port, *endpoints, stages=[hold(600, 0.5)], workers=3, objectives=[ERRORS]))
        received = sorted(target.log, key=lambda entry: entry.at)
    summary = found.result.summaries[0]

    assert len(received) == total(found) == summary.requests == found.done == 300
    assert [entry.path for entry in received].count("/") == 200
    assert dict(summary.errors)["status 500"] == bad(found)
    assert summary.latency.p95 is not None
    assert [(s.at, s.total) for s in found.result.counts[0].seconds] == [(0, 300)]


def test_the_target_is_told_who_calls():
    """Host is the plan's name wherever we connect to, and the User-Agent names the run."""
    with service() as target:
        measured(job(target.port, stages=[hold(50, 0.2)], host="shop.test"))
        head = target.log[0].head

    assert f"Host: shop.test:{target.port}" in head
    assert "(load; run 1)" in head


def test_a_closed_loop_is_labelled_and_bounded_by_its_connections():
    """Without a schedule every connection has one request under way, and the result says what it is."""
    with service(fixed=0.01) as target:
        found = measured(job(target.port, stages=[hold(1, 0.5)], connections=4, closed=True))
        received, accepted = len(target.log), target.accepted

    assert found.closed
    assert received == found.done == total(found)
    assert 20 <= received <= 200
    assert accepted == 4
    assert found.result.no_pass == ()
