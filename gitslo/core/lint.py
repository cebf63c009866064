"""What is valid and still a mistake, most likely: lints over a parsed pipeline, its plans and its manifests.

Called by `gitslo.core.checking` for `gitslo check`. Nothing here refuses anything: a lint is an error only where a
verdict could never be reached.
"""

from __future__ import annotations

import math
import posixpath
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from gitslo.core.bounds import LENGTH_ALONE, length_alone
from gitslo.core.discover import PIPELINE_FILE, Tree, shared
from gitslo.core.figures import count
from gitslo.core.gather import course
from gitslo.core.lint_metrics import GrantedSource, lint_metrics, lint_sources
from gitslo.core.lint_scoring import lint_scoring
from gitslo.core.manifests import fields_of, images_in, split_image
from gitslo.core.nearest import nearest
from gitslo.core.objects import EXECUTABLE, FILE
from gitslo.core.references import CHART, KUSTOMIZATIONS
from gitslo.core.remarks import Remark, Severity
from gitslo.core.remarks import refused as _refused
from gitslo.core.simulation.lanes import judged_totals
from gitslo.core.stats import SPARED_SECONDS
from gitslo.core.units import format_duration, format_rate, format_share
from gitslo.core.variables import environment_of, variables_of
from gitslo.core.wildcard import matches
from gitslo.core.yamlsafe import MANIFEST, read_documents
from gitslo.errors import Problem, Refused
from gitslo.model import (
    Action,
    Allowed,
    Cause,
    Ceilings,
    Environment,
    JudgedUnit,
    Metric,
    Objective,
    Pipeline,
    Plan,
    PromotedKind,
    RatePerSecond,
    Release,
    Role,
    Target,
    Test,
    Verdict,
)
from gitslo.ports import TreeView

__all__ = [
    "Granted",
    "Remark",
    "Severity",
    "extensions_of",
    "lint_granted",
    "lint_manifests",
    "lint_pipeline",
    "lint_plan",
    "withdrawals_a_year",
]

_YEAR = 365.25 * 86400
_TOLERABLE = 12.0
"""False withdrawals a year and environment that are not worth a word: one a month."""
_ROUGHLY = 2.0
"""No e-process here needs more than twice the clean requests of a test of fixed size (VERDICTS: 1.22 to 1.27)."""


@dataclass(frozen=True, slots=True)
class Granted:
    """What the operator's file gives to the repository at hand.

    Attributes:
        commands: names.
        process: whether it has a process syncer.
        authorities, client_certificates: names of `certificates`, by what they are.
        identities: name -> the hosts that it is sent to.
        sources: every source there is, by name.
    """

    allowed: Allowed
    ceilings: Ceilings
    commands: frozenset[str]
    process: bool
    authorities: frozenset[str] = frozenset()
    client_certificates: frozenset[str] = frozenset()
    identities: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    sources: Mapping[str, GrantedSource] = field(default_factory=dict)


# --------------------------------------------------------------------------- plans


def lint_plan(plan: Plan, file: str, extensions: int) -> Iterator[Remark]:
    """One plan.

    Args:
        plan: the plan.
        file: its path.
        extensions: how often an undecided run is extended.
    """
    yield from _unused(plan, file)
    yield from _doubtful(plan, file)
    for index, objective in enumerate(plan.objectives):
        if objective.role is not Role.DECIDE or not objective.load:
            continue
        if objective.baseline is None and objective.test is Test.SEQUENTIAL:
            yield from _provable(plan, objective, file, f"/objectives/{index}", extensions)
    yield from lint_metrics(plan, file, extensions, _clean(plan))
    yield from lint_scoring(plan, file)


def _unused(plan: Plan, file: str) -> Iterator[Remark]:
    used = {check.target for check in plan.readiness} | {section.target for section in plan.load}
    used |= {each.baseline.ref for each in plan.objectives if each.baseline is not None}
    for name in plan.targets:
        if name not in used:
            message = f"nothing uses the target `{name}`"
            yield Remark(Problem(message, file, pointer=f"/targets/{name}", hint="remove it"))
    for section in plan.load:
        groups = {variable.group for variable in variables_of(section)}
        for feeder in section.data:
            if feeder.name not in groups:
                message = f"nothing uses the data `{feeder.name}`"
                pointer = f"/load/{section.name}/data/{feeder.name}"
                yield Remark(
                    Problem(message, file, pointer=pointer, hint=f"e.g. `${{{feeder.name}.{feeder.columns[0]}}}`")
                )


