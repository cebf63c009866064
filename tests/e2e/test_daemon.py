"""`gitslo serve` as its users run it: a process, over real HTTP with a password, until it is told to end."""

from __future__ import annotations

import base64
import signal
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gitslo.testing.git_server import GitServer
from tests.e2e.processes import command_lines, in_session
from tests.e2e.world import ENVIRONMENTS, World, get, lines, until

CANARY = "canary-7f3a91d0c4"
USER = "bot"
NEEDLES = (CANARY.encode(), base64.b64encode(f"{USER}:{CANARY}".encode()).rstrip(b"="))


@dataclass
class Story:
    """What the daemon did, gathered once for all tests of this module."""

    answers: dict[str, tuple[int, str]] = field(default_factory=dict)
    moves: dict[str, list[str]] = field(default_factory=dict)
    judged: dict[str, tuple[str, str | None]] = field(default_factory=dict)
    pricing_before: list[str] = field(default_factory=list)
    code: int = -1
    out: str = ""
    log: Path = Path()
    objects: bytes = b""
    command_lines: set[bytes] = field(default_factory=set)
    left: list[str] = field(default_factory=list)
    claimed_at_end: bool = False
    problems: list[str] = field(default_factory=list)
    status: str = ""


class _Watch(threading.Thread):
    """Looks at the command line of every process of this machine, over and over."""

    def __init__(self) -> None:
        super().__init__(name="command-lines")
        self.seen: set[bytes] = set()
        self._stopping = threading.Event()

    def run(self) -> None:
        while not self._stopping.wait(0.01):
            self.seen.update(command_lines().values())

    def stop(self) -> set[bytes]:
        self._stopping.set()
        self.join()
        return self.seen


def _address(log: Path) -> str | None:
    said = [line for line in lines(log) if line["event"] == "serve.listening"]
    return str(said[0]["url"]) if said else None


def _tell(world: World, child: subprocess.Popen[str], story: Story) -> None:
    log = story.log
    until(lambda: _address(log) is not None, "it says where it listens")
    base = _address(log)
    until(lambda: get(f"{base}/readyz")[0] == 200, "it is ready")
    until(lambda: all(world.judged(name) == ("v1", "pass") for name in ENVIRONMENTS), "v1 is proven everywhere")
    story.pricing_before = world.moves("pricing/prod")

    world.release("checkout/dev", "v2")
    until(lambda: world.judged("checkout/prod") == ("v2", "pass"), "v2 is proven in checkout/prod")

    pipeline = world.repository.read("gitslo.yaml")
    broken_plan = world.plan("pricing/dev").replace(b"20%", b"lots")
    world.commit({"gitslo.yaml": pipeline + b"stagez: []\n", "pricing/dev/slo.yaml": broken_plan}, "Break two files")
    world.release("checkout/dev", "v3")
    until(lambda: world.judged("checkout/prod") == ("v3", "pass"), "v3 is proven in checkout/prod")
    status = world.gitslo("status")
    story.problems, story.status = status.err.splitlines(), status.out
    story.answers = {path: get(f"{base}{path}") for path in ("/healthz", "/readyz", "/metrics", "/other")}

    slow = world.plan("checkout/dev", seconds=30, judged="20s")
    world.commit({"checkout/dev/slo.yaml": slow}, "Judge for longer")
    until(lambda: world.judged("checkout/dev")[1] is None, "a long run is claimed")
    until(lambda: "gitslo_run_active 1" in get(f"{base}/metrics")[1], "and under way")
    child.send_signal(signal.SIGTERM)
    story.out, _ = child.communicate(timeout=30)
    story.code = child.returncode
    story.left = in_session(child.pid)
    story.claimed_at_end = world.judged("checkout/dev")[1] is None


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """One daemon's life: v1 proven, v2 promoted, two files broken, v3 promoted, ended during a run."""
    folder = tmp_path_factory.mktemp("daemon")
    told = Story(log=folder / "serve.jsonl")
    with World(folder) as world, GitServer(folder, credentials=(USER, CANARY)) as server:
        world.operate({"shop": server.url(world.name)}, f"{{username: {USER}, password: {{env: GIT_TOKEN}}}}")
        world.variables["GIT_TOKEN"] = CANARY
        watch = _Watch()
        watch.start()
        try:
            _tell(world, world.serve(told.log), told)
        finally:
            told.command_lines = watch.stop()
        told.moves = {name: world.moves(name) for name in ENVIRONMENTS}
        told.judged = {name: world.judged(name) for name in ENVIRONMENTS}
        told.objects = world.repository.git("cat-file", "--batch", "--batch-all-objects")
        yield told


