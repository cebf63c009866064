"""A user's own repository, end to end: two services, two stages, the probe syncer, and gitslo as a process.

A perfect deployer is simulated by one HTTP server: asked for a version it deploys the image that the branch names, and
it answers for each environment as what is deployed there, with status 500 where that is tagged `bad` or the environment
has drifted. Everything else is real: Git, the command line, the daemon, its load. Called by the tests of this folder;
the `with` block leaves no process behind.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self

from gitslo.testing.git_server import BareRepository

SERVICES = ("checkout", "pricing")
STAGES = ("dev", "prod")
ENVIRONMENTS = tuple(f"{service}/{stage}" for service in SERVICES for stage in STAGES)
DEADLINE = 40.0

PIPELINE = """\
schema: gitslo/v1
name: shop
services: [checkout, pricing]
stages:
  - {{name: dev, path: "{{service}}/dev"}}
  - {{name: prod, path: "{{service}}/prod", after: [dev]}}
sync: {{probe: {{url: "http://127.0.0.1:{port}/{{service}}/{{stage}}/version", json: image, reports: image}}}}
promote:
  - image: example/{{service}}
revalidate: {{every: never}}
{policy}"""

POLICY = """\
write:
  promotion: {mode: pull-request, merge: auto}
  revert: {mode: pull-request, merge: auto}
outcomes:
  fail: {sync: {action: revert, run: note}, any: {action: hold, run: note}}
"""

PLAN = """\
schema: gitslo/v1
targets:
  app: {{http: "http://127.0.0.1:{port}"}}
load:
  browse:
    target: app
    get: /{environment}/
    timeout: 1s
    warmup: 0s
    stages:
      - {{hold: 120/s, for: {seconds}s}}
objectives:
  - browse.errors < 20%
judge: {{min_duration: {judged}, max_duration: {seconds}s}}
"""

DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: app}}
spec:
  template:
    spec:
      containers:
        - name: app
          image: example/{service}:{tag}  # the release
          {extra}
"""

OPERATOR = """\
schema: gitslo/v1
instance: one
repositories:
{repositories}commands:
  note:
    argv: [sh, -c, "cd {folder}; cat >> notes; echo \\" $GITSLO_VERDICT\\" >> notes; printenv GITSLO_TEXT > text"]
    timeout: 10s
ceilings: {{rate: 500/s, duration: 1m, connections: 20, concurrent_runs: 4, pushes_per_minute: 6000}}
serve: {{listen: "127.0.0.1:0"}}
"""

REPOSITORY = """\
  - name: {name}
    url: {url}
    poll: 200ms
    allow: {{environments: ["{only}"], targets: ["127.0.0.1"]}}
{credentials}"""


@dataclass(frozen=True, slots=True)
class Said:
    """What one command of gitslo came to."""

    code: int
    out: str
    err: str


