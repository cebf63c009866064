"""Pod templates: what each container becomes as a process.

Called by `desired`; pure. The image only selects one of the operator's programs; `command` is refused, arguments and
variables must be on the operator's lists, and PORT and HOST are always the syncer's own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from gitslo.errors import Refused
from gitslo.model import Seconds
from gitslo.syncer.manifest import Field

__all__ = ["Container", "HttpLook", "Look", "Pod", "Port", "Program", "TcpLook", "read_pod"]

OWN_VARIABLES = frozenset({"PORT", "HOST"})
LONGEST_GRACE = 30
TAG = re.compile(r"\w[\w.-]{0,127}", re.ASCII)
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
CHOOSES_CODE = re.compile(
    r"PATH|(?:LD|DYLD|PYTHON|GIT)_?[A-Z0-9_]*|GCONV_PATH|GLIBC_TUNABLES|ENV|BASH_ENV|NODE_(?:OPTIONS|PATH)|"
    r"RUBY(?:LIB|OPT)|PERL5?(?:LIB|OPT)|(?:_|JDK_|CATALINA_)?JAVA_(?:TOOL_)?OPT(?:ION)?S|CLASSPATH|DOTNET_STARTUP_HOOKS"
)
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")

IGNORED_IN_CONTAINER = frozenset(
    {
        "imagePullPolicy",
        "livenessProbe",
        "resources",
        "securityContext",
        "startupProbe",
        "terminationMessagePath",
        "terminationMessagePolicy",
    }
)
IGNORED_IN_POD = frozenset(
    {
        "affinity",
        "automountServiceAccountToken",
        "dnsPolicy",
        "enableServiceLinks",
        "imagePullSecrets",
        "nodeSelector",
        "priorityClassName",
        "schedulerName",
        "securityContext",
        "serviceAccountName",
        "tolerations",
        "topologySpreadConstraints",
    }
)
"""Placement, limits and identities on a cluster: named in the report as not honoured."""


class Program(Protocol):
    """What the operator runs for one image."""

    @property
    def image(self) -> str:
        """The image's name without tag and digest."""

    @property
    def argv(self) -> Sequence[str]:
        """The argument vector; `{tag}`, `{port}` and `{environment}` are filled in."""

    @property
    def environment(self) -> Sequence[str]:
        """Names of the variables that manifests may set; `*` stands for any run of characters."""

    @property
    def arguments(self) -> Sequence[str]:
        """Arguments that manifests may add; `*` stands for any run of characters."""


@dataclass(frozen=True, slots=True)
class Port:
    """A containerPort; `name` is empty where it has none."""

    name: str
    number: int


@dataclass(frozen=True, slots=True)
class HttpLook:
    """Ready when a GET of `path` on the containerPort answers 200 to 399 within `timeout` seconds."""

    port: int
    path: str
    headers: tuple[tuple[str, str], ...]
    timeout: Seconds


@dataclass(frozen=True, slots=True)
class TcpLook:
    """Ready when the containerPort accepts a connection within `timeout` seconds."""

    port: int
    timeout: Seconds


Look = HttpLook | TcpLook


@dataclass(frozen=True, slots=True)
class Container:
    """One process to run.

    Attributes:
        image: the reference as the manifest has it.
        argv: with `{port}` still in it.
        environment: what the manifest sets and the operator lists, sorted by name.
        ports: the first is told as PORT, a named one as `PORT_<NAME>` as well.
        look: None where it counts as ready as soon as it runs (it has neither probe nor port).
    """

    name: str
    image: str
    argv: tuple[str, ...]
    environment: tuple[tuple[str, str], ...]
    ports: tuple[Port, ...]
    look: Look | None


@dataclass(frozen=True, slots=True)
class Pod:
    """A Pod template; `grace` in seconds."""

    containers: tuple[Container, ...]
    grace: Seconds


