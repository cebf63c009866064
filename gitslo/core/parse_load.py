"""One load section of a plan -> LoadSection: its schedule, its connections, and what it may do to its target.

Called by `gitslo.core.parse_plan`; the requests are `parse_requests`' and `parse_call`'s. Must stay true: nothing is
accepted that the protocol of the section's target could not carry out.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from gitslo.core.document import Field
from gitslo.core.objectives import RESERVED
from gitslo.core.parse_call import parse_call
from gitslo.core.parse_data import parse_data
from gitslo.core.parse_requests import METHODS, check_header, parse_endpoint, parse_statuses
from gitslo.core.units import format_duration, parse_duration, parse_rate, parse_share
from gitslo.core.variables import Variables
from gitslo.model import (
    Abort,
    Arrivals,
    Call,
    Endpoint,
    LoadSection,
    LoadStage,
    RatePerSecond,
    Seconds,
    Share,
    StageForm,
    Target,
    TargetScheme,
)

__all__ = ["METHODS", "judged_seconds", "parse_section", "percentile"]

_TIMEOUT = Seconds(5.0)
_LONGEST_WINDOW = Seconds(600.0)
_PERCENTILE = re.compile(r"p([0-9]{1,2}(?:\.[0-9]{1,6})?)")
_HTTP_ONLY = ("expect", "headers", "redirects", "gzip", "cookies", "keep_alive")
_FIRST_HTTP = ("keep_alive", "cookies")
"""Fields that only HTTP/1.1 has a meaning for."""


def parse_section(
    name: str, field: Field, read_file: Callable[[str], bytes], target: Target | None = None
) -> LoadSection:
    """Read one section; problems are noted in its document.

    Args:
        name: the objectives' prefix.
        field: its value.
        read_file: a path relative to the plan's folder -> its bytes.
        target: whom it is sent to; None where that is not known, which is told already.
    """
    timeout = _above_zero(field, "timeout", "a time-out must be above zero", _TIMEOUT) or _TIMEOUT
    data = field.get("data")
    feeders = parse_data(data, read_file)
    sound = (data is None or data.sound) and len(feeders) == (len(list(data.fields())) if data is not None else 0)
    variables = Variables({each.name: each.columns for each in feeders} if sound else None)
    endpoints, calls = _requests(name, field, read_file, variables)
    default = LoadSection(name, "", (), timeout, Seconds(0.0), ())
    if target is not None:
        _fits(field, target, over_grpc=bool(calls))
    arrivals = field.get("arrivals")
    return LoadSection(
        name=name,
        target=field.text_of("target", ""),
        endpoints=endpoints,
        timeout=timeout,
        warmup=field.parsed_of("warmup", parse_duration, default.warmup),
        stages=_stages(field),
        expect=parse_statuses(field.get("expect")),
        connections=_number(field, "connections"),
        max_in_flight=_number(field, "max_in_flight"),
        arrivals=default.arrivals if arrivals is None else Arrivals(arrivals.text),
        streams=field.number_of("streams", default.streams),
        connect_timeout=_above_zero(field, "connect_timeout", "a time-out must be above zero", None),
        keep_alive=field.flag_of("keep_alive", default=default.keep_alive),
        connection_age=_above_zero(field, "connection_age", "a connection must last some time", None),
        redirects=field.number_of("redirects", default.redirects),
        gzip=field.flag_of("gzip", default=default.gzip),
        cookies=field.flag_of("cookies", default=default.cookies),
        trace=field.parsed_of("trace", parse_share, default.trace),
        data=feeders,
        abort=_abort(field.get("abort"), timeout),
        calls=calls,
        engine=field.text_of("engine", default.engine),
    )


def judged_seconds(section: LoadSection) -> Seconds:
    """How long the holds after the warm-up are, in seconds."""
    at, judged = 0.0, 0.0
    for stage in section.stages:
        end = at + stage.duration
        if stage.form is StageForm.HOLD:
            judged += max(0.0, end - max(at, section.warmup))
        at = end
    return Seconds(judged)


def _number(field: Field, key: str) -> int | None:
    found = field.get(key)
    return found.value if found is not None and isinstance(found.value, int) else None


def _above_zero(field: Field, key: str, message: str, default: Seconds | None) -> Seconds | None:
    seconds = field.parsed_of(key, parse_duration, default)
    if seconds is not None and seconds <= 0:
        (field.get(key) or field).add(message)
        return default
    return seconds


# --------------------------------------------------------------------------- requests


def _requests(
    name: str, field: Field, read_file: Callable[[str], bytes], variables: Variables
) -> tuple[tuple[Endpoint, ...], tuple[Call, ...]]:
    """One request under the section's own name, or those of `endpoints`."""
    several, single = field.get("endpoints"), field.get("call")
    if single is not None:
        return (), (parse_call(name, single, 1, read_file, variables, None),)
    if several is None:
        return (parse_endpoint(name, field, None, read_file, variables),) if field.sound else (), ()
    endpoints: list[Endpoint] = []
    calls: list[Call] = []
    headers = field.get("headers")
    for key, value in headers.fields() if headers is not None else ():
        check_header(key, value, variables)
    for key, item in several.fields():
        if key in RESERVED:
            item.add(f"no endpoint may be named `{key}`: objectives could not tell it from the metric", on_key=True)
        call = item.get("call")
        if (calls if call is None else endpoints) and item.sound:
            kind, other = ("an HTTP request", "gRPC calls") if call is None else ("a gRPC call", "HTTP requests")
            item.add(f"`{key}` is {kind} among {other}", "give it a load of its own", on_key=True)
        if call is None:
            endpoints.append(parse_endpoint(key, item, field, read_file, variables))
        else:
            weight = item.number_of("weight", 1)
            calls.append(parse_call(key, call, weight, read_file, variables, field.get("checks")))
    return (tuple(endpoints), ()) if endpoints else ((), tuple(calls))


