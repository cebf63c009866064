"""A poll over 1,000 environments: the first, with nothing new, with one changed, and with every syncer asked.

    python bench/poll.py [SERVICES]      two environments for each, 500 services unless said; 5000 takes several minutes

One bare repository whose environments have all passed, each ledger with the evidence of a two-minute run. The
controller is the real one on the real Git adapter. Scripted are what would measure something else: the syncer (a
thousand processes) and the forge (a thousand pushes of statuses that the first poll sends). Beside it the bare tools
that must do the same over the same repository, interleaved, medians: wall time, and CPU time of this process and of
every process it started. The controller's process does nothing else, so its peak RSS is the controller's.
"""

from __future__ import annotations

import multiprocessing
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from gitslo.adapters.git_repository import GitRepository
from gitslo.core.ledger import encode
from gitslo.loop import Controller, Settings
from gitslo.loop.attempts import Attempts
from gitslo.model import (
    Allowed,
    AttemptEvidence,
    Cause,
    Ceilings,
    CommitId,
    Environment,
    EnvironmentState,
    Evidence,
    Instant,
    Outcome,
    Passed,
    Phase,
    Release,
    Run,
    RunState,
    Second,
    Seconds,
    Subject,
    Tally,
    Verdict,
)
from gitslo.ports import Expected, RefUpdate, SyncReport, SyncState
from gitslo.testing.fake_forge import FakeForge
from gitslo.wiring_run import load_engine, readiness_probe

SERVICES = int(sys.argv[1]) if len(sys.argv) > 1 else 500
STAGES = ("dev", "prod")
ROUNDS = 15
JUDGED = 120
"""Seconds of load in each ledger's evidence."""

REFS = ("refs/heads/main", "refs/gitslo/*", "refs/heads/gitslo/*")
"""What a poll lists, and so what is listed beside it."""

PIPELINE = """\
schema: gitslo/v1
name: mono
services: [{services}]
stages:
  - {{name: dev, path: "deploy/{{service}}/dev"}}
  - {{name: prod, path: "deploy/{{service}}/prod", after: [dev]}}
plan: slo.yaml
sync: process
promote:
  - image: "example/{{service}}"
revalidate: {{every: never}}
"""
PLAN = """\
schema: gitslo/v1
targets:
  app: {{http: "http://{service}.{stage}.svc:80"}}
load:
  browse: {{target: app, get: /, timeout: 1s, warmup: 1s, stages: [{{hold: 100/s, for: 2m}}]}}
objectives:
  - browse.errors < 1%
"""
MANIFEST = """\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {service}, namespace: {stage}}}
spec:
  selector: {{matchLabels: {{app: {service}}}}}
  template:
    metadata: {{labels: {{app: {service}}}}}
    spec: {{containers: [{{name: app, image: "example/{service}:{tag}"}}]}}
"""


class Everything:
    """A syncer for which everything runs."""

    def report(self, environment: Environment, expected: Expected) -> SyncReport:
        """Synced."""
        del environment, expected
        return SyncReport(SyncState.SYNCED, "runs", "print")


class ForwardClock:
    """The machine's clocks, put forward at will."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def now(self) -> Instant:
        """The present instant, and what was put forward."""
        return Instant(time.monotonic() + self.ahead, time.time() + self.ahead)

    def sleep(self, seconds: Seconds) -> None:
        """Put it forward."""
        self.ahead += seconds


@dataclass
class Row:
    """What one kind of work took, each time."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    def time(self, work: Callable[[], object]) -> None:
        """Do the work."""
        cpu, wall = _cpu(), time.perf_counter()
        work()
        self.wall.append(time.perf_counter() - wall)
        self.cpu.append(_cpu() - cpu)

    @property
    def median(self) -> float:
        """Seconds of wall time."""
        return statistics.median(self.wall)


def _cpu() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def services() -> list[str]:
    """Their names."""
    return [f"svc-{number:04d}" for number in range(SERVICES)]


