"""What every Forge must do, as checks that run on a real one and on the fake alike.

A test suite builds a `ForgeWorld` around a forge and runs every check of `FORGE_CONTRACT` on a fresh one. A check
raises AssertionError where the forge breaks the contract.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from gitslo.errors import Conflict, GitsloError, Refused, Retry
from gitslo.model import CommitId
from gitslo.ports import Forge, Issue, Issues, PullRequest, PullRequestState, Status, StatusState

__all__ = ["FORGE_CONTRACT", "ISSUE_CONTRACT", "ForgeWorld", "IssueWorld"]

_HEAD = "gitslo/shop/dev/promote"
_NOBODY = CommitId("0" * 40)


class ForgeWorld(Protocol):
    """One repository with one forge, and the people and commits around it."""

    @property
    def base(self) -> str:
        """The base branch; it has at least one commit."""

    def forge(self) -> Forge:
        """A new client of the forge with the daemon's account."""

    def push(self, branch: str, path: str, content: str) -> CommitId:
        """Somebody commits one file onto a branch, which starts at the base branch's tip where it is new."""

    def tip(self, branch: str) -> CommitId | None:
        """Where a branch is."""

    def read(self, branch: str, path: str) -> str | None:
        """A file's content at a branch's tip."""

    def person_closes(self, number: int, name: str) -> None:
        """A person closes a pull request without merging."""

    def person_merges(self, number: int, name: str) -> CommitId:
        """A person merges a pull request; returns the merge."""

    def comments(self, number: int) -> tuple[tuple[str, str], ...]:
        """(marker, body) of every comment that has a marker, oldest first."""

    def commit_comments(self, commit: CommitId) -> tuple[tuple[str, str], ...]:
        """(marker, body) of every comment on a commit that has a marker, oldest first; where the forge keeps them."""

    def statuses(self, commit: CommitId) -> tuple[Status, ...]:
        """The standing statuses of a commit, by context."""

    def asks_for_up_to_date(self) -> bool:
        """From now on only what holds all that the base branch holds is merged; False: this forge has no such rule."""

    def effects(self) -> int:
        """How many writes have reached the server so far."""


class IssueWorld(ForgeWorld, Protocol):
    """One whose forge keeps issues."""

    def issues(self) -> tuple[Issue, ...]:
        """Every issue that has a mark, whoever wrote it, oldest first."""

    def person_closes_issue(self, key: str, name: str) -> None:
        """A person closes ours with this key."""

    def person_writes_issue(self, issue: Issue, name: str) -> None:
        """A person opens one that looks like one of ours, mark and label and all."""


def _expect(actual: object, expected: object) -> None:
    if actual != expected:
        raise AssertionError(f"expected {expected!r}, found {actual!r}")


def _expect_error(kind: type[GitsloError], effect: Callable[[], object]) -> None:
    try:
        found = effect()
    except kind:
        return
    raise AssertionError(f"expected {kind.__name__}, found {found!r}")


def _open(forge: Forge, world: ForgeWorld, title: str = "Promote") -> PullRequest:
    return forge.ensure_pull_request(key="promote-1", head=_HEAD, base=world.base, title=title, body="the numbers")


def _opened(world: ForgeWorld) -> tuple[Forge, PullRequest]:
    world.push(_HEAD, "image", "v2")
    forge = world.forge()
    return forge, _open(forge, world)


# --------------------------------------------------------------------------- opening


def nothing_is_found_before_anything_is_opened(world: ForgeWorld) -> None:
    """A head without pull requests has none."""
    _expect(world.forge().find(_HEAD), ())


def open_ones_are_listed_by_their_base(world: ForgeWorld) -> None:
    """Every open one into a branch, newest first; neither closed ones nor those into another branch."""
    forge, first = _opened(world)
    world.push("release", "readme", "a release")
    numbers = []
    for head, base in (("more", world.base), ("other", "release"), ("closed", world.base)):
        world.push(head, "readme", head)
        numbers.append(forge.ensure_pull_request(key=head, head=head, base=base, title=head, body="").number)
    forge.close(numbers[2], "")
    found = world.forge().open_pulls(world.base)

    _expect([(each.number, each.head) for each in found], [(numbers[0], "more"), (first.number, _HEAD)])


