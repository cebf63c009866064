"""A forge world for the contract suite on the fake GitHub: a repository of its own, and people with accounts."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

from gitslo.adapters.forges import ForgeHttp, GithubForge
from gitslo.adapters.forges.issues import LABEL
from gitslo.adapters.forges.marks import marked, unmarked
from gitslo.adapters.forges.opening import GITHUB_HEADERS, github_api
from gitslo.forge_settings import ForgeSettings
from gitslo.model import CommitId
from gitslo.ports import Issue, Status, StatusState
from gitslo.wiring_run import SystemClock
from tests.forge.gitea_world import CountingSend
from tests.github.server import GithubServer
from tests.github.state import Thread

__all__ = ["BOT", "OWNER", "STRANGER", "GithubWorld", "Reply"]

BOT = "gitslo-bot"
OWNER = "ada"
STRANGER = "eve"


@dataclass(frozen=True)
class Reply:
    """What the API answered."""

    status: int
    data: Any


class GithubWorld:
    """See the module.

    Args:
        server: the forge.
        settings: what differs from a plain `forge: {github: {token: ...}}`.
    """

    base = "main"

    def __init__(self, server: GithubServer, **settings: Any) -> None:
        self.server = server
        self.made = server.service.new_repository(OWNER, [BOT, STRANGER])
        self.settings = ForgeSettings(
            kind="github", url=server.url, project=self.made.full_name, branch="main", **settings
        )
        self.send = CountingSend()
        self.clock: Any = SystemClock()

    def api(self, who: str, method: str, path: str, body: object = None) -> Reply:
        """One call about this repository."""
        request = urllib.request.Request(  # noqa: S310 - a loopback address of ours
            f"{github_api(self.server.url)}/repos/{self.made.full_name}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                **dict(GITHUB_HEADERS),
                "Authorization": f"Bearer {self.server.token(who)}",
                "Content-Type": "application/json",
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - as above
                return Reply(answer.status, json.loads(answer.read() or b"null"))
        except urllib.error.HTTPError as error:
            with error:
                return Reply(error.code, json.loads(error.read() or b"null"))

    def forge(self) -> GithubForge:
        return GithubWorld.client(self, github_api(self.server.url), self.send, self.clock.now, self.pause)

    def client(self, base: str, send: Any, now: Any, sleep: Any) -> GithubForge:
        """A client that remembers nothing, and asks at another address."""
        http = ForgeHttp(
            send,
            base,
            lambda: [("Authorization", f"Bearer {self.server.token(BOT)}")],
            name="GitHub",
            repository=self.made.full_name,
            now=now,
            sleep=sleep,
            headers=GITHUB_HEADERS,
        )
        return GithubForge(http, self.settings)

    @staticmethod
    def pause(seconds: float) -> None:
        """The fake works everything off at the next look."""
        threading.Event().wait(min(seconds, 0.01))

    def thread(self, number: int) -> Thread:
        """A pull request or an issue, as the server has it."""
        return self.made.threads[number]

    def push(self, branch: str, path: str, content: str) -> CommitId:
        git = self.made.git
        if git.tip(branch) is None:
            git.set_ref(f"refs/heads/{branch}", git.tip("main"))
        return git.commit({path: content.encode()}, f"{branch}: {path} {content}", branch=branch)

    def tip(self, branch: str) -> CommitId | None:
        return self.made.git.tip(branch)

    def read(self, branch: str, path: str) -> str | None:
        return self.made.git.read(path, branch).decode()

    def person_closes(self, number: int, name: str) -> None:
        assert self.api(name, "PATCH", f"/pulls/{number}", {"state": "closed"}).status == 200

    def person_merges(self, number: int, name: str) -> CommitId:
        return CommitId(self.api(name, "PUT", f"/pulls/{number}/merge", {}).data["sha"])

    def comments(self, number: int) -> tuple[tuple[str, str], ...]:
        found = [unmarked(each.body, "comment") for each in self.thread(number).comments]
        return tuple((marker, body) for body, marker in found if marker not in ("", "closed"))

    def commit_comments(self, commit: CommitId) -> tuple[tuple[str, str], ...]:
        found = [unmarked(row["body"], "comment") for row in self.api(OWNER, "GET", f"/commits/{commit}/comments").data]
        return tuple((marker, body) for body, marker in found if marker)

    def statuses(self, commit: CommitId) -> tuple[Status, ...]:
        rows = self.api(OWNER, "GET", f"/commits/{commit}/status").data["statuses"]
        found = [
            Status(commit, row["context"], StatusState(row["state"]), row["description"] or "", row["target_url"] or "")
            for row in rows
        ]
        return tuple(sorted(found, key=lambda status: status.context))

    def asks_for_up_to_date(self) -> bool:
        self.made.rules.strict = True
        return True

    def effects(self) -> int:
        return self.send.writes

    # ------------------------------------------------------------- issues

    def issues(self) -> tuple[Issue, ...]:
        return tuple(each for each, _ in self._issues())

    def person_closes_issue(self, key: str, name: str) -> None:
        [thread] = [thread for each, thread in self._issues() if each.key == key and thread.author.login == BOT]
        assert self.api(name, "PATCH", f"/issues/{thread.number}", {"state": "closed"}).status == 200

    def person_writes_issue(self, issue: Issue, name: str) -> None:
        wanted = {"title": issue.title, "body": marked(issue.body, "issue", issue.key), "labels": [LABEL]}
        assert self.api(name, "POST", "/issues", wanted).status == 201

    def _issues(self) -> list[tuple[Issue, Thread]]:
        found = []
        for thread in self.made.threads.values():
            body, key = unmarked(thread.body, "issue")
            if key:
                found.append((Issue(key, thread.title, body, open=thread.open), thread))
        return found
