"""What Flagger's built-in metrics count, by mesh or ingress: facts of its `pkg/metrics/observers/*.go`.

Read for `flagger`. `request-success-rate` there is the share of answers without 5xx, in per cent; `request-duration`
the 99th percentile in milliseconds, except where only a mean is measured.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["BuiltIn", "built_in"]


@dataclass(frozen=True, slots=True)
class BuiltIn:
    """The counters of one provider.

    Attributes:
        counter: of answers.
        labels: what selects the target's, with `{{ ... }}` as in Flagger.
        bad: what selects the bad ones of them.
        buckets: the histogram of latencies, empty where there is none.
        narrowed: further labels of the histogram.
        mean: `NAME_sum / NAME_count`, where only a mean is measured.
    """

    counter: str
    labels: str
    bad: str
    buckets: str
    narrowed: str = ""
    mean: str = ""


_ENVOY = ("envoy_cluster_upstream_rq", 'envoy_response_code=~"5.*"', "envoy_cluster_upstream_rq_time_bucket")
_PODS = 'kubernetes_namespace="{{ namespace }}",kubernetes_pod_name=~"{{ target }}-[0-9a-zA-Z]+(-[0-9a-zA-Z]+)"'


def _envoy(labels: str) -> BuiltIn:
    return BuiltIn(_ENVOY[0], labels, _ENVOY[1], _ENVOY[2])


_HTTP = BuiltIn("http_request_duration_seconds_count", _PODS, 'status=~"5.*"', "http_request_duration_seconds_bucket")
_ISTIO = BuiltIn(
    "istio_requests_total",
    'reporter="destination",destination_workload_namespace="{{ namespace }}",destination_workload=~"{{ target }}"',
    'response_code=~"5.*"',
    "istio_request_duration_milliseconds_bucket",
)
_OPEN_ENDED = ("appmesh", "gatewayapi", "gloo")
_TABLE = {
    "apisix": BuiltIn(
        "apisix_http_status",
        'route=~"{{ namespace }}_{{ route }}-{{ target }}-canary_.+"',
        'code=~"5.."',
        "apisix_http_latency_bucket",
        'type=~"request"',
    ),
    "appmesh": _envoy(_PODS),
    "contour": _envoy('envoy_cluster_name=~"{{ namespace }}_{{ service }}-canary_[0-9a-zA-Z-]+"'),
    "gatewayapi": _HTTP,
    "gloo": _envoy('envoy_cluster_name=~"{{ namespace }}-{{ target }}-canaryupstream-[0-9a-zA-Z-]+_[0-9a-zA-Z-]+"'),
    "istio": _ISTIO,
    "knative": _envoy('envoy_cluster_name=~"{{ namespace }}/{{ route }}"'),
    "kubernetes": _HTTP,
    "kuma": _envoy('service=~"{{ target }}-canary_{{ namespace }}_svc_[0-9a-zA-Z-]+"'),
    "linkerd": BuiltIn(
        "response_total",
        'namespace="{{ namespace }}",deployment=~"{{ target }}",direction="inbound"',
        'classification="failure"',
        "response_latency_ms_bucket",
    ),
    "nginx": BuiltIn(
        "nginx_ingress_controller_requests",
        'namespace="{{ namespace }}",ingress="{{ ingress }}",canary!=""',
        'status=~"5.*"',
        "",
        mean="nginx_ingress_controller_response_duration_seconds",
    ),
    "osm": BuiltIn(
        "osm_request_total",
        'destination_namespace="{{ namespace }}",destination_kind="Deployment",destination_name="{{ target }}"',
        'response_code=~"5.*"',
        "osm_request_duration_ms_bucket",
    ),
    "traefik": BuiltIn(
        "traefik_service_request_duration_seconds_count",
        'service=~"{{ namespace }}-{{ target }}-canary-[0-9a-zA-Z-]+@kubernetescrd"',
        'code=~"5.."',
        "traefik_service_request_duration_seconds_bucket",
    ),
}


def built_in(provider: str) -> BuiltIn | None:
    """The counters of a provider; Istio's where Flagger knows no other, None where they are a template of their own.

    As there, `appmesh`, `gloo` and `gatewayapi` may be followed by anything, and the others by nothing: a canary of a
    Service, whose provider gets a `:service`, is measured by Istio's.
    """
    name = "linkerd" if provider.startswith("smi:linkerd") else provider
    if name == "skipper":  # its route is made by a template
        return None
    open_ended = next((known for known in _OPEN_ENDED if name.startswith(known)), name)
    return _TABLE.get(open_ended, _ISTIO)