def what_was_opened_is_found(world: ForgeWorld) -> None:
    """A new pull request is open, carries what was given, and names the head's tip."""
    head = world.push(_HEAD, "image", "v2")
    forge = world.forge()
    opened = _open(forge, world)

    _expect(
        (opened.state, opened.key, opened.head, opened.base, opened.head_commit, opened.title, opened.body),
        (PullRequestState.OPEN, "promote-1", _HEAD, world.base, head, "Promote", "the numbers"),
    )
    _expect(world.forge().find(_HEAD), (opened,))
    _expect(world.forge().find("gitslo/shop/prod/promote"), ())


def opening_twice_is_opening_once(world: ForgeWorld) -> None:
    """The second time nothing reaches the server."""
    forge, opened = _opened(world)
    before = world.effects()

    _expect(_open(forge, world), opened)
    _expect(_open(world.forge(), world), opened)
    _expect(world.effects(), before)


def an_open_one_is_adopted_and_brought_up_to_date(world: ForgeWorld) -> None:
    """Another title, body or key changes the open pull request; no second one comes to be."""
    forge, opened = _opened(world)

    _expect(_open(forge, world, "Promote v2").number, opened.number)
    _expect([found.title for found in world.forge().find(_HEAD)], ["Promote v2"])


def racing_clients_open_one(world: ForgeWorld) -> None:
    """Whoever loses the race adopts the winner's."""
    world.push(_HEAD, "image", "v2")
    with ThreadPoolExecutor(4) as pool:
        opened = list(pool.map(lambda forge: _open(forge, world), [world.forge() for _ in range(4)]))

    _expect(len({each.number for each in opened}), 1)
    _expect(len(world.forge().find(_HEAD)), 1)


def heads_do_not_get_into_each_others_way(world: ForgeWorld) -> None:
    """Clients that open pull requests of different heads at the same moment all get one, with a number of its own."""
    heads = [f"gitslo/shop/{stage}/promote" for stage in ("dev", "staging", "prod")]
    for head in heads:
        world.push(head, "image", head)
    with ThreadPoolExecutor(3) as pool:
        opened = list(
            pool.map(
                lambda head: world.forge().ensure_pull_request(
                    key=head, head=head, base=world.base, title=head, body=""
                ),
                heads,
            )
        )

    _expect(len({each.number for each in opened}), 3)
    _expect([world.forge().find(head)[0].number for head in heads], [each.number for each in opened])


def a_head_that_is_not_there_is_a_conflict(world: ForgeWorld) -> None:
    """Somebody deleted the branch meanwhile: look again."""
    forge = world.forge()
    _expect_error(Conflict, lambda: _open(forge, world))


def newer_commits_show_at_an_open_one(world: ForgeWorld) -> None:
    """The head's tip is the branch's, not what it was at the opening."""
    forge, opened = _opened(world)
    newer = world.push(_HEAD, "image", "v3")

    _expect([(each.number, each.head_commit) for each in forge.find(_HEAD)], [(opened.number, newer)])


# --------------------------------------------------------------------------- closing


def closed_by_us_is_told_from_closed_by_a_person(world: ForgeWorld) -> None:
    """Only a person's closing rejects a release, so the two must differ; the newest comes first."""
    forge, first = _opened(world)
    forge.close(first.number, "the pass is gone")
    second = _open(forge, world)
    world.person_closes(second.number, "ada")

    _expect(
        [(each.number, each.state, each.closed_by_us) for each in forge.find(_HEAD)],
        [(second.number, PullRequestState.CLOSED, False), (first.number, PullRequestState.CLOSED, True)],
    )
    _expect(forge.find(_HEAD)[0].closed_by, "ada")