@dataclass
class World:
    """See the module.

    Attributes:
        only: the environments that the operator allows: fewer are proven sooner.
        drifted: environments that answer with status 500, whatever the branch says.
        stuck: environment -> tag that keeps running there, whatever the branch says.
    """

    folder: Path
    policy: str = POLICY
    name: str = "repository.git"
    only: str = "*"
    drifted: set[str] = field(default_factory=set)
    stuck: dict[str, str] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._tags: tuple[str | None, dict[str, str]] = (None, {})
        self._deployed: dict[str, str] = {}
        self._children: list[subprocess.Popen[str]] = []
        self.repository = self.created()
        files = {"gitslo.yaml": PIPELINE.format(port=self.port, policy=self.policy).encode()}
        for environment in ENVIRONMENTS:
            files[f"{environment}/slo.yaml"] = self.plan(environment)
            files[f"{environment}/deployment.yaml"] = deployment(environment, "v1")
        self.commit(files, "Start at v1")
        self.operate({"shop": self.repository.url})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        for child in self._children:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.communicate()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    # ------------------------------------------------------------- what people write

    @property
    def port(self) -> int:
        """Where the deployed services answer."""
        return self._server.server_address[1]

    @property
    def config(self) -> Path:
        """The operator's file."""
        return self.folder / "operator.yaml"

    def created(self) -> BareRepository:
        """The repository, wherever it lives."""
        return BareRepository.create(self.folder / self.name)

    def operate(self, repositories: Mapping[str, str], credentials: str = "") -> None:
        """Write the operator's file."""
        said = f"    credentials: {credentials}\n" if credentials else ""
        rows = (
            REPOSITORY.format(name=name, url=url, credentials=said, only=self.only)
            for name, url in repositories.items()
        )
        self.config.write_text(OPERATOR.format(folder=self.folder, repositories="".join(rows)))

    def plan(self, environment: str, *, seconds: int = 6, judged: str = "500ms") -> bytes:
        """A plan that is decided in about a second."""
        return PLAN.format(port=self.port, environment=environment, seconds=seconds, judged=judged).encode()

    def commit(self, files: Mapping[str, bytes | None], message: str) -> str:
        """A person's commit."""
        return self.repository.commit(files, message, wall=int(time.time()))

    def release(self, environment: str, tag: str, extra: str = "") -> str:
        """A person's commit of another tag; `extra` is one more field of the container."""
        files = {f"{environment}/deployment.yaml": deployment(environment, tag, extra)}
        return self.commit(files, f"Release {environment} {tag}")

    def manifest(self, environment: str) -> bytes:
        """What the branch says of an environment."""
        return self.repository.read(f"{environment}/deployment.yaml")

    def tags(self) -> dict[str, str]:
        """The tag that the branch names in each environment."""
        tip = self.repository.tip()
        if self._tags[0] != tip:
            found = {}
            for environment in ENVIRONMENTS:
                match = re.search(rb"image: [^:\s]+:(\S+)", self.manifest(environment))
                assert match is not None
                found[environment] = match[1].decode()
            self._tags = (tip, found)
        return self._tags[1]

    def deploys(self) -> None:
        """What the branch names is deployed, but for what is stuck."""
        self._deployed = {**self.tags(), **self.stuck}

    def answers(self, environment: str) -> str:
        """The tag that answers in an environment; looking at the branch for every request would be most of the load."""
        return self._deployed.get(environment, "")

    # ------------------------------------------------------------- gitslo

    def environment(self) -> dict[str, str]:
        """The environment variables of every command."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "GITSLO_CACHE": str(self.folder / "cache"),
            "PYTHONWARNINGS": "error::ResourceWarning",
            **self.variables,
        }

    def gitslo(self, *arguments: str, config: bool = True) -> Said:
        """Run one command to its end."""
        argv = [sys.executable, "-m", "gitslo", *arguments, *(["--config", str(self.config)] if config else [])]
        done = subprocess.run(argv, env=self.environment(), capture_output=True, text=True, timeout=90, check=False)
        return Said(done.returncode, done.stdout, done.stderr)

    def once(self, *arguments: str) -> Said:
        """`gitslo once`."""
        return self.gitslo("once", "--wait", "5s", "--log", "json", *arguments)

    def serve(self, log: Path) -> subprocess.Popen[str]:
        """Start `gitslo serve` in a session of its own; its standard error goes to `log`."""
        argv = [sys.executable, "-m", "gitslo", "serve", "--log", "json", "--config", str(self.config)]
        with log.open("wb") as stderr:
            child = subprocess.Popen(
                argv,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                start_new_session=True,
            )
        self._children.append(child)
        return child

    def stands(self, repository: str = "shop") -> dict[str, dict[str, object]]:
        """`gitslo status --json`: environment -> where it stands."""
        said = self.gitslo("status", "--json", "--repository", repository)
        assert said.code == 0, said.err
        found: dict[str, dict[str, object]] = json.loads(said.out)["environments"]
        return found

    def ledger(self, environment: str) -> dict[str, object]:
        """The tip of one ledger, as plain Git reads it; empty where there is none."""
        ref = f"refs/gitslo/shop/{environment}"
        if ref not in self.repository.refs():
            return {}
        found: dict[str, object] = json.loads(self.repository.read("ledger.json", ref))
        return found

    def moves(self, environment: str) -> list[str]:
        """The first lines of a ledger's entries, oldest first."""
        ref = f"refs/gitslo/shop/{environment}"
        return self.repository.git("log", "--reverse", "--format=%s", ref).decode().splitlines()

    def judged(self, environment: str) -> tuple[str, str | None]:
        """The tag and the verdict of the newest run."""
        run = self.ledger(environment).get("run")
        if not isinstance(run, dict):
            return "", None
        return run["release"]["values"][0]["value"], run["verdict"]


def deployment(environment: str, tag: str, extra: str = "") -> bytes:
    """A manifest."""
    return DEPLOYMENT.format(service=environment.partition("/")[0], tag=tag, extra=extra).encode()


def until(condition: Callable[[], bool], what: str, deadline: float = DEADLINE) -> None:
    """Return when a condition holds; fail at the deadline."""
    end = time.monotonic() + deadline
    pause = threading.Event()
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"not within {deadline:.0f} s: {what}")
        pause.wait(0.05)


def get(url: str) -> tuple[int, str]:
    """Status and body of a GET."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - a loopback address of ours
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def lines(log: Path) -> Iterator[dict[str, object]]:
    """The lines of a JSON log; fails at the first that is none."""
    for line in log.read_text().splitlines():
        yield json.loads(line)


def _handler(world: World) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            environment, _, rest = self.path.removeprefix("/").rpartition("/")
            if rest == "version":
                world.deploys()
            tag = world.answers(environment)
            if rest == "version":
                service = environment.partition("/")[0]
                self._answer(200, f'{{"image": "example/{service}:{tag}"}}'.encode())
            else:
                self._answer(500 if tag.startswith("bad") or environment in world.drifted else 200, b"ok")

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            pass

        def handle(self) -> None:
            with contextlib.suppress(ConnectionError):  # a worker that has ended resets its connections
                super().handle()

    return Handler
