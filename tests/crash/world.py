"""A whole world for kill tests: a bare repository that logs every push, a deployed service, and gitslo as a process.

The service answers for every environment what the branch says (as if a perfect syncer ran), logs each request, and
fails for images tagged `bad`. gitslo runs as its users run it: `gitslo once --config ...`, behind the probe syncer.
Called by the scenarios; a world is used by one of them alone, and nothing of it is left when it is closed.
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
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self

from tests.crash.files import DEPLOYMENT, ENVIRONMENTS, HOOK, MANUAL, OPERATOR, PIPELINE, PLAN
from tests.crash.seed import prove


@dataclass
class Request:
    """One request as the service saw it; `run` is `shop/<environment>/<run>/<attempt>`, from its User-Agent."""

    at: float
    environment: str
    run: str


@dataclass
class World:
    """See the module.

    Attributes:
        atomic: whether the server says that it can push several refs at once.
        mode: of every change; `merge` is that of promotions into prod.
        proved: v1 has passed everywhere, as a first `gitslo once` leaves it.
        key: of the ledgers' HMAC; none where empty.
        people: commits by people that have to be on the branch in the end.
        dropped: commits that a person's rewriting took off the branch, and how many pushes there were before it.
        kills, started: how many processes of gitslo were killed, and started.
    """

    folder: Path
    atomic: bool = True
    mode: str = "pull-request"
    merge: str = "auto"
    proved: bool = False
    key: str = ""
    requests: list[Request] = field(default_factory=list)
    people: list[str] = field(default_factory=list)
    dropped: dict[str, int] = field(default_factory=dict)
    kills: int = 0
    started: int = 0

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.repository = self.folder / "repository.git"
        self._tags: tuple[str, dict[str, str]] = ("", {})
        self._children: list[subprocess.Popen[bytes]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.git("init", "--quiet", "--bare", "--initial-branch=main", str(self.repository), bare=False)
        self.git("config", "gc.auto", "0")  # the branch stays a file of its own
        if not self.atomic:
            self.git("config", "receive.advertiseAtomic", "false")
        hook = self.repository / "hooks" / "post-receive"
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(HOOK)
        hook.chmod(0o755)
        write = "mode: direct" if self.mode == "direct" else f"mode: {self.mode}, merge: auto"
        prod = MANUAL if self.merge == "manual" else ""
        files = {"gitslo.yaml": PIPELINE.format(port=self.port, write=write, prod=prod)}
        for stage in ENVIRONMENTS:
            files[f"{stage}/slo.yaml"] = self.plan(stage)
            files[f"{stage}/deployment.yaml"] = DEPLOYMENT.format(stage=stage, tag="v1")
        self.commit(files, "Start at v1")
        ledger = ""
        if self.key:
            (self.folder / "ledger.key").write_text(self.key)
            ledger = f'\n    ledger: {{key: {{file: "{self.folder}/ledger.key"}}}}'
        for instance in ("one", "two", "three"):
            self.config(instance).write_text(
                OPERATOR.format(instance=instance, url=self.repository.as_uri(), folder=self.folder, ledger=ledger)
            )
        if self.proved:
            prove(self.config(), self.folder / "cache-seed")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop the service, and whatever of gitslo still runs."""
        for child in self._children:
            if child.poll() is None:
                self.kill(child)
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

    def plan(self, stage: str, limit: int = 20) -> str:
        """A plan; another limit is another plan, with another digest."""
        return PLAN.format(port=self.port, stage=stage, limit=limit)

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

    def rewrite(self, tree_of: str, onto: str, message: str) -> str:
        """A person forces main to a new commit on `onto` with the tree of `tree_of`; what was between is dropped."""
        head = self.git("rev-parse", "refs/heads/main")
        commit = self.git("commit-tree", f"{tree_of}^{{tree}}", "-p", onto, "-m", message)
        dropped = self.git("rev-list", head, f"^{onto}").split()
        pushes = len(self.pushes())
        self.git("update-ref", "refs/heads/main", commit, head)
        self.dropped |= dict.fromkeys(dropped, pushes)
        self.people = [known for known in self.people if known not in self.dropped] + [commit]
        return commit

    def pushes(self) -> list[tuple[str, str, str]]:
        """Every ref that a push moved, in order: old, new, name."""
        log = self.repository / "pushes.log"
        lines = log.read_text().splitlines() if log.exists() else []
        return [(old, new, ref) for old, new, ref in (line.split(" ", 2) for line in lines)]

    def release(self, tag: str, stage: str = "dev") -> str:
        """A person releases a tag in one environment."""
        return self.commit({f"{stage}/deployment.yaml": DEPLOYMENT.format(stage=stage, tag=tag)}, f"Release {tag}")

    def tags(self) -> dict[str, str]:
        """What the branch says runs, per environment."""
        # The service asks for every request: the ref's file, not a process.
        head = (self.repository / "refs" / "heads" / "main").read_text().strip()
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

    def start(
        self, *, failpoints: str = "", instance: str = "one", cache: str = "one", command: str = "once"
    ) -> subprocess.Popen[bytes]:
        """Start gitslo as a process in a session of its own."""
        arguments = [command, "--config", str(self.config(instance)), "--log", "json"]
        arguments += ["--wait", "20s"] if command == "once" else []
        with (self.folder / f"gitslo-{instance}.log").open("ab") as log:
            child = subprocess.Popen(
                [sys.executable, "-m", "gitslo", *arguments],
                env=self._variables(cache, failpoints),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._children.append(child)
        self.started += 1
        return child

    def run(
        self,
        *,
        failpoints: str = "",
        instance: str = "one",
        cache: str = "one",
        kill_after: float | None = None,
        timeout: float = 240,
    ) -> int:
        """Run gitslo until it ends by itself, or is killed after so many seconds; its exit code."""
        child = self.start(failpoints=failpoints, instance=instance, cache=cache)
        try:
            code = child.wait(kill_after if kill_after is not None else timeout)
        except subprocess.TimeoutExpired:
            self.kill(child)
            if kill_after is None:
                raise AssertionError(f"gitslo did not end within {timeout} s:\n{self.log(instance)[-4000:]}") from None
            code = child.returncode
        self.kills += code == -signal.SIGKILL
        return code

    def kill(self, child: subprocess.Popen[bytes]) -> None:
        """End its whole session by SIGKILL."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()

    def command(self, *arguments: str, cache: str = "person") -> str:
        """A command of gitslo that a person types."""
        argv = [sys.executable, "-m", "gitslo", *arguments]
        done = subprocess.run(argv, env=self._variables(cache), capture_output=True, text=True, timeout=60, check=False)
        if done.returncode:
            raise AssertionError(f"gitslo {' '.join(arguments)}: {done.stdout}{done.stderr}")
        return done.stdout

    def _variables(self, cache: str, failpoints: str = "") -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "GITSLO_CACHE": str(self.folder / f"cache-{cache}"),
            "GITSLO_FAILPOINTS": failpoints,
            "PYTHONWARNINGS": "error::ResourceWarning",
        }

    def processes(self) -> list[str]:
        """The command lines of what gitslo started and is still there: its children know this folder as their home."""
        found = []
        mark = os.fsencode(self.folder)
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            with contextlib.suppress(OSError, IndexError):
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                if parent != os.getpid() and mark in (entry / "environ").read_bytes():
                    found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        return found

    def log(self, instance: str = "one") -> str:
        """What it said so far."""
        path = self.folder / f"gitslo-{instance}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def lose_clone(self, cache: str = "one") -> None:
        """Everything on local disk is lost."""
        shutil.rmtree(self.folder / f"cache-{cache}", ignore_errors=True)

    def loading(self, environment: str, run: int) -> bool:
        """Whether the service has seen load of this run."""
        return any(request.run.startswith(f"shop/{environment}/{run}/") for request in self.requests)


def until(what: Callable[[], bool], why: str, seconds: float = 120) -> None:
    """Wait for a condition, with a deadline."""
    deadline = time.monotonic() + seconds
    while not what():
        if time.monotonic() > deadline:
            raise AssertionError(f"{why} did not come within {seconds} s")
        threading.Event().wait(0.05)


def stopped(pid: int) -> bool:
    """Whether the kernel reports the process as stopped (state T)."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def _handler(world: World) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            _, stage, *rest = self.path.split("/")
            tag = world.tags().get(stage, "")
            if rest == ["version"]:
                self._answer(200, b'{"image": "example/app:%s"}' % tag.encode())
                return
            run = "shop/" + self.headers.get("User-Agent", "").rpartition("shop/")[2].rstrip(")")
            world.requests.append(Request(time.monotonic(), stage, run))
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
