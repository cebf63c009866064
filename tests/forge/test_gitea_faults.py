"""Faults between us and the forge: whatever is lost, nothing is there twice, and nobody is asked more than he bears."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import pytest

from gitslo.adapters.forges import ForgeHttp, GiteaForge
from gitslo.errors import Conflict, Retry
from gitslo.model import Instant, Seconds
from gitslo.ports import HttpAnswer, PullRequest, Status, StatusState
from tests.forge.fault_proxy import RETRY_AFTER, Fault, FaultProxy, Side
from tests.forge.gitea_world import CountingSend, GiteaWorld
from tests.gitea_server import BOT, OWNER, GiteaServer

HEAD = "gitslo/shop/dev/promote"
IMPATIENT = Seconds(0.4)
"""Seconds for a request that will not be answered; all others have the adapter's own time."""
CASES = [(fault, side) for fault in Fault for side in Side]
DEAR = [(Fault.ERROR, Side.BEFORE), (Fault.CUT, Side.AFTER), (Fault.TORN, Side.AFTER)]
"""For effects that cost the forge a push."""
TRIES = 4


@dataclass
class Wire:
    """The way through the proxy: counts what is sent, and moves a clock of its own instead of waiting."""

    world: GiteaWorld
    proxy: FaultProxy
    send: CountingSend = field(default_factory=CountingSend)
    passed: float = 0.0
    sent_at: list[float] = field(default_factory=list)

    def __call__(self, method: str, *positional: Any, timeout: Seconds, **named: Any) -> HttpAnswer:
        self.sent_at.append(self.passed)
        silent = method != "GET" and self.proxy.armed in (Fault.SILENCE, Fault.DRIP)
        return self.send(method, *positional, timeout=IMPATIENT if silent else timeout, **named)

    def now(self) -> Instant:
        return Instant(1000.0 + self.passed, 1_790_000_000.0 + self.passed)

    def sleep(self, seconds: Seconds) -> None:
        self.passed += seconds
        self.world.clock.sleep(Seconds(min(seconds, 0.2)))

    def forge(self) -> GiteaForge:
        """A client that remembers nothing."""
        token = self.world.server.accounts[BOT].token
        http = ForgeHttp(
            self,
            self.proxy.url,
            lambda: [("Authorization", f"token {token}")],
            name="Gitea",
            repository=self.world.repository,
            now=self.now,
            sleep=self.sleep,
        )
        return GiteaForge(http, self.world.settings)


@dataclass
class Counted:
    """What an effect took: requests, and whether the fault hit it."""

    requests: int
    hit: bool
    gaps: list[float]


def carried_out(wire: Wire, forge: GiteaForge, effect: Callable[[GiteaForge], object]) -> Counted:
    """As the loop does: again after as long as the error says."""
    before, hits = len(wire.sent_at), wire.proxy.hits
    for _ in range(TRIES):
        try:
            effect(forge)
        except (Retry, Conflict) as error:
            wire.sleep(Seconds(getattr(error, "delay", 1.0)))
        else:
            sent = wire.sent_at[before:]
            gaps = [later - earlier for earlier, later in pairwise(sent)]
            return Counted(len(sent), wire.proxy.hits > hits, gaps)
    raise AssertionError(f"not done in {TRIES} tries")


@pytest.fixture(scope="module")
def wire(gitea: GiteaServer) -> Iterator[Wire]:
    """One repository behind one proxy, with an open pull request."""
    world = GiteaWorld(gitea)
    with FaultProxy(gitea.url) as proxy:
        made = Wire(world, proxy)
        world.push(HEAD, "image", "v2")
        _open(made.forge())
        yield made


def _open(forge: GiteaForge, title: str = "Promote", head: str = HEAD) -> PullRequest:
    return forge.ensure_pull_request(key="k/1", head=head, base="main", title=title, body="the numbers")


def _number(wire: Wire) -> int:
    [pull] = [row for row in wire.world.api(OWNER, "GET", "/pulls?state=open").data if row["head"]["label"] == HEAD]
    number: int = pull["number"]
    return number


def _rows(wire: Wire, path: str, **wanted: object) -> int:
    rows = wire.world.api(OWNER, "GET", path).data
    return sum(all(str(value) in str(row[name]) for name, value in wanted.items()) for row in rows)


def _spread(wire: Wire, make: Callable[[str], tuple[Callable[[GiteaForge], object], Callable[[], int]]]) -> None:
    """Every fault on both sides of one kind of effect: each leaves it there once, and costs at most one more try."""
    effect, there = make("free")
    free = carried_out(wire, wire.forge(), effect)
    found: dict[tuple[Fault, Side], tuple[int, bool, bool, bool]] = {}
    for fault, side in CASES:
        effect, there = make(f"{fault}-{side}".replace(" ", "-"))
        wire.proxy.arm(fault, side)
        took = carried_out(wire, wire.forge(), effect)
        kept = fault is not Fault.BUSY_UNTIL or any(RETRY_AFTER <= gap <= RETRY_AFTER + 1 for gap in took.gaps)
        found[fault, side] = (there(), took.hit, kept, took.requests <= 2 * free.requests + 2)

    assert dict.fromkeys(CASES, (1, True, True, True)) == found


