"""A whole world for kill tests: a bare repository that logs every push, a deployed service, and gitslo as a process.

The service answers for every environment what the branch says (as if a perfect syncer ran), logs each request, and
fails for images tagged `bad`. gitslo runs as its users run it: `gitslo once --config ...`, behind the probe syncer.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ENVIRONMENTS = ("dev", "prod")

PIPELINE = """\
schema: gitslo/v1
name: shop
stages:
  - {{name: dev, path: dev}}
  - {{name: prod, path: prod, after: [dev]}}
plan: slo.yaml
sync: {{probe: {{url: "http://127.0.0.1:{port}/{{stage}}/version", json: image, reports: image}}}}
promote:
  - image: example/app
write:
  promotion: {{mode: {mode}, merge: auto}}
  revert: {{mode: {mode}, merge: auto}}
outcomes:
  fail: {{sync: {{action: revert, run: note}}, any: hold}}
revalidate: {{every: never}}
"""

PLAN = """\
schema: gitslo/v1
targets:
  app: {{http: "http://127.0.0.1:{port}"}}
load:
  browse:
    target: app
    get: /{stage}/
    timeout: 1s
    warmup: 0s
    stages:
      - {{hold: 120/s, for: 6s}}
objectives:
  - browse.errors < 20%
judge: {{min_duration: 500ms, max_duration: 6s}}
"""

DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: app, namespace: {stage}}}
spec:
  selector: {{matchLabels: {{app: app}}}}
  template:
    metadata: {{labels: {{app: app}}}}
    spec:
      containers:
        - name: app
          image: example/app:{tag}  # the release
"""

OPERATOR = """\
schema: gitslo/v1
instance: {instance}
repositories:
  - name: shop
    url: {url}
    branch: main
    poll: 200ms
    forge: local
    author: {{name: gitslo, email: gitslo@localhost}}
    allow: {{environments: ["*"], targets: ["127.0.0.1"]}}
commands:
  note: {{argv: [sh, -c, "cat >> {folder}/commands.log; echo >> {folder}/commands.log"], timeout: 10s}}
ceilings: {{rate: 500/s, duration: 1m, connections: 20, concurrent_runs: 2, pushes_per_minute: 6000}}
"""

HOOK = """\
#!/bin/sh
while read old new ref; do echo "$old $new $ref" >> "$GIT_DIR/pushes.log"; done
"""


@dataclass
class Request:
    """One request as the service saw it."""

    at: float
    environment: str
    run: str


