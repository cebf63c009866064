"""A shop on a real bare repository: the real Git adapter, local forge and controller; syncer and load are scripted."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from gitslo.adapters.git_repository import GitRepository
from gitslo.adapters.local_forge import LocalForge
from gitslo.core.steps import Stay
from gitslo.loop import Controller, Poll, Settings
from gitslo.loop.attempts import Attempts, Places
from gitslo.model import Allowed, Ceilings, CommitId, Environment, EnvironmentState
from gitslo.ports import (
    Event,
    Expected,
    Forge,
    LoadJob,
    LoadResult,
    LoadSnapshot,
    MetricSource,
    RefUpdate,
    Repository,
    SyncReport,
)
from gitslo.testing.fake_load import FakeLoad, Script
from gitslo.testing.fake_readiness import FakeReadiness
from gitslo.testing.fake_syncer import FakeSyncer
from gitslo.testing.manual_clock import ManualClock

PIPELINE = """\
schema: gitslo/v1
name: shop
stages:
  - {name: dev, path: dev}
  - {name: prod, path: prod, after: [dev], write: {promotion: {mode: pull-request, merge: PROD_MERGE}}}
plan: slo.yaml
sync: process
promote:
  - image: example/app
write:
  promotion: {mode: pull-request, merge: auto}
  revert: {mode: pull-request, merge: auto}
newer_commit: NEWER
revalidate: {every: 6h, confirm: 2}
"""

PLAN = """\
schema: gitslo/v1
targets:
  app: {http: "http://app.shop.svc:80"}
load:
  browse: {target: app, get: /, timeout: 1s, warmup: 0s, stages: [{hold: 100/s, for: 20s}]}
objectives:
  - browse.errors < LIMIT
judge: {min_duration: 5s, max_duration: 20s}
"""

MANIFEST = """\
# the {stage} deployment: this comment stays
apiVersion: apps/v1
kind: Deployment
metadata: {{name: app, namespace: {stage}}}
spec:
  selector:   {{matchLabels: {{app: app}}}}
  template:
    metadata: {{labels: {{app: app}}}}
    spec:
      containers:
        - name: app
          image: 'example/app:{tag}'   # moved by gitslo
"""


class Follower:
    """A syncer for which HEAD runs at once, unless told otherwise."""

    def __init__(self) -> None:
        self.fake = FakeSyncer()
        self.follows = True
        self.failing = ""

    def report(self, environment: Environment, expected: Expected) -> SyncReport:
        """What runs."""
        if self.failing:
            self.fake.fail(environment.name, expected, self.failing)
        elif self.follows:
            self.fake.run(environment.name, expected, {"app.shop.svc:80": ("127.0.0.1", 9)})
        return self.fake.report(environment, expected)


class Engine:
    """A load engine whose service is bad where the image at HEAD is tagged `bad...`, or where it is told so."""

    def __init__(self, tag: Callable[[str], str]) -> None:
        self._tag = tag
        self.script = Script()
        self.drifted: set[str] = set()
        self.gate: threading.Event | None = None
        self.began = threading.Event()

    def run(self, job: LoadJob, on_snapshot: Callable[[LoadSnapshot], bool]) -> LoadResult:
        """Play the script of what runs."""
        stage = job.run_id.split("/")[1]
        bad = stage in self.drifted or self._tag(stage).startswith("bad")
        self.began.set()
        if self.gate is not None:
            self.gate.wait(30)
        script = replace(self.script, bad=lambda _: 1.0) if bad else self.script
        return FakeLoad(browse=script).run(job, on_snapshot)


class Journal:
    """An observer that remembers."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def tell(self, event: Event) -> None:
        """Take note."""
        self.events.append(event)


