"""What the tests of faults ask each forge about itself; see `tests.forge.faults.FaultWorld`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from gitslo.adapters.forges import ForgeHttp, GiteaForge, GithubForge, GitlabForge
from gitslo.adapters.forges.opening import github_api
from gitslo.model import CommitId, Instant, Seconds
from gitslo.ports import HttpAnswer
from tests.forge.gitea_world import GiteaWorld
from tests.forge.github_world import OWNER as GITHUB_OWNER
from tests.forge.github_world import GithubWorld
from tests.forge.gitlab_world import GitlabWorld
from tests.gitea_server import BOT, OWNER

__all__ = ["GiteaFaults", "GithubFaults", "GitlabFaults"]


class GiteaFaults(GiteaWorld):
    """A repository on the real Gitea."""

    @property
    def address(self) -> str:
        return self.server.url

    def client(
        self, base: str, send: Callable[..., HttpAnswer], now: Callable[[], Instant], sleep: Callable[[Seconds], None]
    ) -> GiteaForge:
        token = self.server.accounts[BOT].token
        http = ForgeHttp(
            send,
            base,
            lambda: [("Authorization", f"token {token}")],
            name="Gitea",
            repository=self.repository,
            now=now,
            sleep=sleep,
        )
        return GiteaForge(http, self.settings)

    def wait(self, seconds: Seconds) -> None:
        self.clock.sleep(seconds)

    def wish(self, **settings: Any) -> None:
        self.settings = replace(self.settings, **settings)

    def open_pulls(self, head: str) -> Sequence[int]:
        rows = self.api(OWNER, "GET", "/pulls?state=open").data
        return [row["number"] for row in rows if row["head"]["label"] == head]

    def is_open(self, number: int) -> bool:
        return bool(self.api(OWNER, "GET", f"/pulls/{number}").data["state"] == "open")

    def set_open(self, number: int, *, wanted: bool) -> None:
        self.api(OWNER, "PATCH", f"/pulls/{number}", {"state": "open" if wanted else "closed"})

    def comments_with(self, number: int, text: str) -> int:
        return sum(text in row["body"] for row in self.api(OWNER, "GET", f"/issues/{number}/comments").data)

    def commit_comments_with(self, commit: CommitId, text: str) -> int:
        raise AssertionError(f"nobody comments on {commit}")

    def statuses_of(self, commit: CommitId, context: str) -> int:
        rows = self.api(OWNER, "GET", f"/statuses/{commit}?limit=50&sort=recentupdate").data
        return sum(row["context"] == context for row in rows)

    def times_titled(self, number: int, text: str) -> int:
        found, page = 0, 1
        while rows := self.api(OWNER, "GET", f"/issues/{number}/timeline?limit=50&page={page}").data:
            found += sum(text in (row["new_title"] or "") for row in rows)
            page += 1
        return found

    def reviewers(self, number: int) -> Sequence[str]:
        row = self.api(OWNER, "GET", f"/pulls/{number}").data
        return [each["login"] for each in row["requested_reviewers"]]

    def commits(self) -> int:
        path = "/commits?sha=main&limit=50&stat=false&files=false&verification=false"
        return len(self.api(OWNER, "GET", path).data)


class GithubFaults(GithubWorld):
    """A repository on the fake GitHub."""

    @property
    def address(self) -> str:
        return self.server.url

    def client(
        self, base: str, send: Callable[..., HttpAnswer], now: Callable[[], Instant], sleep: Callable[[Seconds], None]
    ) -> GithubForge:
        return super().client(github_api(base), send, now, sleep)

    def wait(self, seconds: Seconds) -> None:
        """It works everything off at the next look."""

    def wish(self, **settings: Any) -> None:
        self.settings = replace(self.settings, **settings)

    def open_pulls(self, head: str) -> Sequence[int]:
        threads = self.made.threads.values()
        return [each.number for each in threads if each.open and each.pull is not None and each.pull.head == head]

    def is_open(self, number: int) -> bool:
        return self.thread(number).open

    def set_open(self, number: int, *, wanted: bool) -> None:
        state = "open" if wanted else "closed"
        assert self.api(GITHUB_OWNER, "PATCH", f"/pulls/{number}", {"state": state}).status == 200

    def comments_with(self, number: int, text: str) -> int:
        return sum(text in each.body for each in self.thread(number).comments)

    def commit_comments_with(self, commit: CommitId, text: str) -> int:
        return sum(text in each.body for each in self.made.commit_comments.get(commit, ()))

    def statuses_of(self, commit: CommitId, context: str) -> int:
        return sum(row.context == context for row in self.made.statuses.get(commit, ()))

    def times_titled(self, number: int, text: str) -> int:
        return sum(each.kind == "renamed" and text in each.title for each in self.thread(number).events)

    def reviewers(self, number: int) -> Sequence[str]:
        pull = self.thread(number).pull
        return [] if pull is None else [each.login for each in pull.reviewers]

    def commits(self) -> int:
        return len(self.made.git.log("main"))


class GitlabFaults(GitlabWorld):
    """A project on the fake GitLab."""

    @property
    def address(self) -> str:
        return self.server.url.removesuffix(self.server.root)

    def client(
        self, base: str, send: Callable[..., HttpAnswer], now: Callable[[], Instant], sleep: Callable[[Seconds], None]
    ) -> GitlabForge:
        http = ForgeHttp(
            send,
            base,
            lambda: [("PRIVATE-TOKEN", self.token)],
            name="GitLab",
            repository=self.project.path,
            now=now,
            sleep=sleep,
        )
        return GitlabForge(http, self.settings)

    def wait(self, seconds: Seconds) -> None:
        """It works everything off at once."""

    def wish(self, **settings: Any) -> None:
        self.settings = replace(self.settings, **settings)

    def open_pulls(self, head: str) -> Sequence[int]:
        merges = self.project.merges.values()
        return [merge.iid for merge in merges if (merge.source, merge.state) == (head, "opened")]

    def is_open(self, number: int) -> bool:
        return self.project.merges[number].state == "opened"

    def set_open(self, number: int, *, wanted: bool) -> None:
        event = {"state_event": "reopen" if wanted else "close"}
        assert self.api(OWNER, "PUT", f"/merge_requests/{number}", event).status == 200

    def comments_with(self, number: int, text: str) -> int:
        return sum(text in each["body"] for each in self.project.merges[number].notes if not each["system"])

    def commit_comments_with(self, commit: CommitId, text: str) -> int:
        return sum(text in each["body"] for each in self.project.threads.get(commit, ()))

    def statuses_of(self, commit: CommitId, context: str) -> int:
        return sum(row["name"] == context for row in self.project.statuses_of(commit, past=True))

    def times_titled(self, number: int, text: str) -> int:
        return sum(text in each["body"] for each in self.project.merges[number].notes if each["system"])

    def reviewers(self, number: int) -> Sequence[str]:
        return [each.name for each in self.project.merges[number].reviewers]

    def commits(self) -> int:
        return len(self.project.repository.log("main"))
