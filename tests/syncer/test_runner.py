"""Rollouts of real processes: readiness, rollover, crashes, and their end."""

from __future__ import annotations

import http.client
import json
import os
import sys
import threading
from pathlib import Path

import pytest

from gitslo.errors import Refused, Retry
from gitslo.ports import SyncState
from gitslo.syncer.folder import StateFolder
from gitslo.syncer.runner import RolloutState, Wanted
from tests.syncer.manifests import DEPLOYMENT, OperatorsProgram, hello, until
from tests.syncer.worlds import ProcessWorld, expected, revision

NAME = "hello.hello-dev.svc:80"
UNREADY = OperatorsProgram(argv=("/bin/sleep", "600"))


@pytest.fixture
def world(tmp_path):
    made = ProcessWorld(tmp_path)
    yield made
    made.close()


def get(world: ProcessWorld, path: str) -> dict[str, object]:
    """Ask the service through the address that the syncer gives now."""
    host, port = world.snapshot().addresses[NAME]
    connection = http.client.HTTPConnection(host, port, timeout=5)
    try:
        connection.request("GET", path)
        with connection.getresponse() as response:
            return json.loads(response.read())
    finally:
        connection.close()


def test_environments_do_not_share_a_folder(tmp_path):
    """A service `a-b` in stage `c` is not a service `a` in stage `b-c`."""
    folder = StateFolder(tmp_path / "state")
    try:
        assert 2 == len({folder.place(name).work for name in ("a-b/c", "a/b-c")})
    finally:
        folder.leave()


def test_the_service_answers_at_its_address(world):
    """Both names of a Service's port lead to the process."""
    world.deploy("v1")
    addresses = world.snapshot().addresses

    assert (get(world, "/version"), sorted(addresses), len(set(addresses.values()))) == (
        {"version": "v1"},
        ["hello.hello-dev.svc.cluster.local:80", NAME],
        1,
    )


def test_no_request_fails_while_it_rolls_over(world):
    """The new process answers before the old one is stopped, and the old one a little longer."""
    world.deploy("v1")
    seen: list[object] = []
    failed: list[str] = []
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            try:
                seen.append(get(world, "/version")["version"])
            except OSError as error:
                failed.append(repr(error))

    asking = threading.Thread(target=ask)
    asking.start()
    before = world.running()
    world.deploy("v2")
    until(lambda: not before & world.running(), "the old process is gone")
    stop.set()
    asking.join()

    assert (failed, seen[0], seen[-1], seen == sorted(seen)) == ([], "v1", "v2", True)


def test_the_same_containers_are_not_restarted(world):
    """Another tree that runs the same is synced without a new process."""
    world.deploy("v1")
    before = (world.snapshot().addresses, world.running())
    world.processes.want({"dev": Wanted(revision("x"), "tree-x", hello("v1"))}, "")
    after = world.wait("x", RolloutState.SYNCED)

    assert (after.addresses, world.running()) == before


def test_a_failed_rollout_leaves_the_old_process_running(world):
    """The reason holds the process's last line; the Service still leads to the old process."""
    world.deploy("v1")
    world.deploy_broken("v2")

    assert (world.snapshot().detail, get(world, "/version")) == (
        "hello crashed 3 times in a row: ended with exit code 3, its last line: broken on purpose",
        {"version": "v1"},
    )


def test_a_crash_is_repaired(world):
    """A process that is killed is started again, at the same address and with the same fingerprint."""
    world.deploy("v1")
    before = world.snapshot()
    (pid,) = world.running()
    os.kill(pid, 9)
    until(
        lambda: world.running() != {pid} and world.snapshot().state is RolloutState.SYNCED and world.running(),
        "restarted",
    )

    assert (world.snapshot().addresses, world.snapshot().fingerprint) == (before.addresses, before.fingerprint)


def test_what_is_not_ready_in_time_has_failed(world):
    """The progress deadline is the manifest's."""
    text = DEPLOYMENT.replace("progressDeadlineSeconds: 30", "progressDeadlineSeconds: 1")
    world.processes.want({"dev": Wanted(revision("v1"), "tree-v1", hello("v1", UNREADY, text))}, "")
    failed = world.wait("v1", RolloutState.FAILED)

    assert failed.detail == "not ready within 1 s: hello: GET /readyz: Connection refused"


def test_while_it_is_not_ready_it_is_waited_for(world):
    """A rollout under way is no failure, and its report says what it waits for."""
    world.want("v1", UNREADY)
    until(lambda: "refused" in world.snapshot().detail, "the probe has looked")
    report = world.syncer().report(world.environment, expected("v1"))

    assert (report.state, report.detail) == (SyncState.WAITING, "hello: GET /readyz: Connection refused")


def test_a_program_that_is_not_there_is_said(world):
    """The operator's mistake is named like any crash."""
    world.want("v1", OperatorsProgram(argv=("/no/such/program",)))
    failed = world.wait("v1", RolloutState.FAILED)

    assert failed.detail.endswith("its last line: cannot start /no/such/program: No such file or directory")


def test_recreate_stops_the_old_one_first(world):
    """`strategy: Recreate` never runs two at once."""
    text = DEPLOYMENT.replace("  replicas: 1\n", "  replicas: 1\n  strategy: {type: Recreate}\n")
    most = 0
    for version in ("v1", "v2"):
        world.processes.want({"dev": Wanted(revision(version), f"tree-{version}", hello(version, None, text))}, "")
        while (world.snapshot().tree, world.snapshot().state) != (f"tree-{version}", RolloutState.SYNCED):
            most = max(most, len(world.running()))

    assert (most, get(world, "/version")) == (1, {"version": "v2"})


