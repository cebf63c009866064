"""The operator's file -> frozen data. It is never in a repository: its authors select from it and never loosen it.

Called by the command line and the wiring. Must stay true: no secret is ever in the file or in this data, only where to
find it; `Secret` says `***` wherever it is shown.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from dataclasses import field as attribute
from ipaddress import ip_address
from pathlib import Path

from gitslo.certificates import certificate_fault
from gitslo.commit_settings import CommitSigning, parse_signing
from gitslo.core.document import Document, Field
from gitslo.core.gitnames import PLAIN_HTTP, in_clear, parse_author, parse_branch, parse_git_url, parse_namespace
from gitslo.core.nearest import nearest
from gitslo.core.schema import Contract
from gitslo.core.units import parse_duration, parse_rate, parse_size
from gitslo.core.wildcard import matches
from gitslo.core.yamlsafe import CONTRACT
from gitslo.errors import Problem, Refused
from gitslo.forge_settings import ForgeSettings, parse_forge
from gitslo.identities import CertificateFiles, Identity, parse_certificates, parse_identities
from gitslo.model import Allowed, Ceilings, Seconds
from gitslo.ports import Place
from gitslo.secret import Secret, SecretRef, secret_at
from gitslo.serve_settings import ServeSettings, parse_serve
from gitslo.source_config import SourceConfig, parse_sources
from gitslo.wording_settings import TemplateText, parse_templates

__all__ = [
    "CommandConfig",
    "ContainerConfig",
    "Credentials",
    "Operator",
    "ProcessConfig",
    "RepositoryConfig",
    "Secret",
    "SecretRef",
    "load_operator",
    "load_sources",
    "parse_operator",
    "parse_sources_file",
]

_POLL = Seconds(30.0)
_SHORTEST_POLL = Seconds(0.1)
_TIMEOUT = Seconds(30.0)
_LARGEST_PORT = 65535


@dataclass(frozen=True, slots=True)
class Credentials:
    """What Git answers when the repository's host asks who we are.

    Attributes:
        plain_http: whether they may go over plain http:// to another machine.
    """

    username: str
    password: SecretRef
    plain_http: bool = False


@dataclass(frozen=True, slots=True)
class ContainerConfig:
    """What the process syncer runs for an image.

    Attributes:
        image: the image's name without tag and digest.
        argv: `{tag}`, `{port}` and `{environment}` are filled in.
        environment: names of variables that manifests may set; `*` stands for any run of characters.
        arguments: arguments that manifests may add; `*` stands for any run of characters.
    """

    image: str
    argv: tuple[str, ...]
    environment: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ProcessConfig:
    """The process syncer of a repository; `state` is its absolute folder."""

    state: Path
    containers: tuple[ContainerConfig, ...]


@dataclass(frozen=True, slots=True)
class RepositoryConfig:
    """One remote and one branch.

    Attributes:
        name: the operator's name for it.
        url: file, http or https, without user name and password.
        branch: its short name.
        poll: seconds between two looks at the remote.
        ledger_namespace: where ledgers live, e.g. `refs/gitslo`, without a final slash.
        ledger_key: signs ledger entries, or None.
        forge: where pull requests live.
        process: None where no process syncer serves it.
        ca: a PEM file with the authorities that may have signed the server's certificate; None: the system's.
        signing: None: commits are not signed.
        templates: own words for pull requests and commits.
    """

    name: str
    url: str
    branch: str
    poll: Seconds
    credentials: Credentials | None
    ledger_namespace: str
    ledger_key: SecretRef | None
    author_name: str
    author_email: str
    forge: ForgeSettings
    process: ProcessConfig | None
    allowed: Allowed
    ca: Path | None = None
    signing: CommitSigning | None = None
    templates: Mapping[Place, TemplateText] = attribute(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CommandConfig:
    """A command that `outcomes.<verdict>.run` may name; `timeout` in seconds."""

    name: str
    argv: tuple[str, ...]
    timeout: Seconds


@dataclass(frozen=True, slots=True)
class Operator:
    """A parsed operator's file.

    Attributes:
        instance: this daemon's stable name in claims.
        repositories: at least one, names unique.
        commands: by name.
        serve: what the daemon itself answers, and whom.
        certificates, identities: by name; what the `tls` and `auth` of plans' targets may ask for.
        engines: by name; programs that plans' loads may ask for, and where each is; None: it is looked for on PATH.
        sources: by name; what the metrics of plans may come from.
    """

    instance: str
    repositories: tuple[RepositoryConfig, ...]
    ceilings: Ceilings
    commands: Mapping[str, CommandConfig]
    serve: ServeSettings
    certificates: Mapping[str, CertificateFiles] = attribute(default_factory=dict)
    identities: Mapping[str, Identity] = attribute(default_factory=dict)
    engines: Mapping[str, Path | None] = attribute(default_factory=dict)
    sources: Mapping[str, SourceConfig] = attribute(default_factory=dict)


def load_operator(path: Path) -> Operator:
    """Read the operator's file.

    Raises:
        Refused: there is no such file, or a mistake is in it: all of them, with line and column.
    """
    return parse_operator(_bytes_of(path, "the operator's file"), file=str(path))


def load_sources(path: Path) -> tuple[dict[str, SourceConfig], dict[str, CertificateFiles]]:
    """Read a file that holds `sources`, and the `certificates` they name, and nothing else; as `load_operator`."""
    return parse_sources_file(_bytes_of(path, "the file of sources"), file=str(path))


def _bytes_of(path: Path, what: str) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(CONTRACT.bytes + 1)
    except OSError as error:
        raise Refused(Problem(f"{what} cannot be read: {error.strerror}", file=str(path))) from None


def parse_sources_file(data: bytes, *, file: str) -> tuple[dict[str, SourceConfig], dict[str, CertificateFiles]]:
    """`sources` and `certificates` of a file of their own, by name.

    Raises:
        Refused: every mistake in it, with line, column and pointer.
    """
    document = Document(Contract.OPERATOR, data, file=file, budget=CONTRACT, part="sourcesFile")
    certificates = parse_certificates(document.root.get("certificates"))
    sources = parse_sources(document.root.get("sources"), certificates)
    document.finish()
    return sources, certificates


def parse_operator(data: bytes, *, file: str) -> Operator:
    """Read the operator's file from its bytes.

    Raises:
        Refused: every mistake in it, with line, column and pointer.
    """
    document = Document(Contract.OPERATOR, data, file=file, budget=CONTRACT)
    root = document.root
    repositories = tuple(_repositories(root))
    certificates = parse_certificates(root.get("certificates"))
    operator = Operator(
        instance=root.text_of("instance", _host_name()),
        repositories=repositories,
        ceilings=_ceilings(root.get("ceilings")),
        commands={command.name: command for command in _commands(root.get("commands"))},
        serve=parse_serve(root, [each.name for each in repositories], _listen),
        certificates=certificates,
        identities=parse_identities(root.get("identities"), certificates),
        engines=dict(_engines(root.get("engines"))),
        sources=parse_sources(root.get("sources"), certificates),
    )
    document.finish()
    return operator


def _host_name() -> str:
    """Two daemons on two machines never share an instance's name unless they are told to."""
    return re.sub(r"[^A-Za-z0-9]+", "-", socket.gethostname()).strip("-")[:63].strip("-") or "gitslo"