def closing_twice_is_closing_once(world: ForgeWorld) -> None:
    """The second time nothing reaches the server, whoever closed it."""
    forge, opened = _opened(world)
    forge.close(opened.number, "the pass is gone")
    before = world.effects()
    forge.close(opened.number, "the pass is gone, again")

    _expect(world.effects(), before)


def a_closed_one_is_not_merged(world: ForgeWorld) -> None:
    """A person's no is final for this pull request."""
    forge, opened = _opened(world)
    world.person_closes(opened.number, "ada")

    _expect_error(Refused, lambda: forge.merge(opened.number, opened.head_commit, "Merge"))


# --------------------------------------------------------------------------- comments and statuses


def one_comment_per_marker(world: ForgeWorld) -> None:
    """The same words again do nothing, other words replace, another marker adds."""
    forge, opened = _opened(world)
    forge.comment_once(opened.number, "verdict-1", "inconclusive")
    before = world.effects()
    forge.comment_once(opened.number, "verdict-1", "inconclusive")
    _expect(world.effects(), before)
    forge.comment_once(opened.number, "verdict-1", "pass")
    world.forge().comment_once(opened.number, "verdict-2", "pass again")

    _expect(world.comments(opened.number), (("verdict-1", "pass"), ("verdict-2", "pass again")))


def what_is_said_of_comments_on_commits_holds(world: ForgeWorld) -> None:
    """A forge that keeps them says so, and one that does not says that."""
    forge = world.forge()

    _expect(forge.capabilities().commit_comments, forge.commit_comments is not None)


def one_comment_per_marker_on_a_commit(world: ForgeWorld) -> None:
    """As on a pull request, where the forge keeps them: nothing, an edit, another one; and known without a write."""
    commit, other = world.push(world.base, "image", "v2"), world.push(world.base, "image", "v3")
    forge, again = world.forge().commit_comments, world.forge().commit_comments
    if forge is None or again is None:
        return
    _expect(forge.has(commit, "result-1"), False)
    forge.once(commit, "result-1", "inconclusive")
    before = world.effects()
    forge.once(commit, "result-1", "inconclusive")
    found = [each.has(*asked) for each in (forge, again) for asked in ((commit, "result-1"), (other, "result-1"))]
    _expect((world.effects(), found), (before, [True, False, True, False]))
    again.once(commit, "result-1", "pass\n\n/close")
    forge.once(commit, "change-1", "promoted")

    _expect(world.commit_comments(commit), (("result-1", "pass\n\n/close"), ("change-1", "promoted")))
    _expect(world.commit_comments(other), ())


def a_commit_that_is_not_there_gets_no_comment(world: ForgeWorld) -> None:
    """Nobody could read it; nothing waits for that."""
    comments = world.forge().commit_comments
    if comments is not None:
        comments.once(CommitId("1" * 40), "result-1", "pass")


def a_pull_request_that_is_not_there_is_refused(world: ForgeWorld) -> None:
    """No effect on a number that nobody opened."""
    forge = world.forge()

    _expect_error(Refused, lambda: forge.comment_once(7, "verdict-1", "pass"))
    _expect_error(Refused, lambda: forge.close(7, "why"))
    _expect_error(Refused, lambda: forge.merge(7, _NOBODY, "Merge"))


def the_newest_status_of_a_context_counts(world: ForgeWorld) -> None:
    """Set again, a status is replaced; where it already stands so, nothing reaches the server."""
    commit = world.push(_HEAD, "image", "v2")
    forge = world.forge()
    standing = Status(commit, "gitslo/shop/dev", StatusState.SUCCESS, "pass: 2 of 2 objectives")
    other = Status(commit, "gitslo/shop/staging", StatusState.FAILURE, "held", "https://example.com/report")
    forge.set_status(Status(commit, "gitslo/shop/dev", StatusState.PENDING, "running"))
    forge.set_status(other)
    forge.set_status(standing)
    before = world.effects()
    world.forge().set_status(standing)

    _expect(world.effects(), before)
    _expect(world.statuses(commit), (standing, other))