def read_pod(
    spec: Field,
    programs: Sequence[Program],
    environment: str,
    configs: Mapping[str, Mapping[str, str]],
    notes: list[str],
) -> Pod:
    """Read a Pod template's spec.

    Args:
        spec: where it stands.
        programs: the operator's.
        environment: its name.
        configs: the namespace's ConfigMaps by name.
        notes: what is not honoured is added here.

    Raises:
        Refused: a field cannot be honoured, or the operator does not allow it.
    """
    ignored = spec.only({"containers", "restartPolicy", "terminationGracePeriodSeconds"}, IGNORED_IN_POD)
    if spec.at("restartPolicy").text("Always") != "Always":
        spec.at("restartPolicy").refuse("expected Always")
    grace = spec.at("terminationGracePeriodSeconds").number(5, 0, 86_400)
    fields = spec.at("containers").items()
    if not fields:
        spec.at("containers").refuse("expected at least one container")
    containers = []
    for field in fields:
        reader = _Container(field, programs, environment, configs)
        containers.append(reader.read())
        notes += reader.notes
        ignored += reader.ignored
    if ignored:
        notes.append(f"not honoured: {', '.join(sorted(set(ignored)))}")
    return Pod(tuple(containers), Seconds(float(min(grace, LONGEST_GRACE))))


