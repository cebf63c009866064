"""The objectives of a plan -> Objective: sentences, and what stands beside them.

Called by `gitslo.core.parse_plan`; the grammar of the sentence is `gitslo.core.objectives`'. Must stay true: whatever
is accepted has a test, or says that it has none; a relative objective never decides alone, because what is a fifth
worse a release is six times as bad after ten.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace

from gitslo.core.document import Field
from gitslo.core.nearest import nearest
from gitslo.core.objectives import Known, NoObjective, Terms, parse_objective
from gitslo.core.units import format_duration, parse_duration, parse_share
from gitslo.model import (
    Baseline,
    BaselineForm,
    JudgedUnit,
    LoadSection,
    Metric,
    MetricForm,
    Objective,
    Quantity,
    Role,
    Seconds,
    Share,
    Target,
    Test,
)

__all__ = ["parse_objectives"]

_PERIOD = Seconds(30 * 86400.0)
_SHORTEST_PERIOD = Seconds(28 * 86400.0)
"""Below it the workbook's widest window, a tenth of the budget in three days, would warn while the budget is kept."""
_NAME = re.compile(r"[^\s.<>=!]*")


@dataclass(frozen=True, slots=True)
class _Read:
    """An objective and where it stands: its sentence, and the item of the list."""

    objective: Objective
    sentence: Field
    item: Field


def parse_objectives(
    root: Field,
    known: Known,
    unread: Collection[str],
    load: tuple[LoadSection, ...],
    targets: Mapping[str, Target],
) -> tuple[Objective, ...]:
    """Every objective that can be read; problems are noted in the document.

    Args:
        root: the whole document.
        known: what objectives may be about.
        unread: names of loads and metrics that are there and could not be read, which is told already.
        load, targets: of the plan.
    """
    objectives = root.get("objectives")
    if objectives is None:
        if root.get("scoring") is None and root.sound:
            root.add("the field `objectives` is missing, expected a list of objectives", "or a `scoring`")
        return ()
    read = tuple(_each(objectives, known, unread, {section.name: section for section in load}, targets))
    _once(read)
    _beside_absolute(read)
    whole = objectives.sound and root.get("scoring") is None
    if whole and not any(_role(item) is Role.DECIDE for item in objectives.items()):
        objectives.add("no objective decides: nothing would ever pass or fail", "leave out `role: report` of one")
    return tuple(each.objective for each in read)


def _role(item: Field) -> Role:
    return Role(item.text_of("role", Role.DECIDE))


def _each(
    objectives: Field,
    known: Known,
    unread: Collection[str],
    load: Mapping[str, LoadSection],
    targets: Mapping[str, Target],
) -> Iterator[_Read]:
    for item in objectives.items():
        if not item.sound:
            continue
        burn = item.get("burn")
        sentence = burn or (item.get("that") if isinstance(item.value, dict) else item)
        if sentence is None or _first(sentence.text) in unread:
            continue
        if burn is not None:
            burning = _burn(item, burn, known)
            if burning is not None:
                yield _Read(burning, burn, item)
            continue
        terms = _terms(item, targets)
        try:
            objective = parse_objective(sentence.text, _role(item), known, terms)
        except NoObjective as error:
            sentence.add_inside(error.offset, error.message, error.hint)
            continue
        _fits(item, objective, terms, known)
        if objective.baseline is not None:
            _other_target(item.get("baseline") or item, objective, load, targets)
        yield _Read(objective, sentence, item)


def _first(sentence: str) -> str:
    match = _NAME.match(sentence.strip())
    return match[0] if match is not None else ""


# --------------------------------------------------------------------------- beside a sentence


def _terms(item: Field, targets: Mapping[str, Target]) -> Terms:
    default = Terms()
    test, unit, baseline = item.get("test"), item.get("unit"), item.get("baseline")
    return Terms(
        test=default.test if test is None else Test(test.text),
        unit=default.unit if unit is None else JudgedUnit(unit.text),
        allow=_share(item, "allow"),
        baseline=None if baseline is None else _baseline(baseline, targets),
    )


def _share(item: Field, key: str) -> Share | None:
    share = item.parsed_of(key, parse_share, None)
    if share is not None and not 0 < share < 1:
        (item.get(key) or item).add(f"`{key}` must be above 0% and below 100%")
        return None
    return share


def _baseline(field: Field, targets: Mapping[str, Target]) -> Baseline:
    name, _, ref = field.text.partition(":")
    form = BaselineForm(name)
    if form is BaselineForm.TARGET and ref not in targets:
        declared = field.document.root.get("targets")
        names = [key for key, _ in declared.fields()] if declared is not None else []
        if ref not in names:
            field.add(f"there is no target `{ref}`", nearest(ref, names))
    return Baseline(form, ref)


