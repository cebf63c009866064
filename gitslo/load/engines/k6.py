"""The dialect of k6: a script made of a load section, and the points that it streams. Found by `gitslo.engines`.

Every stage is a scenario of its own: a hold is `constant-arrival-rate`, a ramp `ramping-arrival-rate` (sent and not
judged). Iteration k of a hold is due at k / rate after its scenario's start, and k6 starts it then or drops it; so a
response time counts from that moment, whatever k6's own figures say.

Invariants
- What a plan says is in the script as one JSON text only, parsed there: no part of it is ever read as a program.
- The script goes over standard input, so that no header of it is in the list of processes.
- k6 reports to nobody: no usage report, no REST API, no configuration of a person's own.
"""

from __future__ import annotations

import base64
import json
import math
import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

from gitslo.load.engines.account import Account, Lane, Told
from gitslo.load.engines.foreign import Errand, ForeignEngine
from gitslo.load.engines.program import Command, Files
from gitslo.load.schedule import interleave
from gitslo.model import Ceilings, Endpoint, LoadSection, LoadStage, StageForm, TlsVersion
from gitslo.ports import LoadJob, TargetAccess

__all__ = ["K6Engine", "script"]

_FINEST = 1000
"""The largest denominator of a rate: k6 knows whole iterations per unit of time."""
_TELLS = b'{"metric":"gitslo_'
_DROPS = b'{"metric":"dropped_iterations","type":"Point"'
_KINDS = {
    1050: "timeout",
    1210: "connect: failed",
    1211: "connect: timed out",
    1212: "connect: refused",
    1213: "connect: failed",
    1220: "reset",
}
"""What k6's error codes mean in our words; https://grafana.com/docs/k6/latest/javascript-api/error-codes/."""
_GRACE = 0.5
_NANO = 1e9

_SCRIPT = """\
import http from 'k6/http';
import encoding from 'k6/encoding';
import exec from 'k6/execution';
import { Gauge, Trend } from 'k6/metrics';

const said = JSON.parse(%s);
const requests = said.requests.map((request) => ({
  ...request,
  body: request.body === null ? null : encoding.b64decode(request.body, 'std'),
}));
const started = new Gauge('gitslo_start');
const told = new Trend('gitslo_told', true);

export const options = said.options;

export default function () {
  const began = exec.instance.currentTestRunDuration;
  const progress = exec.scenario.progress;
  const index = exec.scenario.iterationInTest;
  const stage = said.stages[exec.scenario.name];
  if (index === 0) {
    started.add(exec.scenario.startTime, { stage: String(stage.number) });
  }
  const endpoint = said.order[index %% said.order.length];
  const request = requests[endpoint];
  const answer = http.request(request.method, request.url, request.body, request.params);
  const failed = request.contains.some((text) => !String(answer.body || '').includes(text));
  const took = exec.instance.currentTestRunDuration - began;
  exec.vu.metrics.metadata.gitslo = [stage.number, index, progress * stage.duration].join(' ');
  told.add(took, {
    endpoint: String(endpoint),
    status: String(answer.status),
    error: String(answer.error_code),
    contains: failed ? 'no' : 'yes',
  });
}

export function handleSummary() {
  return {};
}
"""


class K6Engine(ForeignEngine):
    """Sends HTTP load with k6."""

    def __init__(
        self,
        ceilings: Ceilings,
        allowed: Callable[[str], bool],
        access: TargetAccess | None = None,
        path: Path | None = None,
    ) -> None:
        """Bind the operator's bounds; see `ForeignEngine`."""
        super().__init__(_K6(), ceilings, allowed, access, path)


class _K6:
    """What is known of k6."""

    name = "k6"
    resolution = 1e-6

    def cannot(self, job: LoadJob) -> Iterator[str]:
        """gRPC, HTTP/2 by prior knowledge, and checks that JavaScript has no words for."""
        section, target = job.section, job.target
        if section.calls:
            yield "make these gRPC calls: that takes a script of your own"
        if target.http2 and not target.tls:
            yield "speak HTTP/2 without TLS (`http2`)"
        for endpoint in section.endpoints:
            checks = endpoint.checks
            asked = {
                "matches": checks.matches,
                "json": checks.json,
                "headers": checks.headers,
                "max_size": checks.max_size,
                "graphql": checks.graphql,
            }
            yield from (f"check `{name}` as we mean it ({endpoint.name})" for name, wanted in asked.items() if wanted)
        for stage in section.stages:
            if abs(_exact(stage.rate) - stage.rate) > 1e-9 * stage.rate:
                yield f"keep a rate of {stage.rate:g}/s exactly"

    def release(self, said: str) -> str:
        """`k6 v1.8.1 (go1.26, linux/amd64)` -> `v1.8.1`."""
        found = re.search(r"v\d\S*", said)
        return found[0] if found else "of unknown version"

    def voyage(self, errand: Errand, files: Files) -> _Voyage:
        """The script, and how to start k6 with it."""
        return _Voyage(errand, files)