def a_status_that_stands_is_known_without_a_write(world: ForgeWorld) -> None:
    """A daemon that has just started asks for every status it wants: one that stands so costs nothing."""
    commit = world.push(_HEAD, "image", "v2")
    forge = world.forge()
    standing = Status(commit, "gitslo/shop/dev", StatusState.SUCCESS, "pass: 2 of 2 objectives")
    _expect(forge.has_status(standing), False)
    forge.set_status(standing)
    before = world.effects()

    _expect([forge.has_status(standing), world.forge().has_status(standing)], [True, True])
    for other in (
        Status(commit, "gitslo/shop/dev", StatusState.SUCCESS, "pass: 3 of 3 objectives"),
        Status(commit, "gitslo/shop/dev", StatusState.FAILURE, standing.description),
        Status(commit, "gitslo/shop/staging", standing.state, standing.description),
        Status(_NOBODY, standing.context, standing.state, standing.description),
    ):
        _expect([forge.has_status(other), world.forge().has_status(other)], [False, False])
    _expect(world.effects(), before)


def a_status_that_was_replaced_does_not_stand(world: ForgeWorld) -> None:
    """What the client itself has changed it does not take from an earlier look."""
    commit = world.push(_HEAD, "image", "v2")
    forge = world.forge()
    green = Status(commit, "gitslo/shop/dev", StatusState.SUCCESS, "pass")
    red = Status(commit, "gitslo/shop/dev", StatusState.FAILURE, "held")
    forge.set_status(green)
    found = [forge.has_status(green)]
    forge.set_status(red)

    _expect([*found, forge.has_status(green), forge.has_status(red)], [True, False, True])


def a_comment_that_is_there_is_known_without_a_write(world: ForgeWorld) -> None:
    """By its marker; on a pull request that nobody opened there is none."""
    forge, opened = _opened(world)
    _expect(forge.has_comment(opened.number, "verdict-1"), False)
    forge.comment_once(opened.number, "verdict-1", "pass")
    before = world.effects()
    clients = (forge, world.forge())

    _expect([client.has_comment(opened.number, "verdict-1") for client in clients], [True, True])
    _expect([client.has_comment(opened.number, "verdict-2") for client in clients], [False, False])
    _expect([client.has_comment(7, "verdict-1") for client in clients], [False, False])
    _expect(world.effects(), before)


def a_status_description_has_140_characters(world: ForgeWorld) -> None:
    """Forges cut or refuse more; ours say so."""
    commit = world.push(_HEAD, "image", "v2")
    forge = world.forge()
    forge.set_status(Status(commit, "gitslo/shop/dev", StatusState.SUCCESS, "x" * 140))

    _expect_error(Refused, lambda: forge.set_status(Status(commit, "gitslo/shop/dev", StatusState.SUCCESS, "x" * 141)))


# --------------------------------------------------------------------------- merging


def merging_brings_the_head_onto_the_base(world: ForgeWorld) -> None:
    """The base moves to the returned commit, keeps what others brought, and our branch is gone."""
    forge, opened = _opened(world)
    world.push(world.base, "readme", "somebody else's")
    merge = forge.merge(opened.number, opened.head_commit, "Promote v2\n\nGitslo-Action: promote\n")

    _expect(world.tip(world.base), merge)
    _expect((world.read(world.base, "image"), world.read(world.base, "readme")), ("v2", "somebody else's"))
    _expect(world.tip(_HEAD), None)
    _expect([(each.state, each.merged) for each in forge.find(_HEAD)], [(PullRequestState.MERGED, merge)])


def merging_twice_is_merging_once(world: ForgeWorld) -> None:
    """The second time returns the same commit, and nothing reaches the server."""
    forge, opened = _opened(world)
    merge = forge.merge(opened.number, opened.head_commit, "Merge")
    before = world.effects()

    _expect(world.forge().merge(opened.number, opened.head_commit, "Merge"), merge)
    forge.close(opened.number, "too late")
    _expect(world.effects(), before)
    _expect(world.tip(world.base), merge)


