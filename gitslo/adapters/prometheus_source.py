"""Prometheus as a metric source, and what speaks its HTTP API: Thanos, Mimir, Cortex, VictoriaMetrics.

Called through `ports.MetricSource`. What must stay true:

* Counters come as raw samples (`selector[range]`) and are differenced here: what `increase()` would hide, resets,
  holes, series that begin or end, is seen (`gitslo.core.counters`).
* What is missing, stale or no number is not known. `warnings` mean that something may be missing: then the whole answer
  is partial. `PromQL info` is advice about a query, and no data.
* A clock that is not ours makes every window another one than was asked for: then nothing is known.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlencode

from gitslo.core.answers import json_of
from gitslo.core.counters import Counter, Gained, Process, begun, gains, silent, together
from gitslo.core.escape import plain, short
from gitslo.core.histograms import classic, native
from gitslo.core.prometheus_api import Labels, Series, nameless, read_answer
from gitslo.core.promql import Selector, escaped_regex, find_selector, parse_selector, quoted
from gitslo.core.query_text import TIMES, parse, render, times
from gitslo.errors import Problem, Refused, Retry
from gitslo.model import MetricForm, Seconds
from gitslo.ports import ConfiguredServer, Exchange, MetricAnswer, MetricQuestion, Span, WindowCounts
from gitslo.source_config import OpenServer, PrometheusConfig, SourceConfig

__all__ = ["PrometheusSource", "make"]

_RAW = 600
"""So many scrapes of a series come one by one; a longer look back is made in steps."""
_LONGEST_QUERY = 3000
"""Characters of a query string that goes into a URL; some proxies let only GET through, and some only short ones."""
_STALE = 2.5
"""A value that is older than so many scrapes is none."""
_HISTORY = "1h"
"""A series that was seen in the hour before is not new."""
_MOST_PROCESSES = 50
_MOST_NOTES = 5
_SHOWN = 300
_MOMENTS = frozenset(TIMES) - {"window"}
_LEAST_SKEW = 2.0
"""Seconds; the Date header says whole ones."""


def make(config: SourceConfig, open_server: OpenServer) -> PrometheusSource:
    """A `MakeSource`: the entry point `prometheus` of `gitslo.sources`."""
    assert isinstance(config.form, PrometheusConfig)  # noqa: S101 - the kind says so
    return PrometheusSource(open_server(config.form.server), every=config.every, timeout=config.timeout)


class PrometheusSource:
    """A `ports.MetricSource`."""

    def __init__(self, server: ConfiguredServer, *, every: Seconds, timeout: Seconds) -> None:
        """Bind the server.

        Args:
            server: where it is.
            every: its scrape interval.
            timeout: of one question; the server is told, so that it does not go on for nobody.
        """
        self._server = server
        self._every = every
        self._timeout = timeout

    @property
    def every(self) -> Seconds:
        """Its scrape interval."""
        return self._every

    def measure(self, question: MetricQuestion) -> MetricAnswer:
        """Ask once; see `ports.MetricSource`."""
        section = question.section
        if section.sql or section.pods is not None or section.request is not None:
            what = "`request`" if section.request is not None else "`pods`" if section.pods is not None else "SQL"
            message = f"the metric `{section.name}` has {what}, and its source `{self._server.name}` is Prometheus"
            raise Refused(Problem(message, hint="it has `ratio`, `gauge` or `histogram` with PromQL"))
        look = _Look(self._server.begin(), self._server.name, self._every, self._timeout)
        values: tuple[WindowCounts | float | None, ...]
        match section.form:
            case MetricForm.RATIO:
                values = self._ratio(look, question)
            case MetricForm.HISTOGRAM:
                values = self._histogram(look, question)
            case MetricForm.GAUGE:
                values = self._gauge(look, question)
        if look.skewed:
            look.note(look.skewed)
            values = (None,) * len(question.windows)
        return MetricAnswer(values, tuple(look.notes[:_MOST_NOTES]), "; ".join(look.warnings))

    # ------------------------------------------------------------------- counts

    def _ratio(self, look: _Look, question: MetricQuestion) -> tuple[WindowCounts | None, ...]:
        bad_selector = parse_selector(_text(question, "bad"), "bad")
        total_selector = parse_selector(_text(question, "total"), "total")
        stretch = look.stretch(question.windows)
        total = [_counter(each) for each in look.samples(total_selector.text, stretch)]
        bad = [_counter(each) for each in look.samples(bad_selector.text, stretch)]
        up = look.scrapes(silent((*total, *bad), question.windows, stretch.every), stretch)
        totals = gains(
            total,
            question.windows,
            every=stretch.every,
            beside=bad,
            earlier=look.earlier(total_selector.text, begun(total, question.windows[0][0]), stretch),
            up=up,
        )
        bads = gains(
            bad,
            question.windows,
            every=stretch.every,
            beside=total,
            earlier=look.earlier(bad_selector.text, begun(bad, question.windows[0][0]), stretch),
            up=up,
            absent=(0.0,),
        )
        return tuple(
            self._counts(look, question, all_, _joined(all_, some)) for all_, some in zip(totals, bads, strict=True)
        )

    def _histogram(self, look: _Look, question: MetricQuestion) -> tuple[WindowCounts | None, ...]:
        selector = parse_selector(_text(question, "buckets"), "histogram")
        if selector.by_edge:
            raise Refused(Problem("`histogram` selects by `le`: it needs all buckets", hint="leave `le` out"))
        stretch = look.stretch(question.windows)
        series = look.samples(selector.text, stretch)
        counters = _histograms(series, question.limits)
        new = begun(counters, question.windows[0][0])
        found = gains(
            counters,
            question.windows,
            every=stretch.every,
            earlier=look.earlier_counts(selector, new, stretch, any(each.histograms for each in series)),
            up=look.scrapes(silent(counters, question.windows, stretch.every), stretch),
        )
        return tuple(self._counts(look, question, each, each) for each in found)

    def _counts(self, look: _Look, question: MetricQuestion, total: Gained, parts: Gained) -> WindowCounts | None:
        """`parts` has the total first, then the bad ones, and for a histogram the certain ones after them."""
        unknown = total.unknown or parts.unknown
        if unknown:
            look.note(unknown)
            return None
        counts = [_whole(question, value) for value in parts.most]
        certain = [_whole(question, value) for value in parts.certain]
        limits = max(1, len(question.limits))
        bad = counts[1 : 1 + limits]
        sure = certain[1 + limits :] if question.section.form is MetricForm.HISTOGRAM else certain[1:]
        if any(each > counts[0] for each in bad):
            look.note(f"more events are bad ({max(bad)}) than there are ({counts[0]}): they are not counted alike")
            return None
        return WindowCounts(counts[0], tuple(bad), tuple(min(*pair) for pair in zip(sure, bad, strict=True)))

    # ------------------------------------------------------------------- gauges

    def _gauge(self, look: _Look, question: MetricQuestion) -> tuple[float | None, ...]:
        text = question.section.queries.get("value", "")
        if _MOMENTS & {str(each) for each in parse(text).variables()}:
            # Each window has a query of its own.
            return tuple(self._gauges(look, question, (each,))[0] for each in question.windows)
        found: list[float | None] = []
        for each in _progressions(question.windows):
            found += self._gauges(look, question, each)
        return tuple(found)

    def _gauges(self, look: _Look, question: MetricQuestion, windows: Sequence[Span]) -> tuple[float | None, ...]:
        """The values at the ends of windows that are equally long and follow each other at one distance."""
        text = _text(question, "value", windows)
        if find_selector(text) is not None:
            stretch = look.stretch(windows)
            if stretch.raw:
                return tuple(look.last(look.samples(text, stretch), window) for window in windows)
        return look.at(text, windows)


def _text(question: MetricQuestion, role: str, windows: Sequence[Span] = ()) -> str:
    """The query with its variables' values; the times are those of all windows together, or of the first of these."""
    start, end = windows[0] if windows else (question.windows[0][0], question.windows[-1][1])
    values = {**question.variables, **times(start, end)}
    return render(question.section.queries.get(role, ""), values, written=lambda value: quoted(value)[1:-1])


