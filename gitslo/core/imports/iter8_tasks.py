"""Iter8's `http` and `grpc` tasks -> loads of a plan. Read for `iter8`.

Defaults are those of v0.13.18: 100 requests at 8/s over HTTP with statuses from 400 on as errors (Fortio, whose
time-out is 3 s); 200 calls with ghz, whose time-out is 20 s and which has no rate at all where none is given.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal

from gitslo.core.imports.draft import Draft, digits, plan_name
from gitslo.core.imports.loads import Load, Request, add_load, grpc_target, http_target, rows
from gitslo.core.imports.plantext import Block, Entry, Flow, Rows, Word, Written
from gitslo.core.imports.reading import Cell
from gitslo.core.units import parse_duration
from gitslo.errors import Refused

__all__ = ["Endpoint", "Loads", "go_seconds", "grpc_task", "http_task"]

_RATE = Decimal(8)
_COUNT = 100
_CALLS = 200
_FORTIO = Decimal(3)
_GHZ = Decimal(20)
_CLIENT_ERRORS = 400
_REGISTERED = (
    200, 201, 202, 203, 204, 205, 206, 207, 208, 226, 300, 301, 302, 303, 304, 305, 307, 308, 400, 401, 402, 403, 404,
    405, 406, 407, 408, 409, 410, 411, 412, 413, 414, 415, 416, 417, 421, 422, 423, 424, 425, 426, 428, 429, 431, 451,
    500, 501, 502, 503, 504, 505, 506, 507, 508, 510, 511,
)  # fmt: skip
"""Statuses that IANA has registered."""
_CLOSED = "requests are due at a rate here, whatever the target does: as many connections as that takes"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A load of a plan, and how Iter8's metrics name it: `http`, or `http-NAME` of several."""

    prefix: str
    load: Load
    cell: Cell


@dataclass(slots=True)
class Loads:
    """The loads found so far; they are written when the limits are known to fit their time-outs.

    Attributes:
        warmups: `http` or `grpc` -> seconds.
        left_out: Iter8's names of tasks that are there and became no load.
    """

    endpoints: list[Endpoint] = field(default_factory=list)
    warmups: dict[str, Decimal] = field(default_factory=dict)
    left_out: set[str] = field(default_factory=set)

    @property
    def judged(self) -> Iterator[Decimal]:
        """Seconds that each is judged."""
        return (each.load.judged for each in self.endpoints)

    def find(self, prefix: str) -> Endpoint | None:
        """The load with Iter8's name."""
        return next((each for each in self.endpoints if each.prefix == prefix), None)

    def write(self, draft: Draft, longest: Decimal) -> None:
        """Add them to the plan; no time-out is below the longest limit on latency, in seconds."""
        for each in self.endpoints:
            warmup = self.warmups.get(each.prefix.partition("-")[0], Decimal(0))
            timeout = max(each.load.timeout, longest)
            if timeout > each.load.timeout:
                why = f"the time-out of {digits(each.load.timeout)}s would be below a limit on latency, so it is raised"
                draft.note(each.cell, why, "nothing to do", what=f"load `{each.load.name}`")
            load = replace(each.load, warmup=warmup, timeout=timeout)
            add_load(draft, load, (f"{each.cell.place.file}:{each.cell.place.line}",))


def go_seconds(text: str) -> Decimal | None:
    """A duration as Go has it, e.g. `1m30s`."""
    try:
        return Decimal(repr(float(parse_duration(text.strip()))))
    except Refused:
        return None


# --------------------------------------------------------------------------- http


@dataclass(frozen=True, slots=True)
class _Task:
    """A task's inputs, and those of one of its endpoints, which go first."""

    own: Cell
    shared: Cell

    def get(self, *keys: str) -> Cell | None:
        """The first of the keys that is there."""
        return self.own.first(*keys) or self.shared.first(*keys)


def http_task(draft: Draft, loads: Loads, given: Cell) -> None:
    """Add the loads of an `http` task; those of a warm-up are the others' `warmup`."""
    for prefix, task in _endpoints(draft, "http", given):
        _http(draft, loads, prefix, task)


def _endpoints(draft: Draft, prefix: str, given: Cell) -> Iterator[tuple[str, _Task]]:
    several = given.get("endpoints")
    if several is None:
        yield prefix, _Task(given, given)
        return
    why = "the plan sends to all endpoints at the same time, Iter8 to one after the other"
    draft.note(several, why, "nothing to do where the target bears it")
    for each in several.entries():
        yield f"{prefix}-{each.name}", _Task(each, given)


