"""What the tests of the GitHub forge begin with: an open pull request, a clock that moves, rules of a branch."""

from __future__ import annotations

from typing import Any

from gitslo.model import Instant
from gitslo.ports import PullRequest
from tests.forge.github_world import GithubWorld

__all__ = ["HEAD", "QUEUE", "Later", "checks", "on_main", "opened", "reviews"]

HEAD = "gitslo/shop/dev/promote"
QUEUE = {
    "type": "merge_queue",
    "parameters": {
        "check_response_timeout_minutes": 60,
        "grouping_strategy": "ALLGREEN",
        "max_entries_to_build": 5,
        "max_entries_to_merge": 5,
        "merge_method": "MERGE",
        "min_entries_to_merge": 1,
        "min_entries_to_merge_wait_minutes": 5,
    },
}


class Later:
    """The machine's clock, some time ahead."""

    def __init__(self, world: GithubWorld) -> None:
        self._clock = world.clock
        self.ahead = 0.0
        world.clock = self

    def now(self) -> Instant:
        now = self._clock.now()
        return Instant(now.monotonic + self.ahead, now.wall + self.ahead)


def opened(world: GithubWorld, **changes: Any) -> PullRequest:
    if world.tip(HEAD) is None:
        world.push(HEAD, "image", "v2")
    wanted = {"key": "k", "head": HEAD, "base": "main", "title": "Promote", "body": "the numbers", **changes}
    return world.forge().ensure_pull_request(**wanted)


def reviews(approvals: int, **more: bool) -> dict[str, Any]:
    return {
        "type": "pull_request",
        "parameters": {
            "dismiss_stale_reviews_on_push": False,
            "require_code_owner_review": more.get("owners", False),
            "require_last_push_approval": False,
            "required_approving_review_count": approvals,
            "required_review_thread_resolution": more.get("threads", False),
        },
    }


def checks(*names: str, strict: bool = False) -> dict[str, Any]:
    return {
        "type": "required_status_checks",
        "parameters": {
            "required_status_checks": [{"context": name} for name in names],
            "strict_required_status_checks_policy": strict,
        },
    }


def on_main(*rules: dict[str, Any]) -> tuple[tuple[str, dict[str, Any]], ...]:
    return tuple(("main", rule) for rule in rules)