def test_health_readiness_and_metrics_answer_over_http(story: Story) -> None:
    """/healthz, /readyz and /metrics answer at the address that the log names; nothing else does."""
    assert [200, 200, 200, 404] == [story.answers[path][0] for path in ("/healthz", "/readyz", "/metrics", "/other")]
    assert "\ngitslo_runs_total{" in story.answers["/metrics"][1]


def test_two_services_move_apart(story: Story) -> None:
    """A release of one service is no news for the other: not one entry in its ledger."""
    assert ("v3", "pass") == story.judged["checkout/prod"]
    assert ("v1", "pass") == story.judged["pricing/prod"]
    assert story.pricing_before == story.moves["pricing/prod"]


def test_a_broken_plan_stops_its_own_environment_alone(story: Story) -> None:
    """The environment whose plan is broken is refused, by file, line and column; the others go on."""
    refused = {
        (str(line["environment"]), str(line["message"]).partition(" ")[0])
        for line in lines(story.log)
        if line["event"] == "environment.refused"
    }

    assert {("pricing/dev", "pricing/dev/slo.yaml:13:21:")} == refused
    assert ["pricing/dev"] == [line.split()[0] for line in story.status.splitlines() if "slo.yaml:13:21:" in line]


def test_a_broken_pipeline_leaves_the_last_valid_one_in_force(story: Story) -> None:
    """A broken gitslo.yaml at HEAD is reported, once, and what was valid before goes on."""
    reported = [line for line in lines(story.log) if line["event"] == "error.refused"]

    assert 1 == len(reported)
    assert str(reported[0]["message"]).startswith("gitslo.yaml:")
    assert "stagez" in str(reported[0]["message"])
    assert ("v3", "pass") == story.judged["checkout/prod"]
    assert [problem for problem in story.problems if "stagez" in problem] != []


def test_sigterm_ends_it_without_children_and_leaves_the_claim(story: Story) -> None:
    """SIGTERM in the middle of a run: exit code 0, no process left, nothing on stdout, the claim left."""
    assert 0 == story.code
    assert [] == story.left
    assert "" == story.out
    assert story.claimed_at_end


def test_every_log_line_is_an_object_with_the_same_head(story: Story) -> None:
    """`--log json` writes nothing but JSON lines: time, level, event, message."""
    assert set() == {
        key for line in lines(story.log) for key in ("time", "level", "event", "message") if key not in line
    }


def test_no_password_goes_anywhere(story: Story) -> None:
    """The password stands in no log, no object of the repository and no command line, in no form that it is sent in."""
    places = [story.log.read_bytes(), story.out.encode(), story.objects, *story.command_lines]

    assert [] == [place[:80] for place in places for needle in NEEDLES if needle in place]
    assert any(b"gitslo" in line for line in story.command_lines)
    assert any(b"ls-remote" in line for line in story.command_lines)


def test_a_daemon_that_was_told_to_end_is_followed_by_another(story: Story) -> None:
    """What is left behind is a ledger that says so: the last entry is the claim of the cut-off attempt."""
    assert story.moves["checkout/dev"][-1].startswith("claim: run ")
