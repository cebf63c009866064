from __future__ import annotations

from pathlib import Path

import pytest

from gitslo.adapters.directory import DirectoryView
from gitslo.core.checking import check
from tests.contracts.checked import GIVEN, about_dev, change, flawless, lines, write


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return flawless(tmp_path)


def test_a_limit_that_can_never_be_proven_is_an_error(folder: Path) -> None:
    """The needed number is told; extensions count as well, and an endpoint has its own share of the requests."""
    change(folder, "dev/slo.yaml", "  - browse.errors < 1%", "  - browse.pay.errors < 1%\n  - browse.errors < 0.01%")

    assert [
        (
            "dev/slo.yaml:13:5: /objectives/0: `browse.pay.errors < 1%` needs 377 judged requests without a bad one,"
            " and all attempts judge 180: it can never pass (hold longer or at a higher rate, or loosen the limit)"
        ),
        (
            "dev/slo.yaml:14:5: /objectives/1: `browse.errors < 0.01%` needs 37,883 judged requests without a bad one,"
            " and all attempts judge 18,000: it can never pass (hold longer or at a higher rate, or loosen the limit)"
        ),
    ] == lines(folder)[:-1]


def test_a_limit_that_needs_extensions_is_a_warning(folder: Path) -> None:
    """It can pass, and every run is extended."""
    change(folder, "dev/slo.yaml", "weight: 1}", "weight: 3}")
    change(folder, "dev/slo.yaml", "browse.errors < 1%", "browse.pay.errors < 1%")

    assert [
        (
            "dev/slo.yaml:13:5: /objectives/0: warning: `browse.pay.errors < 1%` needs 377 judged requests"
            " without a bad one, and an attempt judges 176 (hold longer or at a higher rate, or every run is extended)"
        ),
        "2 environments, 0 errors, 1 warning",
    ] == lines(folder)


def test_what_is_only_reported_need_not_be_provable(folder: Path) -> None:
    """A report makes no verdict."""
    change(folder, "dev/slo.yaml", "  - browse", "  - {that: browse.errors < 0.001%, role: report}\n  - browse")

    assert ["2 environments, 0 errors, 0 warnings"] == lines(folder)


@pytest.mark.parametrize(
    ("image", "warned"),
    [
        ("side", True),
        ("side:latest", True),
        ("side:v1", False),
        ("h:5000/side", True),
        ("side@sha256:" + "a" * 64, False),
    ],
)
def test_a_tag_that_can_mean_another_image_is_warned_about(folder: Path, image: str, warned: bool) -> None:
    """No tag, or `latest`, without a digest."""
    write(folder, "dev/pod.yaml", f"kind: Pod\nspec:\n  containers:\n    - image: {image}\n")
    expected = (
        f"dev/pod.yaml:4:14: warning: the tag of `{image}` can mean another image tomorrow:"
        " the verdict is about what ran (use a version or a digest)"
    )

    assert ([expected] if warned else []) == lines(folder)[:-1]


def test_a_tag_that_kustomize_sets_is_no_missing_tag(folder: Path) -> None:
    """The base names the image, the kustomization its version."""
    write(folder, "dev/pod.yaml", "kind: Pod\nspec:\n  containers:\n    - image: side\n")
    kustomization = "resources: [pod.yaml, deployment.yaml]\nimages:\n  - {name: side, newTag: v3}\n"
    write(folder, "dev/kustomization.yaml", kustomization)

    assert ["2 environments, 0 errors, 0 warnings"] == lines(folder)


def test_a_shared_base_is_warned_about(folder: Path) -> None:
    """A change there reaches both at once, and none proves it for the other."""
    write(folder, "base/kustomization.yaml", "resources: [service.yaml]\n")
    write(folder, "base/service.yaml", "kind: Service\n")
    for stage in ("dev", "prod"):
        write(folder, f"{stage}/kustomization.yaml", "resources: [../base, deployment.yaml]\n")

    assert [
        (
            "base: warning: a change here reaches dev, prod at once: no stage proves it for the next"
            " (give each stage a base of its own, or reference a fixed version)"
        ),
        "2 environments, 0 errors, 1 warning",
    ] == lines(folder)


def test_flux_is_warned_about_where_something_else_deploys(folder: Path) -> None:
    """A plan beside manifests without a kustomization is what Flux would choke on; with one it is not."""
    change(folder, "gitslo.yaml", "sync: process", "sync: {probe: {url: 'http://x.svc/', json: image}}")
    change(folder, "gitslo.yaml", "sync:", "plan: slo.yaml\nsync:")
    warned = lines(folder)
    for stage in ("dev", "prod"):
        write(folder, f"{stage}/kustomization.yaml", "resources: [deployment.yaml]\n")

    assert [
        (
            "gitslo.yaml:6:7: /plan: warning: where Flux deploys, it takes `slo.yaml` for a manifest"
            " in `dev` and 1 more (add a kustomization.yaml that lists the manifests, or put the plans elsewhere)"
        ),
        "2 environments, 0 errors, 1 warning",
    ] == warned
    assert ["2 environments, 0 errors, 0 warnings"] == lines(folder)


