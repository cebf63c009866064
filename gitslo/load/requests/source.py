"""Where a worker's requests come from: constant ones, and ones that differ each time. Made before the run, drawn in it.

`sources` makes one `Source` per HTTP endpoint of a section; all of one worker share its `Supply` of values. The engine
makes them, too, before it starts a worker: what cannot be sent is refused there.

Invariants
- One request has one value per variable and one row per feeder, wherever it uses them.
- No two requests of a load get the same `${seq}`, and no two workers the same row, as long as there are enough rows.
- A source that does not vary, and any draw of it, is its `content` itself: whoever carries requests may tell by
  identity, and keep what it made of it.
- A value from data or the environment never ends the header, the path or the JSON string that it stands in.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import count, cycle

from gitslo import __version__
from gitslo.core.template import ENVIRONMENT, Template, Variable, check, in_json, in_path, parse
from gitslo.errors import Problem, Refused
from gitslo.load.requests.checks import CompiledChecks, compiled
from gitslo.load.requests.content import Content, check_header, check_request, check_value, refused
from gitslo.load.requests.sampling import Sampler
from gitslo.load.requests.tracing import Slowest, trace_ids
from gitslo.model import Endpoint, Feeder, LoadSection, Target

__all__ = ["Source", "Supply", "sources", "uuids"]

_GOOD = range(200, 400)
_UUIDS = 256
_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}
_KEPT = 65536

Escape = Callable[[str], str]


def sources(
    section: LoadSection,
    target: Target,
    run_id: str,
    shard: int,
    shards: int,
    environment: Mapping[str, str],
    authorization: str,
    *,
    randomness: Callable[[int], bytes] = os.urandom,
) -> tuple[Source, ...]:
    """One source per endpoint, in the section's order.

    Args:
        section: of HTTP.
        target: for its base path.
        run_id: said in the User-Agent and in a header of its own.
        shard, shards: which part of rows and numbers is this worker's.
        environment: the operator's variables.
        authorization: the value of the header; empty for none.
        randomness: of UUIDs and trace ids; never from a seed, for they must differ between runs.

    Raises:
        Refused: with everything that cannot be sent.
    """
    supply = Supply(section.data, shard, shards, environment, randomness)
    problems: list[Problem] = []
    made = []
    for endpoint in section.endpoints:
        try:
            made.append(Source(section, endpoint, target, run_id, supply, authorization))
        except Refused as fault:
            problems += fault.problems
    if problems:
        raise Refused(*problems)
    return tuple(made)


class Supply:
    """The values of one worker's variables, and what else its sources share.

    Attributes:
        shard, shards: as in `sources`.
        traces: trace ids with their headers.
        slowest: the slowest traced requests.
    """

    def __init__(
        self,
        data: Sequence[Feeder],
        shard: int,
        shards: int,
        environment: Mapping[str, str],
        randomness: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self.shard, self.shards = shard, shards
        self.traces = trace_ids(randomness)
        self.slowest = Slowest()
        self._environment = environment
        self._feeders = {feeder.name: feeder for feeder in data}
        # With more workers than rows some share one: the first ones are whose it would be if all took turns.
        self._rows = {
            feeder.name: cycle(feeder.rows[shard::shards] or (feeder.rows[shard % len(feeder.rows)],))
            for feeder in data
        }
        numbers, made = count(shard, shards), uuids(randomness)
        self._built_in: dict[str, Callable[[], str]] = {
            "uuid": made.__next__,
            "seq": lambda: str(next(numbers)),
            "timestamp": lambda: str(int(time.time())),
            "timestamp_ms": lambda: str(int(time.time() * 1e3)),
        }

    def parse(self, text: str) -> Template[str]:
        """A template of which everything is known.

        Raises:
            Refused: a variable is not.
        """
        columns = {name: feeder.columns for name, feeder in self._feeders.items()}
        faults = check(text, columns)
        if faults:
            raise Refused(*(Problem(fault.message, hint=fault.hint) for fault in faults))
        template = parse(text)
        # Whether it is allowed was looked at before anything was done; what is missing here is its value.
        unset = [v.name for v in template.variables() if v.group == ENVIRONMENT and v.name not in self._environment]
        if unset:
            hint = "a variable that the operator allows must be set where gitslo runs"
            raise Refused(*(Problem(f"the environment variable `{name}` is not set", hint=hint) for name in unset))
        return template

    def possible(self, variable: Variable) -> tuple[str, ...]:
        """Every value that the environment or the data has for a variable; none for one that is built in."""
        if variable.group == ENVIRONMENT:
            return (self._environment[variable.name],)
        if not variable.group:
            return ()
        feeder = self._feeders[variable.group]
        column = feeder.columns.index(variable.name)
        return tuple(row[column] for row in feeder.rows)

    def reader(self, variables: Sequence[Variable]) -> Callable[[], list[str]]:
        """A function that gives one request's values of these variables, in their order."""
        constant = [self._environment[variable.name] if variable.group == ENVIRONMENT else "" for variable in variables]
        made = [(slot, self._built_in[v.name]) for slot, v in enumerate(variables) if not v.group]
        groups = dict.fromkeys(v.group for v in variables if v.group and v.group != ENVIRONMENT)
        taken = [
            (
                self._rows[group],
                [(s, self._feeders[group].columns.index(v.name)) for s, v in enumerate(variables) if v.group == group],
            )
            for group in groups
        ]

        def read() -> list[str]:
            values = constant.copy()
            for slot, make in made:
                values[slot] = make()
            for rows, picks in taken:
                row = next(rows)
                for slot, column in picks:
                    values[slot] = row[column]
            return values

        return read