def _doubtful(plan: Plan, file: str) -> Iterator[Remark]:
    """What is carried out as it is said, and hardly meant so."""
    for target in plan.targets.values():
        if target.settings.insecure:
            message = f"nobody verifies who answers for `{target.name}`"
            pointer = f"/targets/{target.name}/tls/insecure"
            yield Remark(Problem(message, file, pointer=pointer, hint="name its authority as `ca`"))
    for section in plan.load:
        for call in section.calls:
            if call.deadline is not None and call.deadline > section.timeout:
                message = f"the server of `{call.name}` may work on when the time-out has passed and nobody listens"
                hint = f"a deadline of at most {format_duration(section.timeout)}, or a longer `timeout`"
                yield Remark(Problem(message, file, pointer=f"/load/{section.name}", hint=hint))
    aborts = {section.name: section.abort.errors for section in plan.load}
    for index, objective in enumerate(plan.objectives):
        abort = aborts.get(objective.load)
        if objective.metric is Metric.ERRORS and abort is not None and abort <= _most_errors(objective):
            message = f"the load is aborted at {format_share(abort)} errors, which `{objective.text}` may allow"
            hint = "abort later: `abort: {errors: ...}`"
            yield Remark(Problem(message, file, pointer=f"/objectives/{index}", hint=hint))
        if objective.baseline is not None and objective.limit <= 1:
            message = f"`{objective.text}` passes only what is proven to be better than its baseline"
            hint = "more than 100%, e.g. `120%`, allows what is about as good"
            yield Remark(Problem(message, file, pointer=f"/objectives/{index}", hint=hint))


def _most_errors(objective: Objective) -> float:
    """The share of errors that it may allow; a baseline has no such number."""
    return objective.limit if objective.baseline is None else 0.0


def _provable(plan: Plan, objective: Objective, file: str, pointer: str, extensions: int) -> Iterator[Remark]:
    """Whether enough is judged to prove the limit, if nothing is bad, and enough to break it, if everything is."""
    by_seconds = objective.unit is JudgedUnit.SECONDS
    judged = [judged_totals(plan, objective, number) for number in range(min(extensions, 1) + 1)]
    first, more = (len(totals) if by_seconds else sum(totals) for totals in (judged[0], judged[-1]))
    in_all = first + extensions * more
    need = _needed(objective.allowed, plan.judge.false_pass, first)
    unit, longer = ("seconds", "longer") if by_seconds else ("requests", "longer or at a higher rate")
    what = f"`{objective.text}` needs {count(need)} judged {unit} without a bad one"
    if need > in_all:
        hint = f"hold {longer}, or loosen the limit"
        message = f"{what}, and all attempts judge {count(in_all)}: it can never pass"
        yield _refused(message, file, pointer, hint)
    elif need > first:
        hint = f"hold {longer}, or every run is extended"
        yield Remark(Problem(f"{what}, and an attempt judges {count(first)}", file, pointer=pointer, hint=hint))
    seconds = len(judged[0]) + extensions * len(judged[-1])
    if 0 < seconds <= SPARED_SECONDS and 0.0 < objective.allowed < 1.0:
        message = f"`{objective.text}` can never fail: {seconds} seconds are judged, and no burst of"
        hint = f"hold for more than {SPARED_SECONDS} s"
        yield Remark(Problem(f"{message} {SPARED_SECONDS} s fails a service", file, pointer=pointer, hint=hint))


def _clean(plan: Plan) -> Callable[[float, int], int]:
    """How many clean ones prove a limit of this plan, by the share that may be bad and how many there are."""
    return lambda allowed, available: _needed(allowed, plan.judge.false_pass, available)


def _needed(allowed: float, false_pass: float, available: int) -> int:
    """Clean requests that prove the limit; exact where it could matter: that takes scipy, and half a second."""
    fixed = math.ceil(math.log(false_pass) / math.log1p(-allowed))
    if available >= _ROUGHLY * fixed:
        return fixed
    from gitslo.core.stats import clean_requests_to_pass  # noqa: PLC0415 - see above

    return clean_requests_to_pass(0, 0, allowed, math.log(1.0 / false_pass)) or fixed


# --------------------------------------------------------------------------- manifests


def lint_manifests(view: TreeView, environment: Environment, tree: Tree, release: Release | None) -> Iterator[Remark]:
    """Images whose tag says nothing, in the folder and in the bases that it references.

    Args:
        view: the repository.
        environment: the environment.
        tree: what it deploys.
        release: what its promoted values are, or None where they could not be read.
    """
    files = _manifests(view, environment, tree)
    elsewhere = set[str]()
    for value in release.values if release is not None else ():
        elsewhere.add(value.name)
        if value.kind is PromotedKind.IMAGE and value.value in {"", "latest"}:
            yield _mutable(Problem("", environment.path), f"{value.name}:{value.value}".rstrip(":"))
    for path in files:
        if posixpath.basename(path) in KUSTOMIZATIONS:
            try:
                elsewhere |= set(_set_by(view, path))
            except Refused as refused:
                yield from (Remark(problem, Severity.ERROR) for problem in refused.problems)
    for path in files:
        yield from _tags(view, path, elsewhere)