def test_a_pipeline_that_moves_nothing_is_warned_about(folder: Path) -> None:
    """Stages after others, and no `promote`."""
    change(folder, "gitslo.yaml", "promote:\n  - image: example/shop\n", "")

    assert [
        (
            "gitslo.yaml:4:3: /stages: warning: stages come after others, and nothing is promoted into them"
            " (say in `promote` what moves)"
        ),
        "2 environments, 0 errors, 1 warning",
    ] == lines(folder)


def test_revalidating_very_often_is_warned_about(folder: Path) -> None:
    """How often chance alone withdraws a pass is told per year."""
    change(folder, "gitslo.yaml", "sync: process", "sync: process\nrevalidate: {every: 1m, confirm: 1}")

    assert [
        (
            "gitslo.yaml:7:13: /revalidate: warning: a service exactly at its limits can lose its pass by chance"
            " 26,298 times a year (revalidate less often, confirm once more, or lower `judge.false_fail`)"
        ),
        "2 environments, 0 errors, 1 warning",
    ] == lines(folder)


def test_a_promoted_tag_that_can_mean_another_image_is_warned_about(folder: Path) -> None:
    """Wherever the release's tag stands, `latest` is no release."""
    change(
        folder,
        "gitslo.yaml",
        "image: example/shop",
        "image: example/shop\n    in: {dev: {helm: values.yaml, tag: tag}}",
    )
    write(folder, "dev/values.yaml", "tag: latest\n")

    assert [
        (
            "dev: warning: the tag of `example/shop:latest` can mean another image tomorrow:"
            " the verdict is about what ran (use a version or a digest)"
        ),
        "2 environments, 0 errors, 1 warning",
    ] == lines(folder)


@pytest.mark.parametrize(
    ("images", "errors"), [("[{name: side}]", 0), ("[{name: side, newTag: latest}]", 0), ("[5]", 1)]
)
def test_a_kustomization_that_sets_no_tag_excuses_none(folder: Path, images: str, errors: int) -> None:
    """Only a tag or digest that kustomize sets stands in for a missing one; a broken list is told once."""
    write(folder, "dev/pod.yaml", "kind: Pod\nspec:\n  containers:\n    - image: side\n")
    write(folder, "dev/kustomization.yaml", f"resources: [pod.yaml, deployment.yaml]\nimages: {images}\n")
    found = check(DirectoryView(folder)).remarks

    assert (1, errors) == (
        sum("dev/pod.yaml" == remark.problem.file for remark in found),
        sum("dev/kustomization.yaml" == remark.problem.file for remark in found),
    )


def test_a_file_that_nobody_has_to_read_is_a_warning(folder: Path) -> None:
    """It may be no manifest; where the loop must read it (the image is named in it), the same is an error."""
    write(folder, "dev/notes.yaml", "a: !tag b\n")
    write(folder, "prod/notes.yaml", "a: !tag example/shop\n")

    assert [
        "dev/notes.yaml:1:4: warning: no valid YAML: tags (`!...`) are not allowed (quote it if it is text)",
        "prod/notes.yaml:1:4: no valid YAML: tags (`!...`) are not allowed (quote it if it is text)",
        "2 environments, 1 error, 1 warning",
    ] == lines(folder)


def test_what_is_hardly_meant_so_is_warned_about(folder: Path) -> None:
    """Data that nothing uses, a deadline beyond the time-out, an abort before the limit, nobody verified."""
    plan = GIVEN.replace("    resolve: shop.prod.svc:443\n", "").replace(
        "{method: a.B/C}", "{method: a.B/C, deadline: 9s}"
    )
    plan = plan.replace(", get: ", ", data: {users: {csv: users.csv}}, abort: {errors: 50%}, get: ")
    write(folder, "dev/users.csv", "id\n1\n")
    write(folder, "dev/slo.yaml", plan)

    assert [
        (
            "7:55: /targets/other/tls/insecure: warning: nobody verifies who answers for `other`"
            " (name its authority as `ca`)"
        ),
        "9:39: /load/browse/data/users: warning: nothing uses the data `users` (e.g. `${users.id}`)",
        (
            "10:10: /load/quote: warning: the server of `quote` may work on when the time-out has passed and nobody"
            " listens (a deadline of at most 5s, or a longer `timeout`)"
        ),
        (
            "11:14: /objectives/0: warning: the load is aborted at 50% errors, which `browse.errors < 50%` may allow"
            " (abort later: `abort: {errors: ...}`)"
        ),
    ] == about_dev(lines(folder))
