"""Killed, stopped, raced and forged: nothing lost, nothing duplicated, no two attempts loading one target at once.

Every test waits for a scenario of its own; the scenarios of this module are played several at a time, because each of
them mostly waits for processes.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from tests.crash import disputes, scenarios
from tests.crash.checker import tip
from tests.crash.scenarios import WITHDRAWAL, Ended, Scenario
from tests.crash.world import World

AT_ONCE = 4
MATRIX = scenarios.matrix()


def only(name: str, play, *, patient: bool = False) -> pytest.MarkDecorator:
    """A test that has one scenario for itself."""
    return each([Scenario(name, "", play, patient)])


def each(those: list[Scenario]) -> pytest.MarkDecorator:
    """A test that is asked of each of these scenarios."""
    return pytest.mark.parametrize("scenario", those, ids=str)


@pytest.fixture(scope="module")
def stage(request, tmp_path_factory) -> Iterator[dict[Scenario, Future[Ended]]]:
    """Everything that was collected here, begun: those that mostly wait come first."""
    items = (item for item in request.session.items if item.path == request.path and hasattr(item, "callspec"))
    wanted = {item.callspec.params["scenario"] for item in items if "scenario" in item.callspec.params}
    folder = tmp_path_factory.mktemp("worlds")
    with ThreadPoolExecutor(AT_ONCE) as pool:
        order = sorted(wanted, key=lambda scenario: (not scenario.patient, scenario.name))
        yield {each: pool.submit(each.play, folder / each.name.replace(":", "-")) for each in order}
        pool.shutdown(cancel_futures=True)


@pytest.fixture
def ended(stage, scenario) -> Ended:
    """How the test's scenario ended; what it says of itself is shown where the test fails."""
    outcome = stage[scenario].result()
    print(outcome.log)  # noqa: T201 - pytest shows it beside a failure
    return outcome


# --------------------------------------------------------------------------- kill -9 at every step


@each([one for one in MATRIX if one.name.split(":")[0] not in WITHDRAWAL])
def test_killed_at_each_step_of_a_promotion_and_a_revert(ended):
    """Killed before and after every effect, once in each half of the story, it ends where it would have ended."""
    assert ended.wrong == ()
    assert ended.passes == (1, 1)
    assert ended.facts == {"rejected": [True]}
    assert ended.kills > 0, "the point was never passed"


@each([one for one in MATRIX if one.name.split(":")[0] in WITHDRAWAL])
def test_killed_at_each_step_of_a_withdrawal(ended):
    """A change that is withdrawn is closed and cleared away once, and proposed anew once."""
    assert ended.wrong == ()
    assert ended.passes == (1,)
    assert ended.facts == {
        "codes": [0, 0],
        "waiting": ({"dev": "v2", "prod": "v1"}, ["open"]),
        "anew": ["closed", "open"],
        "pulls": ["closed", "merged"],
    }
    assert ended.kills == 1


@each(scenarios.random_kills_of(range(1, 7)))
def test_killed_at_random_it_ends_where_it_would_have_ended(ended):
    """SIGKILL at any time, with the clone lost in half of the runs; the third takeover in one run is an error."""
    assert ended.wrong == ()
    assert ended.gave_up or ended.passes == (1, 1)
    assert ended.kills > 0


def third_takeover(folder) -> Ended:
    """A run that kills its holder three times."""
    with World(folder, proved=True) as world:
        world.release("v2")
        codes = [world.run(failpoints="judge:before=kill") for _ in range(3)] + [world.run()]
        state = tip(world, "dev")
        facts = {"codes": codes, "verdict": state["run"]["verdict"], "hold": state["hold"]["cause"]}
        return scenarios.ended(world, 0.0, tags=None, gave_up=True, **facts)


@only("third-takeover", third_takeover)
def test_the_third_takeover_in_one_run_is_an_error_and_a_hold(ended):
    """A run that kills its holder three times is not tried for ever."""
    assert ended.wrong == ()
    assert ended.facts == {"codes": [-9, -9, -9, 1], "verdict": "error", "hold": "verdict"}


# --------------------------------------------------------------------------- stopped and woken


@each(scenarios.pauses_of([2, 7]))
def test_a_paused_holder_wakes_and_publishes_nothing(ended):
    """SIGSTOP at any step, another instance goes on, SIGCONT: the swap rejects the one that woke."""
    assert ended.wrong == ()
    assert ended.facts == {"codes": (0, 0), "was_stopped": True}


@only("paused-before-its-load", scenarios.paused_before_its_load, patient=True)
def test_a_holder_that_wakes_after_it_was_taken_over_sends_no_load(ended):
    """The claim's time runs from its writing, not from the moment at which its holder comes to the load."""
    assert ended.wrong == ()
    assert ended.facts == {"codes": (0, 0), "runs": ["shop/dev/2/2", "shop/prod/2/1"]}


# --------------------------------------------------------------------------- the daemon


