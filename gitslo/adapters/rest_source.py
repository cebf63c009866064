"""Any server that answers in JSON as a metric source, and the products that presets describe.

Called through `ports.MetricSource`. A plan's own request answers all of a metric's queries at once, each a JMESPath
expression; a preset (`gitslo.core.preset`) has the request, and a metric's queries are in the product's language. Each
window is asked for by itself. What must stay true:

* What an answer does not have is not known. Zero is what it says.
* An answer that says itself that something may be missing makes the whole of it partial.
* Where time runs out, or the server has had enough, the windows that were answered are kept: the others are not known
  yet and are asked for again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from gitslo.core.answers import json_of, number
from gitslo.core.escape import plain, short
from gitslo.core.jsonpath import search
from gitslo.core.nearest import nearest
from gitslo.core.preset import Preset, parse_preset
from gitslo.core.query_text import render, times
from gitslo.core.template import in_json, in_path
from gitslo.errors import Problem, Refused, Retry
from gitslo.model import MetricForm, MetricSection, Seconds
from gitslo.ports import ConfiguredServer, Exchange, MetricAnswer, MetricQuestion, Span, WindowCounts
from gitslo.source_config import Keys, OpenServer, PresetConfig, RestConfig, SourceConfig

__all__ = ["RestSource", "load_preset", "make", "make_preset", "preset_names"]

_LARGEST_PRESET = 64 * 1024
_SHOWN = 300
_MOST_NOTES = 5
_LEAST_SKEW = 2.0
_WHOLE = 1e-6
"""A count that is further from a whole number than this is none."""


@dataclass(frozen=True, slots=True)
class Value:
    """The answer to one query.

    Attributes:
        number: None: not known, as `why` says.
        zero: whether nothing is zero, where there are events at all.
    """

    number: float | None
    partial: str = ""
    why: str = ""
    zero: bool = False


Answered = tuple[Mapping[str, Value], float | None]
"""The values by role, and the clock's skew."""
Ask = Callable[[Exchange, MetricSection, Mapping[str, str]], Answered]
"""Asks for one window: the variables' values are given."""


def make(config: SourceConfig, open_server: OpenServer) -> RestSource:
    """A `MakeSource`: the entry point `rest` of `gitslo.sources`."""
    assert isinstance(config.form, RestConfig)  # noqa: S101 - the kind says so
    server = open_server(config.form.server)
    return RestSource(server, _Own(server.name).ask, every=config.every, forms=(MetricForm.RATIO, MetricForm.GAUGE))


def make_preset(config: SourceConfig, open_server: OpenServer) -> RestSource:
    """A `MakeSource`: the entry point `preset` of `gitslo.sources`.

    Raises:
        Refused: there is no such preset, or it does not go with the source's settings, keys and scrape interval.
    """
    form = config.form
    assert isinstance(form, PresetConfig)  # noqa: S101 - the kind says so
    preset = load_preset(form.preset)
    settings = preset.values(form.settings)
    if config.every < preset.least_interval:
        message = f"the preset `{preset.name}` has a value every {preset.least_interval:g}s at most"
        raise Refused(Problem(message, hint=f"`scrape_interval` of the source `{config.name}` is at least that"))
    keys = form.server.auth.values if isinstance(form.server.auth, Keys) else None
    for name in keys or ():
        if name not in preset.keys:
            message = f"the preset `{preset.name}` has no key `{name}`"
            raise Refused(Problem(message, hint=nearest(name, preset.keys) or "see its `auth` in the documentation"))

    def headers() -> tuple[tuple[str, str], ...]:
        shown = ((preset.keys[name], secret.resolve().reveal()) for name, secret in (keys or {}).items())
        return tuple((header, shape.replace("${key}", text)) for (header, shape), text in shown)

    server = open_server(form.server, headers=None if keys is None else headers)
    ask = _Described(server.name, preset, settings).ask
    return RestSource(server, ask, every=config.every, forms=preset.forms, align=preset.align)


def preset_names() -> tuple[str, ...]:
    """The presets that come with gitslo."""
    folder = files("gitslo") / "presets"
    return tuple(sorted(each.name.removesuffix(".yaml") for each in folder.iterdir() if each.name.endswith(".yaml")))


def load_preset(name: str) -> Preset:
    """A preset that comes with gitslo, or one of the operator's own by its path.

    Raises:
        Refused: there is none, or it cannot be used.
    """
    if name.startswith("/"):
        try:
            with Path(name).open("rb") as file:
                data = file.read(_LARGEST_PRESET)
        except OSError as error:
            raise Refused(Problem(f"the preset cannot be read: {error.strerror}", file=name)) from None
        return parse_preset(Path(name).stem, data, file=name)
    if name not in preset_names():
        raise Refused(Problem(f"there is no preset `{name}`", hint=nearest(name, preset_names())))
    return parse_preset(name, (files("gitslo") / "presets" / f"{name}.yaml").read_bytes(), file=f"{name}.yaml")


