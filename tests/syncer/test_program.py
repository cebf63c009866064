"""`gitslo syncer` as its users run it: a program of its own, on a real Git repository and the example layout."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from gitslo.adapters.process_client import ProcessSyncer
from gitslo.core.discover import tree_of
from gitslo.errors import Retry
from gitslo.model import CommitId, Release
from gitslo.ports import Expected, SyncReport, SyncState
from gitslo.testing.memory_view import MemoryView
from tests.processes import children
from tests.syncer.manifests import until
from tests.syncer.worlds import environment

LAYOUT = Path(__file__).parents[2] / "examples" / "repo-layout"
NAME = "hello.hello-dev.svc:80"
OPERATOR = """\
schema: gitslo/v1
instance: test
repositories:
  - name: hello
    url: {url}
    branch: main
    poll: 1s
    forge: local
    author: {{name: gitslo, email: gitslo@localhost}}
    allow:
      environments: ["dev", "staging"]
      targets: ["*.svc"]
    process:
      state: {state}
      containers:
        example/hello:
          argv: [{python}, -m, gitslo.demo.app, "{{tag}}"]
          environment: [GREETING]
"""


class Site:
    """A bare repository, a person's clone of it, an operator's file, and the syncer that follows."""

    def __init__(self, folder: Path) -> None:
        self.work = folder / "work"
        self.state = folder / "state"
        self.config = folder / "operator.yaml"
        self.log = folder / "syncer.log"
        self.home = folder
        self._bare = folder / "bare.git"
        self._git("init", "--quiet", "--bare", "--initial-branch=main", str(self._bare))
        self._git("init", "--quiet", "--initial-branch=main", str(self.work))
        shutil.copytree(LAYOUT, self.work, dirs_exist_ok=True)
        self.commit("Run v1")
        text = OPERATOR.format(url=self._bare.as_uri(), state=self.state, python=sys.executable)
        self.config.write_text(text)

    def _git(self, *argv: str) -> str:
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.home), "GIT_CONFIG_NOSYSTEM": "1"}
        done = subprocess.run(["git", *argv], env=environment, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def commit(self, message: str) -> CommitId:
        here = ("-C", str(self.work), "-c", "user.name=Dana", "-c", "user.email=dana@example.com")
        self._git(*here, "add", "--all")
        self._git(*here, "commit", "--quiet", "--message", message)
        self._git(*here, "push", "--quiet", str(self._bare), "main")
        return CommitId(self._git(*here, "rev-parse", "HEAD"))

    def edit(self, path: str, old: str, new: str) -> CommitId:
        file = self.work / path
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new))
        return self.commit(f"Change {path}")

    def start(self) -> None:
        argv = [sys.executable, "-m", "gitslo", "syncer", "--config", str(self.config)]
        with self.log.open("ab") as log:
            self.syncer = subprocess.Popen(argv, stdout=log, stderr=log)

    def stop(self) -> int:
        self.syncer.terminate()
        try:
            return self.syncer.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.syncer.kill()
            self.syncer.wait()
            raise

    def report(self, name: str = "dev") -> SyncReport:
        """What the daemon would be told."""
        files = {path.relative_to(self.work).as_posix(): path.read_bytes() for path in self.work.rglob("*.yaml")}
        found = environment(name=name)
        tree = tree_of(MemoryView(files), found).digest
        return ProcessSyncer(self.state).report(found, Expected(CommitId("0" * 40), tree, Release((), "")))

    def wait(self, state: SyncState, name: str = "dev") -> SyncReport:
        reports: list[SyncReport] = []

        def holds() -> bool:
            try:
                reports.append(self.report(name))
            except Retry:
                return False
            return reports[-1].state is state

        until(holds, f"{name} {state}")
        return reports[-1]

    def get(self, path: str, name: str = NAME) -> dict[str, object]:
        host, port = self.addresses()[name]
        connection = http.client.HTTPConnection(host, port, timeout=5)
        try:
            connection.request("GET", path)
            with connection.getresponse() as response:
                return json.loads(response.read())
        finally:
            connection.close()

    def addresses(self) -> dict[str, tuple[str, int]]:
        """Where everything listens, whichever tree is expected: what a cluster's own name service would say."""
        announced = json.loads((self.state / "syncer.json").read_text())
        connection = http.client.HTTPConnection(announced["control"].removeprefix("http://"), timeout=5)
        try:
            connection.request("GET", "/environments", headers={"Authorization": f"Bearer {announced['token']}"})
            with connection.getresponse() as response:
                said = json.loads(response.read())["environments"]
        finally:
            connection.close()
        return {name: tuple(where) for each in said.values() for name, where in each["addresses"].items()}

    def children(self) -> set[int]:
        """The syncer's own processes."""
        return {pid for pid in children(self.syncer.pid) if _is_app(pid)}


def _is_app(pid: int) -> bool:
    try:
        return b"gitslo.demo.app" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


@pytest.fixture
def site(tmp_path):
    made = Site(tmp_path)
    made.start()
    yield made
    if made.syncer.poll() is None:
        made.stop()


