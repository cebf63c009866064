"""A fake GitHub on loopback, for tests: its API, held against the published description, and Git over HTTP.

Called through the fixture `github` of `tests.fixtures_github`. Must stay true: every request that arrives and every
answer that leaves is held against the description of `@octokit/openapi`; what it does not know stands in `undescribed`,
and is answered with an error. What the description leaves open (words of refusals, when an answer is 304, how tokens
live and limits are told) follows GitHub's documentation, and no more is proven by it.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import secrets
import shutil
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qsl

import jwt

from gitslo.testing.git_server import GitServer
from tests.github.service import Asked, Nothing, Page, Refusal, Service
from tests.github.shapes import Shapes
from tests.github.state import Account, numbers
from tests.openapi import Description, Operation, Undescribed

__all__ = ["GENERAL", "KNOWN", "App", "GithubServer", "Limit"]

GENERAL = frozenset({304, 401, 403, 429, 500, 502, 503})
"""Statuses of GitHub as a whole, which its description gives with few operations
(https://docs.github.com/en/rest/using-the-rest-api/troubleshooting-the-rest-api)."""
_REPO = "/repos/{owner}/{repo}"
KNOWN = frozenset(
    {
        # the description has only success for these; the words are those of the real service
        ("post", f"{_REPO}/statuses/{{sha}}", 422),
        ("post", f"{_REPO}/statuses/{{sha}}", 404),
        ("get", f"{_REPO}/commits/{{ref}}/status", 422),
        ("get", f"{_REPO}/rules/branches/{{branch}}", 404),
        ("patch", f"{_REPO}/pulls/{{pull_number}}", 404),
        ("post", f"{_REPO}/pulls", 404),
        ("get", f"{_REPO}/pulls", 404),
        ("patch", f"{_REPO}/issues/comments/{{comment_id}}", 404),
        # of a commit that is not there; whether it is this or 422 is nowhere said, so that ours takes both
        ("get", f"{_REPO}/commits/{{commit_sha}}/comments", 404),
    }
)
PREFIX = "/api/v3"
HOUR = timedelta(hours=1)
GRANTED = {"contents": "write", "issues": "write", "metadata": "read", "pull_requests": "write", "statuses": "write"}


@dataclass
class App:
    """A GitHub App with one installation; `public` is the PEM of its public key."""

    id: int
    slug: str
    public: str
    account: Account
    installation: int
    repositories: set[str]
    suspended: bool = False
    permissions: dict[str, str] = field(default_factory=lambda: dict(GRANTED))
    issued: int = 0


@dataclass
class Token:
    account: Account
    reach: frozenset[str] | None = None
    until: datetime | None = None


@dataclass(frozen=True)
class Limit:
    """What the next requests meet instead of their answer."""

    status: int
    message: str
    headers: Mapping[str, str]
    times: int = 1


@dataclass
class Seen:
    """One request, for tests to look at."""

    method: str
    path: str
    status: int
    who: str
    headers: Mapping[str, str] = field(default_factory=dict)


class GithubServer:
    """See the module.

    Args:
        description: GitHub's, or that of an Enterprise Server.
    """

    def __init__(self, description: Description) -> None:
        self._description = description
        self._home = Path(tempfile.mkdtemp(prefix="gitslo-github-"))
        self._lock = threading.RLock()
        self.tokens: dict[str, Token] = {}
        self.apps: dict[int, App] = {}
        self.undescribed: list[str] = []
        self.journal: list[Seen] = []
        self.spent = 0
        self._limits: list[Limit] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name="github")
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._git = GitServer(self._home / "repositories")
        shapes = Shapes(self.url, self.url + PREFIX)
        self.service = Service(self._home / "repositories", lambda: shapes)
        self._shapes = shapes

    def __enter__(self) -> Self:
        self._git.__enter__()
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        self._git.__exit__(None, None, None)
        shutil.rmtree(self._home, ignore_errors=True)

    # ------------------------------------------------------------- what tests arrange

    def token(self, login: str) -> str:
        """A personal token, made where there is none yet."""
        with self._lock:
            account = self.service.account(login)
            for text, token in self.tokens.items():
                if token.account == account and token.reach is None:
                    return text
            text = f"ghp_{secrets.token_hex(18)}"
            self.tokens[text] = Token(account)
            return text

    def install(self, slug: str, public: str, repositories: Sequence[str]) -> App:
        """A new app, installed on these repositories."""
        with self._lock:
            account = self.service.account(f"{slug}[bot]", "Bot")
            made = App(next(numbers), slug, public, account, next(numbers), set(repositories))
            for name in repositories:
                self.service.repositories[name].writers.add(account.login)
            self.apps[made.id] = made
            return made

    def revoke(self, app: App) -> None:
        """Every token of an app is over at once."""
        with self._lock:
            self.tokens = {text: token for text, token in self.tokens.items() if token.account != app.account}

    def limit(self, status: int, message: str, times: int = 1, **headers: str) -> None:
        """The next requests meet a limit; headers' names with `_` for `-`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        with self._lock:
            self._limits.append(Limit(status, message, named, times))

    # ------------------------------------------------------------- serving

    def answer(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        """One request, and what is said to it."""
        with self._lock:
            seen = Seen(method, target.removeprefix(PREFIX), 0, "", dict(headers))
            self.journal.append(seen)
            try:
                status, said, content = self._answered(method, target, headers, body, seen)
            except Undescribed as error:
                self.undescribed.append(str(error))
                status, said, content = 500, {}, json.dumps({"message": f"undescribed: {error}"}).encode()
            seen.status = status
            return status, {"Content-Type": "application/json; charset=utf-8", **said}, content

    def git(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        """Git over HTTP, with a token as the password."""
        with self._lock:
            given = base64.b64decode(headers.get("authorization", "").removeprefix("Basic ")).decode()
            token, name = self._token(given.partition(":")[2]), target.lstrip("/").partition(".git")[0]
            known = token is not None and (token.reach is None or name in token.reach)
        if not known:
            return 401, {"WWW-Authenticate": 'Basic realm="GitHub"'}, b"who are you?"
        there = http.client.HTTPConnection(self._git.origin.removeprefix("http://"), timeout=60)
        try:
            passed = {
                key: value for key, value in headers.items() if key not in ("authorization", "connection", "host")
            }
            there.request(method, target, body, passed)
            answer = there.getresponse()
            kind = answer.getheader("Content-Type", "")
            return answer.status, {"Content-Type": kind, "Cache-Control": "no-cache"}, answer.read()
        finally:
            there.close()

    def _token(self, text: str) -> Token | None:
        token = self.tokens.get(text)
        if token is None or (token.until is not None and datetime.now(UTC) + self.service.ahead >= token.until):
            return None
        return token

    def _answered(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes, seen: Seen
    ) -> tuple[int, dict[str, str], bytes]:
        if not target.startswith(f"{PREFIX}/"):
            raise Undescribed(f"there is no API at {target}")
        if headers.get("x-github-api-version") != "2022-11-28" or not headers.get("user-agent"):
            raise Undescribed("a request names the version of the API, and has a User-Agent")
        if headers.get("accept") != "application/vnd.github+json":
            raise Undescribed(f"a request accepts application/vnd.github+json, not {headers.get('accept')}")
        operation = self._description.request(
            method, target.removeprefix(PREFIX), headers.get("content-type", ""), body
        )
        limited = self._limited()
        if limited is not None:
            return limited.status, dict(limited.headers), json.dumps({"message": limited.message}).encode()
        more: dict[str, str] = {}
        try:
            status, data = self._carried_out(operation, target, headers, body, seen)
        except Refusal as refusal:
            status, data = refusal.status, refusal.body
        if isinstance(data, Page):
            if data.more:
                more["Link"] = f'<{self.url}{PREFIX}/somewhere?page=2>; rel="next"'
            data = data.rows
        content = b"" if isinstance(data, Nothing) else json.dumps(data).encode()
        self._description.answer(operation, status, content)
        if method == "GET" and status == 200:
            etag = f'W/"{hashlib.sha256(content).hexdigest()}"'
            more["ETag"] = etag
            if headers.get("if-none-match") == etag:
                return 304, more, b""  # it does not count against the limit
        self.spent += 1
        more |= {"X-RateLimit-Limit": "5000", "X-RateLimit-Remaining": str(5000 - self.spent % 5000)}
        return status, more, content

    def _limited(self) -> Limit | None:
        if not self._limits:
            return None
        limit = self._limits.pop(0)
        if limit.times > 1:
            self._limits.insert(0, Limit(limit.status, limit.message, limit.headers, limit.times - 1))
        return limit

    def _carried_out(
        self, operation: Operation, target: str, headers: Mapping[str, str], body: bytes, seen: Seen
    ) -> tuple[int, Any]:
        bearer = headers.get("authorization", "").removeprefix("Bearer ")
        query = dict(parse_qsl(target.partition("?")[2], keep_blank_values=True))
        data = json.loads(body) if body else {}
        route = f"{operation.method} {operation.template}"
        if route in _APP_ROUTES:
            app = self._app(bearer)
            seen.who = app.slug
            return _APP_ROUTES[route](self, app, operation, data)
        token = self._token(bearer)
        if token is None:
            raise Refusal(401, "Bad credentials")
        seen.who = token.account.login
        asked = Asked(token.account, token.reach, operation.parameters, query, data)
        status, do = _ROUTES[route]
        return status, do(self.service, asked)

    # ------------------------------------------------------------- apps

    def _app(self, bearer: str) -> App:
        now = datetime.now(UTC) + self.service.ahead
        try:
            named = int(jwt.decode(bearer, options={"verify_signature": False})["iss"])
            app = self.apps[named]
            # its own clock decides; `exp` and `iat` are looked at below
            claims = jwt.decode(bearer, app.public, ["RS256"], options={"verify_exp": False, "verify_iat": False})
        except (jwt.PyJWTError, KeyError, ValueError):
            raise Refusal(401, "A JSON web token could not be decoded") from None
        if claims["exp"] <= now.timestamp():
            raise Refusal(401, "'Expiration time' claim ('exp') is in the past")
        if claims["exp"] > now.timestamp() + 600:
            raise Refusal(401, "'Expiration time' claim ('exp') is too far in the future")
        if claims["iat"] > now.timestamp():
            raise Refusal(401, "'Issued at' claim ('iat') must be an Integer representing the time of issue")
        return app

    def _get_app(self, app: App, operation: Operation, body: Mapping[str, Any]) -> tuple[int, Any]:
        del operation, body
        return 200, self._shapes.app(self.service.account("acme"), app=app.id, slug=app.slug)

    def _get_installation(self, app: App, operation: Operation, body: Mapping[str, Any]) -> tuple[int, Any]:
        del body
        name = f"{operation.parameters['owner']}/{operation.parameters['repo']}"
        if name not in app.repositories:
            raise Refusal(404, "Not Found")
        owner = self.service.account(operation.parameters["owner"])
        return 200, self._shapes.installation(
            owner, app=app.id, slug=app.slug, installation=app.installation, permissions=app.permissions
        )

    def _post_token(self, app: App, operation: Operation, body: Mapping[str, Any]) -> tuple[int, Any]:
        if int(operation.parameters["installation_id"]) != app.installation:
            raise Refusal(404, "Not Found")
        if app.suspended:
            raise Refusal(403, "This installation has been suspended")
        wanted = body.get("repositories")
        reach = {name for name in app.repositories if wanted is None or name.partition("/")[2] in wanted}
        if wanted is not None and len(reach) < len(wanted):
            message = (
                "There is at least one repository that does not exist or is not accessible to the parent installation."
            )
            raise Refusal(422, message)
        app.issued += 1
        text = f"ghs_{secrets.token_hex(18)}"
        until = datetime.now(UTC) + self.service.ahead + HOUR
        self.tokens[text] = Token(app.account, frozenset(reach), until)
        return 201, {
            "token": text,
            "expires_at": until.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "permissions": app.permissions,
            "repository_selection": "selected",
        }


_APP_ROUTES: dict[str, Callable[[GithubServer, App, Operation, Mapping[str, Any]], tuple[int, Any]]] = {
    "get /app": GithubServer._get_app,
    f"get {_REPO}/installation": GithubServer._get_installation,
    "post /app/installations/{installation_id}/access_tokens": GithubServer._post_token,
}
_ROUTES: dict[str, tuple[int, Callable[[Service, Asked], Any]]] = {
    "get /user": (200, Service.get_user),
    f"get {_REPO}": (200, Service.get_repository),
    f"get {_REPO}/branches/{{branch}}": (200, Service.get_branch),
    f"get {_REPO}/rules/branches/{{branch}}": (200, Service.get_rules),
    f"get {_REPO}/git/ref/{{ref}}": (200, Service.get_ref),
    f"delete {_REPO}/git/refs/{{ref}}": (204, Service.delete_ref),
    f"get {_REPO}/git/commits/{{commit_sha}}": (200, Service.get_commit),
    f"post {_REPO}/statuses/{{sha}}": (201, Service.post_status),
    f"get {_REPO}/commits/{{ref}}/status": (200, Service.get_statuses),
    f"get {_REPO}/pulls": (200, Service.get_pulls),
    f"post {_REPO}/pulls": (201, Service.post_pull),
    f"get {_REPO}/pulls/{{pull_number}}": (200, Service.get_pull),
    f"patch {_REPO}/pulls/{{pull_number}}": (200, Service.patch_pull),
    f"put {_REPO}/pulls/{{pull_number}}/merge": (200, Service.merge),
    f"post {_REPO}/pulls/{{pull_number}}/requested_reviewers": (201, Service.post_reviewers),
    f"get {_REPO}/issues": (200, Service.get_issues),
    f"post {_REPO}/issues": (201, Service.post_issue),
    f"patch {_REPO}/issues/{{issue_number}}": (200, Service.patch_issue),
    f"get {_REPO}/issues/{{issue_number}}/comments": (200, Service.get_comments),
    f"post {_REPO}/issues/{{issue_number}}/comments": (201, Service.post_comment),
    f"patch {_REPO}/issues/comments/{{comment_id}}": (200, Service.patch_comment),
    f"get {_REPO}/commits/{{commit_sha}}/comments": (200, Service.get_commit_comments),
    f"post {_REPO}/commits/{{commit_sha}}/comments": (201, Service.post_commit_comment),
    f"patch {_REPO}/comments/{{comment_id}}": (200, Service.patch_commit_comment),
    f"post {_REPO}/issues/{{issue_number}}/labels": (200, Service.post_labels),
    f"post {_REPO}/issues/{{issue_number}}/assignees": (201, Service.post_assignees),
    f"get {_REPO}/issues/{{issue_number}}/events": (200, Service.get_events),
}


def _handler(server: GithubServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            self.close_connection = True
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            serve = server.answer if self.path.startswith("/api/") else server.git
            status, said, content = serve(self.command, self.path, headers, body)
            self.send_response(status)
            for name, value in {**said, "Content-Length": str(len(content)), "Connection": "close"}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _serve  # noqa: N815 - as the library calls them

        def log_message(self, *arguments: object) -> None:
            pass

        def handle(self) -> None:
            with suppress(ConnectionError):
                super().handle()

    return Handler