def test_refused_manifests_leave_what_runs(world):
    """A refusal is a failure of that tree; the old process goes on."""
    world.deploy("v1")
    world.processes.want({"dev": Wanted(revision("v2"), "tree-v2", None, "dev/0.yaml: no command")}, "")
    failed = world.wait("v2", RolloutState.FAILED)

    assert (failed.detail, get(world, "/version")) == ("dev/0.yaml: no command", {"version": "v1"})


def test_replicas_zero_stop_it(world):
    """`replicas: 0` is synced with nothing running."""
    world.deploy("v1")
    text = DEPLOYMENT.replace("replicas: 1", "replicas: 0")
    world.processes.want({"dev": Wanted(revision("v2"), "tree-v2", hello(deployment=text))}, "")
    world.wait("v2", RolloutState.SYNCED)
    until(lambda: not world.running(), "stopped")

    assert world.snapshot().addresses == {}


def test_an_environment_that_is_gone_is_stopped(world):
    """What the pipeline names no more does not run."""
    world.deploy("v1")
    world.processes.want({}, "")
    report = world.syncer().report(world.environment, expected("v1"))

    assert (world.running(), report.state, report.detail) == (
        set(),
        SyncState.WAITING,
        "the syncer does not know it yet",
    )


def test_the_end_is_the_end_of_every_process(world):
    """A process that ignores SIGTERM, and one that it started itself, are killed."""
    one, two = f"601.{os.getpid()}", f"602.{os.getpid()}"
    stubborn = f"trap '' TERM; sleep {one} & while :; do sleep {two}; done"
    world.want("v1", OperatorsProgram(argv=("/bin/sh", "-c", stubborn)))
    until(lambda: len(running(one)) == 1 and len(running(two)) == 1, "it runs")
    world.close()

    assert (world.running(), running(one), running(two)) == (set(), [], [])


def running(seconds: str) -> list[str]:
    """Processes `sleep SECONDS` on this machine."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                argv = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if argv[:2] == [b"sleep", seconds.encode()]:
                found.append(entry.name)
    return found


def test_only_what_is_listed_reaches_the_process(world, tmp_path, monkeypatch):
    """The environment of a process: the listed variables, PORT, HOST, PATH and LANG; nothing of ours."""
    monkeypatch.setenv("GITSLO_TEST_CANARY", "secret")
    text = DEPLOYMENT + "          env: [{name: A, value: '1'}, {name: B, value: '2'}, {name: HOST, value: 0.0.0.0}]\n"
    script = "import json,os,sys; open(sys.argv[1],'w').write(json.dumps(dict(os.environ))); sys.exit('done')"
    argv = (sys.executable, "-I", "-c", script, str(tmp_path / "environment"))
    program = OperatorsProgram(argv=argv, environment=("A",))
    world.processes.want({"dev": Wanted(revision("v1"), "tree-v1", hello("v1", program, text))}, "")
    world.wait("v1", RolloutState.FAILED)
    found = json.loads((tmp_path / "environment").read_text())

    assert (sorted(found.keys() - {"LC_CTYPE"}), found["A"], found["HOST"]) == (
        ["A", "HOST", "LANG", "PATH", "PORT", "PORT_HTTP"],
        "1",
        "127.0.0.1",
    )


def test_output_cannot_fill_the_disk(world):
    """A log is cut; the last line is known all the same."""
    shout = "yes 0123456789abcdef | head -c 3000000; echo; echo the end; exit 1"
    world.want("v1", OperatorsProgram(argv=("/bin/sh", "-c", shout)))
    failed = world.wait("v1", RolloutState.FAILED)
    sizes = [log.stat().st_size for log in (world.state / "logs" / "dev").iterdir()]

    assert (max(sizes) <= 1024 * 1024, failed.detail.endswith("its last line: the end")) == (True, True)


def test_one_syncer_per_state_folder(world):
    """The second one is refused and says who holds the folder."""
    with pytest.raises(Refused) as refused:
        StateFolder(world.state)

    assert f"another syncer (process {os.getpid()}) holds the state folder {world.state}" in str(refused.value)


def test_the_state_file_is_private(world):
    """It holds the token: nobody else may read it."""
    assert oct((world.state / "syncer.json").stat().st_mode & 0o777) == "0o600"


def test_the_control_endpoint_wants_its_token(world):
    """Without the token nothing is told."""
    world.deploy("v1")
    announced = json.loads((world.state / "syncer.json").read_text())
    host, _, port = announced["control"].removeprefix("http://").partition(":")
    found = []
    for token in ("", "wrong", announced["token"]):
        connection = http.client.HTTPConnection(host, int(port), timeout=5)
        connection.request("GET", "/environments", headers={"Authorization": f"Bearer {token}"})
        with connection.getresponse() as response:
            found.append(response.status)
        connection.close()

    assert found == [401, 401, 200]


def test_a_state_file_that_leads_elsewhere_is_a_retry(world):
    """The daemon follows it to no other host."""
    (world.state / "syncer.json").write_text('{"control": "http://192.0.2.1:80", "token": "x"}')
    with pytest.raises(Retry) as retry:
        world.syncer().report(world.environment, expected("v1"))

    assert "names no control endpoint on 127.0.0.1" in str(retry.value)


def test_a_problem_of_the_whole_repository_is_said(world):
    """Where no environment is known, the report says why."""
    world.processes.want({}, "gitslo.yaml: broken")
    report = world.syncer().report(world.environment, expected("v1"))

    assert (report.state, report.detail) == (SyncState.WAITING, "gitslo.yaml: broken")
