"""Prometheus as a metric source, against real servers of both major versions."""

from __future__ import annotations

import json
import math
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from gitslo.errors import Refused
from gitslo.model import MetricForm, MetricRequest, MetricSection
from gitslo.ports import MetricAnswer, MetricQuestion, WindowCounts
from tests.metrics.lying_server import Answer, Asked, lying_server
from tests.metrics.prometheus_server import VERSIONS, history, prometheus, query, wait_for
from tests.metrics.worlds import START, WINDOWS, source_of
from tests.required import required


def samples(count: int, per: float, first: float = 0.0, at: float = 0.0) -> list[tuple[float, float]]:
    return [(START + at + 15 * n, first + per * n) for n in range(count)]


HISTORY = {
    # one process throughout, and one that begins again in the third window
    'web_total{job="web",instance="a",code="200"}': samples(40, 10.0),
    'web_total{job="web",instance="a",code="500"}': samples(24, 1.0, 1.0, at=150.0),
    'web_total{job="web",instance="b",code="200"}': [
        (START + 15 * n, float(1000 + 10 * n if n < 14 else 10 * (n - 14))) for n in range(40)
    ],
    # one that is taken away, one whose scrapes fail, one of which nothing more is known
    'gone_total{job="gone",instance="a"}': samples(40, 1.0),
    'gone_total{job="gone",instance="b"}': samples(10, 1.0),
    'up{job="gone",instance="a"}': samples(40, 0.0, 1.0),
    'up{job="gone",instance="b"}': samples(10, 0.0, 1.0),
    'failing_total{job="failing",instance="a"}': samples(40, 1.0),
    'failing_total{job="failing",instance="b"}': samples(10, 1.0),
    'up{job="failing",instance="a"}': samples(40, 0.0, 1.0),
    'up{job="failing",instance="b"}': [*samples(10, 0.0, 1.0), *samples(30, 0.0, 0.0, at=150.0)],
    'silent_total{job="silent",instance="a"}': samples(40, 1.0),
    'silent_total{job="silent",instance="b"}': samples(10, 1.0),
    # one that was away for longer than what is looked at
    'away_total{job="away",instance="a"}': samples(40, 1.0),
    'away_total{job="away",instance="b"}': [
        *((START - 1200 + 15 * n, 500.0 + n) for n in range(20)),
        *samples(28, 1.0, 600.0, at=180.0),
    ],
    'half_total{job="half",instance="a"}': samples(40, 0.5, at=0.0),
    'load{job="web",instance="a"}': samples(40, 0.5),
    'load{job="web",instance="b"}': samples(40, 0.25),
    'odd{job="web",instance="a"}': [(START + 15 * n, math.nan if n == 8 else 1.0) for n in range(40)],
    **{
        f'lag_bucket{{job="web",instance="a",le="{edge}"}}': samples(40, per)
        for edge, per in (("0.1", 50.0), ("0.25", 90.0), ("+Inf", 100.0))
    },
}
KINDS = dict.fromkeys(("web", "gone", "up", "failing", "silent", "away", "half", "load", "odd", "lag"), "unknown")


@pytest.fixture(scope="module", params=VERSIONS)
def source(request, tmp_path_factory):
    required(request.param)
    folder = tmp_path_factory.mktemp("prometheus")
    data = history(folder, KINDS, HISTORY)
    with prometheus(request.param, folder / "server", data=data) as url:
        yield source_of(f"sources: {{prom: {{prometheus: '{url}'}}}}")


def section(form: MetricForm = MetricForm.GAUGE, **queries: str) -> MetricSection:
    return MetricSection("m", "prom", form, queries)


def ratio(source, bad: str, total: str, windows=WINDOWS) -> MetricAnswer:
    return source.measure(MetricQuestion(section(MetricForm.RATIO, bad=bad, total=total), windows))


def gauge(source, text: str, windows=WINDOWS, **variables: str) -> MetricAnswer:
    return source.measure(MetricQuestion(section(value=text), windows, variables=variables))


def counts(total: int, bad: int, certain: int | None = None) -> WindowCounts:
    return WindowCounts(total, (bad,), (bad if certain is None else certain,))


def test_counters_are_differenced_here(source) -> None:
    """A reset counts from zero; what begins began at zero, and its first sample is not certain."""
    expected = (counts(80, 0), counts(80 + 3, 3, 2), counts(70 + 4, 4), counts(80 + 4, 4))

    assert MetricAnswer(expected) == ratio(source, 'web_total{code="500"}', "web_total")


