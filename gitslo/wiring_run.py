"""What one attempt is made of: the clock, the readiness probes, the load engine and the metric sources.

The part of the composition root that `gitslo test` needs without a repository, and that the daemon shares with it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, assert_never, cast

from gitslo.core.wildcard import matches
from gitslo.errors import Problem, Refused
from gitslo.identities import Basic, CertificateFiles, ClientCredentials, Identity
from gitslo.model import (
    Allowed,
    Call,
    Ceilings,
    GrpcHealthReadiness,
    HttpReadiness,
    Instant,
    Readiness,
    Seconds,
    Target,
    TcpReadiness,
)
from gitslo.ports import (
    Address,
    ConfiguredServer,
    LoadEngine,
    LoadJob,
    LoadResult,
    LoadSnapshot,
    MethodSchemas,
    MetricSource,
    Readied,
    ReadinessProbe,
    TargetAccess,
    TlsMaterial,
)
from gitslo.secret import SecretRef
from gitslo.source_config import MakeSource, Server, SourceConfig, SqlConfig

if TYPE_CHECKING:
    from gitslo.adapters.grpc_client import GrpcHealthProbe
    from gitslo.adapters.http_client import HttpReadinessProbe
    from gitslo.load.engines.process import Standby
    from gitslo.load.results.detail import LoadDetail

__all__ = [
    "EngineByName",
    "LazySchemas",
    "ProbeByKind",
    "SystemClock",
    "load_engine",
    "method_schemas",
    "metric_sources",
    "readiness_probe",
    "target_access",
]


class SystemClock:
    """The machine's two clocks."""

    def now(self) -> Instant:
        """The present instant."""
        return Instant(time.monotonic(), time.time())

    def sleep(self, seconds: Seconds) -> None:
        """Return after `seconds`."""
        time.sleep(seconds)


def load_engine(
    ceilings: Ceilings,
    allowed: Allowed,
    access: TargetAccess | None = None,
    engines: Mapping[str, Path | None] | None = None,
    standby: Standby | None = None,
) -> EngineByName:
    """Our own engine and the programs in `engines`, within the operator's bounds and with what the operator gives.

    `standby`: a worker of our own engine that has been started already.
    """
    from gitslo.load.engines.own import ProcessLoadEngine  # noqa: PLC0415 - not needed to print a help page

    def reachable(host: str) -> bool:
        return matches(allowed.targets, host)

    def foreign(name: str, path: Path | None) -> MeasuringEngine:
        from importlib.metadata import entry_points  # noqa: PLC0415 - for foreign engines only

        found = entry_points(group="gitslo.engines", name=name)
        if not found:
            raise Refused(Problem(f"no installed package brings `{name}` as a load engine"))
        make = next(iter(found)).load()
        return cast("MeasuringEngine", make(ceilings, reachable, access, path))

    own = ProcessLoadEngine(ceilings, reachable, access, LazySchemas(access), standby)
    return EngineByName(own, engines or {}, foreign)


class MeasuringEngine(LoadEngine, Protocol):
    """An engine that also says what only people ask for."""

    def measure(self, job: LoadJob, on_snapshot: Callable[[LoadSnapshot], bool]) -> LoadDetail:
        """Like `run`, with the whole result."""


class EngineByName:
    """A `LoadEngine` that gives each job to the engine its section names: our own, or one that the operator lists."""

    def __init__(
        self,
        own: MeasuringEngine,
        listed: Mapping[str, Path | None],
        make: Callable[[str, Path | None], MeasuringEngine],
    ) -> None:
        self._own = own
        self._listed = listed
        self._make = make
        self._made: dict[str, MeasuringEngine] = {}

    def run(self, job: LoadJob, on_snapshot: Callable[[LoadSnapshot], bool]) -> LoadResult:
        """Carry out the job; see `ports.LoadEngine`."""
        return self._of(job).run(job, on_snapshot)

    def measure(self, job: LoadJob, on_snapshot: Callable[[LoadSnapshot], bool]) -> LoadDetail:
        """Like `run`, with the whole result."""
        return self._of(job).measure(job, on_snapshot)

    def _of(self, job: LoadJob) -> MeasuringEngine:
        name = job.section.engine
        if not name:
            return self._own
        if name not in self._listed:
            hint = "`engines` of the operator's file, or `--engine` of `gitslo test`, lists them"
            what = f"the load `{job.section.name}` asks for the engine `{name}`, which is not listed"
            raise Refused(Problem(what, hint=hint))
        if name not in self._made:
            self._made[name] = self._make(name, self._listed[name])
        return self._made[name]


def target_access(
    certificates: Mapping[str, CertificateFiles], identities: Mapping[str, Identity], allowed: Allowed
) -> TargetAccess:
    """The operator's certificates, identities and variables for the targets of one repository's plans."""
    from gitslo.adapters.target_access import OperatorAccess  # noqa: PLC0415 - not needed to print a help page

    return OperatorAccess(certificates, identities, allowed, _post)


def _post(url: str, headers: Sequence[tuple[str, str]], body: bytes, ca: bytes) -> tuple[int, bytes]:
    from gitslo.adapters.http_client import HttpClient  # noqa: PLC0415 - 0.1 s, for token endpoints only
    from gitslo.load.connections.tls import context  # noqa: PLC0415 - beside its user

    return HttpClient(context).post(url, headers, body, ca)