def _tags(view: TreeView, path: str, elsewhere: Collection[str]) -> Iterator[Remark]:
    """The images of one file whose tag is not said `elsewhere`."""
    try:
        documents = read_documents(view.read(path), file=path, budget=MANIFEST)
    except Refused as refused:
        # A warning: it need be no manifest, and where the loop has to read it, its refusal is told as an error.
        yield from (Remark(problem) for problem in refused.problems)
        return
    for document in documents:
        for _, scalar in images_in(document):
            reference = split_image(scalar.value)
            if reference.digest or reference.tag not in {None, "", "latest"} or reference.name in elsewhere:
                continue
            mark = scalar.alias or scalar.start
            yield _mutable(Problem("", path, mark.line, mark.column), scalar.value)


def _mutable(at: Problem, image: str) -> Remark:
    message = f"the tag of `{image}` can mean another image tomorrow: the verdict is about what ran"
    return Remark(Problem(message, at.file, at.line, at.column, hint="use a version or a digest"))


def _manifests(view: TreeView, environment: Environment, tree: Tree) -> tuple[str, ...]:
    inside = view.walk(environment.path)
    charts = [posixpath.dirname(path) for path in (*(e.path for e in inside), *tree.inputs) if _is(path, CHART)]
    paths = [entry.path for entry in inside if entry.mode in {FILE, EXECUTABLE} and entry.path != environment.plan_path]
    return tuple(
        path
        for path in sorted({*paths, *tree.inputs})
        if (path.endswith((".yaml", ".yml")) or posixpath.basename(path) in KUSTOMIZATIONS)
        and not any(path.startswith((f"{chart}/templates/", f"{chart}/charts/")) for chart in charts)
    )


def _is(path: str, name: str) -> bool:
    return posixpath.basename(path) == name


def _set_by(view: TreeView, kustomization: str) -> Iterator[str]:
    """Images whose tag a kustomization sets."""
    for image in fields_of(view, kustomization).mappings("images"):
        if image.text("newTag") not in {"", "latest"} or image.text("digest"):
            yield image.text("name")


# --------------------------------------------------------------------------- the whole


def lint_pipeline(
    view: TreeView,
    pipeline: Pipeline,
    environments: Sequence[Environment],
    trees: Mapping[str, Tree],
    plans: Mapping[str, Plan],
) -> Iterator[Remark]:
    """The pipeline, and what its environments have in common; trees and plans are those that could be read."""
    seen = [environment for environment in environments if environment.name in trees]
    for path, names in shared(seen, [trees[environment.name] for environment in seen]):
        message = f"a change here reaches {', '.join(names)} at once: no stage proves it for the next"
        yield Remark(Problem(message, path, hint="give each stage a base of its own, or reference a fixed version"))
    if not pipeline.promote and any(stage.after for stage in pipeline.stages):
        message = "stages come after others, and nothing is promoted into them"
        yield Remark(Problem(message, PIPELINE_FILE, pointer="/stages", hint="say in `promote` what moves"))
    yield from _flux(view, pipeline, environments)
    yield from _withdrawals(pipeline, plans.values())


def _flux(view: TreeView, pipeline: Pipeline, environments: Sequence[Environment]) -> Iterator[Remark]:
    """Flux applies every YAML file of a folder without a kustomization, and a plan has no `apiVersion`."""
    if pipeline.sync.syncer == "process":
        return
    bare = [
        environment.path
        for environment in environments
        if environment.plan_path.startswith(f"{environment.path}/")
        and not any(view.entry(f"{environment.path}/{name}") for name in KUSTOMIZATIONS)
    ]
    if bare:
        folders = f"`{bare[0]}`" + (f" and {len(bare) - 1} more" if len(bare) > 1 else "")
        message = f"where Flux deploys, it takes `{pipeline.plan}` for a manifest in {folders}"
        hint = "add a kustomization.yaml that lists the manifests, or put the plans elsewhere"
        yield Remark(Problem(message, PIPELINE_FILE, pointer="/plan", hint=hint))


def withdrawals_a_year(pipeline: Pipeline, plan: Plan) -> float | None:
    """How often at most a service exactly at its limits loses its pass by chance; None without revalidations."""
    every, confirm = pipeline.revalidation.every, pipeline.revalidation.confirm
    return None if every is None else _YEAR / every * plan.judge.false_fail**confirm


def _withdrawals(pipeline: Pipeline, plans: Iterable[Plan]) -> Iterator[Remark]:
    yearly = max((withdrawals_a_year(pipeline, plan) or 0.0 for plan in plans), default=0.0)
    if yearly > _TOLERABLE:
        message = f"a service exactly at its limits can lose its pass by chance {count(round(yearly))} times a year"
        hint = "revalidate less often, confirm once more, or lower `judge.false_fail`"
        yield Remark(Problem(message, PIPELINE_FILE, pointer="/revalidate", hint=hint))


