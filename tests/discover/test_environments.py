from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitslo.core.discover import environments
from gitslo.errors import Refused
from gitslo.model import Locator, LocatorForm, Pipeline, PromotedKind, PromoteRule
from tests.discover.pipelines import image, pipeline, stage


def refused(given_pipeline: Pipeline) -> list[tuple[str, str]]:
    with pytest.raises(Refused) as caught:
        environments(given_pipeline)
    assert {problem.file for problem in caught.value.problems} == {"gitslo.yaml"}
    return [(problem.pointer, problem.message) for problem in caught.value.problems]


def test_services_times_stages_in_order():
    """Environments are services times stages, in the pipeline's order, each service moving alone."""
    found = environments(
        pipeline(
            stage("dev", "deploy/{service}/dev"),
            stage("prod", "deploy/{service}/prod", ("dev",)),
            services=("checkout", "pricing"),
        )
    )

    assert [(e.name, e.service, e.path, e.plan_path, e.after) for e in found] == [
        ("checkout/dev", "checkout", "deploy/checkout/dev", "deploy/checkout/dev/slo.yaml", ()),
        ("checkout/prod", "checkout", "deploy/checkout/prod", "deploy/checkout/prod/slo.yaml", ("checkout/dev",)),
        ("pricing/dev", "pricing", "deploy/pricing/dev", "deploy/pricing/dev/slo.yaml", ()),
        ("pricing/prod", "pricing", "deploy/pricing/prod", "deploy/pricing/prod/slo.yaml", ("pricing/dev",)),
    ]


def test_one_service_is_named_by_stage():
    """Where a repository has one service, an environment's name is its stage's."""
    found = environments(pipeline(stage("dev", "./deploy/dev/")))

    assert [(e.name, e.service, e.path) for e in found] == [("dev", None, "deploy/dev")]


def test_placeholders_are_filled_everywhere():
    """`{service}` and `{stage}` are filled into names, locators and the syncer's settings; other braces stay there."""
    rule = image("ghcr.io/acme/{service}", dev=Locator(LocatorForm.HELM, "./{stage}/values.yaml", "{service}.tag"))
    (found,) = environments(
        pipeline(
            stage("dev", "deploy/{service}/{stage}"),
            services=("checkout",),
            plan="slo/{service}/{stage}.yaml",
            promote=(rule,),
            sync={"url": "http://{service}.{stage}.svc/version", "json": "{a: {b: image}}"},
        )
    )

    assert (found.path, found.plan_path, found.promoted[0].name, found.promoted[0].locator) == (
        "deploy/checkout/dev",
        "slo/checkout/dev.yaml",
        "ghcr.io/acme/checkout",
        Locator(LocatorForm.HELM, "dev/values.yaml", "checkout.tag"),
    )
    assert found.sync.settings == {"url": "http://checkout.dev.svc/version", "json": "{a: {b: image}}"}


def test_a_stage_without_a_place_searches_its_manifests():
    """An image that is not said to live anywhere in a stage is looked for in the manifests."""
    (found,) = environments(pipeline(stage("dev"), promote=(image("app"),)))

    assert found.promoted[0].locator == Locator(LocatorForm.MANIFESTS)


@pytest.mark.parametrize(
    ("first", "second", "says"),
    [
        ("deploy", "deploy", "share the folder 'deploy'"),
        ("deploy", "deploy/prod", "overlap: 'deploy/prod' lies inside 'deploy'"),
        ("deploy/dev/x/y", "deploy/dev", "overlap: 'deploy/dev/x/y' lies inside 'deploy/dev'"),
        ("deploy/Dev", "deploy/dev", "take for one"),
        ("deploy/caf\u00e9", "deploy/cafe\u0301", "take for one"),
    ],
)
def test_overlapping_folders(first, second, says):
    """Folders that are equal, one inside the other, or equal on some file system, are refused."""
    ((pointer, message),) = refused(pipeline(stage("a", first), stage("b", second)))

    assert pointer in {"/stages/0/path", "/stages/1/path"}
    assert says in message


def test_folders_that_share_a_prefix_do_not_overlap():
    """`deploy/dev` and `deploy/dev-2` are two folders."""
    found = environments(pipeline(stage("a", "deploy/dev"), stage("b", "deploy/dev-2")))

    assert [e.path for e in found] == ["deploy/dev", "deploy/dev-2"]


@pytest.mark.parametrize(
    "path",
    ["", ".", "/deploy", "deploy/../dev", "..", "deploy//dev", "deploy\\dev", ".git/dev", "a/.GIT/b", "a/GIT~1", "a\n"],
)
def test_odd_paths(path):
    """A folder is relative, below the root, and has no part that means something else somewhere."""
    assert [pointer for pointer, _ in refused(pipeline(stage("dev", path)))] == ["/stages/0/path"]


def test_a_path_without_service():
    """With several services each path needs `{service}`."""
    problems = refused(pipeline(stage("dev"), services=("a", "b")))

    assert problems == [("/stages/0/path", "the path of 'dev' is the same for every service")]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("deploy/{service}", "{service} has no value: the pipeline lists no services"),
        ("deploy/{stag}", "{stag} means nothing here"),
        ("deploy/{", "a brace has no partner"),
    ],
)
def test_placeholders_that_mean_nothing(path, message):
    """A placeholder is `{service}` or `{stage}`, and has a value."""
    assert refused(pipeline(stage("dev", path))) == [("/stages/0/path", message)]


