"""A monorepo on a real bare repository, read by the real Git adapter through something that counts what it is asked."""

from __future__ import annotations

import subprocess
import threading
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gitslo.adapters.git_repository import GitRepository
from gitslo.loop import Controller, Settings
from gitslo.loop.attempts import Attempts, Places
from gitslo.loop.ledgers import Ledgers
from gitslo.loop.sight import Sight
from gitslo.model import (
    Allowed,
    Ceilings,
    CommitId,
    Environment,
)
from gitslo.ports import Clock, Expected, Forge, RefUpdate, Repository, SyncReport, SyncState
from gitslo.testing.fake_forge import FakeForge
from gitslo.testing.fake_load import FakeLoad
from gitslo.testing.fake_readiness import FakeReadiness
from tests.passed import passed_once

PIPELINE = """\
schema: gitslo/v1
name: mono
services: [SERVICES]
stages:
  - {name: dev, path: "deploy/{service}/dev"}
plan: slo.yaml
sync: process
promote:
  - image: "example/{service}"
revalidate: {every: never}
"""
PLAN = """\
schema: gitslo/v1
targets:
  app: {http: "http://app.shop.svc:80"}
load:
  browse: {target: app, get: /, timeout: 1s, warmup: 0s, stages: [{hold: 100/s, for: 2m}]}
objectives:
  - browse.errors < 10%
"""
MANIFEST = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: app}
spec:
  template:
    spec: {containers: [{name: app, image: "example/SERVICE:v1"}, {name: side, image: "other/SERVICE:v7"}]}
"""


class Counted:
    """A Repository that counts the calls of every method."""

    def __init__(self, repository: GitRepository) -> None:
        self._repository = repository
        self.calls: Counter[str] = Counter()

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._repository, name)
        if not callable(found):
            return found

        def counted(*given: Any, **named: Any) -> Any:
            self.calls[name] += 1
            return found(*given, **named)

        return counted

    def since(self) -> Counter[str]:
        """What was called since this was asked last."""
        calls, self.calls = self.calls, Counter()
        return calls


class Everything:
    """A syncer for which everything runs, and that remembers about whom it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.fingerprints: dict[str, str] = {}

    def report(self, environment: Environment, expected: Expected) -> SyncReport:
        """Synced."""
        del expected
        self.asked.append(environment.name)
        return SyncReport(SyncState.SYNCED, "runs", self.fingerprints.get(environment.name, "print"))

    def since(self) -> list[str]:
        """About whom it was asked since this was asked last."""
        asked, self.asked = self.asked, []
        return asked


class Mono:
    """A repository with some services, each in one environment, and a person who commits to it."""

    def __init__(self, folder: Path, services: int) -> None:
        self._folder = folder
        self._clones = 0
        self.bare = folder / "mono.git"
        subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(self.bare)], check=True, timeout=60)
        self.services = [f"s{number:02d}" for number in range(services)]
        self.environments = [f"{service}/dev" for service in self.services]
        self.person = self.clone()
        self.head: CommitId | None = None
        files = {"gitslo.yaml": self.pipeline()}
        for service in self.services:
            files[f"deploy/{service}/dev/slo.yaml"] = PLAN
            files[f"deploy/{service}/dev/app.yaml"] = MANIFEST.replace("SERVICE", service)
        self.commit(files)

    def pipeline(self) -> str:
        """The pipeline file."""
        return PIPELINE.replace("SERVICES", ", ".join(self.services))

    def clone(self) -> GitRepository:
        """A client with a clone of its own."""
        self._clones += 1
        return GitRepository(
            url=self.bare.as_uri(),
            branch="main",
            cache=self._folder / f"clone-{self._clones}",
            ledger_prefix="refs/gitslo/",
            author=("Ann", "ann@example.com"),
        )

    def commit(self, files: Mapping[str, str | None]) -> CommitId:
        """A person's commit on main."""
        edits = {path: None if text is None else text.encode() for path, text in files.items()}
        new = self.person.commit([self.head] if self.head else [], self.head, edits, "change\n", 1.0)
        self.person.swap([RefUpdate("refs/heads/main", self.head, new)])
        self.head = new
        return new

    def passed(self) -> None:
        """Every environment has a ledger that says that what is at HEAD has passed."""
        sight = sight_of(self.clone())
        sight.look()
        updates = []
        for environment in sight.environments:
            state = passed_once(sight, environment, fingerprint="print", wall=1.0)
            updates.append(sight.ledgers.build(None, state, "seeded", 1.0))
        sight.repository.swap(updates)

    def controller(
        self,
        repository: Repository,
        syncer: Everything,
        clock: Clock,
        *,
        pushes_per_minute: int = 100_000,
        attempts: Attempts | None = None,
        forge: Forge | None = None,
    ) -> Controller:
        """The real one; without `attempts` nobody is judged."""
        return Controller(
            Settings("mono", "one", Allowed(targets=("*.svc",)), Ceilings(pushes_per_minute=pushes_per_minute)),
            repository=repository,
            forge=forge or FakeForge(),
            syncers={"process": syncer},
            readiness=FakeReadiness(),
            engine=FakeLoad(),
            clock=clock,
            commands=lambda *_: "",
            observers=(),
            attempts=attempts or Attempts(Places(0), threading.Event().set),
        )


def sight_of(repository: Repository) -> Sight:
    """What a controller sees with."""
    return Sight(repository, Ledgers(repository, name="mono", key=None), Allowed())
