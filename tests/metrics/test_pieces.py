"""What the metric sources are made of: answers, signatures, selectors, histograms, pods, kubeconfigs."""

from __future__ import annotations

import base64
import json
import math

import pytest

from gitslo.core.answers import json_of, number, refuse_or_retry, seconds_ahead, text_of_error
from gitslo.core.histograms import Buckets, classic, native
from gitslo.core.kubeconfig import Kubeconfig, parse_kubeconfig
from gitslo.core.kubernetes_api import parse_quantity, use_of
from gitslo.core.promql import escaped_regex, find_selector, quoted
from gitslo.core.sigv4 import AwsKeys, signed_headers
from gitslo.errors import Refused, Retry
from gitslo.model import Across, PodQuery, PodResource

# --------------------------------------------------------------------------- answers


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "with nothing"),
        (b"<html>Sign in", "with a page: <html>Sign in"),
        (b'{"a": [1', "with JSON that is cut off or broken"),
        (b"\x1f\x8b\x08\x00", "compressed"),
        (b"hello\x1b[31m", r"with hello\x1b[31m"),
    ],
)
def test_what_is_no_json_is_asked_for_again(body: bytes, said: str) -> None:
    """And what it is instead is said in one harmless line."""
    with pytest.raises(Retry) as caught:
        json_of(body, "it")

    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"error": "no such column"}', "no such column"),
        (b'{"error": {"root_cause": [], "reason": "all shards failed"}}', "all shards failed"),
        (b'{"kind": "Status", "message": "pods is forbidden"}', "pods is forbidden"),
        (b'{"errors": [{"message": "one"}, {"message": "two"}]}', "one; two"),
        (b"<html>500</html>", ""),
        (b"plain\nwords", "plain words"),
        (b"[[[[[[1]]]]]]", ""),
    ],
)
def test_an_error_is_told_in_the_servers_words(body: bytes, said: str) -> None:
    """Wherever it has put them."""
    assert said == text_of_error(body)


@pytest.mark.parametrize("status", [300, 302, 308, 400, 401, 403, 404, 405, 410, 422])
def test_what_a_person_has_to_change_is_refused(status: int) -> None:
    """A wrong question, no entry, another address."""
    with pytest.raises(Refused, match=f"{status}"):
        refuse_or_retry(status, (), b"", "it", "/x")


@pytest.mark.parametrize(
    ("status", "headers", "delay"),
    [
        (408, (), 5.0),
        (425, (), 5.0),
        (429, (("retry-after", "30"),), 30.0),
        (503, (("retry-after", "86400"),), 60.0),
        (500, (("retry-after", "Fri, 31 Dec 1999 23:59:59 GMT"),), 5.0),
        (100, (), 5.0),
    ],
)
def test_what_may_pass_is_asked_for_again(status: int, headers: tuple, delay: float) -> None:
    """When the server says, and within a minute."""
    with pytest.raises(Retry) as caught:
        refuse_or_retry(status, headers, b"", "it", "/x")

    assert delay == caught.value.delay


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (3, 3.0),
        ("3.5", 3.5),
        (" -1e3 ", -1000.0),
        (True, None),
        (None, None),
        ("", None),
        ("NaN", None),
        ("1_000", None),
        (math.inf, None),
        (math.nan, None),
        (10**400, None),
        ("1e999", None),
        ([1], None),
    ],
)
def test_only_numbers_are_numbers(value: object, expected: float | None) -> None:
    """Also in text; not true, not NaN, nothing infinite."""
    assert expected == number(value)


def test_a_servers_clock_is_read_from_its_date() -> None:
    """Where it gives one."""
    date = (("date", "Tue, 14 Nov 2023 22:13:20 GMT"),)

    assert (0.0, 20.0, None, None) == (
        seconds_ahead(date, 1_700_000_000.0),
        seconds_ahead(date, 1_699_999_980.0),
        seconds_ahead((), 0.0),
        seconds_ahead((("date", "yesterday"),), 0.0),
    )


