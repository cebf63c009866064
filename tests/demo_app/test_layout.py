"""The example repository: what `gitslo check` says of it, and what it promises to its readers."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from gitslo.cli.root import cli
from gitslo.core.parse_pipeline import parse_pipeline
from gitslo.core.parse_plan import parse_plan
from gitslo.core.yamlsafe import MANIFEST, plain, read_documents
from gitslo.model import MergeMode, Stage

LAYOUT = Path(__file__).parents[2] / "examples" / "repo-layout"
STAGES = ("dev", "staging", "prod")


def no_files(path: str) -> bytes:
    raise AssertionError(path)


def stages() -> tuple[Stage, ...]:
    return parse_pipeline((LAYOUT / "gitslo.yaml").read_bytes(), file="gitslo.yaml").stages


def test_check_finds_nothing():
    """The example is valid, without a warning."""
    done = CliRunner().invoke(cli, ["check", str(LAYOUT)])

    assert (done.exit_code, "0 errors, 0 warnings" in done.output) == (0, True)


def test_it_is_three_stages_that_merge_by_themselves():
    """Dev, then staging, then prod, each merged automatically."""
    found = [(stage.name, stage.after, stage.write.promotion.merge, stage.write.revert.merge) for stage in stages()]

    assert found == [
        ("dev", (), MergeMode.AUTO, MergeMode.AUTO),
        ("staging", ("dev",), MergeMode.AUTO, MergeMode.AUTO),
        ("prod", ("staging",), MergeMode.AUTO, MergeMode.AUTO),
    ]


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_can_be_decided_in_seconds_and_says_that_this_is_for_the_demo(stage):
    """`min_duration` is short, with the comment that says why; the hold has samples enough to prove every limit."""
    content = (LAYOUT / stage / "slo.yaml").read_bytes()
    plan = parse_plan(content, file="slo.yaml", read_file=no_files)
    (load,) = plan.load
    samples = load.stages[-1].rate * plan.judge.min_duration

    assert (b"min_duration: 3s" in content, b"for the demo only" in content, samples >= 400) == (True, True, True)


@pytest.mark.parametrize("stage", STAGES)
def test_the_manifests_are_kubernetes_objects_of_one_namespace(stage):
    """One Deployment, Service and ConfigMap each, in the namespace that the plan's target names."""
    found = {}
    for path in sorted((LAYOUT / stage).glob("*.yaml")):
        if path.name != "slo.yaml":
            (node,) = read_documents(path.read_bytes(), file=path.name, budget=MANIFEST)
            body = plain(node)
            found[path.name] = (body["apiVersion"], body["kind"], body["metadata"]["namespace"])
    plan = parse_plan((LAYOUT / stage / "slo.yaml").read_bytes(), file="slo.yaml", read_file=no_files)

    assert (found, plan.targets["hello"].host) == (
        {
            "configmap.yaml": ("v1", "ConfigMap", f"hello-{stage}"),
            "deployment.yaml": ("apps/v1", "Deployment", f"hello-{stage}"),
            "service.yaml": ("v1", "Service", f"hello-{stage}"),
        },
        f"hello.hello-{stage}.svc",
    )
