"""The presets: what each sends, and what it makes of answers as the products' documentation shows them."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from gitslo.adapters.rest_source import preset_names
from gitslo.core.preset import parse_preset
from gitslo.errors import Refused, Retry
from gitslo.model import MetricForm, MetricRequest, MetricSection
from gitslo.ports import MetricAnswer, MetricQuestion, WindowCounts
from tests.metrics.lying_server import Answer, Asked, lying_server
from tests.metrics.prometheus_server import fetch, wait_for
from tests.metrics.worlds import source_of
from tests.required import required

START = 1_700_000_040.0
"""A whole minute."""
WINDOW = (START, START + 60.0)
MS = 1_700_000_040_000

CSV = """\
#datatype,string,long,string,double\r
#group,false,false,true,false\r
#default,_result,,,\r
,result,table,code,_value\r
,,0,500,{}\r
\r
"""


def answers(bad: object, total: object):
    """A server that gives one body to the query with `bad` in it, and the other to the rest."""

    def answer(asked: Asked) -> Answer:
        body = bad if "BAD" in asked.path or b"BAD" in asked.body else total
        return Answer(200, body.encode() if isinstance(body, str) else json.dumps(body).encode())

    return answer


def points(*pairs: list) -> dict:
    return {"status": "ok", "series": [{"metric": "x", "pointlist": list(pairs)}]}


SIGNED = (
    "auth: {sigv4: {region: eu-central-1, service: monitoring, access_key_id: {file: TOKEN},"
    " secret_access_key: {file: TOKEN}}}, scrape_interval: 2m"
)

CASES = {
    "influxdb": (
        "settings: {org: acme, bucket: shop}",
        (CSV.format(3), CSV.format(100)),
        {
            "nothing": "\r\n",
            "several": CSV.format(3) + CSV.format(4),
            "error": ",error,reference\r\n,no such column,897\r\n",
        },
    ),
    "influxdb-1": (
        "settings: {database: shop}",
        tuple(
            {"results": [{"statement_id": 0, "series": [{"columns": ["time", "sum"], "values": [[MS, n]]}]}]}
            for n in (3, 100)
        ),
        {
            "nothing": {"results": [{"statement_id": 0}]},
            "several": {"results": [{"series": [{"values": [[MS, 1]]}, {"values": [[MS, 2]]}]}]},
            "error": {"results": [{"statement_id": 0, "error": "field type mismatch"}]},
            "partial": {"results": [{"series": [{"values": [[MS, 1]], "partial": True}]}]},
        },
    ),
    "graphite": (
        "",
        (
            [
                {
                    "target": "x",
                    "datapoints": [[9, START], [1, START + 10], [None, START + 20], [2, START + 60], [8, START + 70]],
                }
            ],
            [{"target": "x", "datapoints": [[50, START + 10], [50, START + 20]]}],
        ),
        {
            "nothing": [],
            "several": [{"target": "x", "datapoints": []}, {"target": "y", "datapoints": []}],
            "null": [{"target": "x", "datapoints": [[None, START + 10]]}],
        },
    ),
    "elasticsearch": (
        "settings: {index: 'logs-*'}",
        tuple(
            {
                "took": 3,
                "timed_out": False,
                "_shards": {"total": 2, "successful": 2, "failed": 0},
                "hits": {"total": {"value": n, "relation": "eq"}, "hits": []},
            }
            for n in (3, 100)
        ),
        {
            "partial": {"timed_out": True, "_shards": {"total": 2, "failed": 0}, "hits": {"total": {"value": 3}}},
            "partial-shards": {
                "timed_out": False,
                "_shards": {"total": 2, "failed": 1},
                "hits": {"total": {"value": 3}},
            },
            "partial-no-index": {
                "timed_out": False,
                "_shards": {"total": 0, "failed": 0},
                "hits": {"total": {"value": 0}},
            },
        },
    ),
    "loki": (
        "tenant: shop",
        tuple(
            {
                "status": "success",
                "data": {"resultType": "vector", "result": [{"metric": {}, "value": [START, f"{n}"]}]},
            }
            for n in (3, 100)
        ),
        {
            "nothing": {"status": "success", "data": {"resultType": "vector", "result": []}},
            "several": {"status": "success", "data": {"result": [{"value": [1, "1"]}, {"value": [1, "2"]}]}},
        },
    ),
    "datadog": (
        "auth: {keys: {api: {file: TOKEN}, application: {file: TOKEN}}}, scrape_interval: 2m",
        (points([MS - 60_000, 9.0], [MS, 3.0], [MS + 60_000, 9.0]), points([MS, 60.0], [MS + 30_000, 40.0])),
        {
            "nothing": {"status": "ok", "series": []},
            "error": {"status": "error", "error": "Rule 'query' is invalid"},
            "several": {"status": "ok", "series": [{"pointlist": []}, {"pointlist": []}]},
            "null": points([MS, None]),
        },
    ),
    "newrelic": (
        "settings: {account: '42'}, auth: {keys: {api: {file: TOKEN}}}, scrape_interval: 1m",
        tuple({"data": {"actor": {"account": {"nrql": {"results": [{"count": n}]}}}}} for n in (3, 100)),
        {
            "error": {"data": {"actor": None}, "errors": [{"message": "NRQL Syntax Error"}]},
            "several": {"data": {"actor": {"account": {"nrql": {"results": [{"count": 1}, {"count": 2}]}}}}},
        },
    ),
    "cloudwatch": (
        SIGNED,
        tuple(
            {
                "MetricDataResults": [
                    {"Id": "q", "StatusCode": "Complete", "Timestamps": [START], "Values": [1.0, n - 1.0]}
                ],
                "Messages": [],
            }
            for n in (3, 100)
        ),
        {
            "nothing": {"MetricDataResults": [{"Id": "q", "StatusCode": "Complete", "Values": []}], "Messages": []},
            "partial": {"MetricDataResults": [{"Id": "q", "StatusCode": "PartialData", "Values": [1.0]}]},
            "several": {"MetricDataResults": [{"StatusCode": "Complete"}, {"StatusCode": "Complete"}]},
        },
    ),
}
CASES["opensearch"] = CASES["elasticsearch"]


def ask(folder: Path, name: str, server, form: MetricForm = MetricForm.RATIO) -> MetricAnswer:
    more, *_ = CASES[name]
    secret = folder / "token"
    secret.write_text("canary-token", encoding="utf-8")
    text = f"preset: {name}, url: '{server.url}'" + (f", {more}" if more else "")
    source = source_of(f"sources: {{it: {{{text.replace('TOKEN', str(secret))}}}}}")
    queries = {"value": "GAUGE"} if form is MetricForm.GAUGE else {"bad": "BAD", "total": 'TOTAL "all" & ${start}'}
    return source.measure(MetricQuestion(MetricSection("m", "it", form, queries), (WINDOW,)))


def test_every_preset_has_a_case() -> None:
    """What is shipped is tested."""
    assert sorted(CASES) == list(preset_names())


@pytest.mark.parametrize("name", CASES)
def test_a_ratio_is_read(name: str, tmp_path: Path) -> None:
    """Two queries, the numbers of their answers."""
    with lying_server(answers(*CASES[name][1])) as server:
        found = ask(tmp_path, name, server)

    assert MetricAnswer((WindowCounts(100, (3,), (3,)),)) == found


@pytest.mark.parametrize("name", [name for name in CASES if "search" not in name])
def test_a_gauge_is_the_last_value(name: str, tmp_path: Path) -> None:
    """Of the window."""
    last = {"graphite": 20.0, "datadog": 40.0, "cloudwatch": 99.0}
    total = CASES[name][1][1]
    if name == "graphite":
        total = [{"target": "x", "datapoints": [[10, START + 10], [20, START + 20], [None, START + 30]]}]
    with lying_server(answers(None, total)) as server:
        found = ask(tmp_path, name, server, MetricForm.GAUGE)

    assert MetricAnswer((last.get(name, 100.0),)) == found


def test_documents_have_no_gauge(tmp_path: Path) -> None:
    """Refused, with what there is."""
    with lying_server(answers({}, {})) as server, pytest.raises(Refused, match="it has `ratio`"):
        ask(tmp_path, "elasticsearch", server, MetricForm.GAUGE)


LIES = [(name, kind, body) for name, (_, _, odd) in CASES.items() for kind, body in odd.items()]


@pytest.mark.parametrize(("name", "kind", "body"), LIES, ids=[f"{name}-{kind}" for name, kind, _ in LIES])
def test_what_is_no_value_becomes_none(name: str, kind: str, body: object, tmp_path: Path) -> None:
    """An error in a 200, several series, a part, nothing: as the total it is never a number."""
    with lying_server(answers(CASES[name][1][0], body)) as server:
        if kind in {"error", "several"}:
            with pytest.raises(Refused):
                ask(tmp_path, name, server)
            return
        found = ask(tmp_path, name, server)

    assert (kind.startswith("partial"), True) == (bool(found.partial), bool(found.partial) or found.values == (None,))


@pytest.mark.parametrize("name", [name for name, kind, _ in LIES if kind == "nothing"])
def test_no_bad_events_are_none_where_there_are_events(name: str, tmp_path: Path) -> None:
    """These products answer nothing where nothing matches."""
    nothing = CASES[name][2]["nothing"]
    with lying_server(answers(nothing, CASES[name][1][1])) as server:
        found = ask(tmp_path, name, server)

    assert MetricAnswer((WindowCounts(100, (0,), (0,)),)) == found


def sent(name: str, folder: Path) -> list[Asked]:
    with lying_server(answers(*CASES[name][1])) as server:
        ask(folder, name, server)
        return server.asked


def test_queries_are_escaped_where_they_stand(tmp_path: Path) -> None:
    """In a URL, in JSON, in the text of a query: whatever is in them, they stay one value."""
    whole = 'TOTAL "all" & 1700000040'

    loki, search, flux = (sent(name, tmp_path)[1] for name in ("loki", "elasticsearch", "influxdb"))
    body = json.loads(search.body)

    assert ([whole], [f"{MS + 60_000}000000"]) == tuple(
        parse_qs(urlsplit(loki.path).query)[key] for key in ("query", "time")
    )
    assert ({"query": whole}, {"@timestamp": {"gte": MS, "lt": MS + 60_000, "format": "epoch_millis"}}) == (
        body["query"]["bool"]["filter"][0]["query_string"],
        body["query"]["bool"]["filter"][1]["range"],
    )
    assert (
        'from(bucket: "shop")\n|> range(start: 2023-11-14T22:14:00Z, stop: 2023-11-14T22:15:00Z)\n' + whole + "\n"
    ) == flux.body.decode()


def test_keys_go_in_the_headers_that_the_preset_says(tmp_path: Path) -> None:
    """And signatures where AWS wants them."""
    datadog, newrelic, cloudwatch = (sent(name, tmp_path)[0] for name in ("datadog", "newrelic", "cloudwatch"))

    assert ("canary-token",) * 3 == (
        datadog.headers["dd-api-key"],
        datadog.headers["dd-application-key"],
        newrelic.headers["api-key"],
    )
    assert cloudwatch.headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=canary-token/")
    assert "GraniteServiceVersion20100801.GetMetricData" == cloudwatch.headers["x-amz-target"]
    assert (MS // 1000, "BAD") == (
        json.loads(cloudwatch.body)["StartTime"],
        json.loads(cloudwatch.body)["MetricDataQueries"][0]["Expression"],
    )


KEYS = "auth: {keys: {tokn: {env: A}}}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("preset: influx, url: 'http://127.0.0.1:1'", "did you mean `influxdb`"),
        ("preset: influxdb, url: 'http://127.0.0.1:1', settings: {org: a}", "needs the setting `bucket`"),
        ("preset: influxdb, url: 'http://127.0.0.1:1', settings: {org: a, bucket: 'a\"b'}", 'and no `a"b`'),
        ("preset: influxdb, url: 'http://127.0.0.1:1', settings: {org: a, buckt: b}", "did you mean `bucket`"),
        ("preset: datadog, url: 'http://127.0.0.1:1'", "has a value every 60s at most"),
        ("preset: influxdb, url: 'http://127.0.0.1:1', settings: {org: a, bucket: b}, " + KEYS, "`token`"),
        ("preset: /nowhere/x.yaml, url: 'http://127.0.0.1:1'", "the preset cannot be read"),
        ("kind: acme", "no installed package brings `acme`"),
    ],
)  # fmt: skip
def test_a_source_that_cannot_work_says_why(text: str, said: str) -> None:
    """When it is first asked for."""
    with pytest.raises(Refused, match=said):
        source_of(f"sources: {{it: {{{text}}}}}").measure(
            MetricQuestion(MetricSection("m", "it", MetricForm.RATIO, {"bad": "a", "total": "b"}), (WINDOW,))
        )


OWN = """\
title: our own
request: {method: GET, path: /count, parameters: {q: "${query}"}}
answer: {value: n}
"""


def test_an_operator_can_bring_a_preset(tmp_path: Path) -> None:
    """A file of the same form, by its absolute path."""
    file = tmp_path / "own.yaml"
    file.write_text(OWN, encoding="utf-8")
    with lying_server(lambda _: Answer(200, b'{"n": "7"}')) as server:
        source = source_of(f"sources: {{it: {{preset: {file}, url: '{server.url}'}}}}")
        found = source.measure(MetricQuestion(MetricSection("m", "it", MetricForm.GAUGE, {"value": "x"}), (WINDOW,)))

    assert (7.0,) == found.values


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("title: our own\n", "", "`title` is no text"),
        ("path: /count", "path: count", "a path that begins with `/`"),
        ("method: GET", "method: PUT", "GET or POST"),
        ("{value: n}", "{valeu: n}", "did you mean `value`"),
        ("{value: n}", "{format: xml, value: n}", "is `json` or `csv`"),
        ("{value: n}", "{value: 'n['}", "is no JMESPath expression"),
        ("${query}", "${setting.bucket}", "which is none of its settings"),
        ("title: our own", "title: our own\nalign: soon", "expected a duration"),
        ("title: our own", "title: our own\nkeys: {a: {header: X, value: b}}", "has no `${key}`"),
        ("title: our own", "title: our own\nsettings: {a: {title: x, pattern: '('}}", "is none"),
        ("title: our own", "title: our own\nforms: [histogram]", "`forms` are"),
    ],
)  # fmt: skip
def test_a_preset_that_is_none_says_why(old: str, new: str, said: str) -> None:
    """With the file's name."""
    assert old in OWN
    with pytest.raises(Refused) as caught:
        parse_preset("own", OWN.replace(old, new).encode(), file="own.yaml")

    assert said in str(caught.value)
    assert str(caught.value).startswith("own.yaml: ")