def method_schemas(access: TargetAccess | None = None) -> MethodSchemas:
    """Where the types of gRPC methods come from; reflection shows the target's identity, too."""
    from gitslo.adapters.grpc_client import reflect  # noqa: PLC0415 - 0.3 s, for gRPC only
    from gitslo.adapters.method_schemas import SchemasByForm  # noqa: PLC0415 - beside its sources
    from gitslo.adapters.proto_compiler import compile_proto  # noqa: PLC0415 - beside its sibling

    def ask(target: Target, address: Address, service: str, tls: TlsMaterial) -> bytes:
        known = None if access is None else access.authorize(target)
        return reflect(target, address, service, tls, authorization=known)

    return SchemasByForm(ask, compile_proto)


class LazySchemas:
    """A `MethodSchemas` whose adapters are imported when the first types are asked for."""

    def __init__(self, access: TargetAccess | None = None) -> None:
        self._access = access
        self._schemas: MethodSchemas | None = None

    def descriptors(self, target: Target, address: Address, call: Call, tls: TlsMaterial) -> bytes:
        """The types of a call's method; see `ports.MethodSchemas`."""
        if self._schemas is None:
            self._schemas = method_schemas(self._access)
        return self._schemas.descriptors(target, address, call, tls)


def readiness_probe(access: TargetAccess | None = None) -> ReadinessProbe:
    """All kinds of checks; without `access` there are no certificates and no identities."""
    return ProbeByKind(access)


class ProbeByKind:
    """A `ReadinessProbe` that gives each check to the adapter for it, imported when the first one comes."""

    def __init__(self, access: TargetAccess | None = None) -> None:
        self._access = access
        self._http: HttpReadinessProbe | None = None
        self._grpc: GrpcHealthProbe | None = None

    def look(self, check: Readiness, target: Target, address: Address, timeout: Seconds) -> Readied:
        """One look by the adapter for the kind of `check`."""
        match check:
            case HttpReadiness():
                if self._http is None:
                    from gitslo.adapters.http_client import HttpClient, HttpReadinessProbe  # noqa: PLC0415 - 0.1 s
                    from gitslo.load.connections.tls import context  # noqa: PLC0415 - beside its user

                    self._http = HttpReadinessProbe(HttpClient(context), self._access)
                return self._http.look(check, target, address, timeout)
            case GrpcHealthReadiness():
                if self._grpc is None:
                    from gitslo.adapters.grpc_client import GrpcHealthProbe  # noqa: PLC0415 - 0.3 s

                    self._grpc = GrpcHealthProbe(self._access)
                return self._grpc.look(check, target, address, timeout)
            case TcpReadiness():
                from gitslo.adapters.tcp_readiness import TcpProbe  # noqa: PLC0415 - beside its siblings

                return TcpProbe().look(check, address, timeout)
            case _:
                assert_never(check)


# --------------------------------------------------------------------------- metric sources


def metric_sources(
    sources: Mapping[str, SourceConfig], allowed: Allowed, certificates: Mapping[str, CertificateFiles]
) -> Mapping[str, MetricSource]:
    """The operator's sources that one repository's plans may ask, by name; each is made when it is first asked for.

    Args:
        sources: of the operator's file, or of the file that `--sources` names.
        allowed: the others are not there.
        certificates: what their TLS settings name.
    """
    return _Sources({name: each for name, each in sources.items() if matches(allowed.sources, name)}, certificates)


class _Sources(Mapping[str, MetricSource]):
    """Makes a source when it is first asked for: a daemon that uses one imports no library of the others."""

    def __init__(self, configured: Mapping[str, SourceConfig], certificates: Mapping[str, CertificateFiles]) -> None:
        self._configured = configured
        self._certificates = certificates
        self._made: dict[str, MetricSource] = {}
        self._lock = threading.Lock()

    def __getitem__(self, name: str) -> MetricSource:
        with self._lock:
            if name not in self._made:
                self._made[name] = _source(self._configured[name], self._certificates)
            return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._configured)

    def __len__(self) -> int:
        return len(self._configured)


def _source(config: SourceConfig, certificates: Mapping[str, CertificateFiles]) -> MetricSource:
    from importlib.metadata import entry_points  # noqa: PLC0415 - for metrics only

    found = entry_points(group="gitslo.sources", name=config.kind)
    if not found:
        raise Refused(Problem(f"no installed package brings `{config.kind}` as a metric source"))
    make = cast("MakeSource", next(iter(found)).load())

    def open_server(
        server: Server,
        *,
        headers: Callable[[], tuple[tuple[str, str], ...]] | None = None,
        material: Callable[[], TlsMaterial] | None = None,
    ) -> ConfiguredServer:
        from gitslo.adapters.configured_server import HttpServer  # noqa: PLC0415 - for metrics only
        from gitslo.adapters.http_client import HttpClient  # noqa: PLC0415 - 0.1 s
        from gitslo.load.connections.tls import context  # noqa: PLC0415 - beside its user

        identities = {}
        if isinstance(server.auth, SecretRef | Basic | ClientCredentials):
            hosts = server.target.hosts
            identities = {config.name: Identity(config.name, server.auth, hosts, plain_http=server.plain_http)}
            server = replace(server, target=replace(server.target, auth=config.name))
        access = target_access(certificates, identities, Allowed(insecure_tls=True))
        send = HttpClient(context).send
        return HttpServer(
            server, access, send, timeout=config.timeout, cap=config.cap, headers=headers, material=material
        )

    return make(config, open_server)


def sql_source(config: SourceConfig, open_server: object) -> MetricSource:
    """The entry point `sql` of `gitslo.sources`."""
    from gitslo.adapters.sql_source import SqlSource  # noqa: PLC0415 - 0.3 s, for databases only

    del open_server
    form = config.form
    assert isinstance(form, SqlConfig)  # noqa: S101 - the kind says so
    return SqlSource(
        lambda: form.dsn.resolve().reveal(),
        every=config.every,
        timeout=config.timeout,
        statement_timeout=form.statement_timeout,
        cap=config.cap,
    )
