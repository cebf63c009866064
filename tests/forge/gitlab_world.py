"""A forge world for the contract suite on the fake GitLab: a project of its own, and people with accounts."""

from __future__ import annotations

import threading
from typing import Any
from urllib.parse import quote

from gitslo.adapters.forges import ForgeHttp, GitlabForge
from gitslo.adapters.forges.gitlab_reading import read, written
from gitslo.adapters.forges.issues import LABEL
from gitslo.forge_settings import ForgeSettings
from gitslo.model import CommitId
from gitslo.ports import Issue, Status, StatusState
from gitslo.wiring_run import SystemClock
from tests.forge.gitea_world import CountingSend
from tests.gitlab_server import BOT, OWNER, GitlabServer, Reply

__all__ = ["GitlabWorld"]

STATES = {"pending": StatusState.PENDING, "running": StatusState.PENDING, "success": StatusState.SUCCESS}


class GitlabWorld:
    """See the module.

    Args:
        server: the forge.
        settings: what differs from a plain `forge: {gitlab: {token: ...}}`.
    """

    base = "main"

    def __init__(self, server: GitlabServer, **settings: Any) -> None:
        self.server = server
        self.project = server.new_project()
        self.settings = ForgeSettings(
            kind="gitlab", url=server.url, project=self.project.path, branch="main", **settings
        )
        self.send = CountingSend()
        self.clock = SystemClock()
        self.token = f"glpat-{BOT}"

    def api(self, who: str, method: str, path: str, body: object = None) -> Reply:
        """One call about this project."""
        return self.server.api(who, method, f"/projects/{quote(self.project.path, safe='')}{path}", body)

    def forge(self) -> GitlabForge:
        http = ForgeHttp(
            self.send,
            self.server.url,
            lambda: [("PRIVATE-TOKEN", self.token)],
            name="GitLab",
            repository=self.project.path,
            now=self.clock.now,
            sleep=lambda seconds: threading.Event().wait(min(seconds, 0.05)) and None,
        )
        return GitlabForge(http, self.settings)

    def push(self, branch: str, path: str, content: str) -> CommitId:
        repository = self.project.repository
        with self.server.lock:
            if repository.tip(branch) is None:
                repository.set_ref(f"refs/heads/{branch}", repository.tip("main"))
            return repository.commit({path: content.encode()}, f"{branch}: {path} {content}", branch=branch)

    def tip(self, branch: str) -> CommitId | None:
        return self.project.repository.tip(branch)

    def read(self, branch: str, path: str) -> str | None:
        return self.project.repository.read(path, branch).decode()

    def person_closes(self, number: int, name: str) -> None:
        assert self.api(name, "PUT", f"/merge_requests/{number}", {"state_event": "close"}).status == 200

    def person_merges(self, number: int, name: str) -> CommitId:
        merged = self.api(name, "PUT", f"/merge_requests/{number}/merge", {"should_remove_source_branch": True})
        assert merged.status == 200
        return CommitId(merged.data["merge_commit_sha"])

    def comments(self, number: int) -> tuple[tuple[str, str], ...]:
        found = [read(row["body"], "comment") for row in self.api(OWNER, "GET", f"/merge_requests/{number}/notes").data]
        return tuple((marker, body) for body, marker in reversed(found) if marker not in ("", "closed"))

    def commit_comments(self, commit: CommitId) -> tuple[tuple[str, str], ...]:
        threads = self.api(OWNER, "GET", f"/repository/commits/{commit}/discussions").data
        found = [read(note["body"], "comment") for thread in threads for note in thread["notes"]]
        return tuple((marker, body) for body, marker in found if marker)

    def statuses(self, commit: CommitId) -> tuple[Status, ...]:
        rows = self.api(OWNER, "GET", f"/repository/commits/{commit}/statuses").data
        found = [
            Status(
                commit,
                row["name"],
                STATES.get(row["status"], StatusState.FAILURE),
                row["description"],
                row["target_url"] or "",
            )
            for row in rows
        ]
        return tuple(sorted(found, key=lambda status: status.context))

    def issues(self) -> tuple[Issue, ...]:
        return tuple(issue for issue, _, _ in self._issues())

    def person_closes_issue(self, key: str, name: str) -> None:
        [number] = [number for issue, number, who in self._issues() if (issue.key, who) == (key, BOT)]
        assert self.api(name, "PUT", f"/issues/{number}", {"state_event": "close"}).status == 200

    def person_writes_issue(self, issue: Issue, name: str) -> None:
        body = written(issue.body, "issue", issue.key)
        wanted = {"title": issue.title, "description": body, "labels": [LABEL]}
        assert self.api(name, "POST", "/issues", wanted).status == 201

    def _issues(self) -> list[tuple[Issue, int, str]]:
        """(issue, number, author), oldest first."""
        found = []
        for row in reversed(self.api(OWNER, "GET", "/issues?state=all&scope=all").data):
            body, key = read(row["description"], "issue")
            if key:
                issue = Issue(key, row["title"], body, open=row["state"] == "opened")
                found.append((issue, row["iid"], row["author"]["username"]))
        return found

    def asks_for_up_to_date(self) -> bool:
        self.project.settings["merge_method"] = "rebase_merge"
        return True

    def effects(self) -> int:
        return self.send.writes
