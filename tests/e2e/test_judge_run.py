"""A recorded verdict, judged again from the ledger and the plan of its revision alone."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from gitslo.cli.chosen import sight_of
from gitslo.model import EnvironmentState, Evidence, Verdict
from tests.e2e.world import World


def written(world: World, environment: str, state: EnvironmentState) -> None:
    """Somebody appends an entry to a ledger that nothing seals."""
    sight = sight_of(world.config, None)
    tip = sight.ledger(environment).id
    update = sight.ledgers.build(tip, replace(state, entry=state.entry + 1), "by hand", 1_700_000_000.0)
    sight.repository.swap([update])


def test_a_verdict_is_judged_again_from_the_ledger(tmp_path: Path) -> None:
    """The same verdict and findings, with the exit code of a test; 4 where what is recorded does not follow."""
    with World(tmp_path, only="checkout/*") as world:
        world.once()
        good = world.gitslo("judge", "--run", "checkout/dev")
        document = json.loads(world.gitslo("judge", "--run", "checkout/dev#1", "--json").out)
        state = sight_of(world.config, None).ledger("checkout/dev").state
        assert state.run is not None
        written(world, "checkout/dev", replace(state, run=replace(state.run, verdict=Verdict.FAIL)))
        forged = world.gitslo("judge", "--run", "checkout/dev")

        assert (0, "") == (good.code, good.err)
        assert "recorded      pass\njudged again  pass\n" in good.out
        assert good.out.endswith("The verdict follows from what the ledger holds.\n")
        assert (True, [], False) == (document["same"], document["differences"], document["coarser"])
        assert document["recorded"] == document["again"], "every number of every finding"
        assert document["recorded"]["findings"][0]["log_e_pass"] > 2.9
        assert 4 == forged.code
        assert "differs: recorded fail, judged again pass\n" in forged.out


def test_what_was_not_judged_is_not_judged_again(tmp_path: Path) -> None:
    """A run without numbers, an unknown one, and options that do not go together: 2 and one line."""
    with World(tmp_path, only="checkout/*") as world:
        world.once()
        state = sight_of(world.config, None).ledger("checkout/dev").state
        assert state.run is not None
        given_up = replace(state.run, verdict=Verdict.ERROR, evidence=Evidence())
        written(world, "checkout/dev", replace(state, run=given_up))
        said = [
            world.gitslo("judge", "--run", "checkout/dev"),
            world.gitslo("judge", "--run", "checkout/dev#9"),
            world.gitslo("judge", "--run", "checkout/dev", "--bad", "3"),
            world.gitslo("judge", "--limit", "1%"),
        ]

        assert [2, 2, 2, 2] == [answer.code for answer in said]
        assert said[0].err.startswith("run 1 of checkout/dev was given up without numbers")
        assert said[1].err.startswith("checkout/dev has no run 9")
        assert "--run and --bad exclude each other" in said[2].err
        assert "--config and --repository go with --run" in said[3].err
