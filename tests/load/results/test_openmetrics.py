"""A result as OpenMetrics is what a strict parser understands, and says what the result says."""

from __future__ import annotations

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from gitslo.load.results.openmetrics import openmetrics
from gitslo.model import Endpoint
from tests.load.jobs import ERRORS, faster_than, get, hold, job, measured
from tests.load.service import service

NAME = 'a"b\\c\nd'


@pytest.fixture(scope="module")
def detail():
    """A second on two endpoints, one of which fails now and then and has a name that must be escaped."""
    with service(fixed=0.03) as target:
        asked = job(
            target.port,
            get("/", "fine"),
            Endpoint(NAME, "GET", "/every/4/503"),
            stages=[hold(100, 1)],
            objectives=[ERRORS, faster_than(0.033), faster_than(0.25, "fine")],
        )
        return measured(asked)


@pytest.fixture(scope="module")
def families(detail):
    """What prometheus_client's strict parser finds."""
    return {family.name: family for family in text_string_to_metric_families(openmetrics(detail))}


def samples(family, name, **labels):
    """The values of one sample's name with these labels."""
    return [each.value for each in family.samples if each.name == name and labels.items() <= each.labels.items()]


def test_a_strict_parser_reads_it(families):
    """Types and units are declared, and there is one end."""
    assert {name: (family.type, family.unit) for name, family in families.items()} == {
        "gitslo_load_engine": ("info", ""),
        "gitslo_load_start_time_seconds": ("gauge", "seconds"),
        "gitslo_load_requests": ("counter", ""),
        "gitslo_load_errors": ("counter", ""),
        "gitslo_load_unsent": ("counter", ""),
        "gitslo_load_response_seconds": ("histogram", "seconds"),
        "gitslo_load_schedule_lag_seconds": ("gauge", "seconds"),
        "gitslo_load_rate": ("gauge", ""),
        "gitslo_load_cpu_seconds": ("counter", "seconds"),
        "gitslo_load_blocked": ("gauge", ""),
    }


def test_counters_are_those_of_the_result(families, detail):
    """Requests and errors by endpoint and kind; a name comes back as the plan wrote it."""
    kinds = {(error.kind, error.requests) for part in detail.parts[1:] for error in part.errors}

    assert samples(families["gitslo_load_requests"], "gitslo_load_requests_total", endpoint=NAME) == [50]
    assert {(each.labels["kind"], each.value) for each in families["gitslo_load_errors"].samples} == kinds
    assert ("status 503" in {kind for kind, _ in kinds}) is True
    assert samples(families["gitslo_load_rate"], "gitslo_load_rate", endpoint="fine", of="planned") == [50.0]


def test_buckets_hold_the_limits_of_the_objectives(families, detail):
    """Cumulative, from 0.1 ms on, with the limits of the endpoint's own objectives and of the section's."""
    family = families["gitslo_load_response_seconds"]
    bounds = {
        name: [
            float(each.labels["le"])
            for each in family.samples
            if each.name.endswith("_bucket") and each.labels["endpoint"] == name
        ]
        for name in ("fine", NAME)
    }
    fine = detail.parts[1]

    assert {0.0001, 0.033, 0.25, 50.0, float("inf")} <= set(bounds["fine"])
    assert 0.25 not in bounds[NAME]
    assert bounds["fine"] == sorted(bounds["fine"])
    assert samples(family, "gitslo_load_response_seconds_bucket", endpoint="fine", le="0.02") == [0]
    assert samples(family, "gitslo_load_response_seconds_bucket", endpoint="fine", le="0.25") == [
        sum(number for value, number in fine.counts.items() if value <= 250_000)
    ]
    assert samples(family, "gitslo_load_response_seconds_count", endpoint="fine") == [fine.requests]
    (whole,) = samples(family, "gitslo_load_response_seconds_sum", endpoint="fine")
    assert whole == pytest.approx(sum(value * number for value, number in fine.counts.items()) / 1e6)