def _joined(total: Gained, bad: Gained) -> Gained:
    return Gained((*total.most, *bad.most), (*total.certain, *bad.certain), bad.unknown)


def _whole(question: MetricQuestion, value: float) -> int:
    whole = round(value)
    if abs(value - whole) > 1e-6 * max(1.0, abs(value)):
        message = f"the metric `{question.section.name}` counts {value:g}: that is no number of events"
        raise Refused(Problem(message, hint="a ratio and a histogram are made of counters of whole events"))
    return whole


def _progressions(windows: Sequence[Span]) -> Iterable[tuple[Span, ...]]:
    """Windows of one length at one distance, together."""
    group: list[Span] = []
    for window in windows:
        if len(group) > 1:
            step, new = group[1][1] - group[0][1], window[1] - group[-1][1]
        else:
            step = new = 0.0
        alike = not group or abs((window[1] - window[0]) - (group[0][1] - group[0][0])) < 1e-6  # noqa: PLR2004
        if group and (not alike or abs(step - new) > 1e-6):  # noqa: PLR2004 - a microsecond
            yield tuple(group)
            group = []
        group.append(window)
    yield tuple(group)


def _counter(series: Series) -> Counter:
    if series.histograms:
        raise Refused(Problem(f"{series.name} is a histogram, and a counter is needed", hint="use `histogram`"))
    samples = tuple((at, None if value is None else (value,)) for at, value in series.values)
    return Counter(series.name, series.process, together(samples))