def _http(draft: Draft, loads: Loads, prefix: str, task: _Task) -> None:
    url = task.get("url")
    old = task.own.get("versionInfo")
    if url is None and old is not None:  # v0.8
        versions = list(old.items())
        url = versions[0].get("url") if versions else None
        task = _Task(task.own, versions[0] if versions else task.shared)
        for each in versions[1:]:
            draft.note(each, "a plan judges what runs in one environment: the first version is taken")
            each.take()
    rate, length, count = _size(draft, task)
    warmup = task.get("warmup")
    _ignored(draft, task)
    if warmup is not None and warmup.true:
        loads.warmups[prefix.partition("-")[0]] = _judged(rate, length, count)
        for key in ("payloadStr", "payloadFile", "payloadURL", "contentType", "headers", "errorRanges", "endpoints"):
            found = task.own.get(key)
            if found is not None:
                found.take()
        return
    for key in ("warmupDuration", "warmupNumRequests"):
        found = task.get(key)
        if found is not None:
            seconds = go_seconds(found.text) if key.endswith("Duration") else (found.number or Decimal(0)) / rate
            loads.warmups[prefix.partition("-")[0]] = seconds or Decimal(0)
    address = draft.target_url(plan_name(prefix, "http")) or (url.text if url is not None else "")
    name = plan_name(prefix, "http")
    if not address:
        draft.leave_out(
            task.own, "there is no `url`; its load is left out", f"say it with --target {name}=URL", what=f"`{prefix}`"
        )
        loads.left_out.add(prefix)
        return
    target = http_target(draft, name, address, url or task.own)
    if target is None:
        loads.left_out.add(prefix)
        return
    request = _request(draft, task, target.path)
    statuses = _statuses(draft, task)
    more = () if statuses is None else (Entry("expect", rows(statuses)),)
    load = Load(
        target.name,
        target.name,
        rate=rate,
        seconds=length,
        count=count,
        timeout=_FORTIO,
        requests=(request,),
        more=more,
    )
    loads.endpoints.append(Endpoint(prefix, load, task.own))


def _size(draft: Draft, task: _Task) -> tuple[Decimal, Decimal | None, int | None]:
    """Requests a second, and for how long or how many."""
    rate, length, count = task.get("qps"), task.get("duration"), task.get("numRequests", "numQueries")
    found = rate.number if rate is not None else None
    number = count.number if count is not None else None
    seconds = go_seconds(length.text) if length is not None else None
    if number is not None and length is not None:
        draft.note(length, "a number of requests is given, too, and that counts", "nothing is lost")
    if found is not None and found <= 0 and rate is not None:
        draft.note(rate, "as fast as it goes is no rate: 8/s is taken", "name the rate that your users have")
    per_second = found if found is not None and found > 0 else _RATE
    if number is not None:
        return per_second, None, max(1, int(number))
    return (per_second, seconds, None) if seconds else (per_second, None, _COUNT)


def _judged(rate: Decimal, length: Decimal | None, count: int | None) -> Decimal:
    return Decimal(count) / rate if count is not None else length or Decimal(0)


def _ignored(draft: Draft, task: _Task) -> None:
    connections = task.get("connections")
    if connections is not None:
        draft.note(connections, _CLOSED, "nothing to do")
    percentiles = task.get("percentiles")
    if percentiles is not None:
        percentiles.take()
        draft.note(percentiles, "every percentile is measured", "nothing is lost")
    initial = task.get("allowInitialErrors")
    if initial is not None:
        draft.note(initial, "a first error never ends a load", "say a `warmup` for what is not to count")


def _request(draft: Draft, task: _Task, path: str) -> Request:
    body, file, url = task.get("payloadStr"), task.get("payloadFile"), task.get("payloadURL", "payloadUrl")
    kind, headers = task.get("contentType"), task.get("headers")
    listed = headers.entries() if headers is not None else ()
    fields: list[tuple[str, Written]] = [(each.name, each.text.replace("${", "$${")) for each in listed]
    more: list[Entry] = []
    if url is not None or file is not None:
        at = url or file
        assert at is not None  # noqa: S101 - one of them is there
        why = "the plan sends a body from a file beside it, and cannot fetch one: the request is sent without"
        draft.note(at, why, "save it beside the plan, and write `body_file: FILE`")
    elif body is not None:
        more.append(Entry("body", body.text.replace("${", "$${")))
    posted = body is not None or url is not None or file is not None
    if kind is not None or posted:
        default = "application/octet-stream"
        fields.append(("Content-Type", kind.text if kind is not None else default))
    if fields:
        more.insert(0, Entry("headers", Flow(tuple(fields))))
    return Request("post" if posted else "get", path.replace("${", "$${"), more=tuple(more))


def _statuses(draft: Draft, task: _Task) -> tuple[int, ...] | None:
    """The statuses that are good; None where they are the plan's own default."""
    ranges, above = task.get("errorRanges"), task.get("errorsAbove")
    bounds: list[tuple[int, int]] = []
    for each in ranges.items() if ranges is not None else ():
        low, high = each.get("lower"), each.get("upper")
        bounds.append((_status(low, 0), _status(high, 999)))
    if ranges is None:
        bounds = [(_status(above, _CLIENT_ERRORS), 999)]
    good = tuple(each for each in _REGISTERED if not any(low <= each <= high for low, high in bounds))
    default = tuple(each for each in _REGISTERED if each < _CLIENT_ERRORS)
    if good == default:
        return None
    at = ranges or above
    if at is not None:
        draft.note(at, "the plan lists the good ones of the registered statuses", "add what is no standard")
    return good