def repository_of(folder: Path, cache: str) -> GitRepository:
    """A clone of the bench's repository."""
    return GitRepository(
        url=(folder / "mono.git").as_uri(),
        branch="main",
        cache=folder / cache,
        ledger_prefix="refs/gitslo/",
        author=("bench", "bench@localhost"),
        timeout=120.0,
    )


def controller_of(repository: GitRepository, clock: ForwardClock) -> Controller:
    """The real controller."""
    allowed, ceilings = Allowed(), Ceilings(pushes_per_minute=1_000_000)
    return Controller(
        Settings("mono", "bench", allowed, ceilings),
        repository=repository,
        forge=FakeForge(),
        syncers={"process": Everything()},
        readiness=readiness_probe(),
        engine=load_engine(ceilings, allowed),
        clock=clock,
        commands=lambda *_: "",
        observers=(),
        attempts=Attempts(0, threading.Event().set),
    )


def seed(folder: Path) -> None:
    """The branch, and a ledger with a pass for every environment."""
    bare = folder / "mono.git"
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(bare)], check=True)
    repository = repository_of(folder, "seed")
    files: dict[str, bytes] = {"gitslo.yaml": PIPELINE.format(services=", ".join(services())).encode()}
    for service in services():
        for stage in STAGES:
            place = f"deploy/{service}/{stage}"
            files[f"{place}/slo.yaml"] = PLAN.format(service=service, stage=stage).encode()
            files[f"{place}/app.yaml"] = MANIFEST.format(service=service, stage=stage, tag="v1").encode()
    first = repository.commit([], None, dict(files), "seed\n", 1.0)
    repository.swap([RefUpdate("refs/heads/main", None, first)])
    sight = controller_of(repository, ForwardClock()).sight
    sight.look()
    stream = bytearray()
    for environment in sight.environments:
        facts = sight.facts(environment)
        state = _passed(environment, facts.tree.digest, facts.plan.digest, facts.release, first)
        ref = sight.ledgers.ref(environment.pipeline, environment.name)
        stream += f"commit {ref}\ncommitter bench <bench@localhost> 1 +0000\ndata 5\njudge\n".encode()
        for name, content in encode(state, key=None, repository="mono", parent=None).items():
            stream += f"M 100644 inline {name}\ndata {len(content)}\n".encode() + content + b"\n"
    subprocess.run(["git", "-C", str(bare), "fast-import", "--quiet"], input=stream, check=True)
    subprocess.run(["git", "-C", str(bare), "pack-refs", "--all"], check=True)