# --------------------------------------------------------------------------- repositories


def _repositories(root: Field) -> Iterator[RepositoryConfig]:
    repositories = root.get("repositories")
    seen: dict[tuple[str, ...], str] = {}
    for field in repositories.items() if repositories is not None else ():
        config = _repository(field)
        state = str(config.process.state) if config.process is not None else ""
        for key, what in (
            (("name", config.name), f"the name `{config.name}`"),
            (("url", config.branch, config.url), "the same URL and branch"),
            (("state", state), "the same state folder"),
        ):
            if key[-1] and key in seen:
                field.add(f"another repository has {what}: {seen[key]}", "one daemon serves each once")
            seen.setdefault(key, field.pointer)
        yield config


def _repository(field: Field) -> RepositoryConfig:
    ledger, author = field.get("ledger"), field.get("author")
    key = ledger.get("key") if ledger is not None else None
    poll = field.parsed_of("poll", parse_duration, _POLL)
    if poll < _SHORTEST_POLL:
        (field.get("poll") or field).add("polls need at least `100ms` between them", "30s is usual")
    url = field.parsed_of("url", parse_git_url, "")
    credentials = field.get("credentials")
    if credentials is not None and url.startswith("file://"):
        credentials.add("a file:// repository takes no credentials", "remove them", on_key=True)
    allowed_in_clear = credentials is not None and _truth(credentials.get("plain_http"))
    if credentials is not None and not allowed_in_clear and url and in_clear(url):
        credentials.add(PLAIN_HTTP.message, PLAIN_HTTP.hint, on_key=True)
    branch, ca = field.parsed_of("branch", parse_branch, "main"), _authorities(field.get("ca"), url)
    return RepositoryConfig(
        name=field.text_of("name", ""),
        url=url,
        branch=branch,
        poll=poll,
        credentials=None if credentials is None else _credentials(credentials),
        ledger_namespace=_parsed(ledger, "namespace", parse_namespace, "refs/gitslo"),
        ledger_key=None if key is None else secret_at(key),
        author_name=_parsed(author, "name", parse_author, "gitslo"),
        author_email=_parsed(author, "email", parse_author, "gitslo@localhost"),
        forge=parse_forge(field.get("forge"), url, branch, ca),
        process=_process(field.get("process")),
        allowed=_allowed(field.get("allow")),
        ca=ca,
        signing=parse_signing(field.get("commit"), author),
        templates=parse_templates(field.get("templates")),
    )