class RestSource:
    """A `ports.MetricSource`."""

    def __init__(
        self,
        server: ConfiguredServer,
        ask: Ask,
        *,
        every: Seconds,
        forms: Sequence[MetricForm],
        align: float = 0.0,
    ) -> None:
        """Bind the server and how it is asked.

        Args:
            server: where it is.
            ask: asks for one window.
            every: its scrape interval.
            forms: what it can answer.
            align: windows begin and end at multiples of so many seconds, at the next one where they do not.
        """
        self._server = server
        self._ask = ask
        self._every = every
        self._forms = forms
        self._align = align

    @property
    def every(self) -> Seconds:
        """Its scrape interval."""
        return self._every

    def measure(self, question: MetricQuestion) -> MetricAnswer:
        """Ask once; see `ports.MetricSource`."""
        section = question.section
        if section.form not in self._forms or section.sql or section.pods is not None:
            asked = "SQL" if section.sql else "pods" if section.pods is not None else f"a {section.form}"
            what = f"the source `{self._server.name}` cannot answer the metric `{section.name}`: {asked}"
            raise Refused(Problem(what, hint=f"it has {' and '.join(f'`{each}`' for each in self._forms)}"))
        exchange = self._server.begin()
        values: list[WindowCounts | float | None] = []
        notes: dict[str, None] = {}
        partial: dict[str, None] = {}
        for window in question.windows:
            try:
                found, skew = self._ask(exchange, section, self._variables(question, window))
            except Retry as retry:
                if not values:
                    raise
                notes[str(retry)] = None
                break
            if skew is not None and abs(skew) > max(_LEAST_SKEW, self._every / 2.0):
                way = "ahead of" if skew > 0 else "behind"
                what = f"the clock of the source `{self._server.name}` is {abs(skew):.0f} s {way} ours"
                return MetricAnswer((None,) * len(question.windows), (what,))
            partial |= dict.fromkeys(each.partial for each in found.values() if each.partial)
            value, why = _judged(section, found)
            values.append(value)
            if why:
                notes[why] = None
        values += [None] * (len(question.windows) - len(values))
        shown = tuple(short(plain(note), _SHOWN) for note in notes)
        return MetricAnswer(
            tuple(values), shown[:_MOST_NOTES], "; ".join(short(plain(each), _SHOWN) for each in partial)
        )

    def _variables(self, question: MetricQuestion, window: Span) -> dict[str, str]:
        start, end = window
        if self._align:
            start, end = (math.ceil(at / self._align - 1e-9) * self._align for at in window)
            if start == end:
                message = f"a window of the metric `{question.section.name}` is shorter than a value's {self._align:g}s"
                raise Refused(Problem(message, hint=f"`every` is at least `{self._align:g}s`"))
        return {**question.variables, **times(start, end)}


def _judged(section: MetricSection, found: Mapping[str, Value]) -> tuple[WindowCounts | float | None, str]:
    """A window's value; or None, and why."""
    if section.form is MetricForm.GAUGE:
        return found["value"].number, found["value"].why
    total, bad = found["total"], found["bad"]
    if total.number is None:
        return None, f"`total`: {total.why}"
    number_of_bad = 0.0 if bad.number is None and bad.zero else bad.number
    if number_of_bad is None:
        return None, f"`bad`: {bad.why}"
    for role, each in (("total", total.number), ("bad", number_of_bad)):
        if each < 0.0 or abs(each - round(each)) > _WHOLE * max(1.0, abs(each)):
            return None, f"`{role}` is {each:g}, and that is no number of events"
    if number_of_bad > total.number:
        return None, f"more events are bad ({number_of_bad:g}) than there are ({total.number:g})"
    return WindowCounts(round(total.number), (round(number_of_bad),), (round(number_of_bad),)), ""


class _Own:
    """A plan's own request."""

    def __init__(self, name: str) -> None:
        self._name = name

    def ask(self, exchange: Exchange, section: MetricSection, values: Mapping[str, str]) -> Answered:
        """One request for all queries."""
        request = section.request
        if request is None:
            message = f"the metric `{section.name}` has no `request`, and its source `{self._name}` is a REST source"
            raise Refused(Problem(message, hint='e.g. `request: {get: "/stats?from=${start}&to=${end}"}`'))
        path = render(request.path, values, written=in_path)
        headers = [(name, render(text, values)) for name, text in request.headers]
        names = {name.lower() for name, _ in headers}
        if "accept" not in names:
            headers.append(("Accept", "application/json"))
        if request.body and "content-type" not in names:
            headers.append(("Content-Type", "application/json"))
        body = render(request.body, values, written=in_json).encode()
        said = exchange.ask(request.method, path, headers=headers, body=body)
        document = json_of(said.body, self._name)
        return {role: _value(render(text, values), document) for role, text in section.queries.items()}, said.skew


def _value(expression: str, document: object) -> Value:
    found = search(expression, document)
    if found is None:
        return Value(None, why=f"the answer has no `{expression}`")
    value = number(found)
    return Value(value, why="" if value is not None else f"`{expression}` is no number")


class _Described:
    """A preset's requests."""

    def __init__(self, name: str, preset: Preset, settings: Mapping[str, str]) -> None:
        self._name = name
        self._preset = preset
        self._settings = settings

    def ask(self, exchange: Exchange, section: MetricSection, values: Mapping[str, str]) -> Answered:
        """One request for each query."""
        if section.request is not None:
            what = f"the metric `{section.name}` has a `request`, and its source `{self._name}` has a preset's"
            raise Refused(Problem(what, hint="leave `request` out"))
        counted = section.form is MetricForm.RATIO
        found: dict[str, Value] = {}
        skew = None
        for role, text in section.queries.items():
            whole = {**self._settings, **values, "query": render(text, values)}
            sent = self._preset.sent(whole)
            said = exchange.ask(sent.method, sent.path, headers=sent.headers, body=sent.body)
            read = self._preset.read(said.body, self._name, whole, counted=counted)
            zero = role == "bad" and self._preset.absent_is_zero and read.why == "the query gives nothing"
            found[role] = Value(read.value, read.partial, read.why, zero)
            skew = said.skew
        return found, skew
