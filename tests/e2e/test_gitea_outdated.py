"""On a real Gitea whose branch takes only what is up to date: what has fallen behind is computed again, and merged."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.gitea_world import GiteaShop
from tests.e2e.world import PIPELINE, POLICY
from tests.gitea_server import BOT, OWNER, GiteaServer

MANUAL = POLICY.replace(
    "promotion: {mode: pull-request, merge: auto}", "promotion: {mode: pull-request, merge: manual}"
)


def test_what_has_fallen_behind_is_computed_again_and_merged(gitea: GiteaServer, tmp_path: Path) -> None:
    """One pull request all along: it waits as it is for people, and goes out once more when the merge is ours."""
    with GiteaShop(tmp_path, policy=MANUAL, server=gitea) as world:
        rule = {"block_on_outdated_branch": True}
        assert world.api(OWNER, "PATCH", "/branch_protections/main", rule).status == 200
        said = [world.once()]
        world.release("checkout/dev", "v2")
        said.append(world.once())
        [pull] = world.pulls()
        number, opened = pull["number"], _head(world, pull["number"])
        world.commit({"notes.txt": b"somebody else's"}, "Move on")
        said.append(world.once())
        waiting = _head(world, number)
        moved = world.commit(
            {"gitslo.yaml": PIPELINE.format(port=world.port, policy=POLICY).encode()}, "Merge by yourself"
        )
        said.append(world.once())
        merged = world.api(OWNER, "GET", f"/pulls/{number}").data
        parents = world.repository.git("log", "-1", "--format=%P", _head(world, number)).decode().split()
        again = [line for line in world.moves("checkout/prod") if "is computed again" in line]

    assert [0] * 4 == [each.code for each in said], said[-1].err
    assert (opened, [moved], 1) == (waiting, parents, len(again))
    assert (True, BOT) == (merged["merged"], merged["merged_by"]["login"])


def _head(world: GiteaShop, number: object) -> str:
    return str(world.api(OWNER, "GET", f"/pulls/{number}").data["head"]["sha"])