FORM = (("Content-Type", "application/x-www-form-urlencoded"),)


@pytest.mark.parametrize(
    ("method", "path", "headers", "body", "signature"),
    [
        ("GET", "/", (), b"", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        ("POST", "/", (), b"", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
        (
            "GET",
            "/?Param2=value2&Param1=value1",
            (),
            b"",
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        ),
        ("POST", "/", FORM, b"Param1=value1", "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"),
    ],
)
def test_signatures_are_those_of_aws(method: str, path: str, headers: tuple, body: bytes, signature: str) -> None:
    """The published vectors get-vanilla, post-vanilla, get-vanilla-query-order-key-case, post-x-www-form-urlencoded."""
    keys = AwsKeys("us-east-1", "service", "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
    found = dict(signed_headers(method, "example.amazonaws.com", path, headers, body, keys, "20150830T123600Z"))

    assert signature == found["Authorization"].rpartition("Signature=")[2]
    assert "wJalr" not in repr(keys)


# --------------------------------------------------------------------------- PromQL


@pytest.mark.parametrize(
    ("text", "name", "by_edge"),
    [
        ("up", "up", False),
        (' job:errors:total{a="}", b!~\'x"\'} ', "job:errors:total", False),
        ('{__name__=~"a.*"}', "", False),
        ('{"http.requests", code="1"}', "", False),
        ('x_bucket{le="1"}', "x_bucket", True),
        ('x_bucket{a="le=1"}', "x_bucket", False),
    ],
)
def test_selectors(text: str, name: str, by_edge: bool) -> None:
    """Names, labels, and whether a histogram's edges are chosen."""
    found = find_selector(text)

    assert found is not None
    assert (text.strip(), name, by_edge) == (found.text, found.name, found.by_edge)


@pytest.mark.parametrize(
    "text", ["", "{}", "1", "x[5m]", "x offset 5m", "sum(x)", "x or vector(0)", "x{", "-x", "x{a}"]
)
def test_what_computes_is_no_selector(text: str) -> None:
    """Nor is what PromQL would not read."""
    assert find_selector(text) is None


def test_text_in_promql() -> None:
    """Strings and regular expressions that stand for one text alone."""
    assert (r'"a\"b\\c"', r"10\.0\.0\.1:80|\(x\)") == (
        quoted(r'a"b\c'),
        escaped_regex("10.0.0.1:80") + "|" + escaped_regex("(x)"),
    )


# --------------------------------------------------------------------------- histograms


SERIES = {0.1: {0.0: 50.0}, 0.25: {0.0: 90.0}, math.inf: {0.0: 100.0}}


@pytest.mark.parametrize(
    ("limit", "most", "certain"),
    [(0.05, 100, 50), (0.1, 50, 50), (0.2, 50, 10), (0.25, 10, 10), (0.3, 10, 0)],
)
def test_a_limit_lies_in_a_bucket(limit: float, most: int, certain: int) -> None:
    """Above it is certain; in it is possible; at an edge both are the same."""
    assert ((0.0, (100.0, float(most), float(certain))),) == classic(SERIES, (limit,))


def test_buckets_that_contradict_each_other_are_no_number() -> None:
    """More in a smaller bucket than in a larger one, or a bucket that is missing."""
    odd = {**SERIES, 0.1: {0.0: 95.0}}
    missing = {**SERIES, 0.25: {15.0: 90.0}}

    assert ((0.0, None),) == classic(odd, (0.1,))
    assert {None} == {values for _, values in classic(missing, (0.1,))}
    assert "it has no bucket `+Inf`" == classic({0.1: {0.0: 1.0}}, (0.1,))


def test_native_buckets_that_became_wider() -> None:
    """The widest that holds the limit counts for all samples: its growth alone is no bad event."""
    fine = Buckets(10.0, ((0.0, 0.5, 4.0), (0.5, 1.0, 3.0), (1.0, 2.0, 2.0), (2.0, 4.0, 1.0)))
    wide = Buckets(20.0, ((0.0, 1.0, 14.0), (1.0, 4.0, 6.0)))

    assert ((0.0, (10.0, 3.0, 0.0)), (15.0, (20.0, 6.0, 0.0))) == native(((0.0, fine), (15.0, wide)), (1.5,))
    assert ((0.0, (10.0, 3.0, 3.0)), (15.0, None)) == native(((0.0, fine), (15.0, None)), (1.0,))


def test_what_is_no_number_is_larger_than_nothing_for_certain() -> None:
    """Native histograms count NaN in no bucket."""
    assert ((0.0, (10.0, 2.0, 0.0)),) == native(((0.0, Buckets(10.0, ((0.0, 1.0, 8.0),))),), (1.0,))


# --------------------------------------------------------------------------- Kubernetes


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("250m", 0.25), ("12345678n", 0.012345678), ("5u", 5e-6), ("2", 2.0), (2, 2.0), ("1e3", 1000.0), ("1E", 1e18),
        ("128Mi", 134217728.0), ("1.5Gi", 1610612736.0), ("1k", 1000.0), ("", None), ("x", None), ("1Zi", None),
        (None, None), (True, None), ("1 Gi", None),
    ],
)  # fmt: skip
def test_quantities(text: object, value: float | None) -> None:
    """As the API writes cpu and memory."""
    assert value == parse_quantity(text)


def pod(name: str, *, phase: str = "Running", limit: str | None = "400m", **more: object) -> dict:
    resources = {"resources": {"limits": {"cpu": limit}}} if limit else {}
    spec = {"containers": [{"name": "app", **resources}], **more}
    return {"metadata": {"name": name}, "spec": spec, "status": {"phase": phase}}


def metric(name: str, cpu: str = "100m", stamp: str = "2023-11-14T22:13:20Z", container: str = "app") -> dict:
    containers = [{"name": container, "usage": {"cpu": cpu, "memory": "1Mi"}}]
    return {"metadata": {"name": name}, "timestamp": stamp, "containers": containers}


def use(pods: list, metrics: list, of: str = "limit", across: Across = Across.MAX):
    query = PodQuery("app=a", "shop", PodResource.CPU, of, across)
    return use_of(query, {"items": pods}, {"items": metrics})


@pytest.mark.parametrize(
    ("of", "across", "value"),
    [
        ("limit", Across.MAX, 0.5), ("limit", Across.MEAN, 0.375), ("limit", Across.SUM, 0.375),
        ("", Across.MAX, 0.2), ("", Across.SUM, 0.3), ("", Across.MEAN, 0.15),
    ],
)  # fmt: skip
def test_pods_become_one_number(of: str, across: Across, value: float) -> None:
    """In cores, or as shares; the sum of shares is what all use of what all may."""
    found = use([pod("a"), pod("b")], [metric("a", "100m"), metric("b", "200m")], of, across)

    assert math.isclose(value, found.value)


def test_more_than_a_limit_is_the_limit() -> None:
    """Cpu is measured a little beyond it; of a request there can be more."""
    assert 1.0 == use([pod("a")], [metric("a", "410m")]).value


def test_the_first_and_the_last_measurement_are_told() -> None:
    """A pod whose measurement is old is seen."""
    found = use([pod("a"), pod("b")], [metric("a"), metric("b", stamp="2023-11-14T22:13:05Z")])

    assert (1_699_999_985.0, 1_700_000_000.0) == (found.since, found.until)


@pytest.mark.parametrize(
    ("pods", "metrics", "why"),
    [
        ([], [], "no pod of the selector runs"),
        ([pod("a", phase="Pending")], [metric("a")], "no pod of the selector runs"),
        ([pod("a"), pod("b")], [metric("a")], "does not know what the pod b uses"),
        ([pod("a")], [metric("a", "lots")], "does not know what the pod a uses"),
        ([pod("a")], [metric("a", stamp="soon")], "does not know what the pod a uses"),
        ([pod("a")], [metric("a", container="other")], "does not know what the pod a uses"),
        ([pod("a", limit=None)], [metric("a")], "the pod a has no limit of cpu"),
        ([pod("a", limit="0")], [metric("a")], "the pod a has no limit of cpu"),
        (
            [pod("a", initContainers=[{"name": "proxy", "restartPolicy": "Always"}])],
            [metric("a")],
            "the pod a has no limit of cpu",
        ),
    ],
)
def test_what_is_not_known_of_one_pod_is_not_known(pods: list, metrics: list, why: str) -> None:
    """No metric, no limit, a container that is missing: never zero."""
    found = use(pods, metrics)

    assert (None, True) == (found.value, why in found.why)


def test_what_does_not_run_does_not_count() -> None:
    """Pods that have ended, that begin, and that are being deleted."""
    leaving = pod("b")
    leaving["metadata"]["deletionTimestamp"] = "2023-11-14T22:13:20Z"
    migrate = {"initContainers": [{"name": "migrate"}]}

    assert 0.25 == use([pod("a", **migrate), leaving, pod("c", phase="Failed")], [metric("a")]).value
    assert 0.125 == use([pod("a", resources={"limits": {"cpu": "800m"}})], [metric("a")]).value


def test_something_else_is_no_list_of_pods() -> None:
    """Nothing is read out of it."""
    query = PodQuery("app=a", "shop", PodResource.CPU)

    assert (None, None) == (use_of(query, {"items": [1]}, {"items": []}), use_of(query, [], {}))


CONFIG = {
    "current-context": "dev",
    "contexts": [{"name": "dev", "context": {"cluster": "c", "user": "u"}}],
    "clusters": [{"name": "c", "cluster": {"server": "https://k8s:6443", "certificate-authority": "ca.crt"}}],
    "users": [{"name": "u", "user": {"token": "canary", "client-key-data": base64.b64encode(b"key").decode()}}],
}


def kubeconfig(context: str = "", **changes: object) -> Kubeconfig:
    return parse_kubeconfig(
        json.dumps({**CONFIG, **changes}).encode(), context, lambda path: f"<{path}>".encode(), file="config"
    )


def test_a_kubeconfig_is_read() -> None:
    """What stands in it, and in the files that it names; its secrets are not shown."""
    found = kubeconfig()

    assert Kubeconfig("https://k8s:6443", b"<ca.crt>", b"", b"key", "Bearer canary") == found
    assert "canary" not in repr(found)


@pytest.mark.parametrize(
    ("user", "value"),
    [
        ({"tokenFile": "t"}, "Bearer <t>"),
        ({"username": "me", "password": "pw"}, f"Basic {base64.b64encode(b'me:pw').decode()}"),
        ({}, ""),
    ],
)
def test_who_we_are_to_a_cluster(user: dict, value: str) -> None:
    """A token, its file, or a name and password."""
    assert value == kubeconfig(users=[{"name": "u", "user": user}]).authorization


@pytest.mark.parametrize(
    ("context", "changes", "said"),
    [
        ("prod", {}, "it has no context `prod`"),
        ("", {"current-context": ""}, "does not say which context is meant"),
        ("", {"users": [{"name": "u", "user": {"exec": {"command": "aws"}}}]}, "is had from a program"),
        ("", {"users": [{"name": "u", "user": {"client-key-data": "%"}}]}, "`client-key-data` is no base64"),
        ("", {"clusters": []}, "it has no cluster `c`"),
    ],
)
def test_a_kubeconfig_that_cannot_be_used_is_refused(context: str, changes: dict, said: str) -> None:
    """No program is run for it."""
    with pytest.raises(Refused, match=said):
        kubeconfig(context, **changes)