def _histograms(series: Sequence[Series], limits: Sequence[float]) -> list[Counter]:
    found: list[Counter] = []
    groups: dict[Labels, list[Series]] = {}
    for each in series:
        if each.histograms:
            found.append(Counter(each.name, each.process, native(each.histograms, limits)))
        elif any(name == "le" for name, _ in each.labels):
            groups.setdefault(tuple(pair for pair in each.labels if pair[0] != "le"), []).append(each)
        else:
            message = f"{each.name} is no histogram: it has neither buckets (`le`) nor native ones"
            raise Refused(Problem(message, hint="a classic one is named with `_bucket` at its end"))
    for labels, members in groups.items():
        whole = Series(labels, (), ())
        edges = {_edge(each): dict(each.values) for each in members}
        counts = classic(edges, limits)
        if isinstance(counts, str):
            raise Refused(Problem(f"{whole.name}: {counts}", hint="select all buckets, of a histogram in seconds"))
        found.append(Counter(whole.name, whole.process, counts))
    return found


def _edge(series: Series) -> float:
    text = dict(series.labels)["le"]
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if math.isnan(found):
        raise Refused(Problem(f"{series.name}: `le` is no number"))
    return found


# --------------------------------------------------------------------------- asking


@dataclass(frozen=True, slots=True)
class _Stretch:
    """What is looked at for some windows.

    Attributes:
        every: seconds between two samples that are asked for.
        raw: every scrape, as it was; else one sample a step.
    """

    start: float
    end: float
    every: Seconds
    raw: bool