class _Voyage:
    """One run of k6."""

    def __init__(self, errand: Errand, files: Files) -> None:
        section = errand.job.section
        self._good = [_good(section, endpoint) for endpoint in section.endpoints]
        self._stages = section.stages
        self._starts = [sum(stage.duration for stage in section.stages[:at]) for at in range(len(section.stages))]
        self.lanes: Sequence[Lane] = tuple(
            _lane(start, stage) for start, stage in zip(self._starts, self._stages, strict=True)
        )
        # k6 rounds the time between two iterations down to nanoseconds
        self._every = [math.floor(_NANO / _exact(s.rate)) / _NANO if s.rate else 0.0 for s in section.stages]
        self._began: dict[int, float] = {}
        self._dropped: list[list[float]] = [[] for _ in section.stages]
        self._early: list[tuple[int, float]] = []
        environment = {"K6_NO_USAGE_REPORT": "true"}
        if errand.tls.ca:
            environment |= {"SSL_CERT_FILE": files.add(errand.tls.ca), "SSL_CERT_DIR": "/nonexistent"}
        if not errand.job.target.http2:
            environment["GODEBUG"] = "http2client=0"
        quiet = ("--quiet", "--no-color", "--log-format", "raw", "--no-thresholds", "--no-usage-report")
        self.command = Command(
            arguments=("run", "--out", "json=-", "--address", "", *quiet, "-"),
            stdin=script(errand).encode("ascii"),
            environment=environment,
        )

    def hear(self, line: bytes, account: Account) -> float | None:
        """A point of ours, or one that counts what was dropped."""
        if line.startswith(_TELLS):
            said = json.loads(line)
            if said["type"] != "Point":
                return None
            if said["metric"] == "gitslo_start":
                return self._start(int(said["data"]["tags"]["stage"]), said["data"]["value"] / 1e3, account)
            self._told(said["data"], account)
        elif line.startswith(_DROPS):
            data = json.loads(line)["data"]
            stage = int(data["tags"]["scenario"].removeprefix("stage"))
            moment = datetime.fromisoformat(data["time"]).timestamp()
            for _ in range(int(data["value"])):
                self._drop(stage, moment, account)
        return None

    def _start(self, stage: int, at: float, account: Account) -> float:
        self._began[stage] = at
        early, self._early = self._early, []
        for number, moment in early:
            self._drop(number, moment, account)
        return at - self._starts[stage]

    def _drop(self, stage: int, moment: float, account: Account) -> None:
        if stage not in self._began:
            self._early.append((stage, moment))
            return
        at = moment - self._began[stage]
        dropped = self._dropped[stage]
        dropped.insert(bisect_left(dropped, at), at)
        if self.lanes[stage].rate:
            account.drop(stage, math.floor(at / self._every[stage] + 1e-6), "not sent: dropped by k6")
        else:
            account.dropped += 1

    def _told(self, data: dict[str, Any], account: Account) -> None:
        number, index, begun = data["metadata"]["gitslo"].split()
        stage, sent = int(number), float(begun) / 1e3
        took, tags = data["value"] / 1e3, data["tags"]
        tick, due = int(index), sent
        if self.lanes[stage].rate:
            # What was dropped has no number: those before this one are told by their moments.
            every = self._every[stage]
            tick += bisect_right(self._dropped[stage], sent)
            while tick > int(index) and tick * every > sent:
                tick -= 1
            due = tick * every
        else:
            # the last one of a ramp starts as the next stage does, and is none of its own
            due = sent = min(sent, self._stages[stage].duration - 1 / _NANO)
        lag = max(0.0, sent - due)
        endpoint = int(tags["endpoint"])
        kind = self._kind(int(tags["status"]), int(tags["error"]), tags["contains"], endpoint)
        account.tell(
            Told(stage, tick, endpoint, self._starts[stage] + sent, lag + took, lag, 0.0, kind),
        )

    def _kind(self, status: int, error: int, contains: str, endpoint: int) -> str:
        if not status:
            return _KINDS.get(error, f"k6 error {error}")
        if status not in self._good[endpoint]:
            return f"status {status}"
        return "" if contains == "yes" else "check: body does not contain"

    def over(self, account: Account, elapsed: float) -> bool:
        """It comes to its end by itself."""
        del account, elapsed
        return False

    def finish(self, account: Account, *, whole: bool) -> str:
        """What is open now was interrupted, or lost on its way: the account knows what that means."""
        del account, whole
        return ""


