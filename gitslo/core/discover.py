"""From a pipeline to its environments, and from an environment's folder to its tree.

Called by the loop (every revision), and by `gitslo check` and `gitslo test`. Must stay true: environments' folders are
disjoint, so that a write into one never reaches another; a tree's digest changes whenever anything that the folder
deploys changes, and never for the plan.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256

from gitslo.core.nearest import nearest
from gitslo.core.objects import FOLDER, SUBMODULE, SYMLINK, name_fault, twin_key
from gitslo.core.references import referenced
from gitslo.errors import Problem, Refused
from gitslo.model import (
    Environment,
    Locator,
    LocatorForm,
    Pipeline,
    Promoted,
    PromotedKind,
    PromoteRule,
    Stage,
    SyncSpec,
)
from gitslo.ports import TreeEntry, TreeView

__all__ = ["FOLDER_NEEDS", "PIPELINE_FILE", "Tree", "environments", "missing_folder", "shared", "tree_of"]

PIPELINE_FILE = "gitslo.yaml"
FOLDER_NEEDS = "it needs at least the manifests and a plan"

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True, slots=True)
class Tree:
    """What an environment deploys, as one hash.

    Attributes:
        digest: 40 hexadecimal characters; equal if and only if the manifests and everything they reference are.
        inputs: the files outside the folder that it depends on, sorted.
        warnings: what is fetched from elsewhere, and so not covered by the digest.
    """

    digest: str
    inputs: tuple[str, ...]
    warnings: tuple[Problem, ...]


# --------------------------------------------------------------------------- environments


def environments(pipeline: Pipeline) -> tuple[Environment, ...]:
    """Services times stages, in the pipeline's order, with `{service}` and `{stage}` filled in.

    Raises:
        Refused: every mistake in it, each with its pointer: folders that overlap, cycles and unknown names in `after`,
            placeholders that are missing or mean nothing, plans that collide.
    """
    problems = [*_stage_problems(pipeline), *_promote_problems(pipeline)]
    if problems:
        raise Refused(*problems)
    found = tuple(
        _environment(pipeline, stage, service) for service in pipeline.services or (None,) for stage in pipeline.stages
    )
    # Folders first: where they overlap, the plans inside them collide as well, and once is enough.
    problems = list(_place_problems(pipeline, found)) or list(_plan_problems(found))
    if problems:
        raise Refused(*problems)
    return found


def _environment(pipeline: Pipeline, stage: Stage, service: str | None) -> Environment:
    def fill(text: str) -> str:
        values = {"stage": stage.name} if service is None else {"stage": stage.name, "service": service}
        return _PLACEHOLDER.sub(lambda match: values.get(match[1], match[0]), text)

    def fill_locator(locator: Locator) -> Locator:
        file, at, digest_at = (
            None if text is None else fill(text) for text in (locator.file, locator.at, locator.digest_at)
        )
        return Locator(locator.form, None if file is None else posixpath.normpath(file), at, digest_at)

    def name(of: str) -> str:
        return of if service is None else f"{service}/{of}"

    path = _tidy(fill(stage.path))
    plan = _tidy(fill(pipeline.plan))
    return Environment(
        name=name(stage.name),
        pipeline=pipeline.name,
        service=service,
        stage=stage.name,
        path=path,
        plan_path=plan if "{" in pipeline.plan else f"{path}/{plan}",
        after=tuple(name(other) for other in stage.after),
        promoted=tuple(
            Promoted(
                rule.kind,
                fill(rule.name),
                fill_locator(rule.places.get(stage.name, Locator(LocatorForm.MANIFESTS))),
                fill(rule.compare),
            )
            for rule in pipeline.promote
        ),
        write=stage.write,
        sync=SyncSpec(pipeline.sync.syncer, {key: fill(text) for key, text in pipeline.sync.settings.items()}),
    )


def _tidy(path: str) -> str:
    """`./deploy/dev/` is `deploy/dev`; everything else that is odd stays, and is refused."""
    return path.removeprefix("./").rstrip("/") or path


def _problem(message: str, pointer: str, hint: str = "") -> Problem:
    return Problem(message, file=PIPELINE_FILE, pointer=pointer, hint=hint)


def _stage_problems(pipeline: Pipeline) -> Iterator[Problem]:
    names = [stage.name for stage in pipeline.stages]
    for index, service in enumerate(pipeline.services):
        if service in pipeline.services[:index]:
            yield _problem(f"the service {service!r} is listed twice", f"/services/{index}")
    for index, stage in enumerate(pipeline.stages):
        pointer = f"/stages/{index}"
        if stage.name in names[:index]:
            yield _problem(f"the stage {stage.name!r} is there twice", f"{pointer}/name")
        yield from _placeholder_problems(pipeline, stage.path, f"{pointer}/path")
        if len(pipeline.services) > 1 and "{service}" not in stage.path:
            hint = "put {service} into the path, so that each service has a folder of its own"
            yield _problem(f"the path of {stage.name!r} is the same for every service", f"{pointer}/path", hint)
    yield from _placeholder_problems(pipeline, pipeline.plan, "/plan")
    yield from list(_after_problems(pipeline.stages)) or _cycle_problems(pipeline.stages)


def _after_problems(stages: Sequence[Stage]) -> Iterator[Problem]:
    for index, stage in enumerate(stages):
        others = [other.name for other in stages if other.name != stage.name]
        for position, name in enumerate(stage.after):
            where = f"/stages/{index}/after/{position}"
            if name == stage.name:
                yield _problem(f"the stage {name!r} comes after itself", where)
            elif name not in others:
                yield _problem(f"there is no stage {name!r}", where, nearest(name, others))
            elif name in stage.after[:position]:
                yield _problem(f"the stage {name!r} is listed twice", where)


def _cycle_problems(stages: Sequence[Stage]) -> Iterator[Problem]:
    after = {stage.name: stage.after for stage in stages}
    settled: set[str] = set()
    while len(settled) < len(after):
        ready = [name for name, others in after.items() if name not in settled and settled.issuperset(others)]
        if ready:
            settled.update(ready)
            continue
        # Every stage that is left waits for another one that is left: walking back must come round.
        chain = [next(name for name in after if name not in settled)]
        while chain.count(chain[-1]) == 1:
            chain.append(next(name for name in after[chain[-1]] if name not in settled))
        cycle = chain[chain.index(chain[-1]) :]
        index = next(number for number, stage in enumerate(stages) if stage.name == cycle[0])
        message = f"the stages wait for each other in a circle: {' after '.join(cycle)}"
        yield _problem(message, f"/stages/{index}/after", "a first stage has no `after`")
        return


def _placeholder_problems(pipeline: Pipeline, text: str, pointer: str) -> Iterator[Problem]:
    for name in _PLACEHOLDER.findall(text):
        if name not in {"service", "stage"}:
            yield _problem(f"{{{name}}} means nothing here", pointer, nearest(f"{{{name}}}", ("{service}", "{stage}")))
        elif name == "service" and not pipeline.services:
            yield _problem("{service} has no value: the pipeline lists no services", pointer, "add `services`")
    if re.search(r"[{}]", _PLACEHOLDER.sub("", text)):
        yield _problem("a brace has no partner", pointer)


def _promote_problems(pipeline: Pipeline) -> Iterator[Problem]:
    for index, rule in enumerate(pipeline.promote):
        pointer = f"/promote/{index}"
        yield from _placeholder_problems(pipeline, rule.name, f"{pointer}/{rule.kind}")
        ours = rule.compare.replace("{before}", "").replace("{after}", "")
        yield from _placeholder_problems(pipeline, ours, f"{pointer}/compare")
        if "{stage}" in rule.name:
            # A release has one digest in every environment, and its names are part of it.
            hint = "with kustomize, promote `name` and let each stage's `newName` differ"
            yield _problem("a promoted name must be the same in every stage", f"{pointer}/{rule.kind}", hint)
        if any(other.kind is rule.kind and other.name == rule.name for other in pipeline.promote[:index]):
            yield _problem(f"{rule.kind} {rule.name!r} is promoted twice", f"{pointer}/{rule.kind}")
        if rule.kind is PromotedKind.IMAGE and ("@" in rule.name or ":" in rule.name.rpartition("/")[2]):
            hint = "leave out the tag and the digest: they are what is promoted"
            yield _problem(f"{rule.name!r} is more than an image's name", f"{pointer}/{rule.kind}", hint)
        yield from _locator_problems(pipeline, rule, pointer)


def _locator_problems(pipeline: Pipeline, rule: PromoteRule, pointer: str) -> Iterator[Problem]:
    names = [stage.name for stage in pipeline.stages]
    for stage, locator in rule.places.items():
        where = f"{pointer}/in/{stage}"
        if stage not in names:
            yield _problem(f"there is no stage {stage!r}", where, nearest(stage, names))
        for text in (locator.file, locator.at, locator.digest_at):
            yield from _placeholder_problems(pipeline, text or "", where)
        if locator.file is not None and name_fault(posixpath.normpath(locator.file)):
            hint = "the file lies in the environment's folder and is named relative to it"
            yield _problem(f"{locator.file!r} leaves the environment's folder", where, hint)
        if (rule.kind is PromotedKind.FILE) != (locator.form is LocatorForm.FILE) or (
            rule.kind is PromotedKind.FIELD and locator.form is not LocatorForm.YAML
        ):
            yield _problem(f"{locator.form} is no place for a {rule.kind}", where)
    for stage in names:
        if rule.kind is not PromotedKind.IMAGE and stage not in rule.places:
            yield _problem(f"it is not said where {rule.name!r} lives in {stage!r}", f"{pointer}/in")


def _pointer(pipeline: Pipeline, environment: Environment) -> str:
    index = next(number for number, stage in enumerate(pipeline.stages) if stage.name == environment.stage)
    return f"/stages/{index}/path"


def _place_problems(pipeline: Pipeline, found: Sequence[Environment]) -> Iterator[Problem]:
    owners: dict[str, Environment] = {}
    for environment in found:
        pointer = _pointer(pipeline, environment)
        fault = name_fault(environment.path)
        if fault:
            hint = "write it relative to the repository's root, like deploy/dev; the root itself is no environment"
            yield _problem(f"the path {environment.path!r} {fault}", pointer, hint)
            continue
        other = owners.setdefault(twin_key(environment.path), environment)
        if other is not environment:
            yield _overlap(environment, other, pointer)
    for environment in found:
        parts = twin_key(environment.path).split("/")
        for length in range(1, len(parts)):
            outer = owners.get("/".join(parts[:length]))
            if outer is not None:
                yield _overlap(environment, outer, _pointer(pipeline, environment))


def _overlap(environment: Environment, other: Environment, pointer: str) -> Problem:
    if environment.path == other.path:
        how = f"share the folder {environment.path!r}"
    elif twin_key(environment.path) == twin_key(other.path):
        how = f"have folders that some systems take for one: {environment.path!r} and {other.path!r}"
    else:
        how = f"overlap: {environment.path!r} lies inside {other.path!r}"
    message = f"the environments {other.name!r} and {environment.name!r} {how}"
    return _problem(message, pointer, "give each environment a folder of its own")


def _plan_problems(found: Sequence[Environment]) -> Iterator[Problem]:
    folders = {twin_key(environment.path): environment for environment in found}
    plans: dict[str, Environment] = {}
    for environment in found:
        plan = environment.plan_path
        fault = name_fault(plan)
        if fault:
            yield _problem(f"the plan's path {plan!r} {fault}", "/plan")
            continue
        other = plans.setdefault(twin_key(plan), environment)
        if other is not environment:
            message = f"the environments {other.name!r} and {environment.name!r} have one plan: {plan!r}"
            yield _problem(message, "/plan", "put {service} and {stage} into its path")
        parts = twin_key(plan).split("/")
        owner = next((folders[at] for n in range(1, len(parts)) if (at := "/".join(parts[:n])) in folders), None)
        if owner is not None and owner is not environment:
            message = f"the plan of {environment.name!r} lies in the folder of {owner.name!r}: {plan!r}"
            yield _problem(message, "/plan")
        for index, promoted in enumerate(environment.promoted):
            file = promoted.locator.file
            if file is not None and f"{environment.path}/{file}" == plan:
                yield _problem(
                    f"{promoted.name!r} lives in the plan of {environment.name!r}: a plan is never promoted",
                    f"/promote/{index}/in/{environment.stage}",
                )


# --------------------------------------------------------------------------- the tree


def tree_of(view: TreeView, environment: Environment) -> Tree:
    """What the environment deploys at one revision: its folder without the plan, and all that the folder references.

    A file that an endpoint's body is read from is part of the tree where it lies in the folder. Kustomizations, local
    charts and what they name are followed; what lies outside the repository is warned about.

    Raises:
        Refused: there is no such folder; it or a reference holds a symlink, a submodule or a name that means something
            else elsewhere; a reference is missing, leaves the repository or comes round to itself.
    """
    folder = environment.path
    _require_folder(view, environment)
    files = tuple(entry for entry in view.walk(folder) if entry.path != environment.plan_path)
    _refuse_odd(files)
    outside, warnings = referenced(view, folder, files)
    _refuse_odd(outside)
    everything = {entry.path: entry for entry in (*files, *outside)}
    _refuse_twins(everything)
    digest = sha256()
    for path, entry in sorted(everything.items()):
        digest.update(f"{path}\0{entry.mode}\0{entry.id}\n".encode())
    return Tree(digest.hexdigest()[:40], tuple(sorted(entry.path for entry in outside)), warnings)


def missing_folder(environment: Environment) -> str:
    """What is said of an environment without a folder."""
    return f"the folder `{environment.path}` of `{environment.name}` is missing"


def _require_folder(view: TreeView, environment: Environment) -> None:
    parts = environment.path.split("/")
    for length in range(1, len(parts) + 1):
        path = "/".join(parts[:length])
        entry = view.entry(path)
        if entry is None or entry.mode == FOLDER:
            continue
        kind = {SYMLINK: "a symbolic link", SUBMODULE: "a submodule"}.get(entry.mode, "a file")
        raise Refused(Problem(f"the folder of {environment.name!r} is {kind}", file=path))
    if view.entry(environment.path) is None:
        raise Refused(Problem(missing_folder(environment), file=PIPELINE_FILE, hint=FOLDER_NEEDS))


def _refuse_odd(files: Iterable[TreeEntry]) -> None:
    problems = []
    for entry in files:
        fault = name_fault(entry.path)
        if entry.mode == SYMLINK:
            problems.append(Problem("a symbolic link cannot be judged", file=entry.path, hint="put the file there"))
        elif entry.mode == SUBMODULE:
            hint = "put its files there, or reference them with a fixed version"
            problems.append(Problem("a submodule cannot be judged", file=entry.path, hint=hint))
        elif fault:
            problems.append(Problem(f"the path {fault}", file=entry.path))
    if problems:
        raise Refused(*problems)


def _refuse_twins(paths: Iterable[str]) -> None:
    seen: dict[str, str] = {}
    for path in paths:
        parts = path.split("/")
        for length in range(1, len(parts) + 1):
            part = "/".join(parts[:length])
            other = seen.setdefault(twin_key(part), part)
            if other != part:
                message = f"some systems take it for {other!r}, which is there too"
                raise Refused(Problem(message, file=part, hint="rename one of them"))


def shared(
    environments: Sequence[Environment],
    trees: Sequence[Tree],
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """What several environments depend on: a change there reaches all of them at once.

    Args:
        environments: in the pipeline's order.
        trees: theirs, in the same order.

    Returns:
        (path, names of the environments), sorted by path. The path is a folder where everything referenced in it is
        shared by the same environments, otherwise a file.
    """
    users: dict[str, set[str]] = {}
    for environment, tree in zip(environments, trees, strict=True):
        for path in tree.inputs:
            users.setdefault(path, set()).add(environment.name)
    owners = {environment.path: environment.name for environment in environments}
    groups: dict[str, frozenset[str]] = {}
    folders: dict[str, set[frozenset[str]]] = {}
    for path, names in users.items():
        parts = path.split("/")
        owner = next((owners[at] for n in range(1, len(parts)) if (at := "/".join(parts[:n])) in owners), None)
        if owner is None:
            folders.setdefault(posixpath.dirname(path), set()).add(frozenset(names))
        else:
            groups[path] = frozenset({*names, owner})
    for path, names in users.items():
        folder = posixpath.dirname(path)
        if path not in groups:
            groups[folder if folder and len(folders[folder]) == 1 else path] = frozenset(names)
    order = {environment.name: index for index, environment in enumerate(environments)}
    return tuple(
        (path, tuple(sorted(names, key=order.__getitem__)))
        for path, names in sorted(groups.items())
        if len(names) > 1 and groups.get(_covering(path, groups)) != names
    )


def _covering(path: str, groups: dict[str, frozenset[str]]) -> str:
    """The nearest folder above `path` that is a group of its own, or empty."""
    parts = path.split("/")
    return next((at for n in range(len(parts) - 1, 0, -1) if (at := "/".join(parts[:n])) in groups), "")