def test_no_bad_series_is_no_bad_event_where_there_are_events(source) -> None:
    """And without events it is not known."""
    none = ratio(source, 'web_total{code="503"}', 'web_total{instance="a",code="200"}')
    nothing = ratio(source, 'web_total{code="503"}', "webb_total")

    assert MetricAnswer((counts(40, 0),) * 4) == none
    assert MetricAnswer((None,) * 4, ("nothing was scraped after the window's end",)) == nothing or (
        (None,) * 4,
        True,
    ) == (nothing.values, bool(nothing.notes))


def test_what_ended_and_what_only_fell_silent(source) -> None:
    """A target that is gone counts nothing more; one that cannot be scraped is not known, nor is one without a word."""
    gone, failing, silent = (ratio(source, "nothing_total", f"{name}_total") for name in ("gone", "failing", "silent"))

    assert (counts(8, 0), counts(5, 0), counts(4, 0), counts(4, 0)) == gone.values
    assert ((None,) * 3, "fail") == (failing.values[1:], failing.notes[0].rpartition(" ")[2])
    assert ((None,) * 3, True) == (silent.values[1:], "nothing says" in silent.notes[0])


def test_a_series_that_was_seen_in_the_hour_before_is_not_new(source) -> None:
    """It came back with more than it had: what it counted while it was not scraped belongs to no window."""
    found = ratio(source, "nothing_total", "away_total")

    assert (counts(4, 0), None, counts(8, 0)) == (found.values[0], found.values[1], found.values[2])
    assert "are missing" in found.notes[0]


def test_half_an_event_is_refused(source) -> None:
    """A ratio is of events."""
    with pytest.raises(Refused, match="is no number of events"):
        ratio(source, "nothing_total", "half_total", ((START + 60, START + 75),))


def test_more_bad_events_than_events_are_not_known(source) -> None:
    """Then the two selectors do not count the same things."""
    found = ratio(source, "web_total", 'web_total{instance="a",code="200"}')

    assert ((None,) * 4, True) == (found.values, "more events are bad" in found.notes[0])


def test_a_long_look_back_is_made_in_steps(source) -> None:
    """A window of hours, as burn rates have it, is not answered with every scrape of it."""
    [value] = ratio(
        source, 'web_total{code="500"}', 'web_total{instance="a"}', ((START - 12 * 3600.0, START + 500.0),)
    ).values

    assert (True, True) == (300 <= value.total <= 354, 18 <= value.bad[0] <= 24)


def test_a_histogram_has_two_counts_for_each_limit(source) -> None:
    """Events of the bucket that holds the limit may be above it; at an edge both counts are the same."""
    asked = MetricQuestion(section(MetricForm.HISTOGRAM, buckets="lag_bucket"), WINDOWS, (0.05, 0.1, 0.2, 0.3))

    assert {WindowCounts(400, (400, 200, 200, 40), (200, 200, 40, 0))} == set(source.measure(asked).values)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("web_total", "is no histogram"),
        ('lag_bucket{le="0.1"}', "leave `le` out"),
        ('lag_bucket{instance="a",le!="0.1"}', "leave `le` out"),
        ("histogram_quantile(0.9, lag_bucket)", "computes with `histogram_quantile`"),
    ],
)
def test_what_is_no_histogram_is_refused(source, text: str, said: str) -> None:
    """With what it needs instead."""
    with pytest.raises(Refused, match=said):
        source.measure(MetricQuestion(section(MetricForm.HISTOGRAM, buckets=text), WINDOWS, (0.1,)))


def test_a_gauge_has_its_value_at_the_end(source) -> None:
    """Of a series, and of anything that comes to one number."""
    ends = tuple((end - START) / 15 for _, end in WINDOWS)

    assert tuple(0.5 * n for n in ends) == gauge(source, 'load{instance="a"}').values
    assert tuple(0.75 * n for n in ends) == gauge(source, "sum(load)").values
    assert tuple(0.75 * n for n in ends) == gauge(source, "scalar(sum(load))").values
    assert tuple(0.5 * n for n in ends) == gauge(source, 'load{instance="${service}"}', service="a").values
    assert (4.0,) * 4 == gauge(source, "count_over_time(odd[${window}s] offset 1s)").values