def uuids(randomness: Callable[[int], bytes] = os.urandom) -> Iterator[str]:
    """Random UUIDs, version 4, without end; made in batches, at a third of what `uuid.uuid4` costs."""
    while True:
        digits = randomness(16 * _UUIDS).hex()
        for at in range(0, len(digits), 32):
            d = digits[at : at + 32]
            yield f"{d[:8]}-{d[8:12]}-4{d[13:16]}-{_VARIANT[d[16]]}{d[17:20]}-{d[20:]}"


class _Text:
    """A template whose variables are slots of a request's values."""

    __slots__ = ("_escape", "_holes", "_pieces", "constant")

    def __init__(self, template: Template[str], slots: Mapping[Variable, int], escape: Escape | None) -> None:
        self._pieces = list(template.pieces)
        self._holes = [(index, slots[variable]) for index, variable in template.holes]
        self._escape = escape
        self.constant = None if self._holes else template.constant

    def render(self, values: Sequence[str]) -> str:
        if self.constant is not None:
            return self.constant
        pieces = self._pieces.copy()
        escape = self._escape
        for index, slot in self._holes:
            pieces[index] = values[slot] if escape is None else escape(values[slot])
        return "".join(pieces)


class _Blueprint:
    """One endpoint's request but for its values.

    Attributes:
        read: gives the values of one request.
        varies: whether they differ between requests.
    """

    def __init__(self, endpoint: Endpoint, base: str, defaults: Sequence[tuple[str, str]], supply: Supply) -> None:
        name = endpoint.name
        given = {header.lower(): value for header, value in endpoint.headers}
        self._method = endpoint.method
        self._base = base
        self._fixed = [(header, value) for header, value in defaults if header.lower() not in given]
        path = _template(supply, name, "the path", endpoint.path)
        headers = [(h, _template(supply, name, f"the header {h!r}", value)) for h, value in endpoint.headers]
        body = _body_template(supply, endpoint)
        check_request(name, endpoint.method, base + "".join(piece or "x" for piece in path.pieces))
        for header, value in self._fixed:
            check_value(name, header, value)
        for header, template in headers:
            check_header(name, header)
            for value in template.pieces:
                check_value(name, header, value)
            for variable in template.variables():
                for value in supply.possible(variable):
                    check_value(name, header, value)

        every = [path, *(template for _, template in headers), *([] if body is None else [body])]
        variables = sorted({variable for template in every for variable in template.variables()}, key=str)
        slots = {variable: slot for slot, variable in enumerate(variables)}
        self.read = supply.reader(variables)
        self.varies = any(variable.group != ENVIRONMENT for variable in variables)
        self._path = _Text(path, slots, _escaped_in_path)
        self._headers = [(header, _Text(template, slots, None)) for header, template in headers]
        in_quotes = "json" in given.get("content-type", "").lower()
        self._body = endpoint.body if body is None else _Text(body, slots, _escaped_in_json if in_quotes else None)

    def render(self, values: Sequence[str], authorization: str) -> Content:
        """The request with these values."""
        headers = self._fixed.copy()
        if authorization:
            headers.append(("Authorization", authorization))
        for name, text in self._headers:
            if not authorization or name.lower() != "authorization":
                headers.append((name, text.render(values)))
        body = self._body if isinstance(self._body, bytes) else self._body.render(values).encode()
        return Content(self._method, self._base + self._path.render(values), tuple(headers), body)