def test_a_comment_is_there_once(wire: Wire) -> None:
    """POST of a comment."""
    number = _number(wire)

    def make(name: str) -> tuple[Callable[[GiteaForge], object], Callable[[], int]]:
        return (
            lambda forge: forge.comment_once(number, name, "a verdict"),
            lambda: _rows(wire, f"/issues/{number}/comments", body=f"comment={name} "),
        )

    _spread(wire, make)


def test_an_edited_comment_is_there_once(wire: Wire) -> None:
    """PATCH of a comment."""
    number = _number(wire)
    wire.forge().comment_once(number, "edited", "at first")

    def make(name: str) -> tuple[Callable[[GiteaForge], object], Callable[[], int]]:
        return (
            lambda forge: forge.comment_once(number, "edited", f"now {name}."),
            lambda: _rows(wire, f"/issues/{number}/comments", body=f"now {name}."),
        )

    _spread(wire, make)


def test_a_status_is_there_once(wire: Wire) -> None:
    """POST of a status, of which the forge keeps every one it gets."""
    commit = wire.forge().find(HEAD)[0].head_commit

    def make(name: str) -> tuple[Callable[[GiteaForge], object], Callable[[], int]]:
        return (
            lambda forge: forge.set_status(Status(commit, f"gitslo/{name}.", StatusState.SUCCESS, "pass")),
            lambda: _rows(wire, f"/statuses/{commit}?limit=50&sort=recentupdate", context=f"gitslo/{name}."),
        )

    _spread(wire, make)


def test_a_title_is_brought_up_to_date_once(wire: Wire) -> None:
    """PATCH of a pull request: the forge notes every change of a title."""
    number = _number(wire)

    def make(name: str) -> tuple[Callable[[GiteaForge], object], Callable[[], int]]:
        return (
            lambda forge: _open(forge, f"Promote {name}."),
            lambda: _rows(wire, f"/issues/{number}/timeline?limit=50&page={_last_page(wire, number)}", new_title=name),
        )

    _spread(wire, make)


def _last_page(wire: Wire, number: int) -> int:
    page = 1
    while len(wire.world.api(OWNER, "GET", f"/issues/{number}/timeline?limit=50&page={page + 1}").data or []):
        page += 1
    return page


def test_a_closing_is_there_once(wire: Wire) -> None:
    """The comment that says why, and the closing itself; both writes are hit."""
    number = _number(wire)
    found: dict[tuple[Fault, Side], tuple[str, int]] = {}
    for fault, side in CASES:
        wire.proxy.arm(fault, side)
        carried_out(wire, wire.forge(), lambda forge: forge.close(number, "its pass is gone"))
        state = wire.world.api(OWNER, "GET", f"/pulls/{number}").data["state"]
        found[fault, side] = (state, _rows(wire, f"/issues/{number}/comments", body="comment=closed "))
        wire.world.api(OWNER, "PATCH", f"/pulls/{number}", {"state": "open"})

    assert dict.fromkeys(CASES, ("closed", 1)) == found


def test_a_pull_request_is_there_once(wire: Wire) -> None:
    """POST of a pull request, then the reviewers and the key: each of the three writes is hit."""
    settings = replace(wire.world.settings, reviewers=("eve",), labels=("gitslo",))
    world_settings, wire.world.settings = wire.world.settings, settings
    number = _number(wire)
    found: list[tuple[int, list[str], str]] = []
    try:
        for skipped, (fault, side) in ((skipped, case) for skipped in range(3) for case in DEAR):
            wire.world.api(OWNER, "PATCH", f"/pulls/{number}", {"state": "closed"})
            wire.proxy.arm(fault, side, skipped)
            carried_out(wire, wire.forge(), _open)
            rows = wire.world.api(OWNER, "GET", "/pulls?state=open").data
            number = rows[0]["number"]
            reviewers = [each["login"] for each in rows[0]["requested_reviewers"]]
            found.append((len(rows), reviewers, wire.forge().find(HEAD)[0].key))
    finally:
        wire.world.settings = world_settings

    assert [(1, ["eve"], "k/1")] * (3 * len(DEAR)) == found


def test_a_merge_is_there_once(wire: Wire) -> None:
    """POST of a merge: one merge commit each, whatever became of the answer."""
    found = []
    for fault, side in DEAR:
        head = f"gitslo/shop/{fault.name.lower()}/{side}"
        wire.world.push(head, f"{fault.name}-{side}", "v2")
        pull = _open(wire.forge(), head=head)
        before = _commits(wire)
        wire.proxy.arm(fault, side)
        carried_out(wire, wire.forge(), lambda forge, pull=pull: forge.merge(pull.number, pull.head_commit, "Merge it"))
        found.append((_commits(wire) - before, wire.world.tip(head), wire.proxy.armed))

    assert [(2, None, None)] * len(DEAR) == found


def _commits(wire: Wire) -> int:
    return len(
        wire.world.api(OWNER, "GET", "/commits?sha=main&limit=50&stat=false&files=false&verification=false").data
    )