def _status(cell: Cell | None, default: int) -> int:
    return default if cell is None or cell.number is None else int(cell.number)


# --------------------------------------------------------------------------- grpc

_GHZ_TOLD = {
    "concurrency": _CLOSED,
    "connections": _CLOSED,
    "cpus": "the load engine takes what the machine has",
    "name": "it names a report",
    "tags": "they name a report",
    "countErrors": "failed calls always count",
    "insecure": "Iter8 speaks without TLS always, and so does the target here",
    "skipFirst": "say a `warmup` for what is not to count",
    "asyncCalls": "calls are due at a rate here, whatever the target does",
    "maxDuration": "the load is as long as its rate takes for its calls",
}


def grpc_task(draft: Draft, loads: Loads, given: Cell) -> None:
    """Add the loads of a `grpc` task."""
    for prefix, task in _endpoints(draft, "grpc", given):
        _grpc(draft, loads, prefix, task)


def _grpc(draft: Draft, loads: Loads, prefix: str, task: _Task) -> None:
    host, call = task.get("host"), task.get("call")
    rate, length, count = _ghz_size(draft, task)
    for key, why in _GHZ_TOLD.items():
        found = task.get(key)
        if found is not None:
            found.take()
            draft.note(found, why, "nothing to do")
    warmup = task.get("warmup")
    message, metadata, schema = task.get("data"), task.get("metadata"), _schema(draft, task)
    fields = tuple(
        Entry(key, inline(cell)) for key, cell in (("message", message), ("metadata", metadata)) if cell is not None
    )
    timeout, dial = task.get("timeout"), task.get("dial-timeout", "dialTimeout", "connect-timeout", "connectTimeout")
    if warmup is not None and warmup.true:
        loads.warmups["grpc"] = _judged(rate, length, count)
        return
    for key in ("dataURL", "dataPath", "binaryDataURL", "binaryPath", "metadataURL", "metadataPath"):
        found = task.get(key)
        if found is not None:
            draft.note(
                found, "the plan cannot fetch it: the calls are sent without", "write it into `message` or `metadata`"
            )
    name = plan_name(prefix, "grpc")
    address = draft.target_url(name) or (host.text if host is not None else "")
    if call is None or not address:
        draft.leave_out(task.own, "there is no `host` or no `call`; its load is left out", what=f"`{prefix}`")
        loads.left_out.add(prefix)
        return
    target = grpc_target(draft, name, address, host or task.own)
    if target is None:
        loads.left_out.add(prefix)
        return
    service, _, method = call.text.replace("/", ".").rpartition(".")
    parts: list[Entry] = [Entry("method", f"{service}/{method}")]
    parts.extend((*fields, *schema))
    more: list[Entry] = []
    connect = go_seconds(dial.text) if dial is not None else None
    if connect:
        more.append(Entry("connect_timeout", f"{digits(connect)}s"))
    after = go_seconds(timeout.text) if timeout is not None else None
    load = Load(
        target.name,
        target.name,
        rate=rate,
        seconds=length,
        count=count,
        timeout=after or _GHZ,
        requests=(Request("call", more=(Entry("call", Block(tuple(parts))),)),),
        more=tuple(more),
    )
    loads.endpoints.append(Endpoint(prefix, load, task.own))


def _ghz_size(draft: Draft, task: _Task) -> tuple[Decimal, Decimal | None, int | None]:
    rate, length, count = task.get("rps"), task.get("duration"), task.get("total")
    found = rate.number if rate is not None else None
    if not found or found <= 0:
        why = "ghz calls as fast as it can where no `rps` is given, which is no load that users have: 8/s is taken"
        draft.note(rate or task.own, why, "name the rate that your users have", what="`rps`")
    seconds = go_seconds(length.text) if length is not None else None
    number = count.number if count is not None else None
    if seconds and count is not None:
        draft.note(count, "a duration is given, too, and that counts", "nothing is lost")
    per_second = found if found and found > 0 else _RATE
    return (per_second, seconds, None) if seconds else (per_second, None, max(1, int(number or _CALLS)))


def _schema(draft: Draft, task: _Task) -> tuple[Entry, ...]:
    for key in ("protoURL", "protosetURL", "proto", "protoset"):
        found = task.get(key)
        if found is not None:
            why = "a schema is read from a file beside the plan, and none is fetched: the server is asked instead"
            draft.note(found, why, "where it has no reflection, save it beside the plan: `schema: {proto: FILE}`")
    return ()


def inline(cell: Cell) -> Written:
    """A value on one line, as it is; `${` stays text."""
    if cell.is_mapping:
        return Flow(tuple((each.name, inline(each)) for each in cell.entries()))
    if cell.is_list:
        return Rows(tuple(inline(each) for each in cell.items()))
    text = cell.text
    return text.replace("${", "$${") if isinstance(cell.take(), str) else Word(text or "null")
