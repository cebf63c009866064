from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gitslo.adapters.directory import DirectoryView
from gitslo.cli.root import cli
from gitslo.core.checking import check
from gitslo.core.guarantee import GUARANTEE

PIPELINE = """\
schema: gitslo/v1
name: shop
stages:
  - {name: dev, path: dev}
  - {name: prod, path: prod, after: [dev]}
sync: process
promote:
  - image: example/shop
"""
PLAN = """\
schema: gitslo/v1
targets:
  web: {http: "http://shop.dev.svc:80"}
load:
  browse:
    target: web
    endpoints:
      list: {get: /items, weight: 99}
      pay: {post: /pay, weight: 1}
    stages:
      - {hold: 50/s, for: 2m}
objectives:
  - browse.errors < 1%
"""
DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop}
spec:
  template:
    spec:
      containers:
        - name: app
          image: example/shop:v1
"""
OPERATOR = """\
schema: gitslo/v1
repositories:
  - name: shop
    url: file:///srv/git/shop.git
    allow: {environments: ["dev"], targets: ["*.dev.svc"]}
ceilings: {rate: 40/s, duration: 1m, connections: 5}
commands: {page: {argv: [page]}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A repository without a flaw."""
    for path, text in {
        "gitslo.yaml": PIPELINE,
        "dev/slo.yaml": PLAN,
        "dev/deployment.yaml": DEPLOYMENT,
        "prod/slo.yaml": PLAN,
        "prod/deployment.yaml": DEPLOYMENT,
    }.items():
        write(tmp_path / "repository", path, text)
    return tmp_path / "repository"


def write(folder: Path, path: str, text: str) -> None:
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).write_text(text, encoding="utf-8")


def change(folder: Path, path: str, old: str, new: str) -> None:
    text = (folder / path).read_text(encoding="utf-8")
    assert old in text
    write(folder, path, text.replace(old, new))


def run(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["check", str(folder), *arguments])


def found(stdout: str) -> list[str]:
    """What is found, without what its verdicts will mean."""
    return [line for each in stdout.split("\n\n") if GUARANTEE not in each for line in each.splitlines()]


def lines(folder: Path, *arguments: str) -> list[str]:
    """What is found in a folder."""
    return found(run(folder, *arguments).stdout)


def test_a_repository_without_a_flaw(folder: Path) -> None:
    """Exit code 0, what its verdicts will mean in the same sentence as everywhere, and last the summary."""
    result = run(folder)
    meaning, _, summary = result.stdout.partition("\n\n")

    assert (0, "2 environments, 0 errors, 0 warnings\n", "") == (result.exit_code, summary, result.stderr)
    assert meaning.endswith(GUARANTEE)


def test_errors_end_with_one_and_warnings_with_zero(folder: Path) -> None:
    """One problem a line by file and line, warnings marked, and a summary; the exit code counts errors only."""
    change(folder, "prod/slo.yaml", "web: {", "spare: {tcp: 'x.svc:1'}\n  web: {")
    warned = run(folder)
    change(folder, "prod/slo.yaml", "browse.errors < 1%", "brows.errors < 1%")
    change(folder, "dev/slo.yaml", "hold: 50/s", "hold: 50")
    failed = run(folder)

    assert (0, 1) == (warned.exit_code, failed.exit_code)
    assert [
        "prod/slo.yaml:3:10: /targets/spare: warning: nothing uses the target `spare` (remove it)",
        "2 environments, 0 errors, 1 warning",
    ] == found(warned.stdout)
    assert [
        (
            "dev/slo.yaml:11:16: /load/browse/stages/0/hold: expected a rate, e.g. `200/s` or `30/m`,"
            " found the number `50` (did you mean `50/s`?)"
        ),
        "prod/slo.yaml:14:5: /objectives/0: there is no load `brows` (did you mean `browse`?)",
        "2 environments, 2 errors, 0 warnings",
    ] == failed.stdout.splitlines()


def test_the_same_as_json(folder: Path) -> None:
    """`--json` prints a document and nothing else."""
    change(folder, "dev/slo.yaml", "browse.errors < 1%", "browse.error < 1%")
    result = run(folder, "--json")

    assert {
        "environments": ["dev", "prod"],
        "errors": 1,
        "warnings": 0,
        "problems": [
            {
                "severity": "error",
                "file": "dev/slo.yaml",
                "line": 13,
                "column": 12,
                "pointer": "/objectives/0",
                "message": "there is no metric or endpoint `error`",
                "hint": "did you mean `errors`?",
            }
        ],
        "withdrawals_a_year": {"prod": pytest.approx(365.25 * 4 * 0.05**2)},
        "guarantee": GUARANTEE,
    } == json.loads(result.stdout)
    assert 1 == result.exit_code


def test_a_folder_without_a_pipeline(tmp_path: Path) -> None:
    """Said with what to do."""
    assert [
        "gitslo.yaml: there is no pipeline at the root of the repository (`gitslo init` writes one)",
        "0 environments, 1 error, 0 warnings",
    ] == lines(tmp_path)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    """A usage error."""
    assert 2 == run(tmp_path / "nowhere").exit_code


# --------------------------------------------------------------------------- environments


@pytest.mark.parametrize(
    ("path", "old", "new", "expected"),
    [
        (
            "gitslo.yaml",
            "path: prod",
            "path: dev",
            (
                "gitslo.yaml:5:24: /stages/1/path: the environments 'dev' and 'prod' share the folder 'dev'"
                " (give each environment a folder of its own)"
            ),
        ),
        (
            "gitslo.yaml",
            "after: [dev]",
            "after: [dve]",
            "gitslo.yaml:5:38: /stages/1/after/0: there is no stage 'dve' (did you mean `dev`?)",
        ),
        (
            "gitslo.yaml",
            "path: prod",
            "path: production",
            (
                "gitslo.yaml:5:24: /stages/1/path: the folder `production` of `prod` is missing"
                " (it needs at least the manifests and a plan)"
            ),
        ),
        (
            "gitslo.yaml",
            "image: example/shop",
            "image: example/web",
            "dev:",
        ),
        (
            "prod/deployment.yaml",
            "metadata:",
            "\tmetadata:",
            (
                "prod/deployment.yaml:3:1: no valid YAML: a tab cannot start anything here"
                " (indent with spaces, YAML knows no tabs)"
            ),
        ),
    ],
)
def test_what_the_loop_would_refuse_is_an_error(folder: Path, path: str, old: str, new: str, expected: str) -> None:
    """Overlapping environments, unknown stages, missing folders and images, broken manifests: each with its place."""
    change(folder, path, old, new)
    result = run(folder)

    assert (1, True) == (result.exit_code, any(line.startswith(expected) for line in result.stdout.splitlines()))


def test_one_broken_environment_does_not_hide_the_other(folder: Path) -> None:
    """A missing plan here, a wrong one there: both are told."""
    (folder / "dev" / "slo.yaml").unlink()
    change(folder, "prod/slo.yaml", "schema: gitslo/v1", "schema: gitslo/v2")

    assert [
        "dev/slo.yaml: there is no plan of 'dev' (a plan says when `dev` is good)",
        "prod/slo.yaml:1:9: /schema: expected `gitslo/v1`, found `gitslo/v2`",
        "2 environments, 2 errors, 0 warnings",
    ] == lines(folder)


# --------------------------------------------------------------------------- lints


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


# --------------------------------------------------------------------------- with the operator's file


def test_what_the_operator_does_not_allow_is_told(folder: Path) -> None:
    """Hosts, ceilings, commands and the process syncer; an environment that is not allowed is left alone."""
    operator = folder.parent / "operator.yaml"
    operator.write_text(OPERATOR, encoding="utf-8")
    change(folder, "gitslo.yaml", "sync: process", "sync: process\noutcomes: {error: {action: hold, run: pag}}")
    change(folder, "dev/slo.yaml", "shop.dev.svc", "shop.prod.svc")
    change(folder, "dev/slo.yaml", "    stages:", "    connections: 6\n    stages:")

    assert [
        "dev/slo.yaml:3:8: /targets/web: the operator does not allow the host `shop.prod.svc` (there is *.dev.svc)",
        "dev/slo.yaml:10:18: /load/browse/connections: 6 connections are above the operator's ceiling of 5",
        "dev/slo.yaml:12:7: /load/browse/stages: 50/s is above the operator's ceiling of 40/s",
        "dev/slo.yaml:12:7: /load/browse/stages: 2m of load is above the operator's ceiling of 1m",
        "gitslo.yaml:4:3: /stages: warning: the operator does not allow the environment 'prod': it is left alone",
        (
            "gitslo.yaml:6:7: /sync: the operator's file gives this repository no process syncer"
            " (add `process` to the repository there)"
        ),
        "gitslo.yaml:7:19: /outcomes/error: the operator's file has no command `pag` (did you mean `page`?)",
        "2 environments, 6 errors, 1 warning",
    ] == lines(folder, "--operator", str(operator))


@pytest.mark.parametrize(("judge", "place"), [("judge: {max_duration: 2m}\n", "6:23"), ("", "1:1")])
def test_metrics_alone_are_held_against_the_ceiling_of_duration(folder: Path, judge: str, place: str) -> None:
    """A plan without load takes as long as it says, or ten minutes where it says nothing."""
    operator = folder.parent / "operator.yaml"
    sources = "sources: {prom: {prometheus: 'http://127.0.0.1:9090', scrape_interval: 5s}}\n"
    operator.write_text(OPERATOR.replace("allow: {", "allow: {sources: [prom], ") + sources, encoding="utf-8")
    metric = "  lag: {source: prom, gauge: 'lag', between: [0, 9]}\n"
    write(folder, "dev/slo.yaml", f"schema: gitslo/v1\nmetrics:\n{metric}objectives:\n  - lag < 5\n{judge}")
    asked = "2m" if judge else "10m"

    assert [
        (
            f"{place}: /judge/max_duration: {asked} of metrics is above the operator's ceiling of 1m"
            " (at most `judge: {max_duration: 1m}`)"
        )
    ] == [line for line in about_dev(lines(folder, "--operator", str(operator))) if "ceiling" in line]


GIVEN = """\
schema: gitslo/v1
targets:
  web:
    http: https://shop.dev.svc
    resolve: shop.prod.svc:443
    tls: {ca: shop-c, certificate: shop-ca}
    auth: tester
  other: {grpc: "other.dev.svc:9090", tls: {insecure: true}, auth: nobody}
load:
  browse: {target: web, get: "/${env.TENANT}/${env.REGION}", stages: [{hold: 20/s, for: 1m}]}
  quote: {target: other, call: {method: a.B/C}, stages: [{hold: 20/s, for: 1m}]}
objectives: [browse.errors < 50%]
"""


def about_dev(told: list[str]) -> list[str]:
    """What is said of the plan of `dev`, without its name."""
    return [line.removeprefix("dev/slo.yaml:") for line in told if line.startswith("dev/slo.yaml:")]


def test_what_the_operator_does_not_give_to_a_target_is_told(folder: Path) -> None:
    """Certificates by their kind, identities and their hosts, variables, and certificates that nobody verifies."""
    operator = folder.parent / "operator.yaml"
    given = OPERATOR.replace('"*.dev.svc"]', '"*.dev.svc"], variables: [REGION]').replace("1m", "5m") + (
        "certificates: {shop-ca: {file: /ca.pem}, own: {certificate: /own.pem, key: /own.key}}\n"
        "identities: {tester: {bearer: {env: TOKEN}, hosts: ['*.dev.svc']}}\n"
    )
    operator.write_text(given, encoding="utf-8")
    write(folder, "dev/slo.yaml", GIVEN)

    assert [
        "4:5: /targets/web: the operator does not allow the host `shop.prod.svc` (there is *.dev.svc)",
        "6:15: /targets/web/tls/ca: the operator's file has no authorities `shop-c` (did you mean `shop-ca`?)",
        (
            "6:36: /targets/web/tls/certificate: the operator's file has no client certificate `shop-ca`"
            " (there is `own`)"
        ),
        "7:11: /targets/web/auth: the identity `tester` is not for the host `shop.prod.svc`",
        (
            "8:55: /targets/other/tls/insecure: warning: nobody verifies who answers for `other`"
            " (name its authority as `ca`)"
        ),
        (
            "8:55: /targets/other/tls/insecure: the operator does not allow that a certificate is not verified"
            " (name its authority as `ca`)"
        ),
        "8:68: /targets/other/auth: the operator's file has no identity `nobody` (there is `tester`)",
        "10:11: /load/browse: the operator does not allow the environment variable `TENANT` (there is `REGION`)",
    ] == about_dev(lines(folder, "--operator", str(operator)))


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


def test_the_repository_of_the_operators_file_is_named(folder: Path) -> None:
    """With several, one must be chosen; a wrong name or a broken file is a usage error."""
    operator = folder.parent / "operator.yaml"
    text = OPERATOR.replace("ceilings:", "  - {name: other, url: 'file:///srv/git/other.git'}\nceilings:")
    operator.write_text(text, encoding="utf-8")
    results = [
        run(folder, "--operator", str(operator), *more)
        for more in ((), ("--repository", "x"), ("--repository", "other"))
    ]
    operator.write_text("schema: gitslo/v1\n", encoding="utf-8")
    results.append(run(folder, "--operator", str(operator)))

    assert [2, 2, 1, 2] == [result.exit_code for result in results]
    assert "expected --repository (the file has: shop, other)" in results[0].stderr
    assert "there is no repository `x`" in results[1].stderr
    assert "the field `repositories` is missing" in results[3].stderr


# --------------------------------------------------------------------------- hostile


def test_text_from_the_repository_cannot_act_on_the_terminal(folder: Path) -> None:
    """A file's name is shown, not carried out."""
    write(folder, "dev/\x1b[2J.yaml", "a: [")

    assert "\x1b" not in run(folder).stdout


def test_links_out_of_the_repository_are_not_followed(folder: Path) -> None:
    """A symbolic link is refused by name, wherever it points."""
    (folder.parent / "secret.yaml").write_text("a: hunter2: x", encoding="utf-8")
    (folder / "dev" / "link.yaml").symlink_to(folder.parent / "secret.yaml")
    result = run(folder)

    assert (1, True, False) == (
        result.exit_code,
        "dev/link.yaml: a symbolic link" in result.stdout,
        "hunter2" in result.stdout,
    )


def test_the_shipped_layout_is_clean() -> None:
    """What users start from has neither errors nor warnings."""
    layout = Path(__file__).parents[2] / "examples" / "repo-layout"

    assert ((), ("dev", "staging", "prod")) == ((found := check(DirectoryView(layout))).remarks, found.environments)


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


def test_what_the_operator_allows_is_fine(folder: Path) -> None:
    """Nothing is said of what is within the bounds; an environment without a readable plan is judged no further."""
    operator = folder.parent / "operator.yaml"
    text = OPERATOR.replace('["dev"]', '["*"]').replace("rate: 40/s, duration: 1m", "rate: 50/s, duration: 2m")
    state = "    process: {state: /var/lib/gitslo, containers: {example/shop: {argv: [shop]}}}\n"
    operator.write_text(text.replace("ceilings:", f"{state}ceilings:"), encoding="utf-8")
    change(
        folder,
        "gitslo.yaml",
        "sync: process",
        "sync: process\nrevalidate: {every: never}\noutcomes: {error: {action: hold, run: page}}",
    )
    clean = lines(folder, "--operator", str(operator))
    (folder / "prod" / "slo.yaml").unlink()

    assert ["2 environments, 0 errors, 0 warnings"] == clean
    assert ["2 environments, 1 error, 0 warnings"] == lines(folder, "--operator", str(operator))[-1:]


def test_a_place_that_is_not_written_is_shown_where_it_is_missing(folder: Path) -> None:
    """What should stand in the file and does not is told at the nearest thing that does."""
    change(
        folder,
        "gitslo.yaml",
        "  - image: example/shop\n",
        "  - {field: x, in: {dev: {yaml: deployment.yaml, at: kind}}}\n",
    )

    assert ["gitslo.yaml:8:20: /promote/0/in: it is not said where 'x' lives in 'prod'"] == lines(folder)[:-1]


def test_a_file_that_nobody_has_to_read_is_a_warning(folder: Path) -> None:
    """It may be no manifest; where the loop must read it (the image is named in it), the same is an error."""
    write(folder, "dev/notes.yaml", "a: !tag b\n")
    write(folder, "prod/notes.yaml", "a: !tag example/shop\n")

    assert [
        "dev/notes.yaml:1:4: warning: no valid YAML: tags (`!...`) are not allowed (quote it if it is text)",
        "prod/notes.yaml:1:4: no valid YAML: tags (`!...`) are not allowed (quote it if it is text)",
        "2 environments, 1 error, 1 warning",
    ] == lines(folder)