@dataclass(slots=True)
class _Look:
    """One question's requests, and what their answers said beside the values."""

    exchange: Exchange
    name: str
    every: Seconds
    timeout: Seconds
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    skewed: str = ""

    def note(self, text: str) -> None:
        """Each once."""
        text = short(plain(text), _SHOWN)
        if text not in self.notes:
            self.notes.append(text)

    def stretch(self, windows: Sequence[Span]) -> _Stretch:
        """From two windows before the first to two scrapes after the last."""
        widest = max(end - start for start, end in windows)
        narrowest = min(end - start for start, end in windows)
        start = windows[0][0] - 2.0 * max(widest if widest <= _RAW * self.every / 4 else self.every, self.every)
        end = windows[-1][1] + 2.0 * self.every
        step = min(max(self.every, (end - start) / _RAW), max(narrowest, self.every))
        if step <= self.every:
            return _Stretch(start, end, self.every, raw=True)
        return _Stretch(start, end, Seconds(step), raw=False)

    def samples(self, selector: str, stretch: _Stretch) -> tuple[Series, ...]:
        """The samples of every series in it."""
        if stretch.raw:
            span = f"{max(1, round((stretch.end - stretch.start) * 1000))}ms"
            return self._ask("query", {"query": f"{selector}[{span}]", "time": _time(stretch.end)})
        return self._range(selector, stretch.start, stretch.end, stretch.every)

    def scrapes(
        self, processes: Sequence[Process], stretch: _Stretch
    ) -> dict[Process, tuple[tuple[float, float], ...]]:
        """How the scrapes of these went; of none where they are too many."""
        asked = [each for each in processes if all(each)]
        if not asked or len(asked) > _MOST_PROCESSES:
            return {}
        job, instance = ("|".join(sorted({escaped_regex(each[part]) for each in asked})) for part in (0, 1))
        found = self.samples(f"up{{job=~{quoted(job)},instance=~{quoted(instance)}}}", stretch)
        return {each.process: tuple((at, value) for at, value in each.values if value is not None) for each in found}

    def earlier(self, selector: str, new: Sequence[Counter], stretch: _Stretch) -> dict[str, float]:
        """The last values in the hour before what is looked at, by the series' names; asked only where some are new."""
        if not new:
            return {}
        query = f"last_over_time({selector}[{_HISTORY}])"
        # The function takes the name away.
        kept = {nameless(each.name): each.name for each in new}
        found = self._ask("query", {"query": query, "time": _time(stretch.start)})
        return {
            kept[nameless(each.name)]: value
            for each in found
            for _, value in each.values[-1:]
            if value is not None and nameless(each.name) in kept
        }

    def earlier_counts(
        self, selector: Selector, new: Sequence[Counter], stretch: _Stretch, natively: bool
    ) -> dict[str, float]:
        """Likewise of histograms: their totals."""
        if not new:
            return {}
        kept = {nameless(each.name): each.name for each in new}
        query = f"last_over_time({selector.text}[{_HISTORY}])"
        if natively:
            query = f"histogram_count({query})"
        found: dict[str, float] = {}
        for each in self._ask("query", {"query": query, "time": _time(stretch.start)}):
            bare = Series(tuple(pair for pair in each.labels if pair[0] != "le"), (), ())
            name = kept.get(nameless(bare.name))
            value = each.values[-1][1] if each.values else None
            if name is not None and value is not None and dict(each.labels).get("le", "+Inf") == "+Inf":
                found[name] = value
        return found

    def last(self, series: Sequence[Series], window: Span) -> float | None:
        """The value at the window's end, of raw samples: the last one in it, or one that is a scrape old."""
        start, end = window
        since = min(start, end - 1.25 * self.every)
        there = [each for each in series if any(since < at <= end for at, _ in (*each.values, *each.histograms))]
        if len(there) > 1:
            raise _several(len(there))
        if not there:
            self.note("there is no sample of it" if not series else "there is no sample of it in some windows")
            return None
        if there[0].histograms:
            raise Refused(Problem(f"{there[0].name} is a histogram, and a gauge is one number", hint="use `histogram`"))
        value = [value for at, value in there[0].values if since < at <= end][-1]
        if value is None:
            self.note("it is no number in some windows")
        return value

    def at(self, query: str, windows: Sequence[Span]) -> tuple[float | None, ...]:
        """The values of any query at the windows' ends, which are equally far apart."""
        step = windows[1][1] - windows[0][1] if len(windows) > 1 else self.every
        width = max(windows[0][1] - windows[0][0], self.every)
        found = self._range(query, windows[0][1], windows[-1][1], Seconds(step), Seconds(_STALE * width))
        values: list[float | None] = []
        for _, end in windows:
            here = [value for each in found for at, value in each.values if abs(at - end) <= 0.002]  # noqa: PLR2004 - ms
            if len(here) > 1:
                raise _several(len(here))
            if any(each.histograms for each in found):
                raise Refused(Problem("the query gives histograms, and a gauge is one number", hint="use `histogram`"))
            if not here:
                self.note("the query gives nothing" if not found else "the query gives nothing for some windows")
            elif here[0] is None:
                self.note("the query gives no number (NaN or infinite) for some windows")
            values.append(here[0] if here else None)
        return tuple(values)

    def _range(
        self, query: str, start: float, end: float, step: Seconds, stale: Seconds | None = None
    ) -> tuple[Series, ...]:
        asked = {"query": query, "start": _time(start), "end": _time(end), "step": f"{step:.3f}"}
        if stale is not None:
            asked["lookback_delta"] = f"{math.ceil(stale)}s"  # ignored by servers that are older than the parameter
        return self._ask("query_range", asked)

    def _ask(self, endpoint: str, parameters: Mapping[str, str]) -> tuple[Series, ...]:
        query = urlencode({**parameters, "timeout": f"{max(1, math.ceil(self.timeout))}s"})
        path = f"/api/v1/{endpoint}"
        accept = ("Accept", "application/json")
        if len(query) <= _LONGEST_QUERY:
            said = self.exchange.ask("GET", f"{path}?{query}", headers=(accept,))
        else:
            form = ("Content-Type", "application/x-www-form-urlencoded")
            said = self.exchange.ask("POST", path, headers=(accept, form), body=query.encode())
        allowed = max(_LEAST_SKEW, self.every / 2.0)
        if said.skew is not None and abs(said.skew) > allowed:
            way = "ahead of" if said.skew > 0 else "behind"
            self.skewed = (
                f"the clock of the source `{self.name}` is {abs(said.skew):.0f} s {way} ours: "
                f"its windows are not those that were asked for"
            )
        answer = read_answer(json_of(said.body, self.name))
        if answer is None:
            raise Retry(f"the source `{self.name}` does not answer as Prometheus' API does")
        self.warnings += [each for each in answer.warnings if each not in self.warnings]
        return answer.series


def _several(number: int) -> Refused:
    message = f"the query gives {number} series, and a gauge is one number"
    return Refused(Problem(message, hint="aggregate them, e.g. `max(...)` or `sum(...)`"))


def _time(seconds: float) -> str:
    return f"{seconds:.3f}"
