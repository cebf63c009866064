"""A real Gitea on loopback, for tests: one process with a database in a temporary folder, and people with rights.

Called through the fixture `gitea` of `tests.fixtures_gitea`, which starts one for all tests. Must stay true: it listens
on 127.0.0.1 only, runs as an ordinary user (it refuses to be root), and leaving the `with` block leaves no process and
no file behind.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

__all__ = ["BOT", "OWNER", "SIGNER", "STRANGER", "Account", "GiteaServer", "Reply"]

OWNER = "ada"
"""Owns the repositories, and may push to their protected branches."""
STRANGER = "eve"
"""May write to the repositories, and not push to their protected branches."""
BOT = "gitslo-bot"
DEADLINE = 240.0
"""Seconds: it starts in five, and in a minute on a machine that builds something else meanwhile."""
NOBODY = "nobody"
"""Who runs it where the tests run as root."""

CONFIGURATION = """\
APP_NAME = forge
RUN_USER = {user}
RUN_MODE = prod
WORK_PATH = {home}
[server]
PROTOCOL = http
HTTP_ADDR = 127.0.0.1
HTTP_PORT = {port}
ROOT_URL = http://127.0.0.1:{port}/
STATIC_ROOT_PATH = {home}/static
DISABLE_SSH = false
START_SSH_SERVER = false
SSH_CREATE_AUTHORIZED_KEYS_FILE = false
SSH_ROOT_PATH = {home}/ssh
OFFLINE_MODE = true
LFS_START_SERVER = false
[database]
DB_TYPE = sqlite3
PATH = {home}/gitea.db
SQLITE_JOURNAL_MODE = WAL
[repository]
ROOT = {home}/repositories
DEFAULT_BRANCH = main
{signing}[security]
INSTALL_LOCK = true
PASSWORD_HASH_ALGO = pbkdf2$1000$50
MIN_PASSWORD_LENGTH = 6
[service]
DISABLE_REGISTRATION = true
[cron]
ENABLED = false
[log]
MODE = file
LEVEL = warn
ROOT_PATH = {home}/log
logger.access.MODE = requests
[log.requests]
MODE = file
FILE_NAME = requests.log
LEVEL = info
[indexer]
ISSUE_INDEXER_TYPE = db
REPO_INDEXER_ENABLED = false
[webhook]
ALLOWED_HOST_LIST = loopback
[actions]
ENABLED = false
[packages]
ENABLED = false
[mailer]
ENABLED = false
"""

SIGNER = "forge@example.com"
SIGNING = """\
[repository.signing]
SIGNING_KEY = {home}/signing.pub
SIGNING_NAME = forge
SIGNING_EMAIL = {signer}
SIGNING_FORMAT = ssh
INITIAL_COMMIT = never
CRUD_ACTIONS = never
WIKI = never
MERGES = commitssigned
"""
"""It signs what it merges where everything that it merges is signed: else nothing is as it would be without."""


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody with an account; `token` may do what the how-to page asks for, for people everything."""

    name: str
    password: str
    token: str


@dataclass(frozen=True, slots=True)
class Reply:
    """What the API answered."""

    status: int
    data: Any


