"""What `gitslo once` and its companions answer: exit codes, JSON, names that are not known, several repositories."""

from __future__ import annotations

import json
from pathlib import Path

from gitslo.testing.git_server import BareRepository
from tests.e2e.world import World


def test_once_tells_with_its_exit_code_and_its_json(tmp_path: Path) -> None:
    """0 when nothing is held or refused, 1 when something is, 2 for a mistake in the call; --json is all of stdout."""
    with World(tmp_path, only="checkout/*") as world:
        good = world.once("--json")
        document = json.loads(good.out)[0]
        world.stuck["checkout/dev"] = "v1"
        world.release("checkout/dev", "v2")
        waits = world.gitslo("once", "--wait", "1s", "--json")
        wrong = world.gitslo("once", "--wait", "soon")

        assert (0, "shop", world.repository.log()[-1]) == (good.code, document["repository"], document["revision"])
        assert {"checkout/dev": "pass", "checkout/prod": "pass"} == {
            name: entry["verdict"] for name, entry in document["environments"].items()
        }
        assert 0 == waits.code
        assert (
            "waiting for the sync: example/checkout:v1 answers, waiting for example/checkout:v2"
            == json.loads(waits.out)[0]["environments"]["checkout/dev"]["reason"]
        )
        assert (2, "", True) == (wrong.code, wrong.out, wrong.err.startswith("--wait: expected a duration"))


def test_unknown_names_are_refused_with_the_nearest_one(tmp_path: Path) -> None:
    """A name that is not there is one line and exit code 2: the name that was meant, or where they are listed."""
    with World(tmp_path) as world:
        calls = {
            "hold": ("hold", "checkout/prd", "--reason", "x"),
            "resume": ("resume", "chekout/dev"),
            "revalidate": ("revalidate", "pricing/devv"),
            "log": ("log", "pricing/prod2"),
            "report": ("report", "pricing/pro#1"),
            "number": ("report", "pricing/prod#7"),
            "repository": ("status", "--repository", "shp"),
        }
        said = {name: world.gitslo(*call) for name, call in calls.items()}

        assert {2} == {answer.code for answer in said.values()}
        assert {""} == {answer.out for answer in said.values()}
        assert {
            "hold": "there is no environment `checkout/prd` (did you mean `checkout/prod`?)\n",
            "resume": "there is no environment `chekout/dev` (did you mean `checkout/dev`?)\n",
            "revalidate": "there is no environment `pricing/devv` (did you mean `pricing/dev`?)\n",
            "log": "there is no environment `pricing/prod2` (did you mean `pricing/prod`?)\n",
            "report": "there is no environment `pricing/pro` (did you mean `pricing/prod`?)\n",
            "number": "pricing/prod has no run 7 (`gitslo log pricing/prod` lists its entries)\n",
            "repository": f"{world.config}: there is no repository `shp` (did you mean `shop`?)\n",
        } == {name: answer.err for name, answer in said.items()}


def test_two_repositories_in_one_operator_file(tmp_path: Path) -> None:
    """One that has no pipeline is reported and never stops the other; a command asks which one is meant."""
    with World(tmp_path, only="checkout/dev") as world:
        empty = BareRepository.create(tmp_path / "empty.git")
        empty.commit({"README.md": b"nothing here\n"})
        world.operate({"empty": empty.url, "shop": world.repository.url})
        once = world.once()
        status = world.gitslo("status")

        assert ("v1", "pass") == world.judged("checkout/dev")
        assert 1 == once.code
        assert "shop: checkout/dev  example/checkout:v1  pass" in once.out
        assert "empty: gitslo.yaml: there is no pipeline file at the root of the branch" in once.err
        assert (
            2,
            f"{world.config}: the file has several repositories, expected --repository NAME (one of empty, shop)\n",
        ) == (status.code, status.err)
        assert {"checkout/dev"} == set(world.stands("shop"))
