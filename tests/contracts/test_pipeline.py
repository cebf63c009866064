from __future__ import annotations

from itertools import product

import pytest

from gitslo.core.parse_outcomes import DEFAULTS
from gitslo.core.parse_pipeline import parse_pipeline
from gitslo.errors import Refused
from gitslo.model import (
    Action,
    Cause,
    Locator,
    LocatorForm,
    MergeMode,
    NewerCommit,
    OutcomeRule,
    Pipeline,
    PromotedKind,
    PromoteRule,
    Revalidation,
    RevertScope,
    Stage,
    SyncSpec,
    Verdict,
    WriteMode,
    WritePolicies,
    WritePolicy,
)

LEAST = "schema: gitslo/v1\nname: shop\nstages:\n  - {name: dev, path: dev}\n"


def pipeline(text: str) -> Pipeline:
    return parse_pipeline(text.encode(), file="gitslo.yaml")


def test_everything_that_is_said_is_understood() -> None:
    """Each field of a pipeline stands in the model."""
    found = pipeline("""\
schema: gitslo/v1
name: shop
services: [checkout, pricing]
stages:
  - {name: dev, path: "deploy/{service}/dev"}
  - name: prod
    path: ./deploy/{service}/prod/
    after: [dev]
    write: {promotion: {mode: direct}}
plan: "slo/{service}/{stage}.yaml"
sync: {probe: {url: "http://{service}.{stage}.svc/version?full={stage}", json: "images[0]", reports: commit}}
promote:
  - image: "ghcr.io/acme/{service}"
    in:
      dev: {helm: values.yaml, tag: image.tag, digest: image.digest}
      prod: {kustomize: kustomization.yaml}
  - {image: localhost:5000/a/b_c, compare: "https://a.example/{before}...{after}"}
  - {image: x, in: {dev: {manifests: true}}}
  - {field: replicas, in: {dev: {yaml: deployment.yaml, at: 'spec.replicas'}, prod: {yaml: a.yaml, at: 'a."x.y/z"[0]'}}}
  - {file: rules, in: {dev: {file: conf/rules.txt}, prod: {file: rules.txt}}}
revert: release
newer_commit: supersede
write:
  promotion: {mode: pull-request, merge: auto}
  revert: {mode: direct}
revalidate: {every: never, confirm: 3}
""")
    auto = WritePolicy(WriteMode.PULL_REQUEST, MergeMode.AUTO)
    direct = WritePolicy(WriteMode.DIRECT, MergeMode.MANUAL)

    assert ("shop", ("checkout", "pricing")) == (found.name, found.services)
    assert (
        Stage("dev", "deploy/{service}/dev", (), WritePolicies(auto, direct)),
        Stage("prod", "./deploy/{service}/prod/", ("dev",), WritePolicies(direct, direct)),
    ) == found.stages
    probe = {"url": "http://{service}.{stage}.svc/version?full={stage}", "json": "images[0]", "reports": "commit"}
    assert ("slo/{service}/{stage}.yaml", SyncSpec("probe", probe)) == (found.plan, found.sync)
    assert (
        PromoteRule(
            PromotedKind.IMAGE,
            "ghcr.io/acme/{service}",
            {
                "dev": Locator(LocatorForm.HELM, "values.yaml", "image.tag", "image.digest"),
                "prod": Locator(LocatorForm.KUSTOMIZE, "kustomization.yaml"),
            },
        ),
        PromoteRule(PromotedKind.IMAGE, "localhost:5000/a/b_c", {}, "https://a.example/{before}...{after}"),
        PromoteRule(PromotedKind.IMAGE, "x", {"dev": Locator(LocatorForm.MANIFESTS)}),
        PromoteRule(
            PromotedKind.FIELD,
            "replicas",
            {
                "dev": Locator(LocatorForm.YAML, "deployment.yaml", "spec.replicas"),
                "prod": Locator(LocatorForm.YAML, "a.yaml", 'a."x.y/z"[0]'),
            },
        ),
        PromoteRule(
            PromotedKind.FILE,
            "rules",
            {"dev": Locator(LocatorForm.FILE, "conf/rules.txt"), "prod": Locator(LocatorForm.FILE, "rules.txt")},
        ),
    ) == found.promote
    assert (RevertScope.RELEASE, NewerCommit.SUPERSEDE) == (found.revert, found.newer_commit)
    assert Revalidation(None, 3) == found.revalidation


@pytest.mark.parametrize("sync", ["process", "{process: {}}"])
def test_what_is_left_out_has_its_default(sync: str) -> None:
    """The least pipeline: pull requests that a person merges, the design's outcomes, a revalidation every six hours."""
    found = pipeline(f"{LEAST}sync: {sync}\n")

    assert (SyncSpec("process"), "slo.yaml", ()) == (found.sync, found.plan, found.promote)
    assert WritePolicies() == found.stages[0].write
    assert (DEFAULTS, Revalidation(21600.0, 2)) == (found.outcomes.rules, found.revalidation)


# --------------------------------------------------------------------------- outcomes


def rules(outcomes: str) -> dict[tuple[str, Cause], OutcomeRule]:
    return dict(pipeline(f"{LEAST}sync: process\noutcomes: {outcomes}\n").outcomes.rules)