def _passed(environment: Environment, tree: str, plan: str, release: Release, revision: CommitId) -> EnvironmentState:
    subject = Subject(tree, plan)
    counts = tuple(Second(at, 100 + at % 7, at % 3 // 2) for at in range(1, JUDGED + 1))
    tally = Tally("browse.errors < 1%", Phase.STEADY, counts)
    run = Run(
        id="1",
        cause=Cause.SYNC,
        subject=subject,
        revision=revision,
        release=release,
        fingerprint="print",
        confirming=False,
        state=RunState.JUDGED,
        attempt=1,
        extensions=0,
        takeovers=0,
        cut_off=(),
        claim=None,
        evidence=Evidence((AttemptEvidence(1, 1.0, ((Phase.STEADY, Seconds(JUDGED)),), (tally,)),)),
        verdict=Verdict.PASS,
        findings=(),
        judged_wall=time.time(),
        outcome=Outcome.DONE,
    )
    passed = Passed("1", revision, subject, release, "print", withdrawn=False, limits=())
    return EnvironmentState(
        environment.pipeline, environment.name, entry=1, why="judge", run=run, last_pass=passed, runs=1
    )


def change(repository: GitRepository, number: int) -> None:
    """A person writes a comment beside one environment's manifests: one tree of a thousand is another."""
    refs = repository.list_refs()
    repository.fetch(refs)
    head = refs["refs/heads/main"]
    place = f"deploy/{services()[number % SERVICES]}/dev"
    commit = repository.commit([head], head, {f"{place}/slo.yaml": _plan(place, number)}, "change\n", 2.0)
    repository.swap([RefUpdate("refs/heads/main", head, commit)])


def _plan(place: str, number: int) -> bytes:
    """The same plan in other bytes: the environment is read and judged anew, and its verdict stands."""
    _, service, stage = place.split("/")
    return PLAN.format(service=service, stage=stage).encode() + f"# {number}\n".encode()


def main() -> None:
    """Print a table."""
    folder = Path(tempfile.mkdtemp(prefix="gitslo-bench-"))
    try:
        # In a process of its own, so that its memory is not counted here.
        seeding = multiprocessing.get_context("spawn").Process(target=seed, args=(folder,))
        seeding.start()
        seeding.join()
        if seeding.exitcode:
            sys.exit("seeding failed")
        measure(folder)
    finally:
        shutil.rmtree(folder)


def measure(folder: Path) -> None:
    """One controller, from its first poll on."""
    url, bare = (folder / "mono.git").as_uri(), folder / "bare.git"
    env = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    git = ["git", "-C", str(bare)]

    def run(argv: list[str]) -> None:
        subprocess.run(argv, check=True, capture_output=True, env=env)

    refspecs = ["+refs/heads/main:refs/heads/main", "+refs/gitslo/*:refs/gitslo/*"]
    fetch, listing = [*git, "fetch", "-q", url, *refspecs], ["git", "ls-remote", url, *REFS]
    clock = ForwardClock()
    controller, person = controller_of(repository_of(folder, "daemon"), clock), repository_of(folder, "person")
    bare_clone, first, again = Row(), Row(), Row()

    def clone() -> None:
        run(["git", "init", "-q", "--bare", str(bare)])
        run(fetch)

    bare_clone.time(clone)
    first.time(controller.poll)
    again.time(controller.poll)
    bare_list, nothing, bare_fetch, one, asked = Row(), Row(), Row(), Row(), Row()
    change(person, 0)
    for number in range(1, ROUNDS + 1):
        run(fetch)
        controller.poll()
        bare_list.time(lambda: run(listing))
        nothing.time(controller.poll)
        change(person, number)
        bare_fetch.time(lambda: (run(listing), run(fetch)))
        one.time(controller.poll)
        clock.sleep(Seconds(31.0))
        asked.time(controller.poll)
    environments = len(controller.sight.environments)
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    version = subprocess.check_output(["git", "version"], text=True).strip()
    print(f"{environments} environments; Python {platform.python_version()}, {version}, {os.cpu_count()} CPUs")
    print(f"peak RSS of the controller's process: {rss:.0f} MiB")
    print(f"{'':40} {'median':>9} {'min':>9} {'max':>9} {'CPU':>9}  of the bare tools' time")
    rows: tuple[tuple[str, Row, Row | None], ...] = (
        ("bare: git init and fetch", bare_clone, None),
        ("first poll", first, bare_clone),
        ("second poll", again, bare_list),
        ("bare: git ls-remote", bare_list, None),
        ("poll, nothing new", nothing, bare_list),
        ("bare: ls-remote and fetch, one commit", bare_fetch, None),
        ("poll, one environment changed", one, bare_fetch),
        ("poll, every syncer asked (each 30 s)", asked, bare_list),
    )
    for name, row, beside in rows:
        ratio = f"  {row.median / beside.median:.2f} x" if beside is not None else ""
        print(
            f"{name:40} {row.median * 1e3:7.1f}ms {min(row.wall) * 1e3:7.1f}ms {max(row.wall) * 1e3:7.1f}ms"
            f" {statistics.median(row.cpu) * 1e3:7.1f}ms{ratio}"
        )


if __name__ == "__main__":
    main()