def test_time_that_runs_out_keeps_what_was_answered() -> None:
    """The windows that were asked for have their values; the others are not known yet."""
    asked = []

    def slow_down(one: Asked) -> Answer:
        asked.append(one)
        return Answer(200, b'{"n": 1}') if len(asked) <= 2 else Answer(429, b"slow down")

    windows = tuple((START + 60 * n, START + 60 * (n + 1)) for n in range(4))
    with lying_server(slow_down) as server:
        source = source_of(f"sources: {{it: {{rest: '{server.url}'}}}}")
        section = MetricSection("m", "it", MetricForm.GAUGE, {"value": "n"}, request=MetricRequest("GET", "/x"))
        found = source.measure(MetricQuestion(section, windows))
        with pytest.raises(Retry, match="429: slow down"):
            source.measure(MetricQuestion(section, windows))

    assert ((1.0, 1.0, None, None), True) == (found.values, "429" in found.notes[0])


# --------------------------------------------------------------------------- a real server of Graphite's API


MAKE = """\
import sys, whisper
path, start = sys.argv[1], int(sys.argv[2])
for name, per in (("errors", 1), ("requests", 20)):
    file = f"{path}/{name}.wsp"
    whisper.create(file, [(10, 4000)])
    whisper.update_many(file, [(start + 10 * n, per) for n in range(60)])
"""


