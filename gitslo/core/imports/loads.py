"""Requests that a file sends -> a target and a load of the plan.

Called by the importers of formats with a load of their own. Must stay true: the rate and the length are those of the
file, and where they prove too little for a limit, that is a finding with the number that is needed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from urllib.parse import urlsplit

from gitslo.core.addresses import parse_host_port, parse_http_url
from gitslo.core.imports.draft import Draft, digits
from gitslo.core.imports.plantext import Block, Entry, Flow, Item, Rows, Word, Written
from gitslo.core.imports.reading import Cell
from gitslo.core.imports.result import Place, Rule
from gitslo.core.stats import clean_requests_to_pass
from gitslo.core.units import format_duration, format_rate
from gitslo.errors import Refused
from gitslo.model.units import RatePerSecond, Seconds

__all__ = ["HttpTarget", "Load", "Request", "add_load", "grpc_target", "http_target", "lint_size", "needed"]

_SURE = -math.log(0.05)
_JUDGED = Decimal(60)
"""The default of `judge.min_duration`, in seconds."""


@dataclass(frozen=True, slots=True)
class HttpTarget:
    """A target in the plan, and the path that its URL had."""

    name: str
    path: str


@dataclass(frozen=True, slots=True)
class Request:
    """One request, or one gRPC call.

    Attributes:
        name: of its objectives; empty: the load's own.
        method: `get`, `post`, ...; or `call`.
        path: of HTTP.
        more: further fields of the plan.
    """

    method: str
    path: str = "/"
    name: str = ""
    more: tuple[Entry, ...] = ()


@dataclass(frozen=True, slots=True)
class Load:
    """A load: requests that arrive at a rate.

    Attributes:
        name: the objectives' prefix.
        target: a name of the plan's targets.
        path: of the one GET, where `requests` is empty.
        rate: requests a second.
        seconds: how long they are judged; None where `count` says it.
        count: how many are judged.
        warmup: seconds of requests before those, not judged.
        timeout: seconds.
        requests: several share the arrivals alike.
        more: further fields of the plan.
    """

    name: str
    target: str
    path: str = "/"
    rate: Decimal = Decimal(10)
    seconds: Decimal | None = None
    count: int | None = None
    warmup: Decimal = Decimal(0)
    timeout: Decimal = Decimal(0)
    requests: tuple[Request, ...] = ()
    more: tuple[Entry, ...] = field(default=())

    @property
    def judged(self) -> Decimal:
        """Seconds that are judged."""
        return Decimal(self.count) / self.rate if self.count is not None else self.seconds or Decimal(0)

    @property
    def sent(self) -> int:
        """Requests that are judged."""
        return self.count if self.count is not None else int(self.judged * self.rate)


def http_target(draft: Draft, name: str, url: str, at: Cell | Place) -> HttpTarget | None:
    """Add a target for a URL; None where it is no URL, which is told."""
    parts = urlsplit(url) if "://" in url else None
    base = url.split("?", 1)[0].split("#", 1)[0]
    try:
        parsed = parse_http_url(base)
    except (Refused, ValueError) as error:
        why = str(error.problems[0].message) if isinstance(error, Refused) else "this is no URL"
        draft.leave_out(at, f"{why}; its load is left out", f"give it with --target {name}=URL")
        return None
    assert parts is not None  # noqa: S101 - a URL has a scheme
    port = "" if parsed.port == (443 if parsed.tls else 80) else f":{parsed.port}"
    host = f"[{parsed.host}]" if ":" in parsed.host else parsed.host
    fresh = draft.fresh(name, "target")
    draft.target(fresh, Flow((("http", f"{'https' if parsed.tls else 'http'}://{host}{port}"),)))
    query = f"?{parts.query}" if parts.query else ""
    return HttpTarget(fresh, (parts.path or "/") + query)


def grpc_target(draft: Draft, name: str, host: str, at: Cell | Place) -> HttpTarget | None:
    """Add a target for a `host:port`; None where it is none, which is told."""
    bare = host.removeprefix("grpc://").removeprefix("dns:///").rstrip("/")
    try:
        parse_host_port(bare)
    except Refused as error:
        draft.leave_out(
            at, f"{error.problems[0].message}; its load is left out", f"give it with --target {name}=HOST:PORT"
        )
        return None
    fresh = draft.fresh(name, "target")
    draft.target(fresh, Flow((("grpc", bare),)))
    return HttpTarget(fresh, "")


def add_load(draft: Draft, load: Load, comments: Iterable[str] = ()) -> None:
    """Add a load."""
    parts: list[Entry] = [Entry("target", load.target)]
    requests = load.requests or (Request("get", load.path),)
    if len(requests) == 1 and not requests[0].name:
        parts.extend(_request(requests[0]))
    else:
        parts.append(
            Entry("endpoints", Block(tuple(Entry(each.name, Block(tuple(_request(each)))) for each in requests)))
        )
    parts.extend(load.more)
    if load.timeout:
        parts.append(Entry("timeout", _time(load.timeout)))
    rate = format_rate(RatePerSecond(float(load.rate)))
    if load.warmup:
        parts.append(Entry("warmup", _time(load.warmup)))
    fields: tuple[tuple[str, Written], ...] = (("hold", rate),)
    if load.count is not None:
        count = load.count + math.ceil(load.warmup * load.rate)
        fields = (*fields, ("count", Word(str(count))))
    else:
        fields = (*fields, ("for", _time(load.judged + load.warmup)))
    parts.append(Entry("stages", Block((Item(Flow(fields)),))))
    draft.load(load.name, parts, comments)


def needed(share: float) -> int | None:
    """Clean requests that pass a limit on the share of bad ones, at 95 %."""
    return clean_requests_to_pass(0, 0, share, _SURE)


def lint_size(draft: Draft, at: Cell, sent: int, rate: Decimal, share: Decimal) -> None:
    """Say where a load is too small for a limit on the share of bad requests."""
    if not 0 < share < 1:
        return
    least = needed(float(share))
    if least is None or sent >= least:
        return
    length = _time(Decimal(math.ceil(Decimal(least) / rate)))
    why = f"{sent} requests never prove it: {least} clean ones are needed at least"
    draft.find(Rule.TOO_FEW_REQUESTS, at, why, f"at {digits(rate)}/s hold for {length}, and longer where some are bad")


def judge_length(draft: Draft, judged: Iterable[Decimal]) -> None:
    """Let a pass be as early as the shortest load's end, where that is before a minute."""
    shortest = min(judged, default=_JUDGED)
    if shortest < _JUDGED:
        draft.judge("min_duration", _time(shortest))


def _request(request: Request) -> Iterable[Entry]:
    if request.method != "call":
        yield Entry(request.method, request.path)
    yield from request.more


def _time(value: Decimal) -> str:
    return format_duration(Seconds(float(value)))


def rows(values: Iterable[int]) -> Rows:
    """A list of numbers on one line."""
    return Rows(tuple(Word(str(each)) for each in values))
