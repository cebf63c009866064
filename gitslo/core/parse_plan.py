"""`slo.yaml` -> Plan.

Called by the loop, `gitslo test` and `gitslo check`. Must stay true: whatever is accepted is carried out; the digest is
over what was understood, so that comments and formatting do not change it and a body file does.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from gitslo.core.codec import JsonValue, to_json
from gitslo.core.document import Document, Field
from gitslo.core.jsonpath import search
from gitslo.core.objectives import Known
from gitslo.core.parse_load import judged_seconds, parse_section
from gitslo.core.parse_metrics import ReadMetric, parse_metrics
from gitslo.core.parse_objectives import parse_objectives
from gitslo.core.parse_scoring import parse_scoring
from gitslo.core.parse_target import known_target, parse_targets
from gitslo.core.schema import Contract
from gitslo.core.units import format_duration, parse_duration, parse_share
from gitslo.core.yamlsafe import CONTRACT
from gitslo.model import (
    GrpcHealthReadiness,
    HttpReadiness,
    JudgePolicy,
    LoadSection,
    Plan,
    Readiness,
    Seconds,
    Share,
    StageForm,
    Target,
    TargetScheme,
    TcpReadiness,
)

__all__ = ["parse_plan"]

_WITHIN = Seconds(180.0)
_OK = 200
_LARGEST_ERROR = 0.5


def parse_plan(data: bytes, *, file: str, read_file: Callable[[str], bytes]) -> Plan:
    """Read a plan.

    Args:
        data: the file's bytes.
        file: its path, for errors.
        read_file: a path relative to the plan's folder -> its bytes; raises Refused where there is none.

    Raises:
        Refused: every mistake in the file, with line, column and pointer.
    """
    document = Document(Contract.PLAN, data, file=file, budget=CONTRACT)
    root = document.root
    targets = dict(parse_targets(root))
    readiness = tuple(_readiness(root, targets))
    load = tuple(_load(root, targets, read_file))
    metrics = parse_metrics(root, [section.name for section in load])
    known, unread = _known(root, load, metrics)
    objectives = parse_objectives(root, known, unread, load, targets)
    scoring = parse_scoring(root, known, unread)
    judge = _judge(root, load)
    document.finish()
    sections = tuple(each.section for each in metrics)
    plan = Plan(targets, readiness, load, objectives, judge, digest="", metrics=sections, scoring=scoring)
    return replace(plan, digest=_digest(plan))


def _digest(plan: Plan) -> str:
    text = json.dumps(_said(plan), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _said(value: object) -> JsonValue:
    """A plan as JSON without the fields that are as they are where nothing is said.

    So a version with a new field does not throw away every verdict. It follows that a default never changes its
    meaning: another one needs another name.
    """
    match value:
        case tuple():
            return [_said(item) for item in value]
        case Mapping():
            return {name: _said(item) for name, item in value.items()}
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            said = ((each, getattr(value, each.name)) for each in dataclasses.fields(value))
            return {each.name: _said(item) for each, item in said if item != each.default}
        case _:
            return to_json(value)


# --------------------------------------------------------------------------- readiness


def _readiness(root: Field, targets: dict[str, Target]) -> Iterator[Readiness]:
    checks = root.get("readiness")
    for field in checks.items() if checks is not None else ():
        within = field.parsed_of("within", parse_duration, _WITHIN)
        if within <= 0:
            (field.get("within") or field).add("a check needs some time: `within` must be above zero")
        http, grpc, tcp = field.get("http"), field.get("grpc_health"), field.get("tcp")
        if http is not None:
            known_target(http, targets, TargetScheme.HTTP)
            expression = field.get("json")
            if expression is not None:
                expression.parsed(lambda text: search(text, None), None)
            json_text = None if expression is None else expression.text
            path, expect = field.text_of("path", "/"), field.number_of("expect", _OK)
            yield HttpReadiness(http.text, path, expect, json_text, within)
        if grpc is not None:
            known_target(grpc, targets, TargetScheme.GRPC)
            yield GrpcHealthReadiness(grpc.text, field.text_of("service", ""), within)
        if tcp is not None:
            known_target(tcp, targets, None)
            yield TcpReadiness(tcp.text, within)


# --------------------------------------------------------------------------- load, judge


def _load(root: Field, targets: dict[str, Target], read_file: Callable[[str], bytes]) -> Iterator[LoadSection]:
    sections = root.get("load")
    for name, field in sections.fields() if sections is not None else ():
        target = field.get("target")
        found = None if target is None else known_target(target, targets, None)
        yield parse_section(name, field, read_file, found)


def _known(root: Field, load: tuple[LoadSection, ...], metrics: tuple[ReadMetric, ...]) -> tuple[Known, frozenset[str]]:
    """What objectives may be about; and what is there and could not be read, which is told already."""
    whole = root.value if isinstance(root.value, dict) else {}
    sections = root.get("load")
    endpoints: dict[str, tuple[str, ...]] = {}
    timeouts: dict[str, Seconds] = {}
    for section in load:
        field = sections.get(section.name) if sections is not None else None
        several = field.get("endpoints") if field is not None else None
        endpoints[section.name] = tuple(several.value) if several and isinstance(several.value, dict) else ()
        timeouts[section.name] = section.timeout if field is not None and field.sound else Seconds(math.inf)
    known = Known(
        endpoints,
        timeouts,
        {each.section.name: each.section for each in metrics},
        {each.section.name: each.unit for each in metrics if each.unit is not None},
    )
    declared = [names for names in (whole.get("load"), whole.get("metrics")) if isinstance(names, dict)]
    unread = frozenset(name for names in declared for name in names).difference(known.endpoints, known.metrics)
    return known, unread


def _judge(root: Field, load: tuple[LoadSection, ...]) -> JudgePolicy:
    field, default = root.get("judge"), JudgePolicy()
    if field is None:
        policy = default
    else:
        policy = JudgePolicy(
            _error_rate(field, "false_fail", default.false_fail),
            _error_rate(field, "false_pass", default.false_pass),
            field.parsed_of("min_duration", parse_duration, default.min_duration),
            field.parsed_of("max_duration", parse_duration, default.max_duration),
        )
        if not field.sound:
            return policy
    at = field or root
    if policy.max_duration < policy.min_duration:
        message = f"`max_duration` {format_duration(policy.max_duration)} is shorter than `min_duration`"
        at_max = at.get("max_duration") or at
        at_max.add(f"{message} {format_duration(policy.min_duration)}")
    _long_enough(root, load, policy)
    return policy


def _error_rate(field: Field, name: str, default: Share) -> Share:
    share = field.parsed_of(name, parse_share, default)
    if not 0 < share <= _LARGEST_ERROR:
        (field.get(name) or field).add(f"`{name}` must be above 0% and at most 50%", "5% is usual")
        return default
    return share


def _long_enough(root: Field, load: tuple[LoadSection, ...], policy: JudgePolicy) -> None:
    """No section may end before it could pass."""
    sections = root.get("load")
    for section in load:
        field = sections.get(section.name) if sections is not None else None
        if field is None or not field.sound or not any(stage.form is StageForm.HOLD for stage in section.stages):
            continue
        judged = judged_seconds(section)
        if judged < policy.min_duration:
            stages = field.get("stages") or field
            have, need = format_duration(judged), format_duration(policy.min_duration)
            message = f"the holds after the warm-up last {have}, and `min_duration` lets nothing pass before {need}"
            stages.add(message, "hold longer, or lower `judge.min_duration`")