def _exact(rate: float) -> Fraction:
    return Fraction(rate).limit_denominator(_FINEST)


def _lane(start: float, stage: LoadStage) -> Lane:
    if stage.form is StageForm.RAMP:
        return Lane(start, 0.0, 0)
    return Lane(start, stage.rate, math.ceil(round(stage.rate * stage.duration, 9)))


def _good(section: LoadSection, endpoint: Endpoint) -> frozenset[int] | range:
    return endpoint.expect or section.expect or range(200, 400)


def script(errand: Errand) -> str:
    """The script of a load, in ASCII."""
    section = errand.job.section
    said = {
        "requests": [_request(errand, index) for index in range(len(section.endpoints))],
        "order": interleave([endpoint.weight for endpoint in section.endpoints]),
        "stages": {
            f"stage{number}": {"number": number, "duration": stage.duration * 1e3}
            for number, stage in enumerate(section.stages)
        },
        "options": _options(errand),
    }
    # Twice: the inner text is JSON, the outer one a literal that JavaScript reads as exactly that text.
    return _SCRIPT % json.dumps(json.dumps(said))


def _request(errand: Errand, index: int) -> dict[str, object]:
    section, target, content = errand.job.section, errand.job.target, errand.contents[index]
    host = f"[{target.host}]" if ":" in target.host else target.host
    where = f"https://{host}:{target.port}" if target.tls else f"http://{errand.netloc}"
    contains = section.endpoints[index].checks.contains
    return {
        "method": content.method,
        "url": where + content.path,
        "body": base64.b64encode(content.body).decode("ascii") if content.body else None,
        "contains": contains,
        "params": {
            "headers": {"Host": errand.host, **dict(content.headers)},
            "timeout": section.timeout * 1e3,
            "redirects": 0,
            "responseType": "text" if contains else "none",
        },
    }


def _options(errand: Errand) -> dict[str, object]:
    section, target = errand.job.section, errand.job.target
    options: dict[str, object] = {
        "scenarios": dict(_scenarios(errand)),
        "systemTags": ["scenario"],
        "summaryTrendStats": ["max"],
        "noConnectionReuse": not section.keep_alive,
        "insecureSkipTLSVerify": target.settings.insecure,
        "tlsVersion": {"min": "tls1.3" if target.settings.min_version is TlsVersion.TLS_1_3 else "tls1.2"},
    }
    if target.tls:
        options["hosts"] = {f"{target.host}:{target.port}": errand.netloc}
    if errand.tls.certificate:
        options["tlsAuth"] = [{"cert": errand.tls.certificate.decode("ascii"), "key": errand.tls.key.decode("ascii")}]
    return options


def _scenarios(errand: Errand) -> Iterator[tuple[str, dict[str, object]]]:
    section = errand.job.section
    at, before = 0.0, Fraction(0)
    for number, stage in enumerate(section.stages):
        rate = _exact(stage.rate)
        unit = math.lcm(rate.denominator, before.denominator)
        length = f"{round(stage.duration * _NANO)}ns"
        common: dict[str, object] = {
            "startTime": f"{round(at * _NANO)}ns",
            "timeUnit": f"{unit}s",
            # All of them at once: while one more is made, k6 drops what is due.
            "preAllocatedVUs": errand.connections,
            "maxVUs": errand.connections,
            "gracefulStop": f"{round((section.timeout + _GRACE) * _NANO)}ns",
        }
        if stage.form is StageForm.HOLD:
            form: dict[str, object] = {
                "executor": "constant-arrival-rate",
                "rate": int(rate * unit),
                "duration": length,
            }
        else:
            form = {
                "executor": "ramping-arrival-rate",
                "startRate": int(before * unit),
                "stages": [{"target": int(rate * unit), "duration": length}],
            }
        yield f"stage{number}", common | form
        at, before = at + stage.duration, rate