@contextlib.contextmanager
def graphite(folder: Path, start: float):
    python = required("graphite-api")
    data = folder / "whisper" / "shop"
    data.mkdir(parents=True)
    subprocess.run((python, "-c", MAKE, data, str(int(start))), check=True, timeout=60, capture_output=True)
    config = folder / "graphite.yaml"
    settings = {
        "search_index": f"{folder}/index",
        "finders": ["graphite_api.finders.whisper.WhisperFinder"],
        "functions": ["graphite_api.functions.SeriesFunctions"],
        "whisper": {"directories": [f"{folder}/whisper"]},
        "time_zone": "UTC",
    }
    config.write_text(json.dumps(settings), encoding="utf-8")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    argv = (python, "-W", "ignore", "-m", "waitress", f"--listen=127.0.0.1:{port}", "graphite_api.app:app")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            argv, env={**os.environ, "GRAPHITE_API_CONFIG": str(config)}, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            url = f"http://127.0.0.1:{port}"

            def answers_now() -> bool:
                with contextlib.suppress(OSError):
                    return fetch(url, "GET", "/render?target=x&format=json")[0] == 200
                return False

            wait_for(answers_now, (folder / "log").read_text)
            yield url
        finally:
            process.terminate()
            process.wait(10)


def test_graphite_for_real(tmp_path: Path) -> None:
    """Counters of whisper files, a gauge, a target that is not there, and several series."""
    start = float(time.time() // 60 * 60 - 1200)
    windows = tuple((start + 60 * n, start + 60 * (n + 1)) for n in range(1, 4))
    with graphite(tmp_path, start) as url:
        source = source_of(f"sources: {{it: {{preset: graphite, url: '{url}'}}}}")

        def asked(form: MetricForm, **queries: str) -> MetricAnswer:
            return source.measure(MetricQuestion(MetricSection("m", "it", form, queries), windows))

        ratio = asked(MetricForm.RATIO, bad="shop.errors", total="sumSeries(shop.*)")
        none = asked(MetricForm.RATIO, bad="shop.nothing", total="shop.requests")
        gauge = asked(MetricForm.GAUGE, value="shop.requests")
        nothing = asked(MetricForm.GAUGE, value="shop.nothing")
        with pytest.raises(Refused, match="2 series"):
            asked(MetricForm.GAUGE, value="shop.*")

    assert MetricAnswer((WindowCounts(126, (6,), (6,)),) * 3) == ratio
    assert MetricAnswer((WindowCounts(120, (0,), (0,)),) * 3) == none
    assert (MetricAnswer((20.0,) * 3), (None,) * 3) == (gauge, nothing.values)