class Shop:
    """See the module."""

    def __init__(self, folder: Path, *, prod_merge: str = "auto", newer: str = "finish") -> None:
        self.folder = folder
        self.bare = folder / "shop.git"
        self.git("init", "-q", "--bare", "-b", "main", str(self.bare), at=folder)
        self.person = self._clone("person", ("Ann", "ann@example.com"))
        self.clock = ManualClock()
        self.syncer = Follower()
        self.engine = Engine(self.tag)
        self.readiness = FakeReadiness()
        self.sources: dict[str, MetricSource] = {}
        self.journal = Journal()
        self.woken = threading.Event()
        pipeline = PIPELINE.replace("PROD_MERGE", prod_merge).replace("NEWER", newer)
        files = {"gitslo.yaml": pipeline}
        for stage in ("dev", "prod"):
            files[f"{stage}/slo.yaml"] = PLAN.replace("LIMIT", "10%")
            files[f"{stage}/app.yaml"] = MANIFEST.format(stage=stage, tag="v1")
        self.commit(files, "Start")
        self.repository: Repository = self._clone("daemon", ("gitslo", "gitslo@localhost"))
        self.controller = self._controller(self.repository)

    def git(self, *arguments: str, at: Path | None = None) -> str:
        """Plain git on the bare repository."""
        done = subprocess.run(["git", *arguments], cwd=at or self.bare, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def _clone(self, name: str, author: tuple[str, str]) -> GitRepository:
        return GitRepository(
            url=self.bare.as_uri(),
            branch="main",
            cache=self.folder / name,
            ledger_prefix="refs/gitslo/",
            author=author,
        )

    def forge(self, repository: Repository) -> Forge:
        """The local one."""
        return LocalForge(repository, account="gitslo", wall=lambda: self.clock.now().wall)

    def _controller(self, repository: Repository) -> Controller:
        return Controller(
            Settings("shop", "one", Allowed(targets=("*.svc",)), replace(Ceilings(), pushes_per_minute=100_000)),
            repository=repository,
            forge=self.forge(repository),
            syncers={"process": self.syncer},
            readiness=self.readiness,
            engine=self.engine,
            clock=self.clock,
            commands=lambda *_: "",
            observers=(self.journal,),
            attempts=Attempts(Places(4), self.woken.set),
            sources=self.sources,
        )

    def through(self, wrap: Callable[[Repository], Repository]) -> None:
        """Let the controller see the repository through something."""
        self.controller = self._controller(wrap(self.repository))

    # ------------------------------------------------------------- people

    def commit(self, files: dict[str, str | None], message: str) -> CommitId:
        """A person's commit on main."""
        refs: dict[str, CommitId] = {}
        if self.git("for-each-ref", "refs/heads/main"):
            refs = dict(self.person.list_refs())
            self.person.fetch(refs)
        head = refs.get("refs/heads/main")
        edits = {path: None if text is None else text.encode() for path, text in files.items()}
        commit = self.person.commit([head] if head else [], head, edits, message + "\n", self.clock.now().wall)
        self.person.swap([RefUpdate("refs/heads/main", head, commit)])
        return commit

    def release(self, tag: str, stage: str = "dev") -> CommitId:
        """A person writes another tag."""
        return self.commit({f"{stage}/app.yaml": MANIFEST.format(stage=stage, tag=tag)}, f"Release {tag}")

    def plan(self, limit: str, stage: str = "dev") -> CommitId:
        """A person writes another limit."""
        return self.commit({f"{stage}/slo.yaml": PLAN.replace("LIMIT", limit)}, f"Limit {limit}")

    def tag(self, stage: str) -> str:
        """What HEAD says runs."""
        text = self.git("show", f"main:{stage}/app.yaml")
        return text.partition("example/app:")[2].split("'")[0]

    # ------------------------------------------------------------- gitslo

    def settle(self, most: int = 200) -> Poll:
        """Poll until nothing of ours is under way."""
        for _ in range(most):
            self.woken.clear()
            poll = self.controller.poll()
            busy = any(standing.stay is not None and standing.stay.busy for standing in poll.standings)
            if poll.steps == 0 and not busy:
                return poll
            if poll.steps == 0:
                self.woken.wait(10)
            self.clock.advance(1.0)
        raise AssertionError([event.message for event in self.journal.events[-20:]])

    def state(self, stage: str) -> EnvironmentState:
        """The ledger's tip."""
        self.controller.sight.look()
        return self.controller.sight.ledger(stage).state

    def stay(self, poll: Poll, stage: str) -> Stay | None:
        """Why a stage stays."""
        return next(standing.stay for standing in poll.standings if standing.environment == stage)

    def bot_commits(self) -> list[str]:
        """Commits on main that carry our trailers, oldest first, merges left out."""
        return self.git("log", "--reverse", "--no-merges", "--format=%H", "--grep=^Gitslo-Action:", "main").split()
