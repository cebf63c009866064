"""A plan in the making: every importer adds to one, and `finish` writes it.

Called by the importers and by `measures`. Must stay true: names are unique and such as the plan's schema has them, one
metric is written once, and a plan in which nothing decides is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal

from gitslo.core.imports.plantext import Block, Entry, Flow, Item, Rows, Written, write
from gitslo.core.imports.reading import Cell, Files
from gitslo.core.imports.result import Imported, Note, Options, Place, Rule, SourceNeed

__all__ = ["Draft", "digits", "percent", "plan_name"]

_SCORE = (("pass", "100%"),)
_LONGEST = 63
_PRESETS = {
    "cloudwatch": "",
    "datadog": "",
    "elasticsearch": ", settings: {index: ...}",
    "graphite": "",
    "influxdb": ", settings: {org: ..., bucket: ...}",
    "loki": "",
    "newrelic": ", settings: {account: ...}",
    "opensearch": ", settings: {index: ...}",
}
"""Preset -> the settings that it cannot be without."""


def digits(number: Decimal) -> str:
    """The number without exponent and superfluous zeros."""
    text = f"{number:f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text) or "0"


def percent(share: Decimal) -> str:
    """`0.01` -> `1%`."""
    return f"{digits(round(share * 100, 12))}%"


def plan_name(text: str, default: str) -> str:
    """A name that a plan may have, as like `text` as can be."""
    words = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", text).lower()
    name = re.sub(r"[^a-z0-9_-]+", "_", words).strip("_-")
    return (re.sub(r"^[^a-z]+", "", name) or default)[:_LONGEST]


class Draft:
    """What is known so far of the plan, of what could not be carried over, and of what the file has wrong."""

    def __init__(self, form: str, files: Files, options: Options) -> None:
        self.files = files
        self.options = options
        self._form = form
        self._notes: list[Note] = []
        self._findings: list[Note] = []
        self._refused: list[Note] = []
        self._lost: list[Note] = []
        self._sources: dict[str, SourceNeed] = {}
        self._targets: list[Entry] = []
        self._loads: list[Entry] = []
        self._metrics: dict[tuple[Entry, ...], str] = {}
        self._metric_entries: list[Entry] = []
        self._objectives: list[Item] = []
        self._scored: list[Item] = []
        self._score: tuple[tuple[str, Written], ...] = _SCORE
        self._judge: list[tuple[str, Written]] = []
        self._names: set[str] = set()
        self._targets_used: set[str] = set()
        self._values_used: set[str] = set()

    # ----------------------------------------------------------------------- what is told

    def note(self, at: Cell | Place, why: str, todo: str = "", *, what: str = "") -> None:
        """Something is not carried over, or not as it was."""
        self._notes.append(_note(at, what, why, todo, None))

    def leave_out(self, at: Cell | Place, why: str, todo: str = "", *, what: str = "") -> None:
        """A part that would have become an objective, or a load, becomes none."""
        self._lost.append(_note(at, what, why, todo, None))
        self.note(at, why, todo, what=what)

    def find(self, rule: Rule, at: Cell | Place, why: str, todo: str = "", *, what: str = "") -> None:
        """Something is wrong in the file already."""
        found = _note(at, what, why, todo, rule)
        if found not in self._findings:
            self._findings.append(found)

    def refuse(self, at: Cell | Place, why: str, todo: str = "", *, what: str = "") -> None:
        """There will be no plan."""
        self._refused.append(_note(at, what, why, todo, None))

    # ----------------------------------------------------------------------- what the caller gave

    def value(self, name: str) -> str | None:
        """What the caller says a placeholder stands for."""
        self._values_used.add(name)
        return self.options.values.get(name)

    def target_url(self, name: str) -> str | None:
        """What the caller says a target's URL is."""
        self._targets_used.add(name)
        return self.options.targets.get(name)

    def source(self, kind: str, at: Cell, url: str = "", default: str = "") -> str:
        """The name of the source of a kind, e.g. `prometheus`; what the operator's file needs is noted once."""
        name = self.options.sources.get(kind, plan_name(default or kind, "source"))
        if name not in self._sources or (url and "https://..." in self._sources[name].snippet):
            shown = url or "https://..."
            inside = f"{{preset: {kind}, url: {shown}{_PRESETS[kind]}}}" if kind in _PRESETS else f"{{{kind}: {shown}}}"
            if kind == "sql":
                inside = "{sql: {dsn: {env: NAME}}}"
            self._sources[name] = SourceNeed(name, f"sources:\n  {name}: {inside}", at.place)
        return name

    # ----------------------------------------------------------------------- what the plan has

    def fresh(self, text: str, default: str) -> str:
        """A name that nothing else in the plan has."""
        stem = plan_name(text, default)
        name, number = stem, 2
        while name in self._names:
            name, number = f"{stem[: _LONGEST - 4]}-{number}", number + 1
        self._names.add(name)
        return name

    def target(self, name: str, value: Flow, comments: Iterable[str] = ()) -> None:
        """Add a target."""
        self._targets.append(Entry(name, value, tuple(comments)))

    def load(self, name: str, parts: Iterable[Entry], comments: Iterable[str] = ()) -> None:
        """Add a load."""
        self._loads.append(Entry(name, Block(tuple(parts)), tuple(comments)))

    def metric(self, name: str, parts: Iterable[Entry], at: Cell) -> str:
        """Add a metric, or find the one that is the same; its name."""
        entries = tuple(parts)
        if entries not in self._metrics:
            self._metrics[entries] = self.fresh(name, "metric")
            self._metric_entries.append(Entry(self._metrics[entries], Block(entries), (origin(at),)))
        return self._metrics[entries]

    def objective(self, sentence: str, at: Cell, fields: Iterable[tuple[str, Written]] = ()) -> bool:
        """Add an objective; False where the very same is there already."""
        more = tuple(fields)
        value: Written = Flow((("that", sentence), *more)) if more else sentence
        return self._add(self._objectives, value, at)

    def burn(self, metric: str, budget: str, period: str, at: Cell) -> None:
        """Add an error budget, which is only reported."""
        fields: tuple[tuple[str, Written], ...] = (("burn", metric), ("budget", budget), ("period", period))
        self._add(self._objectives, Flow((*fields, ("role", "report"))), at)

    def scored(
        self, of: str, passes: Iterable[Iterable[str]], at: Cell, more: Iterable[tuple[str, Written]] = ()
    ) -> bool:
        """Add an indicator that is scored; without criteria it is only reported."""
        groups = tuple(Rows(tuple(group)) for group in passes)
        criteria: tuple[tuple[str, Written], ...] = (("pass", Rows(groups)),) if groups else ()
        return self._add(self._scored, Flow((("of", of), *criteria, *more)), at)

    def score(self, *fields: tuple[str, Written]) -> None:
        """Say from which score it passes, and what it is compared with."""
        self._score = fields

    def judge(self, key: str, value: str) -> None:
        """Set a field of `judge`."""
        self._judge = [each for each in self._judge if each[0] != key]
        self._judge.append((key, value))

    def _add(self, items: list[Item], value: Written, at: Cell) -> bool:
        if any(each.value == value for each in items):
            self.note(at, "the very same objective is there already", "nothing is lost")
            return False
        items.append(Item(value, (origin(at),)))
        return True

    # ----------------------------------------------------------------------- the end

    def finish(self) -> Imported:
        """Everything is read."""
        for cell in self.files.unread() if not self._refused else ():
            self.note(cell, "this importer does not know it, and nothing in the plan stands for it")
        for name in self.options.targets.keys() - self._targets_used:
            known = ", ".join(f"`{each}`" for each in sorted(self._targets_used))
            why = f"the plan has no target `{name}`"
            self.refuse(self.files.start, why, f"there is {known}" if known else "leave it out", what="--target")
        for name in sorted(self.options.values.keys() - self._values_used):
            why = f"nothing in the file asks for `{name}`"
            self.refuse(self.files.start, why, _known(self._values_used), what="--set")
        decides = any(not _reports(each.value) for each in self._objectives) or any(
            _decides(each.value) for each in self._scored
        )
        if not decides and not self._refused:
            why, todo = "nothing in it becomes an objective that decides, and a plan without one is none", ""
            if self._lost:
                first = _sorted(self._lost, self.files)[0]
                why += f"; first of all, line {first.place.line}, {first.what}: {first.why}"
                todo = first.todo
            self.refuse(self.files.start, why, todo, what="the plan")
        asked = {part.value for parts in self._metrics for part in parts if part.key == "source"}
        plan = "" if self._refused else write(self._plan(), self._head())
        return Imported(
            plan,
            _sorted(self._notes, self.files),
            _sorted(self._findings, self.files),
            tuple(each for name, each in self._sources.items() if name in asked),
            tuple(self._refused),
        )

    def _head(self) -> tuple[str, ...]:
        return (f"Written by `gitslo import {self._form}` from {', '.join(self.files.names)}.",)

    def _plan(self) -> Block:
        parts = [Entry("schema", "gitslo/v1")]
        if self._targets:
            parts.append(Entry("targets", Block(tuple(self._targets))))
        if self._loads:
            parts.append(Entry("load", Block(tuple(self._loads))))
        if self._metric_entries:
            parts.append(Entry("metrics", Block(tuple(self._metric_entries))))
        if self._objectives:
            parts.append(Entry("objectives", Block(tuple(self._objectives))))
        if self._scored:
            heads = tuple(Entry(key, value) for key, value in self._score)
            parts.append(Entry("scoring", Block((*heads, Entry("objectives", Block(tuple(self._scored)))))))
        if self._judge:
            parts.append(Entry("judge", Flow(tuple(self._judge))))
        return Block(tuple(parts))


def origin(cell: Cell) -> str:
    """Where something comes from, as a comment."""
    place = cell.place
    return f"{place.file}:{place.line}"


def _reports(value: Written) -> bool:
    return isinstance(value, Flow) and ("role", "report") in value.entries


def _decides(value: Written) -> bool:
    return isinstance(value, Flow) and any(key == "pass" for key, _ in value.entries)


def _known(names: Iterable[str]) -> str:
    known = ", ".join(f"`{each}`" for each in sorted(names))
    return f"it asks for {known}" if known else "leave it out"


def _note(at: Cell | Place, what: str, why: str, todo: str, rule: Rule | None) -> Note:
    if isinstance(at, Cell):
        return Note(at.place, what or at.shown, why, todo, rule)
    return Note(at, what or at.file, why, todo, rule)


def _sorted(notes: list[Note], files: Files) -> tuple[Note, ...]:
    order = {name: number for number, name in enumerate(files.names)}
    found = dict.fromkeys(notes)
    return tuple(sorted(found, key=lambda each: (order.get(each.place.file, 0), each.place.line, each.place.column)))