def test_outcomes_are_total() -> None:
    """Every verdict has a rule for every cause, whatever the file leaves out."""
    expected = set(product((verdict.value for verdict in Verdict), Cause))

    assert [expected] * 3 == [
        set(rules(text)) for text in ("{}", "{fail: {manual: nothing}}", "{pass: hold, error: hold}")
    ]


def test_the_defaults_are_those_of_the_design() -> None:
    """A pass promotes, a fail reverts after a sync and holds otherwise, inconclusive extends twice, error holds."""
    written = (
        "{pass: promote, fail: {sync: revert, any: hold},"
        " inconclusive: {action: extend, times: 2, then: hold}, error: hold}"
    )

    assert rules("{}") == rules(written)


@pytest.mark.parametrize(
    ("text", "sync", "revalidation", "manual"),
    [
        ("nothing", Action.NOTHING, Action.NOTHING, Action.NOTHING),
        ("{any: nothing}", Action.NOTHING, Action.NOTHING, Action.NOTHING),
        ("{sync: hold}", Action.HOLD, Action.HOLD, Action.HOLD),
        ("{revalidation: revert}", Action.REVERT, Action.REVERT, Action.HOLD),
        ("{any: revert, manual: nothing}", Action.REVERT, Action.REVERT, Action.NOTHING),
    ],
)
def test_a_cause_that_is_named_goes_before_any(text: str, sync: Action, revalidation: Action, manual: Action) -> None:
    """A bare word is for every cause; `any` for those not named; without it the defaults stand."""
    found = rules(f"{{fail: {text}}}")

    assert [sync, revalidation, manual] == [
        found["fail", cause].action for cause in (Cause.SYNC, Cause.REVALIDATION, Cause.MANUAL)
    ]


def test_an_action_has_its_settings() -> None:
    """`times` and `then` are an extension's, `run` is any action's."""
    found = rules(
        "{inconclusive: {sync: {action: extend, times: 5, then: nothing, run: page-us}, any: hold},"
        " error: {action: hold, run: page-us}}"
    )

    assert OutcomeRule(Action.EXTEND, 5, Action.NOTHING, "page-us") == found["inconclusive", Cause.SYNC]
    assert OutcomeRule(Action.HOLD) == found["inconclusive", Cause.MANUAL]
    assert OutcomeRule(Action.HOLD, run="page-us") == found["error", Cause.REVALIDATION]


@pytest.mark.parametrize(
    ("verdict", "action"),
    [
        (v, a)
        for v, a in product(("pass", "fail", "inconclusive", "error"), Action)
        if (v, a.value)
        not in {
            ("pass", "promote"),
            ("fail", "revert"),
            ("inconclusive", "extend"),
        }
        and a not in {Action.HOLD, Action.NOTHING}
    ],
)
def test_only_pass_promotes_and_only_fail_reverts(verdict: str, action: Action) -> None:
    """No policy can say otherwise; only what is inconclusive is extended."""
    with pytest.raises(Refused, match=f"/outcomes/{verdict}"):
        rules(f"{{{verdict}: {action.value}}}")


@pytest.mark.parametrize(
    "url",
    [
        "ftp://x.svc/",
        "http://",
        "http://a b/",
        "http://x.svc/#f",
        "http://u:p@x.svc/",
        "//x.svc",
        "http://x.svc:0/",
        "http://0x7f.1/",
        "http://x.svc/?a b",
    ],
)
def test_a_probe_asks_one_plain_url(url: str) -> None:
    """Over http or https, one host, no user name."""
    with pytest.raises(Refused, match="/sync/probe/url"):
        pipeline(f'{LEAST}sync: {{probe: {{url: "{url}", header: X-Version}}}}\n')


@pytest.mark.parametrize(
    "path", ["..", "a/../b", "/a", ".git", "a/.GIT/b", "a//b", "git~1/a", "a\\\\b", ".", "a/.git./b", "a/.g\u200cit"]
)
def test_a_path_stays_in_the_repository(path: str) -> None:
    """No `..`, nothing absolute, and nothing that some file system takes for `.git` (CVE-2014-9390)."""
    with pytest.raises(Refused, match="/stages/0/path"):
        pipeline(LEAST.replace("path: dev", f'path: "{path}"') + "sync: process\n")


@pytest.mark.parametrize(
    ("rest", "pointer"),
    [
        ("sync: process\nrevalidate: {every: 999ms}", "/revalidate/every"),
        ("sync: {probe: {url: 5, json: image}}", "/sync/probe/url"),
        ("sync: {probe: {url: 'http://x.svc/', json: image, header: X}}", "/sync/probe"),
        ("sync: process\npromote: [{image: x, compare: 'https://a.example/{before}'}]", "/promote/0/compare"),
    ],
)
def test_what_cannot_work_is_refused(rest: str, pointer: str) -> None:
    """Revalidations without a pause, a probe without a place to look or with two, a comparison with one version."""
    with pytest.raises(Refused) as refused:
        pipeline(f"{LEAST}{rest}\n")

    assert [pointer] == [problem.pointer for problem in refused.value.problems]
