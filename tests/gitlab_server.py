"""A fake GitLab on loopback, for tests: real HTTP, real Git repositories, and its rules in `tests.gitlab_project`.

Called through the fixture `gitlab` of `tests.fixtures_gitlab`. GitLab itself is far too large to be started by a test,
so this is its stand-in, and it is not believed on its own: every request that it gets and every answer that it gives is
held against GitLab's own description of its API (`tests/forge/gitlab_api.json` says where that is from). What does not
fit is kept in `undescribed`, and fails the test.

Must stay true: it listens on 127.0.0.1 only, and leaving the `with` block leaves no thread and no port behind.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.error import HTTPError
from urllib.parse import parse_qsl, quote, unquote, urlencode
from urllib.request import Request, urlopen

from gitslo.testing.bare_repository import BareRepository
from gitslo.testing.git_server import GitServer
from tests.gitlab_project import DEVELOPER, MAINTAINER, Merge, Problem, Project, User
from tests.openapi import Description, Undescribed

__all__ = ["BOT", "DESCRIPTION", "OWNER", "STRANGER", "GitlabServer", "Reply"]

OWNER = "ada"
STRANGER = "eve"
BOT = "gitslo-bot"
DESCRIPTION = Path(__file__).parent / "forge" / "gitlab_api.json"
LIMIT = 100
VERSION = "18.5.0"
STARTED = "2026-01-05T10:00:00.000Z"


@dataclass(frozen=True)
class Reply:
    """An answer to a person; `data` is its JSON."""

    status: int
    data: Any


class GitlabServer:
    """Everything on one port.

    Args:
        folder: where repositories go.
        root: the folder of its host that it lives in (a relative URL root), e.g. `/gitlab`; empty for none.
    """

    def __init__(self, folder: Path, root: str = "") -> None:
        self.users = {
            name: User(at, name, level)
            for at, (name, level) in enumerate(((OWNER, MAINTAINER), (STRANGER, DEVELOPER), (BOT, DEVELOPER)), 1)
        }
        self.tokens = {f"glpat-{name}": user for name, user in self.users.items()}
        self.projects: dict[str, Project] = {}
        self.scopes, self.expires = ["api"], None
        self.undescribed: list[str] = []
        self.root = root
        self.lock = threading.RLock()
        self._description = Description.of(DESCRIPTION, general=frozenset({304, 429}))
        self._git = GitServer(folder)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name="gitlab")

    def __enter__(self) -> Self:
        self._git.__enter__()
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        self._git.__exit__(None, None, None)

    @property
    def url(self) -> str:
        """Where it answers, with its folder."""
        return f"http://127.0.0.1:{self._server.server_address[1]}{self.root}"

    def git_url(self, project: Project) -> str:
        """Where its commits are fetched from and pushed to; a real Git server."""
        return self._git.url(f"{project.path}.git")

    def new_project(self) -> Project:
        """A project with one commit on main, in a group of a group."""
        with self.lock:
            number = len(self.projects) + 1
            path = f"acme/platform/shop-{number}"
            repository = BareRepository.create(self._git.root / f"{path}.git")
            repository.commit({"image": b"v1"}, "first")
            project = Project(number, path, repository, self.users)
            project.catch_up(self.users[OWNER])
            self.projects[path] = project
            return project

    def api(self, who: str, method: str, path: str, body: object = None) -> Reply:
        """A person's request; it is held against the description as ours are."""
        content = None if body is None else json.dumps(body).encode()
        headers = {"PRIVATE-TOKEN": f"glpat-{who}", "Content-Type": "application/json"}
        request = Request(f"{self.url}/api/v4{path}", content, headers, method=method)  # noqa: S310 - loopback
        try:
            with urlopen(request, timeout=30) as answer:  # noqa: S310 - loopback
                return Reply(answer.status, json.loads(answer.read()))
        except HTTPError as error:
            with error:
                return Reply(error.code, json.loads(error.read()))

    # ----------------------------------------------------------------- answering

    def answer(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        """What one request is answered with."""
        if not target.startswith(f"{self.root}/api/"):
            return 404, {"Content-Type": "text/html"}, b"<!DOCTYPE html><title>Not found</title>"
        target = target.removeprefix(self.root)
        try:
            operation = self._description.request(method, target, headers.get("content-type", ""), body)
        except Undescribed as fault:
            return self._odd(str(fault))
        try:
            status, data, more = self._carried_out(method, target, headers, body)
        except Problem as problem:
            status, data, more = problem.status, {"message": problem.message}, {}
        content = json.dumps(data).encode()
        try:
            self._description.answer(operation, status, content)
        except Undescribed as fault:
            return self._odd(str(fault))
        shown = {"Content-Type": "application/json", **more}
        if method == "GET" and status == 200:
            shown["ETag"] = f'W/"{hashlib.sha256(content).hexdigest()[:32]}"'
            if headers.get("if-none-match") == shown["ETag"]:
                return 304, shown, b""
        return status, shown, content

    def _odd(self, fault: str) -> tuple[int, dict[str, str], bytes]:
        self.undescribed.append(fault)
        return 400, {"Content-Type": "application/json"}, json.dumps({"error": f"undescribed: {fault}"}).encode()

    def _carried_out(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, object, dict[str, str]]:
        user = self.tokens.get(headers.get("private-token", ""))
        if user is None:
            raise Problem(401, "401 Unauthorized")
        path, _, raw = target.removeprefix("/api/v4/").partition("?")
        query = dict(parse_qsl(raw, keep_blank_values=True))
        parts = [unquote(each) for each in path.split("/")]
        wanted: dict[str, Any] = json.loads(body) if body.strip() else {}
        with self.lock:
            if parts[0] != "projects":
                found: object = self._general(parts, query, user)
            else:
                project = self.projects.get(parts[1])
                if project is None:
                    raise Problem(404, "404 Project Not Found")
                project.catch_up(self.users[OWNER])
                view = _View(self, project, user)
                found = view.answer(method, parts[2:], query, wanted)
                if method != "GET":
                    project.catch_up(user)
        if method != "POST" and isinstance(found, list):
            return self._page(target, found, query)
        return (201 if method == "POST" else 200), found, {}

    def _general(self, parts: list[str], query: Mapping[str, str], user: User) -> object:
        if parts == ["user"]:
            return {**self.basic(user), "email": f"{user.name}@example.invalid", "bot": user.name == BOT}
        if parts == ["personal_access_tokens", "self"]:
            shown = {"id": user.id, "name": "gitslo", "revoked": False, "active": True, "user_id": user.id}
            return {**shown, "created_at": STARTED, "scopes": self.scopes, "expires_at": self.expires}
        if parts == ["users"]:
            return [self.basic(each) for each in self.users.values() if each.name == query.get("username", each.name)]
        return {"version": VERSION, "revision": "0123456789a", "enterprise": False}

    def basic(self, user: User) -> dict[str, Any]:
        """A user as others see one."""
        where = f"{self.url}/{user.name}"
        return {"id": user.id, "username": user.name, "name": user.name.title(), "state": "active", "web_url": where}

    def _page(self, target: str, rows: list[object], query: Mapping[str, str]) -> tuple[int, object, dict[str, str]]:
        page, size = int(query.get("page", 1)), min(LIMIT, int(query.get("per_page", 20)))
        shown = rows[(page - 1) * size : page * size]
        if len(rows) <= page * size:
            return 200, shown, {"X-Next-Page": ""}
        following = urlencode({**query, "page": page + 1, "per_page": size})
        link = f'<{self.url}{target.partition("?")[0]}?{following}>; rel="next"'
        return 200, shown, {"X-Next-Page": str(page + 1), "Link": link}


class _View:
    """What one user is shown of one project, and may do there."""

    def __init__(self, server: GitlabServer, project: Project, user: User) -> None:
        self._server, self._project, self._user = server, project, user

    def answer(self, method: str, parts: list[str], query: Mapping[str, str], wanted: Mapping[str, Any]) -> object:
        project, user = self._project, self._user
        match (method, *parts):
            case ("GET",):
                return self._about()
            case ("GET", "events"):
                return self._pushes(query)
            case ("GET", "merge_requests"):
                return self._merges(query)
            case ("POST", "merge_requests"):
                return self._merge(project.create(user, wanted), full=True)
            case ("GET" | "PUT" | "POST", "merge_requests", number, *more):
                merge = project.merges.get(int(number))
                if merge is None:
                    raise Problem(404, "404 Not found")
                return self._about_merge(method, merge, more, query, wanted)
            case (_, "issues", *number):
                return self._about_issues(method, number, query, wanted)
        return self._about_commits(method, parts, query, wanted)

    def _about_commits(
        self, method: str, parts: list[str], query: Mapping[str, str], wanted: Mapping[str, Any]
    ) -> object:
        project = self._project
        match (method, *parts):
            case ("GET", "repository", "branches", name):
                return self._branch(name)
            case ("GET", "protected_branches", name):
                return self._protected(name)
            case ("GET", "repository", "commits", sha, "statuses"):
                return [self._status(row) for row in project.statuses_of(sha, past=query.get("all") == "true")]
            case ("GET", "repository", "commits", sha, "discussions"):
                return [self._thread(each) for each in project.threads_of(sha)]
            case ("POST", "repository", "commits", sha, "discussions"):
                return self._thread(project.note_on_commit(self._user, sha, wanted["body"]))
            case ("PUT", "repository", "commits", sha, "discussions", thread, "notes", note):
                found = next((each for each in project.threads_of(sha) if each["id"] == int(note)), None)
                if found is None or self._thread(found)["id"] != thread:
                    raise Problem(404, "404 Note Not Found")
                if found["user"] != self._user:
                    raise Problem(403, "403 Forbidden")
                found["body"] = wanted["body"]
                return self._commit_note(found)
            case ("POST", "statuses", sha):
                return self._status(project.set_status(self._user, sha, wanted))
        raise Problem(404, "404 Not found")

    def _about_merge(
        self, method: str, merge: Merge, more: list[str], query: Mapping[str, str], wanted: Mapping[str, Any]
    ) -> object:
        project, user = self._project, self._user
        match (method, *more):
            case ("GET",):
                return self._merge(merge, full=True)
            case ("PUT",):
                project.update(user, merge, wanted)
                return self._merge(merge, full=True)
            case ("PUT", "merge"):
                project.merge(user, merge, wanted)
                return self._merge(merge, full=True)
            case ("GET", "resource_state_events"):
                return [self._event(at, each) for at, each in enumerate(merge.events, 1)]
            case ("GET", "notes"):
                comments = query.get("activity_filter") == "only_comments"
                rows = [self._note(merge, each) for each in merge.notes if not (comments and each["system"])]
                return rows if query.get("sort") == "asc" else rows[::-1]
            case ("POST", "notes"):
                return self._note(merge, project.note(user, merge, wanted["body"]))
            case ("PUT", "notes", note):
                found = next((each for each in merge.notes if each["id"] == int(note)), None)
                if found is None or found["user"] != user:
                    raise Problem(404 if found is None else 403, "404 Not found" if found is None else "403 Forbidden")
                found["body"] = wanted["body"]
                return self._note(merge, found)
        raise Problem(404, "404 Not found")

    # ----------------------------------------------------------------- the project

    def _about(self) -> dict[str, Any]:
        access = {"access_level": self._user.level, "notification_level": 3}
        project = self._project
        return {
            "id": project.id,
            "path_with_namespace": project.path,
            "default_branch": "main",
            "web_url": f"{self._server.url}/{project.path}",
            "permissions": {"project_access": access if self._user.name != BOT else None, "group_access": access},
            **project.settings,
        }

    def _branch(self, name: str) -> dict[str, Any]:
        tip = self._project.branches().get(name)
        if tip is None:
            raise Problem(404, "404 Branch Not Found")
        rule = self._project.protected.get(name)
        return {
            "name": name,
            "commit": {"id": tip},
            "merged": False,
            "protected": rule is not None,
            "developers_can_push": rule is not None and rule["push"] == DEVELOPER,
            "developers_can_merge": rule is not None and rule["merge"] == DEVELOPER,
            "can_push": self._project.may(self._user, "push", name),
            "default": name == "main",
            "web_url": f"{self._server.url}/{self._project.path}/-/tree/{quote(name)}",
        }

    def _protected(self, name: str) -> dict[str, Any]:
        self._project.need(self._user, MAINTAINER)
        rule = self._project.protected.get(name)
        if rule is None:
            raise Problem(404, "404 Not found")
        people = rule["people"]
        assert isinstance(people, frozenset)
        levels = [{"id": 1, "access_level": rule["merge"], "access_level_description": "", "user_id": None}]
        levels += [{"id": 1 + each, "access_level": None, "user_id": each} for each in sorted(people)]
        pushes = [{"id": 9, "access_level": rule["push"], "user_id": None, "group_id": None}]
        return {"id": 1, "name": name, "push_access_levels": pushes, "merge_access_levels": levels}

    def _pushes(self, query: Mapping[str, str]) -> list[dict[str, Any]]:
        found = []
        for push in self._project.pushes:
            day = push["at"][:10]
            if query.get("after", "") < day < query.get("before", "9"):
                data = {"commit_count": 1, "action": push["action"], "ref_type": "branch", "ref": push["ref"]}
                found.append(
                    {
                        "id": len(found) + 1,
                        "project_id": self._project.id,
                        "action_name": {"removed": "deleted"}.get(push["action"], "pushed to"),
                        "author_id": push["who"].id,
                        "created_at": push["at"],
                        "author": self._server.basic(push["who"]),
                        "push_data": {**data, "commit_from": push["from"], "commit_to": push["to"]},
                        "author_username": push["who"].name,
                    }
                )
        return found[::-1]

    # ----------------------------------------------------------------- merge requests

    def _merges(self, query: Mapping[str, str]) -> list[dict[str, Any]]:
        found = sorted(self._project.merges.values(), key=lambda each: each.iid, reverse=query.get("sort") != "asc")
        state = query.get("state", "all")
        return [
            self._merge(each, full=False)
            for each in found
            if state in ("all", each.state)
            and query.get("source_branch", each.source) == each.source
            and query.get("target_branch", each.target) == each.target
        ]

    def _merge(self, merge: Merge, *, full: bool) -> dict[str, Any]:
        server, project = self._server, self._project
        standing = project.standing(merge, look=full)
        rough = {"mergeable": "can_be_merged", "checking": "checking"}.get(standing, "cannot_be_merged")
        closed = None if project.forgets_closers else merge.closed
        shown = {
            "id": 1000 * project.id + merge.iid,
            "iid": merge.iid,
            "project_id": project.id,
            "title": merge.title,
            "description": merge.description,
            "state": merge.state,
            "created_at": merge.created,
            "updated_at": merge.created,
            "merged_by": server.basic(merge.merged[0]) if merge.merged else None,
            "merged_at": merge.merged[1] if merge.merged else None,
            "closed_by": server.basic(closed[0]) if closed else None,
            "closed_at": merge.closed[1] if merge.closed else None,
            "target_branch": merge.target,
            "source_branch": merge.source,
            "author": server.basic(merge.author),
            "assignees": [server.basic(each) for each in merge.assignees],
            "assignee": server.basic(merge.assignees[0]) if merge.assignees else None,
            "reviewers": [server.basic(each) for each in merge.reviewers],
            "source_project_id": merge.source_project,
            "target_project_id": project.id,
            "labels": merge.labels,
            "draft": project.is_draft(merge),
            "work_in_progress": project.is_draft(merge),
            "merge_when_pipeline_succeeds": merge.queued is not None,
            "merge_status": rough,
            "detailed_merge_status": standing,
            "sha": merge.head,
            "merge_commit_sha": merge.merge_commit,
            "squash_commit_sha": merge.squash_commit,
            "squash": merge.squash,
            "has_conflicts": standing == "conflict",
            "web_url": f"{server.url}/{project.path}/-/merge_requests/{merge.iid}",
        }
        return {**shown, "user": {"can_merge": project.may(self._user, "merge", merge.target)}} if full else shown

    def _event(self, at: int, event: tuple[User, str, str]) -> dict[str, Any]:
        user, state, moment = event
        shown = {"id": at, "user": self._server.basic(user), "created_at": moment, "state": state}
        return {**shown, "resource_type": "MergeRequest", "resource_id": 1, "source_commit": None}

    def _note(self, merge: Merge, note: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "id": note["id"],
            "type": None,
            "body": note["body"],
            "author": self._server.basic(note["user"]),
            "created_at": note["at"],
            "updated_at": note["at"],
            "system": note["system"],
            "noteable_id": 1000 * self._project.id + merge.iid,
            "noteable_type": "MergeRequest",
            "noteable_iid": merge.iid,
            "resolvable": False,
            "confidential": False,
        }

    def _thread(self, note: Mapping[str, Any]) -> dict[str, Any]:
        return {"id": f"{note['id']:040x}", "individual_note": False, "notes": [self._commit_note(note)]}

    def _commit_note(self, note: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "id": note["id"],
            "type": "DiscussionNote",
            "body": note["body"],
            "author": self._server.basic(note["user"]),
            "created_at": note["at"],
            "updated_at": note["at"],
            "system": note["system"],
            "noteable_type": "Commit",
            "commit_id": note["sha"],
            "resolvable": False,
            "confidential": False,
        }

    def _status(self, row: Mapping[str, Any]) -> dict[str, Any]:
        keys = ("id", "sha", "ref", "status", "name", "description", "target_url")
        author = self._server.basic(row["user"])
        more = {"created_at": row["at"], "allow_failure": False, "author": author, "pipeline_id": 1}
        return {**{key: row[key] for key in keys}, **more}

    # ----------------------------------------------------------------- issues

    def _about_issues(
        self, method: str, number: list[str], query: Mapping[str, str], wanted: Mapping[str, Any]
    ) -> object:
        if method == "GET":
            return self._issues(query)
        return self._issue(self._write_issue(int(number[0]) if number else None, wanted))

    def _issues(self, query: Mapping[str, str]) -> list[dict[str, Any]]:
        labels = set(filter(None, query.get("labels", "").split(",")))
        found = [each for each in self._project.issues.values() if labels <= set(each["labels"])]
        return [self._issue(each) for each in reversed(found) if query.get("state", "all") in ("all", each["state"])]

    def _write_issue(self, number: int | None, wanted: Mapping[str, Any]) -> dict[str, Any]:
        issues = self._project.issues
        if number is None:
            number = len(issues) + 1
            issues[number] = {"iid": number, "state": "opened", "author": self._user, "labels": [], "description": ""}
        if number not in issues:
            raise Problem(404, "404 Not found")
        issue, change = issues[number], dict(wanted)
        event = change.pop("state_event", "")
        issue["labels"] = [*issue["labels"], *change.pop("add_labels", [])]
        issue.update(change, state={"close": "closed", "reopen": "opened"}.get(event, issue["state"]))
        return issue

    def _issue(self, issue: Mapping[str, Any]) -> dict[str, Any]:
        where = f"{self._server.url}/{self._project.path}/-/issues/{issue['iid']}"
        shown = {**issue, "id": 5000 + issue["iid"], "project_id": self._project.id, "web_url": where}
        return {**shown, "author": self._server.basic(issue["author"])}


def _handler(server: GitlabServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            self.close_connection = True
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, shown, content = server.answer(self.command, self.path, headers, body)
            self.send_response(status)
            for name, value in {**shown, "Content-Length": str(len(content)), "Connection": "close"}.items():
                self.send_header(name, value)
            self.end_headers()
            with suppress(ConnectionError):
                self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = _serve  # noqa: N815 - as the library calls them

        def log_message(self, *arguments: object) -> None:
            pass

        def handle(self) -> None:
            with suppress(ConnectionError):
                super().handle()

    return Handler