def _fits(field: Field, target: Target, *, over_grpc: bool) -> None:
    """Note what the target's protocol does not have."""
    at = field.get("target") or field
    if target.scheme is TargetScheme.TCP:
        at.add("a tcp target takes no load", "load is sent to `http` and `grpc` targets")
        return
    if over_grpc is not (target.scheme is TargetScheme.GRPC):
        if field.sound:
            what = "gRPC calls need a `grpc` target" if over_grpc else "HTTP requests need an `http` target"
            at.add(f"{what}, and `{target.name}` speaks {target.scheme}")
        return
    if over_grpc:
        instead = {"headers": "a call has `metadata`", "expect": "each call has an `expect` of its own"}
        _without(field, _HTTP_ONLY, "gRPC", instead)
    elif target.http2:
        _without(field, _FIRST_HTTP, "HTTP/2", {})
    else:
        _without(field, ("streams",), "HTTP/1.1", {"streams": "say `http2: true` of the target"})


def _without(field: Field, keys: tuple[str, ...], protocol: str, hints: dict[str, str]) -> None:
    for key in keys:
        given = field.get(key)
        if given is not None:
            hint = hints.get(key, f"remove `{key}`")
            given.add(f"`{key}` has no meaning over {protocol}", hint, on_key=True)


# --------------------------------------------------------------------------- schedule


def _stages(field: Field) -> tuple[LoadStage, ...]:
    stages = field.get("stages")
    if stages is None:
        return ()
    found = tuple(_stage(item) for item in stages.items())
    if stages.sound and not any(stage.form is StageForm.HOLD for stage in found):
        stages.add("nothing would be judged: ramps are sent and not judged", "add a `hold`")
    return found


def _stage(item: Field) -> LoadStage:
    form = StageForm.HOLD if item.get("hold") is not None else StageForm.RAMP
    rate = item.parsed_of(form, parse_rate, RatePerSecond(1.0))
    if form is StageForm.HOLD and rate <= 0:
        (item.get(form) or item).add("a hold needs a rate above zero: without requests nothing is proven")
        rate = RatePerSecond(1.0)
    count = _number(item, "count")
    if count is not None:
        return LoadStage(form, rate, Seconds(count / rate))
    duration = item.parsed_of("for", parse_duration, Seconds(1.0))
    if duration <= 0:
        (item.get("for") or item).add("a stage must last some time")
    return LoadStage(form, rate, duration)


# --------------------------------------------------------------------------- abort


def _abort(field: Field | None, timeout: Seconds) -> Abort:
    default = Abort()
    if field is None:
        return default
    if not isinstance(field.value, dict):
        return Abort(errors=None)
    window = field.parsed_of("within", parse_duration, default.window)
    if window % 1 or not 1 <= window <= _LONGEST_WINDOW:
        hint = f"from 1s to {format_duration(_LONGEST_WINDOW)}"
        (field.get("within") or field).add("`within` must be a whole number of seconds", hint)
    errors, latency = field.get("errors"), field.get("latency")
    return Abort(
        errors=_abort_errors(errors, default.errors),
        latency=None if latency is None else _abort_latency(latency, timeout),
        window=window,
        requests=field.number_of("requests", default.requests),
    )


def _abort_errors(field: Field | None, default: Share | None) -> Share | None:
    if field is None:
        return default
    return None if field.text == "off" else field.parsed(parse_share, default)


def _abort_latency(field: Field, timeout: Seconds) -> tuple[float, Seconds] | None:
    for key, item in field.fields():
        limit = item.parsed(parse_duration, timeout)
        if not 0 < limit <= timeout:
            item.add(f"expected a limit above zero and up to the time-out of {format_duration(timeout)}")
        quantile = percentile(key)
        if quantile is not None:
            return quantile, limit
        item.add("expected a percentile above `p0`", "e.g. `p99`", on_key=True)
    return None


def percentile(text: str) -> float | None:
    """`p99.9` -> 0.999; None where it is no percentile above p0."""
    match = _PERCENTILE.fullmatch(text)
    return round(float(match[1]) / 100, 12) or None if match is not None else None
