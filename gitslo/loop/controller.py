"""The controller of one repository: polls it and drives its environments, each for itself.

Called by `serve` and `once`. A poll is one `ls-remote`; an environment for which nothing moved and no time has come is
not looked at. One bad environment never stops another: each has its own try and its own back-off.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from gitslo.core.baselines import earlier_samples
from gitslo.core.scoring import earlier_scores
from gitslo.core.state import decide
from gitslo.core.steps import Attempted, Interrupted, Local, Observation, Stay, Step, Write
from gitslo.errors import Conflict, GitsloError, Refused, Retry
from gitslo.loop.act import Actor, Commands
from gitslo.loop.attempts import Attempts, Stop
from gitslo.loop.budget import PushBudget
from gitslo.loop.ledgers import Ledgers
from gitslo.loop.observe import Asked, branch_of, observe, runs_now
from gitslo.loop.people import PeoplesPulls
from gitslo.loop.reading import find_pass
from gitslo.loop.sight import Sight
from gitslo.loop.staying import (
    SHORT_LOOKS,
    Memory,
    Standing,
    at_rest,
    brings,
    first_of,
    kept_from,
    next_look,
    rests_on_sync,
    synced,
)
from gitslo.loop.telling import describe, of_lifted, of_poll, of_problem, of_remade, of_stay
from gitslo.model import (
    Allowed,
    Baseline,
    BaselineForm,
    Ceilings,
    ChangeKind,
    Environment,
    Passed,
    Run,
    Seconds,
)
from gitslo.ports import (
    Clock,
    Event,
    Forge,
    LoadEngine,
    MetricSource,
    Observer,
    ReadinessProbe,
    Repository,
    Syncer,
    Wording,
    tell_all,
    usual_wording,
)
from gitslo.run import AttemptOrder, AttemptOutcome, attempt

__all__ = ["Controller", "Poll", "Settings", "Standing"]

STEPS_PER_POLL: Final = 40
"""Steps that one environment may take in one poll: it goes on while it has something to do, and never for ever."""
LONGEST_BACK_OFF: Final = 60.0
LONGEST_RACE: Final = 10.0
"""Seconds between two tries of what others were faster at: nobody's fault, and the push budget bounds it, too."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the controller is told at its start.

    Attributes:
        name: the repository's name in the operator's file.
        instance: this daemon's stable name.
        ledger_key: of the HMAC, or None.
        reports: the URL of this repository's reports, to which environment and run are added; empty: none.
        check_pull_requests: whether people's pull requests are checked.
    """

    name: str
    instance: str
    allowed: Allowed
    ceilings: Ceilings
    ledger_key: bytes | None = None
    check_pull_requests: bool = False
    reports: str = ""


@dataclass(frozen=True, slots=True)
class Poll:
    """What one poll came to.

    Attributes:
        steps: how many steps were taken.
        problem: why nothing could be looked at at all, or None.
    """

    standings: tuple[Standing, ...]
    steps: int
    problem: GitsloError | None = None


class Controller:
    """One repository."""

    def __init__(
        self,
        settings: Settings,
        *,
        repository: Repository,
        forge: Forge,
        syncers: Mapping[str, Syncer],
        readiness: ReadinessProbe,
        engine: LoadEngine,
        clock: Clock,
        commands: Commands,
        observers: Sequence[Observer],
        attempts: Attempts,
        sources: Mapping[str, MetricSource] | None = None,
        wording: Wording = usual_wording,
    ) -> None:
        """Args: sources: what the metrics of this repository's plans may be asked of, by the operator's names.

        wording: the operator's own words for pull requests and commits.
        """
        self.settings = settings
        self.sight = Sight(
            repository, Ledgers(repository, name=settings.name, key=settings.ledger_key), settings.allowed
        )
        self._forge, self._syncers, self._readiness, self._engine = forge, syncers, readiness, engine
        self._clock, self._observers, self._attempts = clock, observers, attempts
        self._actor = Actor(
            self.sight,
            forge,
            begin=self._begin,
            cancel=self._cancel_attempt,
            commands=commands,
            tell=self._tell,
            wording=wording,
        )
        self._people = PeoplesPulls(self.sight, forge, self._tell) if settings.check_pull_requests else None
        self._sources = {} if sources is None else sources
        self._memory: dict[str, Memory] = {}
        self._won: dict[str, float] = {}
        """Claims of ours by nonce: monotonic seconds before each was written; others count from later on."""
        self._remade = 0
        self._first = ""
        """Whose turn comes first in the next poll."""
        self._budget = PushBudget(settings.ceilings.pushes_per_minute, clock.now().monotonic)

    # ----------------------------------------------------------------- polling

    def poll(self) -> Poll:
        """Look once at the repository and take every step that is due; never raises, so that nothing ends a patrol."""
        poll = self._poll()
        remade = self.sight.repository.clones_remade - self._remade
        if remade > 0:
            self._remade += remade
            self._tell(of_remade(remade))
        return poll

    def _poll(self) -> Poll:
        began = self._clock.now().monotonic
        try:
            self.sight.look()
        except GitsloError as error:
            self._tell(of_problem("", error))
            return Poll((), 0, error)
        except Exception as error:  # noqa: BLE001 - a fault of ours must not end the patrol of a repository
            wrapped = Retry(f"internal error: {type(error).__name__}: {error}")
            self._tell(of_problem("", wrapped))
            return Poll((), 0, wrapped)
        if self.sight.pipeline_problem is not None:
            self._tell_once("", str(self.sight.pipeline_problem), of_problem("", self.sight.pipeline_problem))
        if self.sight.pipeline is None:
            return Poll((), 0, self.sight.pipeline_problem)
        served: dict[str, int] = {}
        attempting = self._attempts.environments
        environments = self.sight.environments
        first = next((at for at, each in enumerate(environments) if each.name == self._first), 0)
        in_turn = (*environments[first:], *environments[:first])
        for environment in in_turn:
            memory = self._memory.setdefault(environment.name, Memory())
            if memory.standing is None or memory.calm_until <= began or memory.generation != self.sight.generation:
                memory.standing, taken = self._drive(environment, memory, attempting=environment.name in attempting)
                if taken:
                    served[environment.name] = taken
        if self._people is not None:
            self._people.look(self._clock.now().monotonic)
        self._first = first_of(in_turn, self._memory, served)
        known = (self._memory[environment.name].standing for environment in environments)
        standings, steps = [standing for standing in known if standing is not None], sum(served.values())
        self._tell(of_poll(len(standings), steps, self._clock.now().monotonic - began))
        return Poll(tuple(standings), steps)

    def drain(self, reason: str, timeout: Seconds) -> bool:
        """Stop every attempt without a verdict; claims stay to be taken over. Whether all ended within `timeout`."""
        return self._attempts.drain(reason, timeout)

    def _drive(  # noqa: C901, PLR0912 - one except per instruction
        self, environment: Environment, memory: Memory, *, attempting: bool
    ) -> tuple[Standing, int]:
        """Take steps until the environment stays."""
        now = self._clock.now().monotonic
        memory.calm_until = 0.0
        if memory.retry_at > now and memory.standing is not None:
            return memory.standing, 0
        taken, fresh = 0, False
        try:
            if memory.standing is not None and not attempting and self._idle(environment, memory, now):
                return memory.standing, 0
            while taken < STEPS_PER_POLL:
                observation = self._observe(environment, memory)
                step = decide(observation)
                if isinstance(step, Stay):
                    return self._stay(environment, memory, step, observation=observation), taken
                if brings(step) and not fresh:
                    fresh = True
                    if self.sight.look():  # what was decided rests on what may be as old as this poll
                        continue
                if self._actor.stands(observation, step):
                    taken += 1
                    continue
                keep = kept_from(step)
                left = self._budget.wait(self._clock.now().monotonic, keep) if keep is not None else 0.0
                if left > 0.0 and self._actor.skips(environment.name, step):
                    continue
                if left > 0.0:
                    stay = Stay("waiting for the push budget", Seconds(left), busy=True, queued=keep == 0.0)
                    return self._stay(environment, memory, stay, observation=observation, keep=keep), taken
                self._act(observation, step)
                taken, fresh = taken + 1, False
            return self._stay(environment, memory, Stay("still moving", Seconds(0.0), busy=True)), taken
        except Conflict as conflict:
            self._tell(of_problem(environment.name, conflict))
            memory.mark = ()
            memory.conflicts += 1
            if memory.conflicts > 1:  # the first one is looked at again at once; each costs a push
                delay = min(LONGEST_RACE, 0.5 * 2.0 ** (memory.conflicts - 2))
                memory.retry_at = self._clock.now().monotonic + delay
            standing = Standing(environment.name, Stay(str(conflict), Seconds(0.0), busy=True))
        except Refused as refused:
            self._tell_once(environment.name, str(refused), of_problem(environment.name, refused))
            memory.mark, memory.at_rest = self._mark(environment, by_facts=False), False
            memory.due_at, memory.look_at, memory.keep = math.inf, math.inf, None
            if self._attempts.local(environment.name) is not None:  # its end is not written yet
                memory.retry_at = self._clock.now().monotonic + LONGEST_BACK_OFF
            standing = Standing(environment.name, None, refused)
        except Retry as retry:
            standing = self._back_off(environment, memory, retry, retry.delay)
        except GitsloError as error:
            standing = self._back_off(environment, memory, error, 1.0)
        except Exception as error:  # noqa: BLE001 - a fault of ours in one environment must not stop the others
            wrapped = Retry(f"internal error: {type(error).__name__}: {error}")
            standing = self._back_off(environment, memory, wrapped, 5.0)
        return standing, taken

    def _observe(self, environment: Environment, memory: Memory) -> Observation:
        tip = self.sight.ledger(environment.name).id
        now = self._clock.now()
        if memory.ledger != tip or memory.seen_at == 0.0:
            memory.ledger, memory.seen_at = tip, now.monotonic
            held = self.sight.ledger(environment.name).state.hold is not None
            if memory.held and not held:
                self._tell(of_lifted(environment.name))
            memory.held = held
        asked = Asked(
            instance=self.settings.instance,
            nonce=secrets.token_hex(16),
            now=now,
            forge=self._forge,
            syncers=self._syncers,
            local=self._local(environment),
            claimed_here=frozenset(self._won),
            told=frozenset(self._actor.told.get(environment.name, ())),
            seen_for=Seconds(now.monotonic - memory.seen_at),
            room=self._attempts.room,
            sources=self._sources,
            reports=self.settings.reports,
        )
        return observe(self.sight, environment, asked)

    def _local(self, environment: Environment) -> Local | None:
        """What this process knows of the attempt; an end is forgotten where the ledger does not claim it any more."""
        local = self._attempts.local(environment.name)
        run = self.sight.ledger(environment.name).state.run
        claimed = run.claim.nonce if run is not None and run.claim is not None else None
        if isinstance(local, Attempted | Interrupted) and local.nonce != claimed:
            self._attempts.forget(environment.name, local.nonce)
            self._won.pop(local.nonce, None)
            return None
        return local

    def _act(self, o: Observation, step: Step) -> None:
        self._actor.act(o, step)
        if isinstance(step, Write):
            run = step.state.run
            if step.claim and run is not None and run.claim is not None:
                self._won[run.claim.nonce] = o.now.monotonic
            before = o.ledger.state.run
            if before is not None and before.claim is not None and (run is None or run.claim != before.claim):
                self._attempts.forget(o.environment.name, before.claim.nonce)
                self._won.pop(before.claim.nonce, None)
        event = describe(o, step)
        if event is not None:
            self._tell(event)

    # ----------------------------------------------------------------- staying

    def _mark(self, environment: Environment, *, by_facts: bool) -> tuple[object, ...]:
        """Everything outside of clocks, forge and syncer that a decision depends on."""
        sight = self.sight
        head = sight.known(environment) if by_facts else None
        return head or sight.revision, sight.pipeline, *map(sight.refs.get, self._refs_of(environment))

    def _refs_of(self, environment: Environment) -> tuple[str, ...]:
        """Its changes' branches, its ledger and its sources' ledgers."""
        memory = self._memory[environment.name]
        if memory.refs_of is not environment:
            branches = (f"refs/heads/{branch_of(environment, kind)}" for kind in ChangeKind)
            names = (environment.name, *environment.after)
            ledgers = (self.sight.ledgers.ref(environment.pipeline, name) for name in names)
            memory.refs_of, memory.refs = environment, (*branches, *ledgers)
        return memory.refs

    def _idle(self, environment: Environment, memory: Memory, now: float) -> bool:
        """Whether another observation could not come to another step; looks at what runs where it is time for that."""
        due = memory.due_at
        if memory.keep is not None:
            due = min(due, now + self._budget.left(now, memory.keep))
        if now >= due or memory.mark != self._mark(environment, by_facts=memory.at_rest):
            return False
        if now >= memory.look_at:
            if memory.looks_left == 0:
                return False
            if memory.report is not None and memory.report != runs_now(self.sight, environment, self._syncers):
                return False
            memory.looks_left -= 1
            memory.look_at = next_look(environment.name, now)
        memory.generation, memory.calm_until = self.sight.generation, min(due, memory.look_at)
        return True

    def _stay(
        self,
        environment: Environment,
        memory: Memory,
        stay: Stay,
        observation: Observation | None = None,
        keep: float | None = None,
    ) -> Standing:
        """Args: observation: what the stay rests on; keep: of the push budget, where the stay is for that."""
        now = self._clock.now().monotonic
        memory.failures, memory.conflicts, memory.retry_at = 0, 0, 0.0
        change = self.sight.ledger(environment.name).state.change
        working = (stay.busy and keep is None) or stay.syncing
        memory.at_rest = observation is not None and at_rest(observation)
        if working or (change is not None and change.state.value == "proposed"):
            memory.mark = ()
        else:
            memory.mark = self._mark(environment, by_facts=memory.at_rest)
        memory.keep = keep
        memory.due_at = now + stay.wake if stay.wake is not None and keep is None else math.inf
        memory.look_at = next_look(environment.name, now)
        memory.report = observation.sync if observation is not None else None
        memory.looks_left = SHORT_LOOKS if observation is not None and rests_on_sync(observation) else 0
        self._tell_once(environment.name, stay.reason, of_stay(environment.name, stay))
        return Standing(environment.name, stay, fingerprint=synced(memory.report))

    def _back_off(self, environment: Environment, memory: Memory, error: GitsloError, first: float) -> Standing:
        memory.failures += 1
        delay = min(LONGEST_BACK_OFF, max(first, 0.5) * 2 ** (memory.failures - 1))
        memory.retry_at = self._clock.now().monotonic + delay
        memory.mark = ()
        self._tell(of_problem(environment.name, error))
        return Standing(environment.name, None, error)

    # ----------------------------------------------------------------- attempts

    def _begin(self, o: Observation) -> None:
        run, claim = o.ledger.state.run, o.ledger.state.run.claim if o.ledger.state.run is not None else None
        assert run is not None  # noqa: S101 - StartAttempt is only decided for a claimed run
        assert claim is not None  # noqa: S101 - see above
        name = o.environment.name
        report = o.run_sync or o.sync
        order = AttemptOrder(
            plan=o.head.plan,
            number=run.attempt,
            earlier=run.evidence,
            extension=run.extensions,
            addresses=dict(report.addresses) if report is not None else {},
            allowed=self.settings.allowed,
            ceilings=self.settings.ceilings,
            run_id=f"{o.environment.pipeline}/{name}/{run.id}/{run.attempt}",
            seed=int(run.id) * 1000 + run.attempt,
            not_rolled_out=report.detail if report is not None and report.state.value == "failed" else None,
            deadline=Seconds(self._won[claim.nonce] + claim.takeover_after),
            variables=_variables(o.environment, run),
            baselines=earlier_samples(o.head.plan, self._passes(o)),
            scores=earlier_scores(o.ledger.state.scores, run.id),
        )

        def work(stop: Stop) -> AttemptOutcome:
            def tell(message: str, fields: Mapping[str, str | int | float | bool | None]) -> None:
                self._tell(Event("run.progress", name, message, fields))

            return attempt(
                order,
                clock=self._clock,
                readiness=self._readiness,
                engine=self._engine,
                sources=self._sources,
                stop=stop,
                tell=tell,
            )

        self._attempts.start(name, claim.nonce, work)

    def _passes(self, o: Observation) -> Mapping[Baseline, Passed]:
        """The earlier passes that the plan's objectives are relative to."""
        asked = {each.baseline for each in o.head.plan.objectives if each.baseline is not None}
        earlier = [each for each in asked if each.form is not BaselineForm.TARGET]
        found = {each: find_pass(self.sight, o.environment.name, each) for each in earlier}
        return {each: passed for each, passed in found.items() if passed is not None}

    def _cancel_attempt(self, environment: str, nonce: str, reason: str) -> None:
        self._attempts.cancel(environment, nonce, reason)

    # ----------------------------------------------------------------- telling

    def _tell(self, event: Event) -> None:
        tell_all(self._observers, event)

    def _tell_once(self, environment: str, text: str, event: Event) -> None:
        memory = self._memory.setdefault(environment, Memory())
        if memory.said != text:
            memory.said = text
            self._tell(event)


def _variables(environment: Environment, run: Run) -> Mapping[str, str]:
    """What `${...}` of a metric's queries stands for; a repository with one service has no name for it."""
    service = {} if environment.service is None else {"service": environment.service}
    return {"environment": environment.name, **service, "stage": environment.stage, "revision": run.revision}
