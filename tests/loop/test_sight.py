"""What one poll sees: facts are computed again exactly when something that they rest on has changed."""

from __future__ import annotations

import subprocess

import pytest

from gitslo.errors import Refused
from gitslo.loop import ledgers as ledger_module
from gitslo.loop.ledgers import Ledgers
from tests.loop.mono import PLAN, Counted, Mono, sight_of

SERVICES = 12


@pytest.fixture
def mono(tmp_path):
    return Mono(tmp_path, SERVICES)


def test_many_environments_are_read_in_a_handful_of_processes(mono) -> None:
    """The facts and ledgers of all environments cost as many calls as those of one."""
    mono.passed()
    counts = []
    for wanted in (1, SERVICES):
        repository = Counted(mono.clone())
        sight = sight_of(repository)
        sight.look()
        for environment in sight.environments[:wanted]:
            sight.facts(environment)
            assert "1" == sight.ledger(environment.name).state.run.id
        counts.append(repository.since())

    assert counts[0] == counts[1]
    assert counts[0].total() <= 12


def test_a_commit_costs_what_it_changed(mono) -> None:
    """Only the environment that changed is computed again; nothing is asked about the others."""
    repository = Counted(mono.clone())
    sight = sight_of(repository)
    sight.look()
    before = [sight.facts(environment) for environment in sight.environments]
    mono.commit({"deploy/s03/dev/slo.yaml": PLAN.replace("10%", "5%")})
    repository.since()

    sight.look()
    after = [sight.facts(environment) for environment in sight.environments]

    assert [3] == [at for at in range(SERVICES) if before[at] is not after[at]]
    assert repository.since() == dict.fromkeys(("list_refs", "fetch", "changes", "walk_all", "read_within"), 1)


def test_a_file_that_joins_a_shared_chart_changes_the_tree(mono) -> None:
    """A folder that is taken whole is watched whole: what is added to it counts like what was there."""
    mono.commit(
        {
            "charts/app/Chart.yaml": "apiVersion: v2\nname: app\nversion: 1.0.0\n",
            "charts/app/templates/one.yaml": "kind: Service\n",
            "deploy/s00/dev/kustomization.yaml": "resources: [app.yaml]\nhelmGlobals: {chartHome: ../../../charts}\n"
            "helmCharts: [{name: app}]\n",
        }
    )
    sight = sight_of(mono.clone())
    sight.look()
    charted, plain = sight.environments[0], sight.environments[1]
    before = (sight.facts(charted).tree.digest, sight.facts(plain).tree.digest)
    mono.commit({"charts/app/templates/two.yaml": "kind: Service\n"})
    sight.look()
    after = (sight.facts(charted).tree.digest, sight.facts(plain).tree.digest)

    assert (False, True) == (before[0] == after[0], before[1] == after[1])


def test_another_rule_of_promotion_gives_another_release(mono) -> None:
    """The release is what the pipeline in force promotes, also where no file of the environment changed."""
    sight = sight_of(mono.clone())
    sight.look()
    before = sight.facts(sight.environments[0]).release.values[0]
    mono.commit({"gitslo.yaml": mono.pipeline().replace("example/", "other/")})
    sight.look()
    after = sight.facts(sight.environments[0]).release.values[0]

    assert (("example/s00", "v1"), ("other/s00", "v7")) == ((before.name, before.value), (after.name, after.value))


def test_one_bad_environment_refuses_only_itself(mono) -> None:
    """A plan that is missing, a plan that is no YAML, a link in a folder: the others are as they were."""
    mono.commit({"deploy/s01/dev/slo.yaml": None, "deploy/s02/dev/slo.yaml": "[", "deploy/s04/dev/app.yaml": "x: ["})
    sight = sight_of(mono.clone())
    sight.look()
    refused = []
    for environment in sight.environments:
        try:
            sight.facts(environment)
        except Refused:
            refused.append(environment.name)

    assert ["s01/dev", "s02/dev", "s04/dev"] == refused


def test_a_ledger_that_is_no_commit_refuses_only_itself(mono) -> None:
    """A ref that points at a file is that environment's trouble; the other ledgers are read."""
    mono.passed()
    blob = subprocess.run(
        ["git", "hash-object", "-w", "--stdin"], cwd=mono.bare, input=b"{}", capture_output=True, check=True, timeout=60
    ).stdout.decode()
    subprocess.run(["git", "update-ref", "refs/gitslo/mono/s05/dev", blob.strip()], cwd=mono.bare, check=True)
    sight = sight_of(mono.clone())
    sight.look()
    refused = []
    for name in mono.environments:
        try:
            assert "pass" == sight.ledger(name).state.run.verdict
        except Refused:
            refused.append(name)

    assert ["s05/dev"] == refused


def test_ledgers_say_the_same_however_little_is_kept(mono) -> None:
    """An entry that had to be dropped is read again."""
    mono.passed()
    sight = sight_of(mono.clone())
    sight.look()
    kept = [sight.ledger(name) for name in mono.environments]
    narrow = Ledgers(sight.repository, name="mono", key=None, decoded=1, compressed=1)
    twice = [narrow.read("mono", tip.state.environment, tip.id) for _ in range(2) for tip in kept]

    assert kept + kept == twice
    assert ledger_module.DECODED_BYTES > sum(len(repr(tip)) for tip in kept)
