"""The dialect of Fortio: its arguments, and the log that it keeps of every request. Found by `gitslo.engines`.

Fortio's own report is of sent requests in buckets: a target that stands still holds its threads back, and what they
then send late looks quick. Its access log tells of each request its thread, its number there and when it went out; and
with `-uniform` thread t of C is to send its i-th request at (i * C + t) / rate. So a response time counts here from
that moment, to the microsecond, and no bucket ever lies across a limit.

Invariants
- No credential goes to Fortio: what it takes is in its arguments, which every user of the machine can read.
- A target that is slower than the rate gets its requests late, and every one of them counts from when it was due; what
  has found no free thread until it had timed out has failed. A log that is shorter than the report decides nothing.
"""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from gitslo.core.template import parse
from gitslo.core.variables import environment_of
from gitslo.load.engines.account import Account, Lane, Told
from gitslo.load.engines.foreign import Errand, ForeignEngine
from gitslo.load.engines.program import Command, Files
from gitslo.model import Call, Ceilings, Checks, LoadSection, StageForm, TlsVersion
from gitslo.ports import LoadJob, TargetAccess

__all__ = ["FortioEngine"]

_LINE = b'{"latency":'
_HEALTH = "grpc.health.v1.Health/Check"
_HEALTHS = {"SERVING": "", **{each: f"health {each}" for each in ("NOT_SERVING", "UNKNOWN", "SERVICE_UNKNOWN")}}
_NANO = 1e9
_ENDLESS = 10**9
_LARGEST_REPORT = 1 << 20


class FortioEngine(ForeignEngine):
    """Sends one HTTP request, or gRPC health checks, at one constant rate with Fortio."""

    def __init__(
        self,
        ceilings: Ceilings,
        allowed: Callable[[str], bool],
        access: TargetAccess | None = None,
        path: Path | None = None,
    ) -> None:
        """Bind the operator's bounds; see `ForeignEngine`."""
        super().__init__(_Fortio(), ceilings, allowed, access, path)


class _Fortio:
    """What is known of Fortio."""

    name = "fortio"
    resolution = 1e-6

    def cannot(self, job: LoadJob) -> Iterator[str]:
        """More than one request, more than one rate, and whatever looks into an answer."""
        section, target = job.section, job.target
        if len(section.requests) > 1:
            yield f"send more than one request (`endpoints` has {len(section.requests)})"
        if len(section.stages) > 1 or section.stages[0].form is not StageForm.HOLD:
            yield "do more than hold one rate (`stages`)"
        if target.auth:
            yield "be given a credential that nobody else on the machine can read (`auth`)"
        if target.tls and (target.resolve or job.address)[1] != target.port:
            yield "connect to another port than the one it asks for (`resolve`)"
        if target.settings.min_version is not TlsVersion.TLS_1_2:
            yield f"require TLS {target.settings.min_version} (`min_version`)"
        if any(request.checks != Checks() for request in section.requests):
            yield "look into answers (`checks`)"
        if environment_of(section):
            yield "be given a variable that nobody else on the machine can read (`${env.NAME}`)"
        for call in section.calls:
            yield from _cannot_call(call)

    def release(self, said: str) -> str:
        """`1.68.2`, and nothing of how it was built."""
        found = re.search(r"\d+\.\d+\S*", said)
        return found[0] if found else "of unknown version"

    def voyage(self, errand: Errand, files: Files) -> _Voyage:
        """The arguments of a load."""
        return _Voyage(errand, files)


def _cannot_call(call: Call) -> Iterator[str]:
    if call.method != _HEALTH:
        yield f"make the gRPC call {call.method}: of unary calls it knows {_HEALTH} only"
    elif len(call.messages) > 1 or not _service_only(call.messages[0]):
        yield "send a health check that holds more than the name of a service"
    if call.expect:
        yield "take another status than OK for good (`expect`)"
    if call.deadline is not None:
        yield "tell a server a deadline of its own (`deadline`)"
    if any(parse(value).variables() for _, value in call.metadata):
        yield "make calls that differ from each other (`${...}`)"


def _service_only(message: str) -> bool:
    said = json.loads(message)
    return set(said) <= {"service"} and not parse(said.get("service", "")).variables()