# --------------------------------------------------------------------------- with the operator's file


def lint_granted(
    granted: Granted, pipeline: Pipeline, environments: Sequence[Environment], plans: Mapping[str, Plan]
) -> Iterator[Remark]:
    """What the operator's file does not allow; the daemon would refuse it."""
    if pipeline.sync.syncer == "process" and not granted.process:
        message = "the operator's file gives this repository no process syncer"
        yield _refused(message, PIPELINE_FILE, "/sync", "add `process` to the repository there")
    for (verdict, _), rule in pipeline.outcomes.rules.items():
        if rule.run is not None and rule.run not in granted.commands:
            message = f"the operator's file has no command `{rule.run}`"
            yield _refused(message, PIPELINE_FILE, f"/outcomes/{verdict}", nearest(rule.run, sorted(granted.commands)))
    for environment in environments:
        if not matches(granted.allowed.environments, environment.name):
            message = f"the operator does not allow the environment {environment.name!r}: it is left alone"
            yield Remark(Problem(message, PIPELINE_FILE, pointer="/stages"))
            continue
        plan = plans.get(environment.name)
        if plan is not None:
            yield from _within(granted, plan, environment.plan_path)
            extensions = extensions_of(pipeline)
            yield from lint_sources(granted.sources, plan, environment.plan_path, extensions, _clean(plan))


def _within(granted: Granted, plan: Plan, file: str) -> Iterator[Remark]:
    for target in plan.targets.values():
        for host in target.hosts:
            if not matches(granted.allowed.targets, host):
                hint = f"there is {', '.join(granted.allowed.targets) or 'none'}"
                yield _refused(f"the operator does not allow the host `{host}`", file, f"/targets/{target.name}", hint)
        yield from _given(granted, target, file)
    for section in plan.load:
        for name in environment_of(section):
            if name not in granted.allowed.variables:
                message = f"the operator does not allow the environment variable `{name}`"
                hint = nearest(name, granted.allowed.variables) or "`allow.variables` of the operator's file names them"
                yield _refused(message, file, f"/load/{section.name}", hint)
    yield from _under_the_ceilings(granted.ceilings, plan, file)


def _under_the_ceilings(ceilings: Ceilings, plan: Plan, file: str) -> Iterator[Remark]:
    longest = format_duration(ceilings.duration)
    for section in plan.load:
        run, pointer = course(section, plan.judge, 0), f"/load/{section.name}"
        peak = max((stage.rate for stage in run.section.stages), default=RatePerSecond(0.0))
        if peak > ceilings.rate:
            message = f"{format_rate(peak)} is above the operator's ceiling of {format_rate(ceilings.rate)}"
            yield _refused(message, file, f"{pointer}/stages")
        if run.duration > ceilings.duration:
            message = f"{format_duration(run.duration)} of load is above the operator's ceiling of {longest}"
            yield _refused(message, file, f"{pointer}/stages")
        if section.connections is not None and section.connections > ceilings.connections:
            message = f"{section.connections} connections are above the operator's ceiling of {ceilings.connections}"
            yield _refused(message, file, f"{pointer}/connections")
    watched = length_alone(plan)
    if watched > ceilings.duration:
        message = f"{format_duration(watched)} of metrics is above the operator's ceiling of {longest}"
        yield _refused(message, file, LENGTH_ALONE, f"at most `judge: {{max_duration: {longest}}}`")


def _given(granted: Granted, target: Target, file: str) -> Iterator[Remark]:
    """The names of the operator's that a target asks for."""
    pointer, settings = f"/targets/{target.name}", target.settings
    for key, name, known, what in (
        ("tls/ca", settings.ca, granted.authorities, "authorities"),
        ("tls/certificate", settings.certificate, granted.client_certificates, "client certificate"),
        ("auth", target.auth, granted.identities, "identity"),
    ):
        if name and name not in known:
            message = f"the operator's file has no {what} `{name}`"
            yield _refused(message, file, f"{pointer}/{key}", nearest(name, sorted(known)))
    if settings.insecure and not granted.allowed.insecure_tls:
        message = "the operator does not allow that a certificate is not verified"
        yield _refused(message, file, f"{pointer}/tls/insecure", "name its authority as `ca`")
    for host in target.hosts if target.auth in granted.identities else ():
        if not matches(granted.identities[target.auth], host):
            yield _refused(f"the identity `{target.auth}` is not for the host `{host}`", file, f"{pointer}/auth")


def extensions_of(pipeline: Pipeline) -> int:
    """How often an undecided run after a sync is extended."""
    rule = pipeline.outcomes.of(Verdict.INCONCLUSIVE, Cause.SYNC)
    return rule.times if rule.action is Action.EXTEND else 0