@only("serve-killed", scenarios.serve_killed)
def test_the_daemon_is_killed_and_restarted(ended):
    """`gitslo serve` goes on where it was killed, and ends by SIGTERM with exit code 0."""
    assert ended.wrong == ()
    assert ended.facts == {"code": 0, "left": []}
    assert (ended.kills, ended.takeovers) == (1, 1)


@only("serve-drained", scenarios.serve_drained)
def test_sigterm_drains_the_daemon(ended):
    """The load stops, no child is left, the claim stays, exit code 0; the next process takes over."""
    assert ended.wrong == ()
    assert ended.facts == {"code": 0, "left": [], "claim": "claimed", "late": 0}
    assert (ended.passes, ended.takeovers) == ((1,), 1)


# --------------------------------------------------------------------------- others write, too


def two_instances(folder) -> Ended:
    """Two daemons at once, from nothing and through a promotion."""
    with World(folder) as world:
        codes = []
        for _ in range(2):
            children = [world.start(instance=name, cache=name) for name in ("one", "two")]
            codes += [child.wait(240) for child in children]
            if len(codes) == 2:
                world.release("v2")
        return scenarios.ended(world, 0.0, codes=codes)


@only("two-instances", two_instances, patient=True)
def test_two_instances_share_one_repository(ended):
    """Two daemons at once: every run is claimed by one of them, and the story ends the same."""
    assert ended.wrong == ()
    assert ended.facts == {"codes": [0, 0, 0, 0]}


def fix_lands(folder) -> Ended:
    """bad2 is about to fail when v3 lands."""
    with World(folder, proved=True) as world:
        world.release("bad2")
        codes = [world.run(failpoints="judge:before=kill")]
        world.release("v3")
        codes.append(world.run())
        return scenarios.ended(world, 0.0, tags={"dev": "v3", "prod": "v3"}, codes=codes)


@only("fix-lands", fix_lands)
def test_a_fix_that_lands_while_its_predecessor_fails_is_not_reverted(ended):
    """The failing tree is no longer at HEAD when the verdict falls: nothing is reverted."""
    assert ended.wrong == ()
    assert ended.facts == {"codes": [-9, 0]}


@each(disputes.races())
def test_two_people_write_to_the_branch_meanwhile(ended):
    """No commit of theirs is lost, and a promotion and a revert arrive all the same."""
    assert ended.wrong == ()
    assert ended.facts["code"] == 0
    assert ended.facts["commits"] > 10


@only("rewritten-under-way", disputes.rewritten_under_way)
def test_a_run_whose_commit_is_forced_away_ends_without_a_verdict(ended):
    """History is rewritten under a run: it is superseded and said so, and what was dropped comes back nowhere."""
    assert ended.wrong == ()
    assert (ended.facts["code"], ended.facts["superseded"], ended.facts["passed"]) == (0, 1, {"v1", "v4"})
    assert any("ends without a verdict" in line for line in ended.facts["said"])


@each(disputes.rewrites())
def test_nothing_is_published_on_a_base_that_was_forced_away(ended):
    """A change that was on its way out is computed again on the new history, and says so."""
    assert ended.wrong == ()
    assert ended.facts["code"] == -9
    assert any("is computed again on" in line for line in ended.facts["said"])


# --------------------------------------------------------------------------- the ledger is forged


@only("forged", disputes.forged)
def test_a_forged_ledger_is_a_hold(ended):
    """With a key, an entry that somebody else wrote promotes nothing, loads nothing, and is held until begun anew."""
    tags, said = ended.facts["held"]

    assert ended.wrong == ()
    assert {"dev": "v9", "prod": "v1"} == tags
    assert any("the entry does not verify with the ledger key" in line for line in said)
    assert (ended.facts["believed"], ended.facts["codes"], ended.facts["loads"]) == (0, [1, 0], 0)


@each(
    [
        Scenario(f"deleted-{n}", "", lambda f, k=k: disputes.deleted(f, key=k))
        for n, k in (("key", disputes.KEY), ("plain", ""))
    ]
)
def test_a_deleted_ledger_is_a_hold(ended):
    """The history shows promotions and there is no ledger: held; begun anew, the next release arrives."""
    tags, reason, run = ended.facts["held"]

    assert ended.wrong == ()
    assert ({"dev": "v3", "prod": "v2"}, None) == (tags, run)
    assert reason.startswith("its ledger is missing, and the history shows promotions by gitslo")
    assert ended.facts["codes"] == [0, 1, 0]


# --------------------------------------------------------------------------- the world itself


def seeded(folder) -> Ended:
    """Nothing happens in a world that begins proved."""
    with World(folder, proved=True) as world:
        before = world.git("for-each-ref", "refs/gitslo/")
        code = world.run()
        same = before == world.git("for-each-ref", "refs/gitslo/")
        return scenarios.ended(
            world, 0.0, tags={"dev": "v1", "prod": "v1"}, code=code, same=same, load=len(world.requests)
        )


@only("seeded", seeded)
def test_a_world_that_begins_proved_is_one_that_gitslo_has_proved(ended):
    """The daemon takes the seed for its own ledgers: no entry is added and no load is sent."""
    assert ended.wrong == ()
    assert ended.facts == {"code": 0, "same": True, "load": 0}