class _Voyage:
    """One run of Fortio."""

    def __init__(self, errand: Errand, files: Files) -> None:
        section = errand.job.section
        stage = section.stages[0]
        self._lane = Lane(0.0, stage.rate, math.ceil(round(stage.rate * stage.duration, 9)))
        self.lanes: Sequence[Lane] = (self._lane,)
        self._threads = max(1, min(errand.connections, self._lane.count))
        self._late = stage.duration + section.timeout
        self._over_grpc = bool(section.calls)
        self._good = _good(section)
        self._start: float | None = None
        self._free: dict[int, float] = {}
        self._told_of = 0
        self._rest: list[bytes] = []
        # Fortio stretches a thread's n requests so that the last one ends its time: by 1 / n, which is nothing where n
        # is without bounds. It is told when it has sent ours.
        self.command = Command(
            arguments=(
                "load",
                *("-json", "-", "-quiet", "-log-errors=false", "-uniform", "-r", "0.0001", "-allow-initial-errors"),
                *("-access-log-file", "/dev/stdout", "-access-log-format", "json"),
                *("-qps", repr(float(stage.rate)), "-c", str(self._threads), "-n", str(self._threads * _ENDLESS)),
                *("-timeout", f"{round(section.timeout * _NANO)}ns"),
                *_connection(errand, files),
                *(_grpc(errand, section.calls[0]) if section.calls else _http(errand, files)),
            )
        )

    def hear(self, line: bytes, account: Account) -> float | None:
        """One request of the log; everything else is Fortio's own report at its end."""
        if not line.startswith(_LINE):
            if sum(map(len, self._rest)) < _LARGEST_REPORT:
                self._rest.append(line)
            return None
        self._told_of += 1
        said = json.loads(line)
        sent, thread = said["timestamp"] / _NANO, said["thread"]
        # The first that we are told of may have been sent late; each that was sent earlier than due says so.
        start = sent - self._lane.due(said["iter"] * self._threads + thread)
        first = start if self._start is None else None
        self._start = start if self._start is None else min(self._start, start)
        self._told(said, sent - self._start, thread, account)
        return first

    def _told(self, said: dict[str, Any], sent: float, thread: int, account: Account) -> None:
        index = said["iter"] * self._threads + thread
        due = self._lane.due(index)
        took = said["latency"]
        queue = max(0.0, min(sent, self._free.get(thread, 0.0)) - due)
        self._free[thread] = sent + took
        kind = self._kind(said["details"], took, account.recorder.timeout)
        late = max(0.0, sent - due)
        account.tell(
            Told(
                lane=0,
                index=index,
                endpoint=0,
                sent=sent,
                response=late + took + 1e-6,
                lag=max(0.0, late - queue),
                queue=queue,
                kind=kind,
            )
        )

    def _kind(self, details: str, took: float, timeout: float) -> str:
        if self._over_grpc:
            return _HEALTHS[details] if details in _HEALTHS else _status(details)
        status = int(details) if details.isdigit() else 0
        if status in self._good:
            return ""
        if status:
            return f"status {status}"
        return "timeout" if took >= timeout else "no answer"

    def over(self, account: Account, elapsed: float) -> bool:
        """All of ours are told of, or what is left has timed out."""
        return account.complete or elapsed > self._late

    def finish(self, account: Account, *, whole: bool) -> str:
        """The log must be as long as the report says; what is not in it found no free thread before its time-out."""
        account.fail_rest("not sent: no free connection")
        if not whole:
            return ""
        try:
            counted = json.loads(b"\n".join(self._rest))["DurationHistogram"]["Count"]
        except (ValueError, KeyError, TypeError):
            return "it gave no report"
        return "" if counted == self._told_of else f"its report has {counted} requests and its log {self._told_of}"


def _status(details: str) -> str:
    """`rpc error: code = NotFound desc = ...` -> `grpc NOT_FOUND`."""
    code = re.search(r"code = ([A-Za-z]{1,30})", details)
    return f"grpc {re.sub(r'(?<=[a-z])(?=[A-Z])', '_', code[1]).upper()}" if code else "grpc call failed"


def _good(section: LoadSection) -> frozenset[int] | range:
    expected = section.endpoints[0].expect if section.endpoints else frozenset()
    return expected or section.expect or range(200, 400)


def _connection(errand: Errand, files: Files) -> Iterator[str]:
    settings, section = errand.job.target.settings, errand.job.section
    if errand.job.target.tls:
        yield from ("-resolve", errand.address[0])
        yield from ("-resolve-ip-type", "ip")
    if errand.tls.ca:
        yield from ("-cacert", files.add(errand.tls.ca))
    if errand.tls.certificate:
        yield from ("-cert", files.add(errand.tls.certificate), "-key", files.add(errand.tls.key))
    if settings.insecure:
        yield "-k"
    if not section.keep_alive:
        yield "-keepalive=false"


def _http(errand: Errand, files: Files) -> Iterator[str]:
    target, content = errand.job.target, errand.contents[0]
    if target.http2:
        yield from ("-h2", "-stdclient")
    yield from ("-X", content.method)
    yield from ("-H", f"Host: {errand.host}")
    for name, value in content.headers:
        yield from ("-H", f"{name}: {value}")
    if content.body:
        yield from ("-payload-file", files.add(content.body))
    host = f"[{target.host}]" if ":" in target.host else target.host
    where = f"https://{host}:{target.port}" if target.tls else f"http://{errand.netloc}"
    yield "--"
    yield where + content.path


def _grpc(errand: Errand, call: Call) -> Iterator[str]:
    target = errand.job.target
    yield "-grpc"
    service = parse(json.loads(call.messages[0]).get("service", "")).constant
    if service:
        yield from ("-healthservice", service)
    if call.gzip:
        yield "-grpc-compression"
    for name, template in call.metadata:
        value = parse(template).constant
        said = base64.b64decode(value).decode("latin-1") if name.endswith("-bin") else value
        yield from ("-H", f"{name}: {said}")
    yield "--"
    yield f"https://{target.host}:{target.port}" if target.tls else errand.netloc
