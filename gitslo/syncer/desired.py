"""What should run in one environment: manifests and the operator's programs -> workloads, addresses, a fingerprint.

Called by `follow` for every new tree; pure. `containers` reads the Pod templates.

Honoured: Deployment (replicas 0 or 1, strategy, progressDeadlineSeconds), Service, ConfigMap; a Namespace says nothing
to a process. Every other kind is refused by name, and so are kustomizations and charts, which only their own tools
render.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from gitslo.errors import Problem, Refused
from gitslo.model import Seconds
from gitslo.syncer.containers import Container, Program, read_pod
from gitslo.syncer.manifest import Field, Manifest

__all__ = ["Desired", "Served", "Workload", "desired"]

NAME = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?")
HINT = "the process syncer runs Deployments, Services and ConfigMaps; on a cluster another syncer runs everything"


@dataclass(frozen=True, slots=True)
class Workload:
    """One Deployment.

    Attributes:
        name: `namespace/name`.
        run: False for `replicas: 0`.
        recreate: the old one is stopped before the new one is started.
        deadline: seconds in which it must become ready.
        grace: seconds between SIGTERM and SIGKILL.
        containers: in the manifest's order.
    """

    name: str
    run: bool
    recreate: bool
    deadline: Seconds
    grace: Seconds
    containers: tuple[Container, ...]


@dataclass(frozen=True, slots=True)
class Served:
    """One port of one Service, and the container's port behind it.

    Attributes:
        name: `service.namespace.svc:port`.
        workload: Workload.name.
        container: Container.name.
        port: the containerPort.
    """

    name: str
    workload: str
    container: str
    port: int


@dataclass(frozen=True, slots=True)
class Desired:
    """What should run in one environment.

    Attributes:
        images: the image references, sorted.
        notes: what a cluster would do and a process does not, one sentence each.
        fingerprint: sha256 hex over image references, argument vectors and configured environment.
    """

    workloads: tuple[Workload, ...]
    served: tuple[Served, ...]
    images: tuple[str, ...]
    notes: tuple[str, ...]
    fingerprint: str


@dataclass(frozen=True, slots=True)
class _Deployment:
    namespace: str
    labels: Mapping[str, str]
    workload: Workload


def desired(manifests: Sequence[Manifest], programs: Sequence[Program], environment: str) -> Desired:
    """Read an environment's manifests.

    Args:
        manifests: every document of the environment's folder, the plan left out.
        programs: what the operator runs for which image.
        environment: its name, for `{environment}` in a program's arguments.

    Raises:
        Refused: a manifest asks for what a process cannot honour, or for what the operator does not allow.
    """
    objects = _Objects()
    for manifest in manifests:
        objects.add(Field.root(manifest))
    problems = objects.problems
    notes: list[str] = []
    read: list[_Deployment] = []
    for root in objects.deployments:
        with _collected(problems):
            read.append(_deployment(root, programs, environment, objects.configs, notes))
    _unique([each.workload.name for each in read], problems, "Deployment")
    if not problems and not read:
        problems.append(Problem("there is no Deployment in this environment's folder", hint=HINT))
    served: list[Served] = []
    for root in objects.services if not problems else ():
        with _collected(problems):
            served += _service(root, read, notes)
    _unique([each.name for each in served], problems, "Service port")
    if problems:
        raise Refused(*problems)
    workloads = tuple(sorted((each.workload for each in read), key=lambda workload: workload.name))
    running = [container for workload in workloads if workload.run for container in workload.containers]
    return Desired(
        workloads,
        tuple(served),
        tuple(sorted({container.image for container in running})),
        tuple(dict.fromkeys(notes)),
        _fingerprint(workloads),
    )


class _Objects:
    """The documents of one environment, sorted by kind."""

    def __init__(self) -> None:
        self.deployments: list[Field] = []
        self.services: list[Field] = []
        self.configs: dict[tuple[str, str], Mapping[str, str]] = {}
        self.problems: list[Problem] = []

    def add(self, root: Field) -> None:
        """Take in one document; an empty one says nothing."""
        if root.value is None:
            return
        with _collected(self.problems):
            match (root.at("apiVersion").text(""), root.at("kind").text("")):
                case ("apps/v1", "Deployment"):
                    self.deployments.append(root)
                case ("v1", "Service"):
                    self.services.append(root)
                case ("v1", "ConfigMap"):
                    self.configs[_identity(root)] = _config(root)
                case ("v1", "Namespace"):
                    pass
                case ("", _) | (_, ""):
                    root.refuse("expected a Kubernetes object with `apiVersion` and `kind`")
                case (version, name):
                    root.refuse(f"kind {name} ({version}) cannot be run as a process", HINT)


@contextmanager
def _collected(problems: list[Problem]) -> Iterator[None]:
    try:
        yield
    except Refused as refused:
        problems += refused.problems


def _fingerprint(workloads: Sequence[Workload]) -> str:
    said = [
        [workload.name, container.name, container.image, container.argv, container.environment]
        for workload in workloads
        if workload.run
        for container in workload.containers
    ]
    return hashlib.sha256(json.dumps(said, separators=(",", ":")).encode()).hexdigest()


def _unique(names: Sequence[str], problems: list[Problem], what: str) -> None:
    problems += [Problem(f"{what} {name} is there twice") for name in sorted(set(names)) if names.count(name) > 1]


def _identity(root: Field) -> tuple[str, str]:
    metadata = root.at("metadata")
    for field in (metadata.at("namespace"), metadata.at("name")):
        if not NAME.fullmatch(field.text("default" if field.pointer.endswith("namespace") else None)):
            field.refuse("expected lower-case letters, digits, dots and inner dashes")
    return metadata.at("namespace").text("default"), metadata.at("name").text()


def _config(root: Field) -> Mapping[str, str]:
    root.only({"apiVersion", "kind", "metadata", "data"}, {"immutable"})
    return root.at("data").texts()


def _deployment(
    root: Field,
    programs: Sequence[Program],
    environment: str,
    configs: Mapping[tuple[str, str], Mapping[str, str]],
    notes: list[str],
) -> _Deployment:
    namespace, name = _identity(root)
    root.only({"apiVersion", "kind", "metadata", "spec"}, {"status"})
    spec = root.at("spec")
    spec.only(
        {"replicas", "selector", "strategy", "template", "progressDeadlineSeconds"},
        {"minReadySeconds", "revisionHistoryLimit"},
    )
    labels = spec.at("template", "metadata", "labels").texts()
    selector = spec.at("selector", "matchLabels").texts()
    if not selector or not selector.items() <= labels.items():
        spec.at("selector").refuse("expected `matchLabels` that are among the template's labels")
    replicas = spec.at("replicas").number(1, 0, 10_000)
    if replicas > 1:
        notes.append(f"{name}: replicas {replicas} are run as one process")
    strategy = spec.at("strategy", "type").text("RollingUpdate")
    if strategy not in {"RollingUpdate", "Recreate"}:
        spec.at("strategy", "type").refuse("expected RollingUpdate or Recreate")
    deadline = spec.at("progressDeadlineSeconds").number(30, 1, 3600)
    local = {each: data for (owner, each), data in configs.items() if owner == namespace}
    pod = read_pod(spec.at("template", "spec"), programs, environment, local, notes)
    workload = Workload(
        f"{namespace}/{name}",
        run=replicas > 0,
        recreate=strategy == "Recreate",
        deadline=Seconds(float(deadline)),
        grace=pod.grace,
        containers=pod.containers,
    )
    return _Deployment(namespace, labels, workload)


def _service(root: Field, deployments: Sequence[_Deployment], notes: list[str]) -> list[Served]:
    namespace, name = _identity(root)
    spec = root.at("spec")
    kind = spec.at("type").text("ClusterIP")
    if kind not in {"ClusterIP", "NodePort", "LoadBalancer"}:
        spec.at("type").refuse(f"a Service of type {kind} has no process behind it")
    selector = spec.at("selector").texts()
    if not selector:
        spec.at("selector").refuse("a Service without selector has no process behind it")
    behind = [each for each in deployments if each.namespace == namespace and selector.items() <= each.labels.items()]
    if not behind:
        notes.append(f"Service {name} selects no Deployment here")
        return []
    if len(behind) > 1:
        names = ", ".join(each.workload.name for each in behind)
        spec.at("selector").refuse(f"selects {names}; expected one Deployment behind a Service")
    workload = behind[0].workload
    return [_served(port, name, namespace, workload) for port in spec.at("ports").items()]


def _served(port: Field, service: str, namespace: str, workload: Workload) -> Served:
    if port.at("protocol").text("TCP") != "TCP":
        port.at("protocol").refuse("expected TCP")
    number = port.at("port").number(0, 1, 65535)
    if not number:
        port.refuse("expected a `port`")
    target = port.at("targetPort")
    wanted = number if target.value is None else target.value
    for container in workload.containers:
        for each in container.ports:
            if wanted in (each.number, each.name or None):
                return Served(f"{service}.{namespace}.svc:{number}", workload.name, container.name, each.number)
    known = ", ".join(str(each.name or each.number) for container in workload.containers for each in container.ports)
    hint = f"there is {known}" if known else ""
    raise Refused(target.problem(f"no container of {workload.name} has a port {wanted}", hint))
