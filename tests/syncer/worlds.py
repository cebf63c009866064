"""The worlds that the syncer contract runs in: the fake, the process syncer, and a probed HTTP service."""

from __future__ import annotations

import hashlib
import json
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from gitslo.adapters.probe import ProbeSyncer
from gitslo.adapters.process_client import ProcessSyncer
from gitslo.model import (
    Allowed,
    CommitId,
    Environment,
    PromotedKind,
    Release,
    ReleaseValue,
    SyncSpec,
    WritePolicies,
)
from gitslo.ports import Expected, Syncer
from gitslo.syncer.folder import StateFolder
from gitslo.syncer.instance import Timing
from gitslo.syncer.processes import Processes
from gitslo.syncer.runner import RolloutState, Snapshot, Wanted
from gitslo.testing.fake_syncer import FakeSyncer
from tests.processes import children
from tests.syncer.manifests import OperatorsProgram, hello, until

QUICK = Timing(back_off=0.05, longest_back_off=0.2, stable=2.0, drain=0.3, stop=2.0, tick=0.02)


def environment(sync: SyncSpec | None = None, name: str = "dev") -> Environment:
    """An environment, deployed as `sync` says."""
    return Environment(
        name, "hello", None, name, name, f"{name}/slo.yaml", (), (), WritePolicies(), sync or SyncSpec("process")
    )


def revision(version: str) -> CommitId:
    return CommitId(hashlib.sha1(version.encode(), usedforsecurity=False).hexdigest())


def expected(version: str) -> Expected:
    """A branch that carries the demo's service at a version."""
    value = ReleaseValue(PromotedKind.IMAGE, "example/hello", version)
    return Expected(revision(version), f"tree-{version}", Release((value,), f"release-{version}"))


class FakeWorld:
    """The fake itself."""

    knows_failures = True

    def __init__(self) -> None:
        self.environment = environment()
        self._syncer = FakeSyncer()

    def syncer(self) -> Syncer:
        return self._syncer

    def expected(self, version: str) -> Expected:
        return expected(version)

    def deploy(self, version: str) -> None:
        self._syncer.run("dev", expected(version))

    def deploy_broken(self, version: str) -> None:
        self._syncer.fail("dev", expected(version), "crashed 3 times")

    def go_away(self) -> None:
        self._syncer.go_away()

    def close(self) -> None:
        """Nothing runs."""


class ProcessWorld:
    """Real processes behind a real control endpoint; only Git is left out."""

    knows_failures = True

    def __init__(self, folder: Path) -> None:
        self.environment = environment()
        self._others = children()
        self.state = folder / "state"
        self.processes = Processes(StateFolder(self.state), 0.0, QUICK, ())
        self._open = True

    def running(self) -> set[int]:
        """The processes that this world has started; servers of other tests may run beside them."""
        return children() - self._others

    def syncer(self) -> Syncer:
        return ProcessSyncer(self.state)

    def expected(self, version: str) -> Expected:
        return expected(version)

    def want(self, version: str, program: OperatorsProgram | None = None) -> None:
        self.processes.want({"dev": Wanted(revision(version), f"tree-{version}", hello(version, program))}, "")

    def snapshot(self) -> Snapshot:
        return self.processes.said()[1]["dev"]

    def wait(self, version: str, state: RolloutState) -> Snapshot:
        """The snapshot, once `version` has come into `state`."""
        until(
            lambda: (self.snapshot().tree, self.snapshot().state) == (f"tree-{version}", state),
            f"{version} {state}",
        )
        return self.snapshot()

    def deploy(self, version: str) -> None:
        self.want(version)
        self.wait(version, RolloutState.SYNCED)

    def deploy_broken(self, version: str) -> None:
        self.want(version, OperatorsProgram(argv=("/bin/sh", "-c", "echo broken on purpose; exit 3")))
        self.wait(version, RolloutState.FAILED)

    def go_away(self) -> None:
        self.close()

    def close(self) -> None:
        if self._open:
            self._open = False
            self.processes.close()


class ProbeWorld:
    """A service that says its version, deployed by somebody else."""

    knows_failures = False

    def __init__(self, reports: str = "image", where: str = "json") -> None:
        self.answer: tuple[int, str | None, bytes] = (200, None, b"{}")
        self._reports = reports
        world = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, header, body = world.answer
                self.send_response(status)
                if header is not None:
                    self.send_header("X-Version", header)
                if status in {301, 302}:
                    self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                with suppress(ConnectionError):
                    self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
                """Tests are quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        self._open = True
        settings = {"url": f"{self.url}/version", "reports": reports}
        settings |= {"json": "build.version"} if where == "json" else {"header": "X-Version"}
        self.environment = environment(SyncSpec("probe", settings))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def syncer(self) -> Syncer:
        return ProbeSyncer(Allowed(targets=("127.0.0.1",)))

    def expected(self, version: str) -> Expected:
        return expected(version)

    def deploy(self, version: str) -> None:
        self.says(version if self._reports == "image" else revision(version))

    def says(self, text: object) -> None:
        header = text if isinstance(text, str) else None
        self.answer = (200, header, json.dumps({"build": {"version": text}}).encode())

    def deploy_broken(self, version: str) -> None:
        raise NotImplementedError(version)

    def go_away(self) -> None:
        self.close()

    def close(self) -> None:
        if self._open:
            self._open = False
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()