def another_head_is_not_merged(world: ForgeWorld) -> None:
    """A foreign commit on our branch stops the merge; the base stays."""
    forge, opened = _opened(world)
    world.push(_HEAD, "image", "v3")
    before = world.tip(world.base)

    _expect_error(Conflict, lambda: forge.merge(opened.number, opened.head_commit, "Merge"))
    _expect(world.tip(world.base), before)
    _expect(forge.find(_HEAD)[0].state, PullRequestState.OPEN)


def what_does_not_merge_cleanly_is_a_conflict(world: ForgeWorld) -> None:
    """Both sides changed the same line: nobody's commit is overwritten."""
    forge, opened = _opened(world)
    base = world.push(world.base, "image", "v9")

    _expect_error(Conflict, lambda: forge.merge(opened.number, opened.head_commit, "Merge"))
    _expect(world.tip(world.base), base)


def a_persons_merge_is_recognised(world: ForgeWorld) -> None:
    """Merged by a person, it is merged; our merge then returns that commit and opens nothing anew."""
    forge, opened = _opened(world)
    merge = world.person_merges(opened.number, "ada")

    _expect([(each.state, each.merged) for each in forge.find(_HEAD)], [(PullRequestState.MERGED, merge)])
    _expect(forge.merge(opened.number, opened.head_commit, "Merge"), merge)
    _expect(world.tip(world.base), merge)


def a_branch_that_is_used_again_gets_a_new_one(world: ForgeWorld) -> None:
    """Head branches have fixed names: after a merge the next change opens the next pull request."""
    forge, first = _opened(world)
    forge.merge(first.number, first.head_commit, "Merge")
    world.push(_HEAD, "image", "v3")
    second = _open(forge, world, "Promote v3")

    _expect(
        [(each.number, each.state) for each in forge.find(_HEAD)],
        [(second.number, PullRequestState.OPEN), (first.number, PullRequestState.MERGED)],
    )


def what_is_behind_its_base_is_outdated(world: ForgeWorld) -> None:
    """Where a rule asks for branches that are up to date: said once the base has moved on, and not merged as it is."""
    forge, opened = _opened(world)
    world.push(world.base, "readme", "somebody else's")
    _expect(forge.find(_HEAD)[0].outdated, False)
    if not world.asks_for_up_to_date():
        return
    base = world.tip(world.base)
    _expect_error(Retry, lambda: forge.merge(opened.number, opened.head_commit, "Merge"))
    found = forge.find(_HEAD)[0]

    _expect((found.outdated, found.blocked != ""), (True, True))
    _expect((world.tip(world.base), found.state), (base, PullRequestState.OPEN))


FORGE_CONTRACT: tuple[Callable[[ForgeWorld], None], ...] = (
    nothing_is_found_before_anything_is_opened,
    open_ones_are_listed_by_their_base,
    what_was_opened_is_found,
    opening_twice_is_opening_once,
    an_open_one_is_adopted_and_brought_up_to_date,
    racing_clients_open_one,
    heads_do_not_get_into_each_others_way,
    a_head_that_is_not_there_is_a_conflict,
    newer_commits_show_at_an_open_one,
    closed_by_us_is_told_from_closed_by_a_person,
    closing_twice_is_closing_once,
    a_closed_one_is_not_merged,
    one_comment_per_marker,
    what_is_said_of_comments_on_commits_holds,
    one_comment_per_marker_on_a_commit,
    a_commit_that_is_not_there_gets_no_comment,
    a_pull_request_that_is_not_there_is_refused,
    the_newest_status_of_a_context_counts,
    a_status_that_stands_is_known_without_a_write,
    a_status_that_was_replaced_does_not_stand,
    a_comment_that_is_there_is_known_without_a_write,
    a_status_description_has_140_characters,
    merging_brings_the_head_onto_the_base,
    merging_twice_is_merging_once,
    another_head_is_not_merged,
    what_does_not_merge_cleanly_is_a_conflict,
    a_persons_merge_is_recognised,
    a_branch_that_is_used_again_gets_a_new_one,
    what_is_behind_its_base_is_outdated,
)
"""Every check, each for a fresh world."""


