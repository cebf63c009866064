"""What goes wrong in the middle of a step: the environment goes on, and so do the others."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Any

import pytest

from gitslo.errors import Conflict, Refused, Retry
from gitslo.loop import person
from gitslo.loop.attempts import Attempts, Places
from gitslo.loop.ledgers import Ledgers
from gitslo.loop.sight import Sight
from gitslo.model import Allowed, ChangeState, Verdict
from gitslo.ports import RefUpdate, Repository, StatusState
from gitslo.run import CutOff
from gitslo.testing.manual_clock import ManualClock
from tests.loop.mono import MANIFEST as MONO_MANIFEST
from tests.loop.mono import Everything, Mono
from tests.rules.shop import Shop


class Server:
    """A Repository whose next pushes may get no answer, or be refused."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self.lost = 0
        self.refused = ""
        self.pushes = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._repository, name)

    def swap(self, updates: Sequence[RefUpdate]) -> None:
        """Swap; where an answer is to be lost, what was pushed is there all the same."""
        self.pushes += 1
        if self.refused and any(self.refused in update.ref for update in updates):
            raise Refused("a rule of the server")
        self._repository.swap(updates)
        if self.lost:
            self.lost -= 1
            raise Retry("no answer")


def behind(shop: Shop) -> Server:
    """Put such a server before the shop's repository."""
    servers: list[Server] = []
    shop.through(lambda repository: servers.append(Server(repository)) or servers[0])
    return servers[0]


def of_a_person(shop: Shop) -> Sight:
    """What a person's command sees with."""
    return Sight(shop.person, Ledgers(shop.person, name="shop", key=None), Allowed())


@pytest.fixture
def shop(tmp_path):
    """A shop in which v1 has passed everywhere."""
    made = Shop(tmp_path)
    made.settle()
    return made


def until_judged(shop: Shop, stage: str) -> None:
    """Claim, and wait until the attempt has ended; its end is not written yet."""
    shop.engine.gate = threading.Event()
    shop.woken.clear()
    shop.controller.poll()
    assert shop.state(stage).run.claim is not None
    shop.engine.gate.set()
    assert shop.woken.wait(5)
    shop.engine.gate = None


# --------------------------------------------------------------------------- attempts


def test_a_verdict_whose_push_got_no_answer_does_not_stop_the_next_run(shop):
    """What this process remembers of an attempt is dropped as soon as the ledger no longer claims it."""
    server = behind(shop)
    shop.settle()
    shop.release("v2")
    until_judged(shop, "dev")
    server.lost = 1
    shop.controller.poll()
    shop.clock.advance(60.0)
    shop.settle()

    shop.release("v3")
    shop.settle()

    assert ("v3", Verdict.PASS) == (shop.state("dev").last_pass.release.values[0].value, shop.state("dev").run.verdict)


def test_an_attempt_is_cut_off_once(tmp_path):
    """A load takes a moment to end: meanwhile nobody is told again, and the syncer is not asked again at once."""
    shop = Shop(tmp_path, newer="supersede")
    shop.settle()
    shop.engine.gate = threading.Event()
    shop.engine.began.clear()
    shop.release("v2")
    shop.controller.poll()
    assert shop.engine.began.wait(5)
    shop.release("v3")
    polls = [shop.controller.poll() for _ in range(3)]
    shop.engine.gate.set()
    shop.settle()

    assert 1 == sum(event.name == "run.cut_off" for event in shop.journal.events)
    assert [1, 0, 0] == [poll.steps for poll in polls]
    assert "v3" == shop.tag("prod")


def test_draining_takes_no_longer_than_it_may(tmp_path):
    """The time is for all attempts together."""
    attempts, gate = Attempts(Places(4), threading.Event().set), threading.Event()

    def stuck(_stop):
        gate.wait(30)
        raise CutOff("over")

    for name in ("a", "b", "c", "d"):
        attempts.start(name, name, stuck)
    began = time.monotonic()
    ended = attempts.drain("stop", 0.3)
    took = time.monotonic() - began
    gate.set()

    assert (False, True) == (ended, took < 0.9)
    assert attempts.drain("stop", 30.0)


# --------------------------------------------------------------------------- changes


def test_a_rejected_tree_written_again_before_the_reverted_one_ran_is_not_reverted_twice(shop):
    """An image updater may be faster than the syncer: no second revert, a hold."""
    shop.release("bad2")
    until_judged(shop, "dev")
    shop.syncer.follows = False
    shop.controller.poll()
    assert "v1" == shop.tag("dev")

    shop.release("bad2")
    shop.syncer.follows = True
    shop.settle()

    state = shop.state("dev")
    assert (1, "bad2", 2) == (state.changes, shop.tag("dev"), state.runs)
    assert "Ann <ann@example.com> wrote a tree again" in state.hold.reason


def test_a_server_that_keeps_branches_keeps_nobody_from_being_judged(shop):
    """receive.denyDeletes: our branch stays where it is, and what it brought is judged."""
    shop.git("config", "receive.denyDeletes", "true")
    shop.release("v2")
    shop.settle()

    prod = shop.state("prod")
    assert ("v2", Verdict.PASS) == (prod.run.release.values[0].value, prod.run.verdict)