class _Container:
    """Reads one container."""

    def __init__(
        self,
        field: Field,
        programs: Sequence[Program],
        environment: str,
        configs: Mapping[str, Mapping[str, str]],
    ) -> None:
        self.notes: list[str] = []
        self.ignored: tuple[str, ...] = ()
        self._field = field
        self._programs = programs
        self._environment = environment
        self._configs = configs

    def read(self) -> Container:
        """The whole container."""
        field = self._field
        if field.at("command").value:
            field.at("command").refuse(
                "the process syncer runs no command of a manifest",
                "leave `command` out: the operator's file names the program for the image",
            )
        self.ignored = field.only(
            {"name", "image", "args", "env", "envFrom", "ports", "readinessProbe"}, IGNORED_IN_CONTAINER
        )
        image = field.at("image").text()
        name, tag = _image(field.at("image"), image)
        program = next((each for each in self._programs if each.image == name), None)
        if program is None:
            known = ", ".join(sorted(each.image for each in self._programs))
            field.at("image").refuse(
                f"the operator's file names no program for the image {name}", f"it names {known}" if known else ""
            )
        ports = self._ports()
        argv = tuple(self._filled(argument, tag, ports) for argument in program.argv) + self._arguments(program)
        name = field.at("name").text()
        if not LABEL.fullmatch(name):  # it becomes a file's name
            field.at("name").refuse("expected lower-case letters, digits and inner dashes, at most 63")
        return Container(name, image, argv, self._variables(program), ports, self._look(ports))

    def _filled(self, argument: str, tag: str, ports: Sequence[Port]) -> str:
        if "{tag}" in argument and not tag:
            self._field.at("image").refuse("the operator's program needs a tag, the image has only a digest")
        if "{port}" in argument and not ports:
            self._field.at("ports").refuse("the operator's program needs a port, expected a containerPort")
        return argument.replace("{tag}", tag).replace("{environment}", self._environment.replace("/", "-"))

    def _arguments(self, program: Program) -> tuple[str, ...]:
        arguments = []
        for field in self._field.at("args").items():
            argument = field.text()
            if "{port}" in argument or "$(" in argument or not _listed(argument, program.arguments):
                field.refuse(
                    f"the operator does not allow the argument {argument!r} for {program.image}",
                    f"allowed: {', '.join(program.arguments)}" if program.arguments else "no argument is allowed",
                )
            arguments.append(argument)
        return tuple(arguments)

    def _variables(self, program: Program) -> tuple[tuple[str, str], ...]:
        values: dict[str, str] = {}
        unlisted: set[str] = set()
        for source in self._field.at("envFrom").items():
            source.only({"configMapRef", "prefix"})
            prefix = source.at("prefix").text("")
            for key, value in self._config(source.at("configMapRef")).items():
                if _passed_on(prefix + key, program.environment):
                    values[prefix + key] = value
                else:
                    unlisted.add(prefix + key)
        for entry in self._field.at("env").items():
            name = entry.at("name").text()
            if not NAME.fullmatch(name):
                entry.at("name").refuse("expected letters, digits and underscores")
            if not _passed_on(name, program.environment):
                unlisted.add(name)
                continue
            value_of = self._value(entry)
            if value_of is not None:
                values[name] = value_of
        unlisted -= OWN_VARIABLES
        if unlisted:
            self.notes.append(
                f"variables that the operator does not list are not passed on: {', '.join(sorted(unlisted))}"
            )
        return tuple(sorted((name, value) for name, value in values.items() if name not in OWN_VARIABLES))

    def _value(self, entry: Field) -> str | None:
        source = entry.at("valueFrom")
        if source.value is None:
            value = entry.at("value").text("")
            if "$(" in value:
                entry.at("value").refuse("references such as $(NAME) are not in this version")
            return value
        source.only({"configMapKeyRef"})
        reference = source.at("configMapKeyRef")
        key = reference.at("key").text()
        value_of = self._config(reference).get(key)
        if value_of is None and reference.at("optional").value is not True:
            reference.at("key").refuse(f"the ConfigMap has no key {key}")
        return value_of

    def _config(self, reference: Field) -> Mapping[str, str]:
        name = reference.at("name").text()
        config = self._configs.get(name)
        if config is None:
            if reference.at("optional").value is True:
                return {}
            reference.at("name").refuse(f"there is no ConfigMap {name} in this environment's folder and namespace")
        return config

    def _ports(self) -> tuple[Port, ...]:
        ports = []
        for index, field in enumerate(self._field.at("ports").items()):
            field.only({"containerPort", "name", "protocol"})
            if field.at("protocol").text("TCP") != "TCP":
                field.at("protocol").refuse("expected TCP")
            name = field.at("name").text("")
            if name and not LABEL.fullmatch(name):
                field.at("name").refuse("expected lower-case letters, digits and inner dashes")
            if index and not name:
                field.refuse("a second port needs a name, so that the process can be told which one it is")
            number = field.at("containerPort").number(0, 1, 65535)
            if not number:
                field.refuse("expected a `containerPort`")
            ports.append(Port(name, number))
        return tuple(ports)

    def _look(self, ports: Sequence[Port]) -> Look | None:
        probe = self._field.at("readinessProbe")
        if probe.value is None:
            return TcpLook(ports[0].number, Seconds(1.0)) if ports else None
        probe.only(
            {"httpGet", "tcpSocket", "timeoutSeconds"},
            {
                "failureThreshold",
                "initialDelaySeconds",
                "periodSeconds",
                "successThreshold",
                "terminationGracePeriodSeconds",
            },
        )
        timeout = Seconds(float(probe.at("timeoutSeconds").number(1, 1, 60)))
        if probe.at("tcpSocket").value is not None:
            return TcpLook(self._probed(probe.at("tcpSocket", "port"), ports), timeout)
        http = probe.at("httpGet")
        http.only({"path", "port", "httpHeaders", "scheme"})
        if http.at("scheme").text("HTTP") != "HTTP":
            http.at("scheme").refuse("expected HTTP")
        path = http.at("path").text("/")
        if not path.startswith("/") or not path.isascii() or not path.isprintable() or " " in path:
            http.at("path").refuse("expected a path that starts with a slash")
        headers = tuple((each.at("name").text(), each.at("value").text("")) for each in http.at("httpHeaders").items())
        return HttpLook(self._probed(http.at("port"), ports), path, headers, timeout)

    def _probed(self, field: Field, ports: Sequence[Port]) -> int:
        for port in ports:
            if field.value in (port.number, port.name or None):
                return port.number
        raise Refused(field.problem(f"the container has no port {field.value}"))


def _image(field: Field, image: str) -> tuple[str, str]:
    """The image's name and its tag; the tag is empty where there is only a digest."""
    name, _, digest = image.partition("@")
    if digest and not DIGEST.fullmatch(digest):
        field.refuse("expected a digest such as sha256: and 64 hexadecimal digits")
    head, colon, tag = name.rpartition(":")
    if not colon or "/" in tag:
        return name, "" if digest else "latest"
    if not TAG.fullmatch(tag):
        field.refuse("expected a tag of letters, digits, `_`, `.` and `-`")
    return head, tag


def _passed_on(name: str, patterns: Sequence[str]) -> bool:
    """A `*` was written for settings: what makes a program load other code is passed on only where it is named."""
    return name in patterns or (CHOOSES_CODE.fullmatch(name) is None and _listed(name, patterns))


def _listed(name: str, patterns: Sequence[str]) -> bool:
    """Letter case counts here, unlike in host names: `-v` is not `-V`."""
    return any(
        re.fullmatch(".*".join(re.escape(part) for part in pattern.split("*")), name, re.DOTALL) for pattern in patterns
    )