def _fits(item: Field, objective: Objective, terms: Terms, known: Known) -> None:
    """Note what of `terms` has no meaning for this sentence."""
    test, unit, allow, baseline = (item.get(key) for key in ("test", "unit", "allow", "baseline"))
    if baseline is not None and objective.baseline is None:
        hint = "write a limit such as `< 120% of baseline`"
        baseline.add("the sentence has nothing to do with a baseline", hint, on_key=True)
    section, by_seconds = known.metrics.get(objective.source), terms.unit is JudgedUnit.SECONDS
    if unit is not None and by_seconds and section is not None and section.form is MetricForm.GAUGE:
        unit.add("a gauge has no events to count within a second", "remove `unit`", on_key=True)
    if unit is not None and by_seconds and objective.baseline is not None:
        unit.add("requests are compared with a baseline, not seconds", "remove `unit`", on_key=True)
    if allow is not None and not by_seconds:
        hint = "add `unit: seconds`, or remove `allow`"
        allow.add("`allow` is the share of seconds that may be bad, and no seconds are counted", hint, on_key=True)
    if test is not None and terms.test is Test.THRESHOLD:
        for other, given in (("unit", by_seconds), ("baseline", objective.baseline is not None)):
            if given:
                hint = f"remove `test` or `{other}`"
                test.add(f"a threshold is one estimate beside one limit, without `{other}`", hint, on_key=True)


def _other_target(
    field: Field, objective: Objective, load: Mapping[str, LoadSection], targets: Mapping[str, Target]
) -> None:
    """A baseline's target gets the same load as the section's own."""
    baseline, section = objective.baseline, load.get(objective.load)
    if baseline is None or section is None or baseline.form is not BaselineForm.TARGET:
        return
    own, other = targets.get(section.target), targets.get(baseline.ref)
    if baseline.ref == section.target:
        field.add(f"the load `{section.name}` is sent to `{baseline.ref}` itself", "name another target")
    elif own is not None and other is not None and own.scheme is not other.scheme:
        message = f"the target `{other.name}` speaks {other.scheme}, and the load `{section.name}` is {own.scheme}"
        field.add(message, "the same load must go to both")


# --------------------------------------------------------------------------- burn rates


def _burn(item: Field, burn: Field, known: Known) -> Objective | None:
    name = burn.text
    section = known.metrics.get(name)
    ratios = [each.name for each in known.metrics.values() if each.form is MetricForm.RATIO]
    if section is None or section.form is not MetricForm.RATIO:
        what = "a load spends no budget: a run is too short" if name in known.endpoints else ""
        message = f"`{name}` is no ratio" if section is not None or what else f"there is no metric `{name}`"
        burn.add(message, what or nearest(name, ratios) or "declare a ratio in `metrics`")
        return None
    budget = _share(item, "budget")
    period = item.parsed_of("period", parse_duration, _PERIOD)
    if period < _SHORTEST_PERIOD:
        hint = f"at least {format_duration(_SHORTEST_PERIOD)}: the workbook's windows are made for a month"
        (item.get("period") or item).add(f"the period {format_duration(period)} is too short for its windows", hint)
    if budget is None:
        return None
    text = f"{name}.burn < {item.text_of('budget', '')} in {format_duration(period)}"
    return Objective(
        text=text,
        load="",
        endpoint=None,
        metric=Metric.BURN,
        limit=budget,
        quantile=None,
        role=_role(item),
        source=name,
        quantity=Quantity.SHARE,
        period=period,
    )


# --------------------------------------------------------------------------- all together


def _once(read: Collection[_Read]) -> None:
    """Note what is there twice: as a text, or as a meaning."""
    texts: dict[str, str] = {}
    meanings: dict[Objective, str] = {}
    for each in read:
        meaning = replace(each.objective, text="", role=Role.DECIDE)
        first = texts.get(each.objective.text) or meanings.get(meaning)
        if first is not None:
            each.sentence.add(f"the objective `{each.objective.text}` is there twice", f"the first is `{first}`")
        texts.setdefault(each.objective.text, each.objective.text)
        meanings.setdefault(meaning, each.objective.text)


def _beside_absolute(read: Collection[_Read]) -> None:
    """Note every relative objective that decides without an absolute one that bounds the same."""
    for each in read:
        relative = each.objective
        if relative.baseline is None or relative.role is not Role.DECIDE:
            continue
        if not any(_bounds(other.objective, relative) for other in read):
            subject = each.sentence.text.partition("<")[0].strip()
            limit = "1%" if relative.metric is Metric.ERRORS else "500ms"
            message = f"only a baseline limits `{subject}`: 20% a release is six times as much after ten"
            hint = f"add one with a number, e.g. `{subject} < {limit}`, or say `role: report`"
            each.sentence.add(message, hint)


def _bounds(absolute: Objective, relative: Objective) -> bool:
    """Whether an absolute objective limits what the relative one is about: a higher percentile bounds a lower one."""
    return (
        absolute.baseline is None
        and absolute.role is Role.DECIDE
        and (absolute.load, absolute.endpoint, absolute.metric) == (relative.load, relative.endpoint, relative.metric)
        and (absolute.quantile or 0.0) >= (relative.quantile or 0.0)
    )
