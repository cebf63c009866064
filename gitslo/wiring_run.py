"""What one attempt is made of: the clock, the readiness probes and the load engine.

The part of the composition root that `gitslo test` needs without a repository, and that the daemon shares with it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, assert_never, cast

from gitslo.core.wildcard import matches
from gitslo.errors import Problem, Refused
from gitslo.identities import CertificateFiles, Identity
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
    LoadEngine,
    LoadJob,
    LoadResult,
    LoadSnapshot,
    MethodSchemas,
    Readied,
    ReadinessProbe,
    TargetAccess,
    TlsMaterial,
)

if TYPE_CHECKING:
    from gitslo.adapters.grpc_client import GrpcHealthProbe
    from gitslo.adapters.http_client import HttpReadinessProbe
    from gitslo.load.detail import LoadDetail

__all__ = [
    "EngineByName",
    "LazySchemas",
    "ProbeByKind",
    "SystemClock",
    "load_engine",
    "method_schemas",
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
) -> EngineByName:
    """Our own engine and the programs in `engines`, within the operator's bounds and with what the operator gives."""
    from gitslo.load.engine import ProcessLoadEngine  # noqa: PLC0415 - not needed to print a help page

    def reachable(host: str) -> bool:
        return matches(allowed.targets, host)

    def foreign(name: str, path: Path | None) -> MeasuringEngine:
        from importlib.metadata import entry_points  # noqa: PLC0415 - for foreign engines only

        found = entry_points(group="gitslo.engines", name=name)
        if not found:
            raise Refused(Problem(f"no installed package brings `{name}` as a load engine"))
        make = next(iter(found)).load()
        return cast("MeasuringEngine", make(ceilings, reachable, access, path))

    own = ProcessLoadEngine(ceilings, reachable, access, LazySchemas(access))
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
    from gitslo.load.tls import context  # noqa: PLC0415 - beside its user

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
                    from gitslo.load.tls import context  # noqa: PLC0415 - beside its user

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
