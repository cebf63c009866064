"""Faults between us and a forge: whatever is lost, nothing is there twice, and nobody is asked more than he bears."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from gitslo.ports import Forge, PullRequest, Status, StatusState
from tests.forge.fault_proxy import RETRY_AFTER, Fault, FaultProxy, Side
from tests.forge.fault_worlds import GiteaFaults, GithubFaults, GitlabFaults
from tests.forge.faults import Wire, carried_out

HEAD = "gitslo/shop/dev/promote"
CASES = [(fault, side) for fault in Fault for side in Side]
DEAR = [(Fault.ERROR, Side.BEFORE), (Fault.CUT, Side.AFTER), (Fault.TORN, Side.AFTER)]
"""For effects that cost the forge a push."""


@pytest.fixture(scope="module", params=["gitea", "github", "gitlab"])
def wire(request: pytest.FixtureRequest) -> Iterator[Wire]:
    """One repository behind one proxy, with an open pull request."""
    if request.param == "gitea":
        world: GiteaFaults | GithubFaults | GitlabFaults = GiteaFaults(request.getfixturevalue("gitea"))
    elif request.param == "github":
        world = GithubFaults(request.getfixturevalue("github_server"))
    else:
        world = GitlabFaults(request.getfixturevalue("gitlab_server"))
    with FaultProxy(world.address) as proxy:
        made = Wire(world, proxy, folder=world.settings.url.removeprefix(world.address))
        world.push(HEAD, "image", "v2")
        _open(made.forge())
        yield made
    if not isinstance(world, GiteaFaults):
        assert [] == world.server.undescribed


def _open(forge: Forge, title: str = "Promote", head: str = HEAD) -> PullRequest:
    return forge.ensure_pull_request(key="k/1", head=head, base="main", title=title, body="the numbers")


def _number(wire: Wire) -> int:
    [number] = wire.world.open_pulls(HEAD)
    return number


def _spread(wire: Wire, make: Callable[[str], tuple[Callable[[Forge], object], Callable[[], int]]]) -> None:
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
    """A new comment."""
    number = _number(wire)

    def make(name: str) -> tuple[Callable[[Forge], object], Callable[[], int]]:
        return (
            lambda forge: forge.comment_once(number, name, "a verdict"),
            lambda: wire.world.comments_with(number, f"comment={name} "),
        )

    _spread(wire, make)


def test_an_edited_comment_is_there_once(wire: Wire) -> None:
    """Another text for a comment that is there."""
    number = _number(wire)
    wire.forge().comment_once(number, "edited", "at first")

    def make(name: str) -> tuple[Callable[[Forge], object], Callable[[], int]]:
        return (
            lambda forge: forge.comment_once(number, "edited", f"now {name}."),
            lambda: wire.world.comments_with(number, f"now {name}."),
        )

    _spread(wire, make)


def test_a_comment_on_a_commit_is_there_once(wire: Wire) -> None:
    """A new one, and another text for one that is there; by the forges that keep them."""
    commit, comments = wire.forge().find(HEAD)[0].head_commit, wire.forge().commit_comments
    if comments is None:
        return
    comments.once(commit, "edited", "at first")

    def said(forge: Forge, marker: str, body: str) -> None:
        assert forge.commit_comments is not None
        forge.commit_comments.once(commit, marker, body)

    def new(name: str) -> tuple[Callable[[Forge], object], Callable[[], int]]:
        return (
            lambda forge: said(forge, name, "a verdict"),
            lambda: wire.world.commit_comments_with(commit, f"comment={name} "),
        )

    def edited(name: str) -> tuple[Callable[[Forge], object], Callable[[], int]]:
        return (
            lambda forge: said(forge, "edited", f"now {name}."),
            lambda: wire.world.commit_comments_with(commit, f"now {name}."),
        )

    _spread(wire, new)
    _spread(wire, edited)


def test_a_status_is_there_once(wire: Wire) -> None:
    """A status, of which forges keep every one they get."""
    commit = wire.forge().find(HEAD)[0].head_commit

    def make(name: str) -> tuple[Callable[[Forge], object], Callable[[], int]]:
        return (
            lambda forge: forge.set_status(Status(commit, f"gitslo/{name}.", StatusState.SUCCESS, "pass")),
            lambda: wire.world.statuses_of(commit, f"gitslo/{name}."),
        )

    _spread(wire, make)


def test_a_title_is_brought_up_to_date_once(wire: Wire) -> None:
    """Another title: forges note every change of one."""
    number = _number(wire)

    def make(name: str) -> tuple[Callable[[Forge], object], Callable[[], int]]:
        return (
            lambda forge: _open(forge, f"Promote {name}."),
            lambda: wire.world.times_titled(number, f"Promote {name}."),
        )

    _spread(wire, make)


def test_a_closing_is_there_once(wire: Wire) -> None:
    """The comment that says why, and the closing itself."""
    number = _number(wire)
    found: dict[tuple[Fault, Side], tuple[bool, int]] = {}
    for fault, side in CASES:
        wire.proxy.arm(fault, side)
        carried_out(wire, wire.forge(), lambda forge: forge.close(number, "its pass is gone"))
        found[fault, side] = (wire.world.is_open(number), wire.world.comments_with(number, "comment=closed "))
        wire.world.set_open(number, wanted=True)

    assert dict.fromkeys(CASES, (False, 1)) == found


def test_a_pull_request_is_there_once(wire: Wire) -> None:
    """A new pull request with a reviewer and a label: every write that this takes is hit."""
    wire.world.wish(reviewers=("eve",), labels=("gitslo",))
    number, writes = _number(wire), 0
    for _ in range(2):  # the first one makes the label, too
        wire.world.set_open(number, wanted=False)
        before = wire.send.writes
        number = _anew(wire)
        writes = wire.send.writes - before
    found: list[tuple[int, list[str], str, Fault | None]] = []
    for skipped, (fault, side) in ((skipped, case) for skipped in range(writes) for case in DEAR):
        wire.world.set_open(number, wanted=False)
        wire.proxy.arm(fault, side, skipped)
        number = _anew(wire)
        there, key = len(wire.world.open_pulls(HEAD)), wire.forge().find(HEAD)[0].key
        found.append((there, list(wire.world.reviewers(number)), key, wire.proxy.armed))
    wire.world.wish(reviewers=(), labels=())

    assert [(1, ["eve"], "k/1", None)] * (writes * len(DEAR)) == found


def _anew(wire: Wire) -> int:
    """Open one, and say which."""
    carried_out(wire, wire.forge(), _open)
    return wire.world.open_pulls(HEAD)[0]


def test_a_merge_is_there_once(wire: Wire) -> None:
    """One merge commit each, whatever became of the answer."""
    found = []
    for fault, side in DEAR:
        head = f"gitslo/shop/{fault.name.lower()}/{side}"
        wire.world.push(head, f"{fault.name}-{side}", "v2")
        pull = _open(wire.forge(), head=head)
        before = wire.world.commits()
        wire.proxy.arm(fault, side)
        carried_out(wire, wire.forge(), lambda forge, pull=pull: forge.merge(pull.number, pull.head_commit, "Merge it"))
        found.append((wire.world.commits() - before, wire.world.tip(head), wire.proxy.armed))

    assert [(2, None, None)] * len(DEAR) == found
