"""The demo's story, told with the real thing: a bare repository, a process syncer, and a daemon, all on this machine.

Called by `gitslo demo`. Nothing in it is special to the demo but the seed, the versions, and the moment at which a
process is made slow; everything else is what `gitslo once` does with the operator's file that lies beside it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Final

from gitslo.adapters.git_repository import GitRepository
from gitslo.adapters.process_client import ProcessSyncer
from gitslo.config import load_operator
from gitslo.errors import Retry
from gitslo.loop import person
from gitslo.loop.sight import Sight
from gitslo.model import ByteCount, CommitId, Seconds
from gitslo.ports import Expected, Observer, RefUpdate
from gitslo.wiring import Daemon, build, once_all, open_sight

__all__ = ["OPERATOR_FILE", "Demo", "tell_story"]

OPERATOR_FILE: Final = "operator.yaml"
BRANCH: Final = "refs/heads/main"
IMAGE: Final = "example/hello"
STAGES: Final = ("dev", "staging", "prod")
SYNC_WAIT: Final = Seconds(60.0)
_CAP: Final = ByteCount(256 * 1024)
SLOW_MS: Final = 400
"""What prod's process is slowed down by: far above every limit of the plans."""

OPERATOR: Final = """\
# The demo's operator file: what a repository may not decide. A real one polls less often and pushes less.
schema: gitslo/v1
instance: demo
repositories:
  - name: demo
    url: {url}
    branch: main
    poll: 1s
    forge: local
    author: {{name: gitslo, email: gitslo@localhost}}
    allow:
      environments: ["*"]
      targets: ["*.svc"]
    process:                              # the process syncer: `gitslo syncer --config operator.yaml`
      state: {state}
      containers:
        {image}:
          argv: [{python}, -m, gitslo.demo.app, "{{tag}}"]
          environment: [GREETING]
ceilings: {{rate: 500/s, duration: 2m, connections: 100, concurrent_runs: 2, pushes_per_minute: 600}}
"""


@dataclass(frozen=True, slots=True)
class Demo:
    """Where everything lies.

    Attributes:
        folder: the whole demo.
        repository: the bare repository.
        config: the operator's file.
    """

    folder: Path
    repository: Path
    config: Path


def tell_story(folder: Path, say: Callable[[str], None], observers: Sequence[Observer]) -> tuple[Demo, Sight]:
    """Tell the whole story in `folder`, which must be empty; about a minute.

    Args:
        say: told each chapter's heading.
        observers: told every event.

    Returns:
        Where it lies, and the repository as it stands at the end.

    Raises:
        Retry: the machine is too slow or a process could not be started.
    """
    demo = _lay_out(folder)
    seed = _Developer(demo.repository)
    seed.start()
    stopping = threading.Event()
    daemon = build(load_operator(demo.config), observers)
    with _syncer(demo):
        say("v1 is proven in dev, staging and prod")
        _settle(daemon, stopping)
        say("v2, a good release, is committed to dev and goes through staging to prod")
        seed.release("v2", "Release v2: answers faster")
        _settle(daemon, stopping)
        say("v3, too slow under load, is committed to dev, fails, and is reverted")
        seed.release("v3", "Release v3: recommendations on every page")
        _settle(daemon, stopping)
        sight = daemon.patrols[0].controller.sight
        say("what runs is revalidated")
        _revalidate(sight, "prod")
        _settle(daemon, stopping)
        say("prod's process is made slow from outside: drift. Two failing revalidations withdraw its pass")
        _slow_down(daemon, sight)
        _revalidate(sight, "prod")
        _settle(daemon, stopping)
    fresh = open_sight(load_operator(demo.config).repositories[0])
    return demo, fresh


# --------------------------------------------------------------------------- chapters


def _settle(daemon: Daemon, stopping: threading.Event) -> None:
    for poll in once_all(daemon, SYNC_WAIT, stopping):
        unsettled = [s for s in poll.standings if not s.settled]
        if unsettled:
            reasons = "; ".join(f"{s.environment}: {s.problem or (s.stay.reason if s.stay else '')}" for s in unsettled)
            raise Retry(f"the demo did not come to rest: {reasons}")


def _revalidate(sight: Sight, name: str) -> None:
    person.revalidate(sight, name, by="demo", wall=time.time())