def test_windows_of_any_length_and_distance(source) -> None:
    """Each has its own."""
    windows = ((START + 60, START + 75), (START + 90, START + 105), (START + 120, START + 180))

    assert (3.75, 5.25, 9.0) == gauge(source, "sum(load)", windows).values
    assert (2.5, 3.5, 6.0) == gauge(source, 'load{instance="a"}', windows).values
    assert (counts(20, 0), counts(20, 0), counts(80, 3, 2)) == ratio(
        source, 'web_total{code="500"}', 'web_total{code="200"}', windows
    ).values


def test_a_query_can_name_its_window(source) -> None:
    """Then each window has a query of its own."""
    found = gauge(source, "vector(${end} - ${start_ms} / 1000)")

    assert (60.0,) * 4 == found.values


def test_no_number_and_nothing_are_not_known(source) -> None:
    """NaN, infinity, no series; each said in words."""
    assert (None, 1.0, 1.0, 1.0) == gauge(source, "odd").values
    for text in ("sum(load) / 0", "sum(load) * NaN", "absent(load)", "nothing"):
        found = gauge(source, text)
        assert ((None,) * 4, True) == (found.values, bool(found.notes))


def test_several_series_are_refused(source) -> None:
    """They have to be aggregated: which of them would it be?"""
    for text in ("load", "load * 2"):
        with pytest.raises(Refused, match="2 series, and a gauge is one number"):
            gauge(source, text)


@pytest.mark.parametrize(
    ("text", "said"),
    [("sum(", "parse error"), ("rate(load)", "expected type range vector"), ("sum(${revision})", "no revision here")],
)
def test_a_wrong_query_is_refused_in_the_servers_words(source, text: str, said: str) -> None:
    """And one that uses what is not known here in ours."""
    with pytest.raises(Refused, match=said):
        gauge(source, text)


def test_a_ratio_of_anything_but_counters_is_refused(source) -> None:
    """`rate` would hide what has to be seen."""
    with pytest.raises(Refused, match="`bad` computes with `sum`"):
        ratio(source, "sum(rate(web_total[1m]))", "web_total")


def test_a_very_long_query_goes_in_a_body(source) -> None:
    """A URL of that length gets through to nobody."""
    text = " + ".join(['sum(load{instance="a"})'] * 200)

    assert tuple(100.0 * (end - START) / 15 for _, end in WINDOWS) == gauge(source, text).values


def test_what_is_for_other_sources_is_refused(source) -> None:
    """A request of one's own, SQL, pods."""
    own = MetricSection("m", "prom", MetricForm.GAUGE, {"value": "x"}, request=MetricRequest("GET", "/"))
    with pytest.raises(Refused, match="has `request`, and its source `prom` is Prometheus"):
        source.measure(MetricQuestion(own, WINDOWS))


# --------------------------------------------------------------------------- what is scraped


class Exporter:
    """A target whose text the test writes."""

    def __init__(self) -> None:
        exporter = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = exporter.text().encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Nothing."""

        self.good = self.bad = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        self.at = f"127.0.0.1:{self._server.server_address[1]}"

    def text(self) -> str:
        self.good += 7
        self.bad += 3
        return f'shop_total{{code="200"}} {self.good}\nshop_total{{code="500"}} {self.bad}\n'

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.mark.parametrize("component", VERSIONS)
def test_what_is_scraped_is_known_one_scrape_later(component: str, tmp_path) -> None:
    """Windows of a running server: of the rate that its target really has, and the newest not before its time."""
    required(component)
    exporter = Exporter()
    try:
        with prometheus(component, tmp_path / "server", targets={"shop": exporter.at}, every="500ms") as url:
            source = source_of(f"sources: {{prom: {{prometheus: '{url}', scrape_interval: 500ms}}}}")
            wait_for(lambda: query(url, "count_over_time(shop_total[10s]) >= 3"))
            start = time.time()
            windows = tuple((start + n, start + n + 1) for n in range(3))
            now = ratio(source, 'shop_total{code="500"}', "shop_total", windows)
            wait_for(lambda: None not in ratio(source, 'shop_total{code="500"}', "shop_total", windows).values)
            found = ratio(source, 'shop_total{code="500"}', "shop_total", windows)
    finally:
        exporter.close()

    assert (None, "") == (now.values[-1], found.partial)
    assert [0.3] * 3 == [value.bad[0] / value.total for value in found.values]
    assert 5 <= sum(value.total for value in found.values) / 10 <= 7


def test_native_histograms(tmp_path) -> None:
    """Prometheus 3's own request durations: the buckets that the API gives, certain and possible."""
    required("prometheus-3")
    folder = tmp_path / "server"
    folder.mkdir()
    with prometheus("prometheus-3", folder, itself="500ms") as url:
        source = source_of(f"sources: {{prom: {{prometheus: '{url}', scrape_interval: 500ms}}}}")
        name = 'prometheus_http_request_duration_seconds{handler="/api/v1/query"}'
        wait_for(lambda: query(url, name))
        start = time.time()
        asked = MetricQuestion(
            section(MetricForm.HISTOGRAM, buckets=name), ((start, start + 2.0),), (1e-9, 1e-3, 100.0)
        )
        wait_for(lambda: query(url, "vector(1)") and source.measure(asked).values[0] is not None)
        [value] = source.measure(asked).values

    assert value.total > 3
    assert (value.total, 0) == (value.bad[0], value.bad[2])
    assert value.certain[1] <= value.bad[1] <= value.total