class GiteaServer:
    """See the module."""

    def __init__(self, program: Path, assets: Path | None = None) -> None:
        """`assets`: its front end, without which its pages have no styles and draw nothing."""
        self._program, self._assets = program, assets
        self._home = Path(tempfile.mkdtemp(prefix="gitslo-gitea-"))
        self._process: subprocess.Popen[bytes] | None = None
        self._user = pwd.getpwuid(os.geteuid()).pw_name if os.geteuid() else NOBODY
        self.url = ""
        self.accounts: dict[str, Account] = {}
        self._repositories = 0
        self._counting = threading.Lock()

    # ------------------------------------------------------------- life

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self._end()

    def _start(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        home = self._home
        # copied: where root's cache lies nobody else may look
        shutil.copy(self._program, home / "gitea")
        shutil.copytree(self._program.parent / "static", home / "static")
        if self._assets is not None:
            shutil.copytree(self._assets, home / "static" / "public" / "assets", dirs_exist_ok=True)
        keygen = shutil.which("ssh-keygen")
        if keygen is not None:
            argv = [keygen, "-q", "-t", "ed25519", "-N", "", "-C", SIGNER, "-f", str(home / "signing")]
            subprocess.run(argv, check=True, capture_output=True, timeout=DEADLINE)
        signing = SIGNING.format(home=home, signer=SIGNER) if keygen is not None else ""
        (home / "app.ini").write_text(CONFIGURATION.format(user=self._user, home=home, port=port, signing=signing))
        if os.geteuid() == 0:
            for path in [home, *home.rglob("*")]:
                shutil.chown(path, self._user)
        log = (home / "out").open("wb")
        with log:
            self._process = subprocess.Popen(
                self._argv("web"), stdin=subprocess.DEVNULL, stdout=log, stderr=log, **self._as_user()
            )
        self._await_health()
        password = secrets.token_hex(12)
        argv = self._argv("admin", "user", "create", "--admin", "--username", OWNER, "--password", password)
        argv += ["--email", f"{OWNER}@example.com", "--must-change-password=false"]
        subprocess.run(argv, check=True, capture_output=True, timeout=DEADLINE, **self._as_user())
        self.accounts[OWNER] = Account(OWNER, password, self._new_token(OWNER, password, ["all"]))
        for name in (BOT, STRANGER):
            self._add(name)

    def _argv(self, *words: str) -> list[str]:
        return [str(self._home / "gitea"), "--config", str(self._home / "app.ini"), *words]

    def _as_user(self) -> dict[str, Any]:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self._home),
            "USER": self._user,
            "GITEA_WORK_DIR": str(self._home),
        }
        found: dict[str, Any] = {"env": environment, "cwd": self._home}
        if os.geteuid() == 0:
            found |= {"user": self._user, "group": pwd.getpwnam(self._user).pw_gid, "extra_groups": []}
        return found

    def _await_health(self) -> None:
        assert self._process is not None
        end = time.monotonic() + DEADLINE
        pause = threading.Event()
        while time.monotonic() < end:
            if self._process.poll() is not None:
                break
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"{self.url}/api/healthz", timeout=2).close()  # noqa: S310 - loopback
                return
            pause.wait(0.05)
        said = [path.read_text(errors="replace")[-2000:] for path in [self._home / "out", *self._home.glob("log/*")]]
        raise AssertionError("Gitea did not start:\n" + "\n".join(said))

    def _end(self) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        shutil.rmtree(self._home, ignore_errors=True)

    # ------------------------------------------------------------- people

    def _add(self, name: str) -> None:
        password = secrets.token_hex(12)
        asked = {
            "username": name,
            "password": password,
            "email": f"{name}@example.com",
            "must_change_password": False,
        }
        assert self.api(OWNER, "POST", "/admin/users", asked).status == 201
        scopes = ["write:repository", "write:issue", "read:user"] if name == BOT else ["all"]
        self.accounts[name] = Account(name, password, self._new_token(name, password, scopes))

    def _new_token(self, name: str, password: str, scopes: list[str]) -> str:
        basic = base64.b64encode(f"{name}:{password}".encode()).decode()
        body = {"name": secrets.token_hex(8), "scopes": scopes}
        reply = self._call("POST", f"/users/{name}/tokens", body, f"Basic {basic}")
        assert reply.status == 201, reply
        token: str = reply.data["sha1"]
        return token

    # ------------------------------------------------------------- asking

    def api(self, who: str, method: str, path: str, body: object = None) -> Reply:
        """One call of the API, by somebody; `path` is below `/api/v1`."""
        return self._call(method, path, body, f"token {self.accounts[who].token}")

    def _call(self, method: str, path: str, body: object, authorization: str) -> Reply:
        request = urllib.request.Request(  # noqa: S310 - a loopback address of ours
            f"{self.url}/api/v1{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": authorization, "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - as above
                return Reply(answer.status, _data(answer.read()))
        except urllib.error.HTTPError as error:
            with error:
                return Reply(error.code, _data(error.read()))

    def new_repository(self, **settings: object) -> str:
        """`owner/name` of a repository in which the bot and the stranger may write; `main` has one commit."""
        with self._counting:
            self._repositories += 1
            name = f"shop-{self._repositories}"
        path = f"/repos/{OWNER}/{name}"
        assert (
            self.api(OWNER, "POST", "/user/repos", {"name": name, "default_branch": "main", "auto_init": True}).status
            == 201
        )
        for collaborator in (BOT, STRANGER):
            asked = {"permission": "write"}
            assert self.api(OWNER, "PUT", f"{path}/collaborators/{collaborator}", asked).status == 204
        # this hook does nothing any more, and would start the whole program once for every ref that is pushed
        (self.folder(f"{OWNER}/{name}") / "hooks" / "update").unlink(missing_ok=True)
        if settings:
            assert self.api(OWNER, "PATCH", path, settings).status == 200
        return f"{OWNER}/{name}"

    def commit(self, repository: str, branch: str, files: Mapping[str, str], who: str = OWNER) -> str:
        """Somebody's commit of files, made by the forge; a branch that is new starts at `main`. Its id."""
        body: dict[str, object] = {
            "files": [
                {"operation": "upload", "path": path, "content": base64.b64encode(content.encode()).decode()}
                for path, content in files.items()
            ],
            "message": f"{branch}: {', '.join(files)}",
            "branch": branch,
        }
        if self.tip(repository, branch) is None:
            body |= {"branch": "main", "new_branch": branch}
        reply = self.api(who, "POST", f"/repos/{repository}/contents", body)
        assert reply.status == 201, reply
        found: str = reply.data["commit"]["sha"]
        return found

    def tip(self, repository: str, branch: str) -> str | None:
        """Where a branch is."""
        reply = self.api(OWNER, "GET", f"/repos/{repository}/branches/{quote(branch, safe='')}")
        return reply.data["commit"]["id"] if reply.status == 200 else None

    @property
    def logs(self) -> Path:
        """The folder of its logs; `requests.log` has a line per request."""
        return self._home / "log"

    def folder(self, repository: str) -> Path:
        """Where the server keeps it; for looking only."""
        return self._home / "repositories" / f"{repository}.git"

    def clone_url(self, repository: str, who: str | None = None) -> str:
        """Where Git finds it; with a name and token in it for somebody's own Git."""
        if who is None:
            return f"{self.url}/{repository}.git"
        account = self.accounts[who]
        return f"{self.url.replace('://', f'://{account.name}:{account.token}@')}/{repository}.git"


def _data(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None