# --------------------------------------------------------------------------- issues

_ISSUE = Issue("gitslo/dev", "dev needs a person", "it failed", open=True)


def _issues(world: IssueWorld) -> Issues:
    found = world.forge().issues
    if found is None:
        raise AssertionError("expected a forge that keeps issues")
    return found


def one_issue_per_key(world: IssueWorld) -> None:
    """Told again, by whichever client, it is there once; another key is another issue."""
    for _ in range(2):
        _issues(world).tell(_ISSUE)
    other = Issue("gitslo/prod", "prod needs a person", "it failed", open=True)
    _issues(world).tell(other)

    _expect(world.issues(), (_ISSUE, other))


def an_issue_that_stands_is_known_without_a_write(world: IssueWorld) -> None:
    """A client that has just started knows what stands, and other words as new ones."""
    _issues(world).tell(_ISSUE)
    before = world.effects()
    found = [_issues(world).stands(each) for each in (_ISSUE, Issue(_ISSUE.key, _ISSUE.title, "worse", open=True))]

    _expect((found, world.effects()), ([True, False], before))


def an_issue_is_closed_and_opened_again(world: IssueWorld) -> None:
    """It is one issue for good: closed with its last words, and opened again with new ones."""
    closed = Issue(_ISSUE.key, _ISSUE.title, "it passes", open=False)
    again = Issue(_ISSUE.key, _ISSUE.title, "it failed again", open=True)
    seen = []
    for each in (_ISSUE, closed, again):
        _issues(world).tell(each)
        seen.append(world.issues())

    _expect(seen, [(_ISSUE,), (closed,), (again,)])


def nothing_is_closed_that_was_never_opened(world: IssueWorld) -> None:
    """Where all is well, nothing reaches the server."""
    before, well = world.effects(), Issue(_ISSUE.key, _ISSUE.title, "it passes", open=False)
    stood = _issues(world).stands(well)
    _issues(world).tell(well)

    _expect((stood, world.issues(), world.effects()), (True, (), before))


def what_a_person_has_closed_stays_closed(world: IssueWorld) -> None:
    """Whoever closes it has read it; only new words open it again."""
    _issues(world).tell(_ISSUE)
    world.person_closes_issue(_ISSUE.key, "ada")
    stands = _issues(world).stands(_ISSUE)
    _issues(world).tell(_ISSUE)
    is_open = [each.open for each in world.issues()]
    _issues(world).tell(Issue(_ISSUE.key, _ISSUE.title, "worse", open=True))

    _expect((stands, is_open, [each.open for each in world.issues()]), (True, [False], [True]))


def somebody_elses_issue_is_left_alone(world: IssueWorld) -> None:
    """A person's issue with our mark is none of ours: it is neither edited nor closed."""
    theirs = Issue(_ISSUE.key, "mine", "hands off", open=True)
    world.person_writes_issue(theirs, "ada")
    _issues(world).tell(Issue(_ISSUE.key, _ISSUE.title, "it passes", open=False))
    _issues(world).tell(_ISSUE)

    _expect(world.issues(), (theirs, _ISSUE))


ISSUE_CONTRACT: tuple[Callable[[IssueWorld], None], ...] = (
    one_issue_per_key,
    an_issue_that_stands_is_known_without_a_write,
    an_issue_is_closed_and_opened_again,
    nothing_is_closed_that_was_never_opened,
    what_a_person_has_closed_stays_closed,
    somebody_elses_issue_is_left_alone,
)
"""Every check of rolling issues, each for a fresh world."""