@dataclass
class World:
    """See the module."""

    folder: Path
    atomic: bool = True
    mode: str = "pull-request"
    requests: list[Request] = field(default_factory=list)
    people: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.repository = self.folder / "repository.git"
        self._tags: tuple[str, dict[str, str]] = ("", {})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.git("init", "--quiet", "--bare", "--initial-branch=main", str(self.repository), bare=False)
        if not self.atomic:
            self.git("config", "receive.advertiseAtomic", "false")
        hook = self.repository / "hooks" / "post-receive"
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(HOOK)
        hook.chmod(0o755)
        files = {"gitslo.yaml": PIPELINE.format(port=self.port, mode=self.mode)}
        for stage in ENVIRONMENTS:
            files[f"{stage}/slo.yaml"] = PLAN.format(port=self.port, stage=stage)
            files[f"{stage}/deployment.yaml"] = DEPLOYMENT.format(stage=stage, tag="v1")
        self.commit(files, "Start at v1")
        for instance in ("one", "two", "three"):
            self.config(instance).write_text(
                OPERATOR.format(instance=instance, url=self.repository.as_uri(), folder=self.folder)
            )

    def close(self) -> None:
        """Stop the service."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def port(self) -> int:
        """Where the service listens."""
        return self._server.server_address[1]

    def config(self, instance: str = "one") -> Path:
        """An operator's file."""
        return self.folder / f"operator-{instance}.yaml"

    # ------------------------------------------------------------- Git as a person uses it

    def git(self, *arguments: str, bare: bool = True, data: bytes | None = None, **variables: str) -> str:
        """Plain git."""
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_AUTHOR_NAME": "Ann",
            "GIT_AUTHOR_EMAIL": "ann@example.com",
            "GIT_COMMITTER_NAME": "Ann",
            "GIT_COMMITTER_EMAIL": "ann@example.com",
            **variables,
        }
        argv = ["git", *(["-C", str(self.repository)] if bare else []), *arguments]
        done = subprocess.run(argv, input=data, capture_output=True, env=environment, timeout=60, check=True)
        return done.stdout.decode().strip()

    def commit(self, files: dict[str, str], message: str) -> str:
        """A person's commit on main, by plumbing, swapped in; again if somebody else was faster."""
        while True:
            head = self.git("for-each-ref", "--format=%(objectname)", "refs/heads/main")
            index = {"GIT_INDEX_FILE": str(self.folder / f"index-{threading.get_ident()}")}
            Path(index["GIT_INDEX_FILE"]).unlink(missing_ok=True)
            if head:
                self.git("read-tree", head, **index)
            for path, content in files.items():
                blob = self.git("hash-object", "-w", "--stdin", data=content.encode())
                self.git("update-index", "--add", "--cacheinfo", f"100644,{blob},{path}", **index)
            tree = self.git("write-tree", **index)
            commit = self.git("commit-tree", tree, *(["-p", head] if head else []), "-m", message)
            try:
                self.git("update-ref", "refs/heads/main", commit, head or "0" * 40)
            except subprocess.CalledProcessError:
                continue
            self.people.append(commit)
            return commit

    def release(self, tag: str, stage: str = "dev") -> str:
        """A person releases a tag in one environment."""
        return self.commit({f"{stage}/deployment.yaml": DEPLOYMENT.format(stage=stage, tag=tag)}, f"Release {tag}")

    def tags(self) -> dict[str, str]:
        """What the branch says runs, per environment."""
        head = self.git("rev-parse", "refs/heads/main")
        if self._tags[0] != head:
            found = {}
            for stage in ENVIRONMENTS:
                text = self.git("show", f"{head}:{stage}/deployment.yaml")
                match = re.search(r"example/app:(\S+)", text)
                assert match is not None
                found[stage] = match.group(1)
            self._tags = (head, found)
        return self._tags[1]

    # ------------------------------------------------------------- gitslo

    def start(self, *, failpoints: str = "", instance: str = "one", cache: str = "one") -> subprocess.Popen[bytes]:
        """Start gitslo as a process in a session of its own."""
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "GITSLO_CACHE": str(self.folder / f"cache-{cache}"),
            "GITSLO_FAILPOINTS": failpoints,
            "PYTHONWARNINGS": "error::ResourceWarning",
        }
        log = (self.folder / f"gitslo-{instance}.log").open("ab")
        argv = [sys.executable, "-m", "gitslo", "once", "--config", str(self.config(instance)), "--wait", "20s"]
        with log:
            return subprocess.Popen(
                [*argv, "--log", "json"],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def run(self, *, failpoints: str = "", instance: str = "one", cache: str = "one", timeout: float = 90) -> int:
        """Run gitslo until it ends by itself or is killed; its exit code."""
        child = self.start(failpoints=failpoints, instance=instance, cache=cache)
        try:
            return child.wait(timeout)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            raise AssertionError(f"gitslo did not end within {timeout} s:\n{self.log(instance)[-4000:]}") from None

    def log(self, instance: str = "one") -> str:
        """What it said so far."""
        path = self.folder / f"gitslo-{instance}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def lose_clone(self, cache: str = "one") -> None:
        """Everything on local disk is lost."""
        shutil.rmtree(self.folder / f"cache-{cache}", ignore_errors=True)


def _handler(world: World) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            _, stage, *rest = self.path.split("/")
            tag = world.tags().get(stage, "")
            if rest == ["version"]:
                self._answer(200, b'{"image": "example/app:%s"}' % tag.encode())
                return
            world.requests.append(Request(time.monotonic(), stage, self.headers.get("User-Agent", "")))
            self._answer(500 if tag.startswith("bad") else 200, b"ok")

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            pass

        def handle(self) -> None:
            with contextlib.suppress(ConnectionError):  # a killed worker resets its connections
                super().handle()

    return Handler