def test_an_unknown_stage_in_after_has_a_hint():
    """An unknown name in `after` is refused, with the nearest one."""
    with pytest.raises(Refused) as caught:
        environments(pipeline(stage("staging"), stage("prod", after=("stagign",))))

    (problem,) = caught.value.problems
    assert (problem.pointer, problem.hint) == ("/stages/1/after/0", "did you mean `staging`?")


def test_after_itself():
    """A stage cannot come after itself."""
    assert refused(pipeline(stage("dev", after=("dev",)))) == [
        ("/stages/0/after/0", "the stage 'dev' comes after itself")
    ]


def test_twice_in_after():
    """A stage is named once in `after`."""
    assert refused(pipeline(stage("dev"), stage("prod", after=("dev", "dev")))) == [
        ("/stages/1/after/1", "the stage 'dev' is listed twice")
    ]


def test_a_circle_in_after_is_named():
    """Stages that wait for each other are refused, with the way round."""
    stages = (stage("dev"), stage("a", after=("dev", "c")), stage("b", after=("a",)), stage("c", after=("b",)))

    assert refused(pipeline(*stages)) == [
        ("/stages/1/after", "the stages wait for each other in a circle: a after c after b after a")
    ]


@settings(derandomize=True, database=None, deadline=None)
@given(st.permutations(["dev", "staging", "prod-eu", "prod-us"]))
def test_the_order_of_stages_is_free(order):
    """`after` alone says what comes after what; a diamond is no circle."""
    after = {"dev": (), "staging": ("dev",), "prod-eu": ("staging",), "prod-us": ("staging", "prod-eu")}

    found = environments(pipeline(*(stage(name, after=after[name]) for name in order)))

    assert {e.name: e.after for e in found} == after


def test_twins_are_refused():
    """Stages, services and promoted values have one name each."""
    twice = pipeline(
        stage("dev", "a/{service}"),
        stage("dev", "b/{service}"),
        services=("x", "x"),
        promote=(image("app"), image("app")),
    )

    assert [pointer for pointer, _ in refused(twice)] == ["/services/1", "/stages/1/name", "/promote/1/image"]


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        ("slo/{service}.yaml", "the environments 'a/dev' and 'a/prod' have one plan: 'slo/a.yaml'"),
        ("../slo.yaml", "the plan's path 'deploy/a/dev/../slo.yaml' has the empty or relative part '..'"),
        ("deploy/a/dev/{service}-{stage}.yaml", "the plan of 'a/prod' lies in the folder of 'a/dev'"),
    ],
)
def test_plans_that_collide(plan, message):
    """Each environment has a plan of its own, and none lies among another's manifests."""
    problems = refused(
        pipeline(
            stage("dev", "deploy/{service}/dev"), stage("prod", "deploy/{service}/prod"), services=("a", "b"), plan=plan
        )
    )

    assert problems[0][0] == "/plan"
    assert problems[0][1].startswith(message)


@pytest.mark.parametrize(
    ("rule", "pointer"),
    [
        (image("app:1"), "/promote/0/image"),
        (image("app@sha256:00"), "/promote/0/image"),
        (image("acme-{stage}/app"), "/promote/0/image"),
        (image("app", dev=Locator(LocatorForm.KUSTOMIZE, "../prod/kustomization.yaml")), "/promote/0/in/dev"),
        (image("app", dev=Locator(LocatorForm.KUSTOMIZE, "/kustomization.yaml")), "/promote/0/in/dev"),
        (image("app", dve=Locator(LocatorForm.KUSTOMIZE, "kustomization.yaml")), "/promote/0/in/dve"),
        (image("app", dev=Locator(LocatorForm.YAML, "slo.yaml", "a")), "/promote/0/in/dev"),
        (image("app", dev=Locator(LocatorForm.FILE, "a.yaml")), "/promote/0/in/dev"),
        (
            PromoteRule(PromotedKind.IMAGE, "app", {}, "https://a.example/{service}/{before}...{after}"),
            "/promote/0/compare",
        ),
        (PromoteRule(PromotedKind.FILE, "rules", {}), "/promote/0/in"),
        (PromoteRule(PromotedKind.FIELD, "f", {"dev": Locator(LocatorForm.HELM, "v.yaml", "a")}), "/promote/0/in/dev"),
    ],
)
def test_promoted_values_have_a_place_in_the_folder(rule, pointer):
    """What is promoted has one name in all stages, and lives in the folder, outside the plan."""
    assert [found for found, _ in refused(pipeline(stage("dev"), promote=(rule,)))] == [pointer]


def test_a_comparison_is_that_of_the_service():
    """What names the service and the stage is filled in; the versions are, when they are known."""
    rule = PromoteRule(PromotedKind.IMAGE, "app", {}, "https://a.example/{service}-{stage}/{before}...{after}")
    (found,) = environments(pipeline(stage("dev", "{service}/dev"), services=("web",), promote=(rule,)))

    assert found.promoted[0].compare == "https://a.example/web-dev/{before}...{after}"


def test_a_name_with_a_registry_port():
    """A registry's port is no tag."""
    (found,) = environments(pipeline(stage("dev"), promote=(image("localhost:5000/app"),)))

    assert found.promoted[0].name == "localhost:5000/app"


def test_every_mistake_is_said_at_once():
    """All mistakes of a pipeline are reported together."""
    problems = refused(pipeline(stage("a", "x/{q}"), stage("b", after=("z",)), promote=(image("app:1"),)))

    assert [pointer for pointer, _ in problems] == ["/stages/0/path", "/stages/1/after/0", "/promote/0/image"]