# --------------------------------------------------------------------------- what is sent, what is beside the values


def said(**more: object) -> Answer:
    data = {"resultType": "matrix", "result": [{"metric": {}, "values": [[end, "1"] for _, end in WINDOWS]}]}
    return Answer(200, json.dumps({"status": "success", "data": data, **more}).encode())


def test_a_base_path_a_tenant_and_headers_are_sent() -> None:
    """As Mimir wants them; with the deadline, for a server that would go on for nobody."""
    with lying_server(lambda _: said()) as server:
        more = "tenant: shop, headers: {X-A: b}, timeout: 3s"
        source = source_of(f"sources: {{mimir: {{prometheus: '{server.url}/prometheus', {more}}}}}")
        found = gauge(source, "sum(x)")
        [asked] = server.asked

    assert (1.0,) * 4 == found.values
    assert ("/prometheus/api/v1/query_range", "shop", "b") == (
        urlsplit(asked.path).path,
        asked.headers["x-scope-orgid"],
        asked.headers["x-a"],
    )
    given = parse_qs(urlsplit(asked.path).query)
    assert (["3s"], ["60.000"], ["150s"]) == (given["timeout"], given["step"], given["lookback_delta"])


@pytest.mark.parametrize(
    ("more", "partial"),
    [
        ({"warnings": ["a store did not answer"]}, "a store did not answer"),
        ({"warnings": ["one", "two", "one"]}, "one; two"),
        ({"infos": ["one query-frontend was skipped"]}, "one query-frontend was skipped"),
        ({"isPartial": True}, "the answer is partial"),
        ({"infos": ["PromQL info: metric might not be a counter, name does not end in _total"]}, ""),
        ({"isPartial": False, "warnings": None}, ""),
    ],
)
def test_what_may_be_missing_makes_an_answer_partial(more: dict, partial: str) -> None:
    """Warnings of Prometheus and Thanos, VictoriaMetrics' flag; not advice about the query."""
    with lying_server(lambda _: said(**more)) as server:
        found = gauge(source_of(f"sources: {{prom: {{prometheus: '{server.url}'}}}}"), "sum(x)")

    assert partial == found.partial


@pytest.mark.parametrize(
    "result",
    [
        [[1, 2]],
        [{"metric": {}, "values": [[1, "1"], [1, "2"]]}],
        [{"metric": {}, "values": [["now", "1"]]}],
        [{"metric": {}, "histograms": [[1, {"count": "1", "buckets": [[0, "a", "1", "1"]]}]]}],
        [{"metric": {}, "histograms": [[1, {"count": "1", "buckets": "many"}]]}],
        [{"values": []}],
        "none",
    ],
)
def test_an_answer_of_another_shape_is_none(result: object) -> None:
    """Unordered times, times that are none, buckets that are none."""
    from gitslo.core.prometheus_api import read_answer

    assert read_answer({"status": "success", "data": {"resultType": "matrix", "result": result}}) is None


def test_a_histogram_is_no_counter_and_no_gauge() -> None:
    """Each says what to use instead."""

    def native(_: Asked) -> Answer:
        sample = {"count": "2", "sum": "1", "buckets": [[0, "0.5", "1", "2"]]}
        series = [{"metric": {"__name__": "x"}, "histograms": [[end, sample] for _, end in WINDOWS]}]
        return Answer(
            200, json.dumps({"status": "success", "data": {"resultType": "matrix", "result": series}}).encode()
        )

    with lying_server(native) as server:
        source = source_of(f"sources: {{prom: {{prometheus: '{server.url}'}}}}")
        for text in ("x", "x * 2"):
            with pytest.raises(Refused, match="use `histogram`"):
                gauge(source, text)
        with pytest.raises(Refused, match="use `histogram`"):
            ratio(source, "x", "x")