def _allowed(field: Field | None) -> Allowed:
    default = Allowed()
    sources = field.get("sources") if field is not None else None
    for each in sources.items() if sources is not None else ():
        declared = each.document.root.get("sources")
        known = list(declared.value) if declared is not None and isinstance(declared.value, dict) else []
        if not any(matches((each.text,), name) for name in known):
            each.add(f"`sources` has no `{each.text}`", nearest(each.text, known))
    return Allowed(
        environments=_texts(field, "environments", default.environments),
        targets=_texts(field, "targets", default.targets),
        variables=_texts(field, "variables", default.variables),
        insecure_tls=field is not None and field.flag_of("insecure_tls", default=default.insecure_tls),
        sources=default.sources if sources is None else sources.texts(),
    )


def _truth(field: Field | None) -> bool:
    return field is not None and field.value is True


def _authorities(field: Field | None, url: str) -> Path | None:
    """The file with certificates; looked into at once, because Git would only say later that nothing is trusted."""
    if field is None:
        return None
    path = Path(field.text)
    if url and not url.startswith("https://"):
        field.add(
            "only an https:// repository has certificates", "give its https:// URL, or leave `ca` out", on_key=True
        )
    elif fault := certificate_fault(path):
        field.add(fault, "expected a file of PEM certificates, `-----BEGIN CERTIFICATE-----` and so on")
    return path


def _parsed(field: Field | None, key: str, parse: Callable[[str], str], default: str) -> str:
    return default if field is None else field.parsed_of(key, parse, default)


def _texts(field: Field | None, key: str, default: tuple[str, ...]) -> tuple[str, ...]:
    found = field.get(key) if field is not None else None
    return default if found is None else found.texts()


def _credentials(field: Field) -> Credentials:
    password = field.get("password")
    secret = SecretRef() if password is None else secret_at(password)
    return Credentials(field.text_of("username", ""), secret, plain_http=_truth(field.get("plain_http")))


def _process(field: Field | None) -> ProcessConfig | None:
    if field is None:
        return None
    containers = field.get("containers")
    found = tuple(_container(image, each) for image, each in containers.fields()) if containers is not None else ()
    return ProcessConfig(Path(field.text_of("state", "")), found)


def _container(image: str, field: Field) -> ContainerConfig:
    if "@" in image or ":" in image.rpartition("/")[2]:
        field.add(f"expected an image's name and found `{image}`", "leave out the tag and the digest", on_key=True)
    arguments = field.get("arguments")
    if arguments is None or isinstance(arguments.value, bool):
        allowed: tuple[str, ...] = ("*",) if arguments is not None and arguments.value else ()
    else:
        allowed = arguments.texts()
    return ContainerConfig(image, _argv(field), _texts(field, "environment", ()), allowed)


def _argv(field: Field) -> tuple[str, ...]:
    argv = field.get("argv")
    found = argv.texts() if argv is not None else ()
    if argv is not None and found and not found[0].strip():
        argv.add("expected a program first")
    return found


# --------------------------------------------------------------------------- ceilings, commands, listen


def _ceilings(field: Field | None) -> Ceilings:
    default = Ceilings()
    if field is None:
        return default
    found = Ceilings(
        rate=field.parsed_of("rate", parse_rate, default.rate),
        duration=field.parsed_of("duration", parse_duration, default.duration),
        connections=field.number_of("connections", default.connections),
        bytes=field.parsed_of("bytes", parse_size, default.bytes),
        concurrent_runs=field.number_of("concurrent_runs", default.concurrent_runs),
        pushes_per_minute=field.number_of("pushes_per_minute", default.pushes_per_minute),
    )
    for key, value in (("rate", found.rate), ("duration", found.duration), ("bytes", found.bytes)):
        if value <= 0:
            (field.get(key) or field).add("a ceiling of zero would let nothing run")
    return found


def _commands(field: Field | None) -> Iterator[CommandConfig]:
    for name, each in field.fields() if field is not None else ():
        timeout = each.parsed_of("timeout", parse_duration, _TIMEOUT)
        if timeout <= 0:
            (each.get("timeout") or each).add("a command needs some time")
        yield CommandConfig(name, _argv(each), timeout)


def _engines(field: Field | None) -> Iterator[tuple[str, Path | None]]:
    for name, each in field.fields() if field is not None else ():
        path = each.get("path")
        yield name, None if path is None else Path(path.text)


def _listen(text: str) -> str:
    host, colon, port = text.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]") if host.startswith("[") else host
    try:
        ip_address(bare)
        good = bool(colon) and port.isascii() and port.isdigit() and int(port[:6]) <= _LARGEST_PORT
    except ValueError:
        good = False
    if not good or (":" in bare) != host.startswith("["):
        hint = "e.g. `127.0.0.1:8080` or `[::1]:8080`; a name would let a name service decide who is served"
        raise Refused(Problem(f"expected an address and a port, found `{text}`", hint=hint))
    return text