class Source:
    """The requests of one endpoint.

    Attributes:
        varies: whether a draw may be anything but `content`.
        content: what every request is, where nothing varies, or where only some are traced; else it has a method only.
        trace: trace id of the last draw, where that was sampled; else empty.
        checks: of the answers, or None.
        good: status -> 1 where it counts as good, up to 999.
        expects: whether the plan says which those are.
        slowest: see Supply.
        wire: a protocol's rendering of `content`, where it does not depend on the connection: (content, bytes).
    """

    __slots__ = (
        "_authorization", "_blueprint", "_endpoint", "_sampler", "_traces", "checks", "content", "expects", "good",
        "slowest", "trace", "varies", "wire",
    )  # fmt: skip

    def __init__(
        self,
        section: LoadSection,
        endpoint: Endpoint,
        target: Target,
        run_id: str,
        supply: Supply,
        authorization: str,
    ) -> None:
        defaults = [("User-Agent", f"gitslo/{__version__} (load; run {run_id})"), ("Accept", "*/*")]
        defaults.append(("Gitslo-Run", run_id))
        if section.gzip:
            defaults.append(("Accept-Encoding", "gzip"))
        self._endpoint = endpoint.name
        self._blueprint = _Blueprint(endpoint, target.path, defaults, supply)
        traced = section.trace > 0 and all(name.lower() != "traceparent" for name, _ in endpoint.headers)
        self._sampler = Sampler(section.trace, supply.shard, supply.shards) if traced else None
        self._traces = supply.traces
        expect = endpoint.expect or section.expect
        self.expects = bool(expect)
        self.good = bytes(status in (expect or _GOOD) for status in range(1000))
        self.checks: CompiledChecks | None = compiled(endpoint.checks, endpoint.name, supply.shard, supply.shards)
        self.slowest = supply.slowest
        self.trace = b""
        self.wire: tuple[Content, bytes] | None = None
        self.varies = self._blueprint.varies or traced
        self.content = Content(endpoint.method, f"{target.path}{endpoint.path}", (), b"")
        self.refresh(authorization)

    def refresh(self, authorization: str) -> None:
        """From now on, requests carry this value; empty: none of the operator's.

        Raises:
            Refused: it cannot stand in a header.
        """
        check_value(self._endpoint, "Authorization", authorization)
        self._authorization = authorization
        if not self._blueprint.varies:
            self.content = self._blueprint.render(self._blueprint.read(), authorization)

    def draw(self) -> Content:
        """The next request; `content` itself where this one is no other."""
        traceparent = ""
        if self._sampler is not None and self._sampler.due():
            trace, traceparent = next(self._traces)
            self.trace = trace.encode("ascii")
        elif self.trace:
            self.trace = b""
        blueprint = self._blueprint
        content = blueprint.render(blueprint.read(), self._authorization) if blueprint.varies else self.content
        if not traceparent:
            return content
        return Content(content.method, content.path, (*content.headers, ("traceparent", traceparent)), content.body)


@lru_cache(_KEPT)
def _escaped_in_path(value: str) -> str:
    return in_path(value)


@lru_cache(_KEPT)
def _escaped_in_json(value: str) -> str:
    return in_json(value)


def _template(supply: Supply, endpoint: str, where: str, text: str) -> Template[str]:
    try:
        return supply.parse(text)
    except Refused as fault:
        problems = (refused(endpoint, f"{where}: {problem.message}", problem.hint) for problem in fault.problems)
        raise Refused(*(problem for each in problems for problem in each.problems)) from fault


def _body_template(supply: Supply, endpoint: Endpoint) -> Template[str] | None:
    """The body as a template; None where it is no text."""
    try:
        text = endpoint.body.decode()
    except UnicodeDecodeError:
        return None
    return _template(supply, endpoint.name, "the body", text)