def _slow_down(daemon: Daemon, sight: Sight) -> None:
    """What an operator would not do: tell the running process to be slow."""
    config = daemon.operator.repositories[0]
    assert config.process is not None  # noqa: S101 - see OPERATOR
    environment = person.find_environment(sight, "prod")
    facts = sight.facts(environment)
    report = ProcessSyncer(Path(config.process.state)).report(
        environment, Expected(sight.revision, facts.tree.digest, facts.release)
    )
    host, port = next(iter(report.addresses.values()))
    url = f"http://{host}:{port}/slow?ms={SLOW_MS}"
    request = urllib.request.Request(url, method="POST", data=b"")
    with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310 - see above
        answer.read(1024)


# --------------------------------------------------------------------------- the stage


def _lay_out(folder: Path) -> Demo:
    folder.mkdir(parents=True, exist_ok=True)
    demo = Demo(folder, folder / "repository.git", folder / OPERATOR_FILE)
    git = ["git", "init", "--quiet", "--bare", "--initial-branch=main", str(demo.repository)]
    subprocess.run(git, check=True, timeout=30, env={"PATH": os.environ.get("PATH", ""), "HOME": str(folder)})
    text = OPERATOR.format(
        url=demo.repository.resolve().as_uri(), state=folder / "syncer", image=IMAGE, python=sys.executable
    )
    demo.config.write_text(text, encoding="utf-8")
    return demo


class _Developer:
    """A person who commits to the branch."""

    def __init__(self, repository: Path) -> None:
        self._repository = GitRepository(
            url=repository.resolve().as_uri(),
            branch="main",
            cache=repository.parent / "developer",
            ledger_prefix="refs/gitslo/",
            author=("Dana Developer", "dana@example.com"),
        )

    def start(self) -> None:
        """The first commit: the example layout at v1."""
        layout = Path(str(files("gitslo.demo") / "repo-layout"))
        edits = {
            path.relative_to(layout).as_posix(): path.read_bytes()
            for path in sorted(layout.rglob("*"))
            if path.is_file()
        }
        commit = self._repository.commit([], None, dict(edits), "Run hello v1 in every stage\n", time.time())
        self._repository.swap([RefUpdate(BRANCH, None, commit)])

    def release(self, tag: str, message: str) -> CommitId:
        """Commit another tag to dev."""
        refs = self._repository.list_refs()
        head = refs[BRANCH]
        self._repository.fetch(refs)
        edits: dict[str, bytes] = {}
        manifests = [entry for entry in self._repository.walk(head, "dev") if entry.path.endswith(".yaml")]
        contents = self._repository.read([entry.id for entry in manifests], _CAP)
        for entry in manifests:
            content = contents[entry.id]
            changed = _with_tag(content, tag)
            if changed != content:
                edits[entry.path] = changed
        commit = self._repository.commit([head], head, dict(edits), f"{message}\n", time.time())
        self._repository.swap([RefUpdate(BRANCH, head, commit)])
        return commit


def _with_tag(content: bytes, tag: str) -> bytes:
    """The developer's editor: replaces the tag of the image, wherever it stands."""
    marker = f"{IMAGE}:".encode()
    lines = []
    for line in content.splitlines(keepends=True):
        before, found, after = line.partition(marker)
        lines.append(before + found + tag.encode() + after[len(after.split()[0]) :] if found else line)
    return b"".join(lines)


def _wait_for_syncer(demo: Demo, child: subprocess.Popen[bytes]) -> None:
    """Until it answers, or has ended, or a quarter of a minute is over."""
    deadline = time.monotonic() + 15.0
    while not (demo.folder / "syncer" / "syncer.json").exists():
        if child.poll() is not None or time.monotonic() > deadline:
            raise Retry(f"the syncer could not be started; see {demo.folder / 'syncer.log'}")
        time.sleep(0.05)


@contextmanager
def _syncer(demo: Demo) -> Iterator[None]:
    """The process syncer, a program of its own; ended with its children at the end of the story."""
    with (demo.folder / "syncer.log").open("wb") as log:
        argv = [sys.executable, "-m", "gitslo", "syncer", "--config", str(demo.config)]
        child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            _wait_for_syncer(demo, child)
            yield
        finally:
            child.terminate()
            try:
                child.wait(timeout=15)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
