"""A poll over 1,000 environments: with nothing new, and with one changed; beside bare `git ls-remote` and `git fetch`.

One bare repository with 1,000 environments that have all passed. The controller is the real one on the real Git
adapter; only the syncer is scripted, because a thousand processes would measure something else. Interleaved, medians.
"""

from __future__ import annotations

import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from gitslo.adapters.git_repository import GitRepository
from gitslo.adapters.local_forge import LocalForge
from gitslo.loop import Controller, Settings
from gitslo.loop.attempts import Attempts
from gitslo.model import (
    Allowed,
    Cause,
    Ceilings,
    CommitId,
    Environment,
    EnvironmentState,
    Evidence,
    Outcome,
    Passed,
    Release,
    Run,
    RunState,
    Subject,
    Verdict,
)
from gitslo.ports import Expected, RefUpdate, SyncReport, SyncState
from gitslo.wiring_run import SystemClock, load_engine, readiness_probe

SERVICES = int(sys.argv[1]) if len(sys.argv) > 1 else 500
STAGES = ("dev", "prod")
ROUNDS = 9
CHUNK = 200
"""Refs that one push may move."""

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


def controller_of(repository: GitRepository) -> Controller:
    """The real controller."""
    clock = SystemClock()
    allowed, ceilings = Allowed(), Ceilings()
    return Controller(
        Settings("mono", "bench", allowed, ceilings),
        repository=repository,
        forge=LocalForge(repository, account="bench", wall=time.time),
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
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(folder / "mono.git")], check=True)
    repository = repository_of(folder, "seed")
    files: dict[str, bytes] = {"gitslo.yaml": PIPELINE.format(services=", ".join(services())).encode()}
    for service in services():
        for stage in STAGES:
            place = f"deploy/{service}/{stage}"
            files[f"{place}/slo.yaml"] = PLAN.format(service=service, stage=stage).encode()
            files[f"{place}/app.yaml"] = MANIFEST.format(service=service, stage=stage, tag="v1").encode()
    first = repository.commit([], None, dict(files), "seed\n", 1.0)
    repository.swap([RefUpdate("refs/heads/main", None, first)])
    controller = controller_of(repository)
    controller.sight.look()
    updates = []
    for environment in controller.sight.environments:
        facts = controller.sight.facts(environment)
        state = _passed(environment, facts.tree.digest, facts.plan.digest, facts.release, first)
        updates.append(controller.sight.ledgers.build(None, state, "seeded", 1.0))
    for start in range(0, len(updates), CHUNK):
        repository.swap(updates[start : start + CHUNK])


def _passed(environment: Environment, tree: str, plan: str, release: Release, revision: str) -> EnvironmentState:
    subject = Subject(tree, plan)
    run = Run(
        id="1",
        cause=Cause.SYNC,
        subject=subject,
        revision=CommitId(revision),
        release=release,
        fingerprint="print",
        confirming=False,
        state=RunState.JUDGED,
        attempt=1,
        extensions=0,
        takeovers=0,
        cut_off=(),
        claim=None,
        evidence=Evidence(),
        verdict=Verdict.PASS,
        findings=(),
        judged_wall=time.time(),
        outcome=Outcome.DONE,
    )
    passed = Passed("1", CommitId(revision), subject, release, "print", withdrawn=False, limits=())
    return EnvironmentState(
        environment.pipeline, environment.name, entry=1, why="judge", run=run, last_pass=passed, runs=1
    )


def change(folder: Path, repository: GitRepository, number: int) -> None:
    """A person commits a comment into one environment's manifest: one tree of a thousand is another."""
    service = services()[number % SERVICES]
    refs = repository.list_refs()
    repository.fetch(refs)
    head = refs["refs/heads/main"]
    text = MANIFEST.format(service=service, stage="dev", tag="v1") + f"# {number}\n"
    commit = repository.commit([head], head, {f"deploy/{service}/dev/app.yaml": text.encode()}, "change\n", 2.0)
    repository.swap([RefUpdate("refs/heads/main", head, commit)])
    del folder


def timed(call: Callable[[], object]) -> float:
    """Seconds."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def main() -> None:
    """Print a table."""
    folder = Path(tempfile.mkdtemp(prefix="gitslo-bench-"))
    try:
        seed(folder)
        url = (folder / "mono.git").as_uri()
        bare = folder / "bare.git"
        subprocess.run(["git", "clone", "-q", "--bare", url, str(bare)], check=True)
        person = repository_of(folder, "person")
        controller = controller_of(repository_of(folder, "daemon"))
        cold = timed(controller.poll)
        warm = timed(controller.poll)
        rows: dict[str, list[float]] = {
            "bare: git ls-remote": [],
            "poll, nothing new": [],
            "bare: git fetch, nothing new": [],
            "bare: git fetch, one commit": [],
            "poll, one environment changed": [],
        }
        env = {"PATH": os.environ["PATH"], "HOME": str(folder)}
        refspecs = ["+refs/heads/main:refs/heads/main", "+refs/gitslo/*:refs/gitslo/*"]
        fetch = ["git", "-C", str(bare), "fetch", "-q", url, *refspecs]

        def run(argv: list[str]) -> None:
            subprocess.run(argv, check=True, capture_output=True, env=env)

        run(fetch)
        listing = ["git", "ls-remote", url, "refs/heads/main", "refs/gitslo/*"]
        for number in range(ROUNDS):
            rows["bare: git ls-remote"].append(timed(lambda: run(listing)))
            rows["poll, nothing new"].append(timed(controller.poll))
            rows["bare: git fetch, nothing new"].append(timed(lambda: run(fetch)))
            change(folder, person, number)
            rows["bare: git fetch, one commit"].append(timed(lambda: run(fetch)))
            rows["poll, one environment changed"].append(timed(controller.poll))
            controller.poll()
        rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        environments = len(controller.sight.environments)
        print(f"{environments} environments; first poll {cold:.2f} s, second {warm:.2f} s; peak RSS {rss:.0f} MiB")
        print(f"{'':34} {'median':>9} {'min':>9} {'max':>9}")
        for name, values in rows.items():
            print(
                f"{name:34} {statistics.median(values) * 1e3:7.1f}ms {min(values) * 1e3:7.1f}ms"
                f" {max(values) * 1e3:7.1f}ms"
            )
        lists = statistics.median(rows["bare: git ls-remote"])
        fetches = statistics.median(rows["bare: git fetch, one commit"])
        print(f"nothing new: {statistics.median(rows['poll, nothing new']) / lists:.2f} x ls-remote")
        print(f"one changed: {statistics.median(rows['poll, one environment changed']) / (lists + fetches):.2f} x both")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
