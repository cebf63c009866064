"""One load section of a plan -> LoadSection: its requests and its schedule.

Called by `gitslo.core.parse_plan`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

from gitslo.core.document import Field
from gitslo.core.objectives import RESERVED
from gitslo.core.objects import name_fault
from gitslo.core.units import parse_duration, parse_rate
from gitslo.errors import Problem, Refused
from gitslo.model import Endpoint, LoadSection, LoadStage, RatePerSecond, Seconds, StageForm

__all__ = ["METHODS", "judged_seconds", "parse_section"]

METHODS = ("get", "head", "post", "put", "patch", "delete", "options")
_WITHOUT_BODY = frozenset({"get", "head", "options"})
_BODIES = ("body", "body_file", "json")
_OURS = frozenset({"connection", "content-length", "host", "te", "trailer", "transfer-encoding", "upgrade"})
"""Headers that the engine says itself, or that would change what a request is."""
_TIMEOUT = Seconds(5.0)


def parse_section(name: str, field: Field, read_file: Callable[[str], bytes]) -> LoadSection:
    """Read one section; problems are noted in its document."""
    timeout = field.parsed_of("timeout", parse_duration, _TIMEOUT)
    if timeout <= 0:
        (field.get("timeout") or field).add("a time-out must be above zero")
        timeout = _TIMEOUT
    expect = field.get("expect")
    return LoadSection(
        name=name,
        target=field.text_of("target", ""),
        endpoints=tuple(_endpoints(name, field, read_file)),
        timeout=timeout,
        warmup=field.parsed_of("warmup", parse_duration, Seconds(0.0)),
        stages=_stages(field),
        expect=frozenset(each.value for each in expect.items() if isinstance(each.value, int))
        if expect
        else frozenset(),
        connections=_number(field, "connections"),
        max_in_flight=_number(field, "max_in_flight"),
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
    duration = item.parsed_of("for", parse_duration, Seconds(1.0))
    if duration <= 0:
        (item.get("for") or item).add("a stage must last some time")
    return LoadStage(form, rate, duration)


# --------------------------------------------------------------------------- requests


def _endpoints(name: str, field: Field, read_file: Callable[[str], bytes]) -> Iterator[Endpoint]:
    endpoints, shared = field.get("endpoints"), field.get("headers")
    if endpoints is None:
        if field.sound:
            yield _endpoint(name, field, None, read_file)
        return
    for key, item in endpoints.fields():
        if key in RESERVED:
            item.add(f"no endpoint may be named `{key}`: objectives could not tell it from the metric", on_key=True)
        yield _endpoint(key, item, shared, read_file)


def _endpoint(name: str, field: Field, shared: Field | None, read_file: Callable[[str], bytes]) -> Endpoint:
    """One request: the section itself (without `shared` headers), or one of its endpoints."""
    methods = [method for method in METHODS if field.get(method) is not None]
    if len(methods) != 1 and field.sound:
        found = "none is" if not methods else f"{len(methods)} are"
        field.add(f"expected one request, and {found} given", "e.g. `get: /items`")
    method = methods[0] if methods else "get"
    headers = [*(_headers(shared) if shared is not None else ()), *_headers(field.get("headers"))]
    body, kind = _body(field, method, read_file)
    merged = {key.lower(): (key, value) for key, value in headers}
    if kind and "content-type" not in merged:
        merged["content-type"] = ("Content-Type", kind)
    weight = field.number_of("weight", 1)
    return Endpoint(name, method.upper(), field.text_of(method, "/"), tuple(merged.values()), body, weight)


def _headers(field: Field | None) -> Iterator[tuple[str, str]]:
    for key, value in field.fields() if field is not None else ():
        if key.lower() in _OURS:
            value.add(f"the header `{key}` is the load engine's own", on_key=True)
        yield key, value.text


def _body(field: Field, method: str, read_file: Callable[[str], bytes]) -> tuple[bytes, str]:
    """The body's bytes, and the content type that follows from how it is given."""
    given = [(kind, body) for kind in _BODIES if (body := field.get(kind)) is not None]
    if not given:
        return b"", ""
    kind, body = given[0]
    for other, at in given[1:]:
        at.add(f"a request has one body, and `{kind}` gives one already", f"remove `{other}`", on_key=True)
    if method in _WITHOUT_BODY:
        body.add(f"a {method.upper()} request has no body", "use `post`", on_key=True)
    match kind:
        case "body":
            return body.text.encode(), ""
        case "json":
            return json.dumps(body.value, ensure_ascii=False, separators=(",", ":")).encode(), "application/json"
        case _:
            return body.parsed(lambda path: _file(path, read_file), b""), ""


def _file(path: str, read_file: Callable[[str], bytes]) -> bytes:
    fault = name_fault(path.removeprefix("./"))
    if fault:
        raise Refused(Problem(f"the path {fault}", hint="the file lies in the plan's folder"))
    try:
        return read_file(path.removeprefix("./"))
    except Refused as refused:
        reason = "; ".join(problem.message for problem in refused.problems)
        raise Refused(Problem(f"the file `{path}` cannot be read: {reason}")) from refused