def test_the_example_runs_from_its_manifests(site):
    """Every allowed environment runs v1 with its ConfigMap's value; one that is not allowed does not run."""
    for name in ("dev", "staging"):
        site.wait(SyncState.SYNCED, name)
    found = [site.get("/"), site.get("/", "hello.hello-staging.svc:80"), site.report("prod").detail]

    assert found == [
        {"greeting": "hello from dev", "version": "v1"},
        {"greeting": "hello from staging", "version": "v1"},
        "the syncer does not know it yet",
    ]


def test_a_commit_rolls_over_without_a_failed_request(site):
    """From the commit of v2 until v1's process is gone, every request is answered."""
    first = site.wait(SyncState.SYNCED)
    site.wait(SyncState.SYNCED, "staging")
    before = site.children()
    versions: list[object] = []
    failed: list[str] = []
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            try:
                versions.append(site.get("/version")["version"])
            except OSError as error:
                failed.append(repr(error))

    asking = threading.Thread(target=ask)
    asking.start()
    site.edit("dev/deployment.yaml", "example/hello:v1", "example/hello:v2")
    second = site.wait(SyncState.SYNCED)
    until(lambda: len(site.children() - before) == 1 and len(site.children()) == 2, "v1's process is gone")
    stop.set()
    asking.join()

    assert (failed, versions[0], versions[-1], first.fingerprint != second.fingerprint) == ([], "v1", "v2", True)


def test_a_command_of_a_manifest_is_refused_in_its_environment_only(site):
    """The author is told the line; the old process and the other environments go on."""
    site.wait(SyncState.SYNCED)
    site.edit("dev/deployment.yaml", "          ports:\n", "          command: [/bin/sh, -c, id]\n          ports:\n")
    failed = site.wait(SyncState.FAILED)

    assert (
        failed.detail.startswith("dev/deployment.yaml:22:20: /spec/template/spec/containers/0/command: "),
        site.get("/version"),
        site.wait(SyncState.SYNCED, "staging").state,
    ) == (True, {"version": "v1"}, SyncState.SYNCED)


def test_an_unlisted_variable_is_not_passed_on(site):
    """The manifest sets EXTRA; the operator does not list it: the process never sees it, and the report says so."""
    site.edit("dev/deployment.yaml", "          env:\n", "          env:\n            - {name: EXTRA, value: evil}\n")
    until(lambda: "EXTRA" in site.wait(SyncState.SYNCED).detail, "the report names it")
    environments = [Path(f"/proc/{pid}/environ").read_bytes() for pid in site.children()]

    assert (len(environments) >= 1, [text for text in environments if b"EXTRA" in text]) == (True, [])


def test_a_crashing_release_has_failed_with_its_last_line(site):
    """Three crashes in a row are a failure, said in the process's own words."""
    text = site.config.read_text().replace("[GREETING]", "[GREETING, PYTHONHOME]")
    site.stop()
    site.config.write_text(text)
    site.edit(
        "dev/deployment.yaml", "          env:\n", "          env:\n            - {name: PYTHONHOME, value: /nowhere}\n"
    )
    site.start()
    failed = site.wait(SyncState.FAILED)

    assert ("crashed 3 times in a row: ended with exit code 1, its last line: " in failed.detail) is True


def test_a_broken_pipeline_leaves_the_last_valid_one(site):
    """The mistake is logged; what runs goes on, and new trees are still followed."""
    site.wait(SyncState.SYNCED)
    site.edit("gitslo.yaml", "stages:", "stagse:")
    site.edit("dev/deployment.yaml", "example/hello:v1", "example/hello:v2")
    site.wait(SyncState.SYNCED)

    assert (site.get("/version"), "hello: gitslo.yaml:" in site.log.read_text()) == ({"version": "v2"}, True)


def test_sigterm_leaves_no_process(site):
    """The end is orderly: exit code 0, no child, no state file, the folder free for the next one."""
    site.wait(SyncState.SYNCED)
    site.wait(SyncState.SYNCED, "staging")
    apps = site.children()
    code = site.stop()

    assert (len(apps), code, [pid for pid in apps if _is_app(pid)], (site.state / "syncer.json").exists()) == (
        2,
        0,
        [],
        False,
    )


def test_children_die_with_a_killed_syncer(site):
    """Even SIGKILL leaves none, and the next syncer starts at once in the same folder."""
    site.wait(SyncState.SYNCED)
    apps = site.children()
    site.syncer.send_signal(signal.SIGKILL)
    site.syncer.wait()
    until(lambda: not any(_is_app(pid) for pid in apps), "the children are gone")
    with pytest.raises(Retry):
        site.report()
    site.start()

    assert site.wait(SyncState.SYNCED).state is SyncState.SYNCED


def test_a_second_syncer_says_who_holds_the_folder(site):
    """One per state folder: exit code 2 and one line."""
    site.wait(SyncState.SYNCED)
    argv = [sys.executable, "-m", "gitslo", "syncer", "--config", str(site.config)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)

    assert (done.returncode, f"another syncer (process {site.syncer.pid}) holds" in done.stderr) == (2, True)