@pytest.mark.parametrize("what", ["held", "fixed"])
def test_p1_what_a_merge_rests_on_is_looked_at_again_before_it(tmp_path, what):
    """A poll may be old when its merge comes: a hold or a fix that came meanwhile goes first."""
    shop = Shop(tmp_path)
    shop.settle()
    stage, pull = {"held": ("prod", "refs/gitslo-forge/pulls/1"), "fixed": ("dev", "refs/gitslo-forge/pulls/1")}[what]
    report, done = shop.syncer.report, []

    def meanwhile(environment, expected):
        said = report(environment, expected)
        if environment.name == stage and not done and shop.git("for-each-ref", pull):
            done.append(what)
            if what == "held":
                person.hold(of_a_person(shop), "prod", reason="freeze", by="ann", wall=1.0)
            else:
                extra = "apiVersion: v1\nkind: Namespace\nmetadata: {name: extra}\n"
                shop.commit({"dev/extra.yaml": extra}, "Mend it")
        return said

    shop.syncer.report = meanwhile
    shop.release("v2" if what == "held" else "bad2")
    if what == "fixed":
        until_judged(shop, "dev")
        shop.controller.poll()
        merged = shop.tag("dev")
        assert ([what], "bad2") == (done, merged)
        return
    shop.settle()

    assert ([what], "v1", ChangeState.PROPOSED) == (done, shop.tag("prod"), shop.state("prod").change.state)


# --------------------------------------------------------------------------- telling


def test_a_status_that_stood_before_is_set_again(shop):
    """Pass, held, pass: the newest status of a commit is what stands now."""
    commit = shop.state("dev").run.revision
    person.hold(of_a_person(shop), "dev", reason="freeze", by="ann", wall=1.0)
    shop.settle()
    held = shop.controller._forge.statuses(commit)[0].state
    person.resume(of_a_person(shop), "dev", fresh=False, by="ann", wall=1.0)
    shop.settle()

    assert (StatusState.FAILURE, StatusState.SUCCESS) == (held, shop.controller._forge.statuses(commit)[0].state)


def test_what_is_remembered_of_telling_is_bounded(shop):
    """Months of revalidations: only the newest keys are kept."""
    for turn in range(500):
        shop.controller._actor._keep("dev", f"comment/{turn}")

    assert 200 >= len(shop.controller._actor.told["dev"])


# --------------------------------------------------------------------------- everybody else


def test_p5_a_fault_of_our_own_in_looking_does_not_end_the_patrol(tmp_path):
    """Whatever a look raises, the poll says so and the next one tries again."""
    mono = Mono(tmp_path, 1)
    mono.passed()
    repository = Server(mono.clone())
    controller = mono.controller(repository, Everything(), ManualClock())

    def broken(patterns: Sequence[str] = ()) -> dict[str, str]:
        raise ZeroDivisionError

    repository.list_refs = broken
    failed = controller.poll()
    del repository.list_refs
    mended = controller.poll()

    assert ("ZeroDivisionError" in str(failed.problem), None) == (True, mended.problem)


def test_p5_one_whose_ledger_may_not_be_written_leaves_the_push_budget_to_the_others(shop):
    """Refused, with an attempt that waits to be judged: it is tried again, and seldom."""
    server = behind(shop)
    shop.settle()
    shop.release("v2")
    until_judged(shop, "dev")
    server.refused, server.pushes = "refs/gitslo/shop/dev", 0
    for _ in range(60):
        shop.controller.poll()
        shop.clock.advance(1.0)
    tried = server.pushes
    server.refused = ""
    shop.clock.advance(60.0)
    shop.settle()

    assert (True, Verdict.PASS) == (tried <= 6, shop.state("dev").run.verdict)


def test_p5_one_that_always_loses_leaves_the_push_budget_to_the_others(shop):
    """A conflict is looked at again at once; conflict after conflict, ever later."""
    server = behind(shop)
    shop.settle()

    def lost(_updates: Sequence[RefUpdate]) -> None:
        server.pushes += 1
        raise Conflict("somebody was faster")

    shop.release("v2")
    server.pushes = 0
    server.swap = lost
    for _ in range(60):
        shop.controller.poll()
        shop.clock.advance(1.0)

    assert 12 >= server.pushes


def test_p5_nobody_waits_for_ever_for_a_push(tmp_path):
    """Where there is more to push than may be pushed, those who have waited go first."""
    mono = Mono(tmp_path, 4)
    clock, woken = ManualClock(), threading.Event()
    attempts = Attempts(Places(4), woken.set)
    controller = mono.controller(mono.clone(), Everything(), clock, pushes_per_minute=2, attempts=attempts)
    for turn in range(24):
        path = "deploy/s00/dev/app.yaml"
        mono.commit(
            {path: f"# {turn}\n" + MONO_MANIFEST.replace("SERVICE:v1", f"s00:v{turn}").replace("SERVICE", "s00")}
        )
        controller.poll()
        deadline = time.monotonic() + 30
        while attempts.active and time.monotonic() < deadline:
            woken.wait(0.05)
            woken.clear()
        clock.advance(30.0)

    verdicts = [run and run.verdict for run in (controller.sight.ledger(name).state.run for name in mono.environments)]
    assert [Verdict.PASS] * 3 == verdicts[1:]
    assert attempts.drain("over", 30.0)


def test_p8_a_clone_that_was_damaged_is_told(shop):
    """The clone is made again, and the metrics hear of it once."""
    repository = shop.folder / "daemon" / "repository.git"
    for pack in (repository / "objects").rglob("*"):
        if pack.is_file():
            pack.chmod(0o600)
            pack.write_bytes(b"")
    shop.release("v2")
    shop.settle()

    told = [event.fields["times"] for event in shop.journal.events if event.name == "clone.remade"]
    assert ("v2", shop.repository.clones_remade) == (shop.tag("prod"), sum(told))
    assert told
