"""A forge world for the contract suite on the real Gitea: a repository of its own, and people with accounts."""

from __future__ import annotations

import base64
import re
import threading
from collections.abc import Sequence
from urllib.parse import quote

from gitslo.adapters.forges import ForgeHttp, GiteaForge
from gitslo.adapters.forges.issues import LABEL
from gitslo.adapters.forges.marks import marked, unmarked
from gitslo.adapters.http_client import HttpClient
from gitslo.forge_settings import ForgeSettings
from gitslo.model import ByteCount, CommitId, Seconds, Target
from gitslo.ports import Address, HttpAnswer, Issue, Status, StatusState, TlsMaterial
from gitslo.wiring_run import SystemClock
from tests.e2e.world import until
from tests.gitea_server import BOT, OWNER, GiteaServer, Reply

__all__ = ["CountingSend", "GiteaWorld"]


CAP = ByteCount(1 << 20)
NO_TLS = TlsMaterial()


class CountingSend:
    """An `HttpSend` that counts the requests that went out."""

    def __init__(self) -> None:
        self._client = HttpClient()
        self.requests: list[tuple[str, str]] = []

    def __call__(
        self,
        method: str,
        target: Target,
        path: str,
        *,
        address: Address,
        timeout: Seconds,
        headers: Sequence[tuple[str, str]] = (),
        body: bytes = b"",
        cap: ByteCount = CAP,
        tls: TlsMaterial = NO_TLS,
    ) -> HttpAnswer:
        self.requests.append((method, path))
        return self._client.send(
            method, target, path, address=address, timeout=timeout, headers=headers, body=body, cap=cap, tls=tls
        )

    @property
    def writes(self) -> int:
        """How many of them were to change something."""
        return sum(method != "GET" for method, _ in self.requests)


class GiteaWorld:
    """See the module.

    Args:
        server: the forge.
        settings: what differs from a plain `forge: {gitea: {token: ...}}`.
    """

    base = "main"

    def __init__(self, server: GiteaServer, **settings: object) -> None:
        self.server = server
        self.repository = server.new_repository()
        self.settings = ForgeSettings(kind="gitea", url=server.url, project=self.repository, branch="main", **settings)  # type: ignore[arg-type]
        self.send = CountingSend()
        self.clock = SystemClock()
        self._pushed: set[str] = set()

    def api(self, who: str, method: str, path: str, body: object = None) -> Reply:
        """One call about this repository."""
        return self.server.api(who, method, f"/repos/{self.repository}{path}", body)

    def forge(self) -> GiteaForge:
        token = self.server.accounts[BOT].token
        http = ForgeHttp(
            self.send,
            self.server.url,
            lambda: [("Authorization", f"token {token}")],
            name="Gitea",
            repository=self.repository,
            now=self.clock.now,
            sleep=lambda seconds: threading.Event().wait(seconds) and None,
        )
        return GiteaForge(http, self.settings)

    def push(self, branch: str, path: str, content: str, who: str = OWNER) -> CommitId:
        again = branch in self._pushed and self.tip(branch) is None
        self._pushed.add(branch)
        made = self.server.commit(self.repository, branch, {path: content}, who)
        if again:  # its going is worked off in the background, before this, and would close what is opened meanwhile
            until(lambda: made in str(self.api(OWNER, "GET", "/activities/feeds").data), f"{branch} is worked off")
        return CommitId(made)

    def tip(self, branch: str) -> CommitId | None:
        found = self.server.tip(self.repository, branch)
        return None if found is None else CommitId(found)

    def read(self, branch: str, path: str) -> str | None:
        row = self.api(OWNER, "GET", f"/contents/{path}?ref={quote(branch, safe='')}").data
        return base64.b64decode(row["content"]).decode()

    def person_closes(self, number: int, name: str) -> None:
        assert self.api(name, "PATCH", f"/pulls/{number}", {"state": "closed"}).status == 201

    def person_merges(self, number: int, name: str) -> CommitId:
        for _ in range(50):
            if self.api(name, "POST", f"/pulls/{number}/merge", {"Do": "merge"}).status == 200:
                break
            threading.Event().wait(0.1)
        return CommitId(self.api(name, "GET", f"/pulls/{number}").data["merge_commit_sha"])

    def comments(self, number: int) -> tuple[tuple[str, str], ...]:
        found = []
        for row in self.api(OWNER, "GET", f"/issues/{number}/comments").data:
            match = re.fullmatch(r"(.*)\n\n<!-- gitslo:comment=(\S+) -->", row["body"], re.DOTALL)
            if match is not None and match[2] != "closed":
                found.append((match[2], match[1]))
        return tuple(found)

    def commit_comments(self, commit: CommitId) -> tuple[tuple[str, str], ...]:
        raise AssertionError(f"nobody comments on {commit}")

    def statuses(self, commit: CommitId) -> tuple[Status, ...]:
        rows = self.api(OWNER, "GET", f"/commits/{commit}/status").data["statuses"] or []
        found = [
            Status(commit, row["context"], StatusState(row["status"]), row["description"], row["target_url"])
            for row in rows
        ]
        return tuple(sorted(found, key=lambda status: status.context))

    def issues(self) -> tuple[Issue, ...]:
        return tuple(each for each, _, _ in self._issues())

    def person_closes_issue(self, key: str, name: str) -> None:
        [number] = [number for each, number, who in self._issues() if each.key == key and who == BOT]
        assert self.api(name, "PATCH", f"/issues/{number}", {"state": "closed"}).status == 201

    def person_writes_issue(self, issue: Issue, name: str) -> None:
        label = self.api(OWNER, "POST", "/labels", {"name": LABEL, "color": "#123456"}).data["id"]
        body = marked(issue.body, "issue", issue.key)
        assert self.api(name, "POST", "/issues", {"title": issue.title, "body": body}).status == 201
        [number] = [number for each, number, _ in self._issues() if each == issue]
        assert self.api(OWNER, "POST", f"/issues/{number}/labels", {"labels": [label]}).status == 200

    def _issues(self) -> list[tuple[Issue, int, str]]:
        """(issue, number, author), oldest first."""
        found = []
        for row in self.api(OWNER, "GET", "/issues?state=all&type=issues").data:
            body, key = unmarked(row["body"], "issue")
            if key:
                issue = Issue(key, row["title"], body, open=row["state"] == "open")
                found.append((issue, row["number"], row["user"]["login"]))
        return sorted(found, key=lambda each: each[1])

    def asks_for_up_to_date(self) -> bool:
        rule = {"rule_name": "main", "block_on_outdated_branch": True}
        return self.api(OWNER, "POST", "/branch_protections", rule).status == 201

    def effects(self) -> int:
        return self.send.writes
