from __future__ import annotations

from hashlib import sha256

import pytest

from gitslo.core.discover import Tree, shared, tree_of
from gitslo.core.overlay import edited_tree
from gitslo.errors import Refused
from gitslo.testing.memory_view import MemoryView
from tests.discover.pipelines import environment

DEV = environment()
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def view(files: dict[str, str], modes: dict[str, str] | None = None) -> MemoryView:
    return MemoryView({path: text.encode() for path, text in files.items()}, modes)


def tree(files: dict[str, str]) -> Tree:
    return tree_of(view(files), DEV)


def refusal(files: dict[str, str], modes: dict[str, str] | None = None) -> str:
    with pytest.raises(Refused) as caught:
        tree_of(view(files, modes), DEV)
    return str(caught.value)


KUSTOMIZED = {
    "deploy/dev/kustomization.yaml": "resources: [../../base]\n",
    "base/kustomization.yaml": "resources: [app.yaml]\n",
    "base/app.yaml": "kind: Deployment\n",
}


def test_the_plan_is_no_part_of_the_tree():
    """Another plan is the same tree; another manifest is another tree."""
    before = tree({"deploy/dev/a.yaml": "a", "deploy/dev/slo.yaml": "x"})

    assert tree({"deploy/dev/a.yaml": "a", "deploy/dev/slo.yaml": "y"}) == before
    assert tree({"deploy/dev/a.yaml": "a"}) == before
    assert tree({"deploy/dev/a.yaml": "b"}).digest != before.digest


def test_a_plan_elsewhere_is_no_part_of_the_tree_either():
    """A plan outside the folder is not in it, and a file of its name in the folder is."""
    elsewhere = environment(plan="slo/dev.yaml")
    before = tree_of(view({"deploy/dev/slo.yaml": "x", "slo/dev.yaml": "1"}), elsewhere)

    assert tree_of(view({"deploy/dev/slo.yaml": "x", "slo/dev.yaml": "2"}), elsewhere) == before
    assert tree_of(view({"deploy/dev/slo.yaml": "y", "slo/dev.yaml": "1"}), elsewhere) != before


@pytest.mark.parametrize(
    "after",
    [
        {"deploy/dev/b.yaml": "a"},
        {"deploy/dev/a.yaml": "a", "deploy/dev/b.yaml": ""},
        {"deploy/dev/sub/a.yaml": "a"},
    ],
)
def test_names_and_additions_count(after):
    """A renamed, added or moved file is another tree."""
    assert tree(after).digest != tree({"deploy/dev/a.yaml": "a"}).digest


def test_the_mode_counts():
    """A file that became executable is another tree."""
    files = {"deploy/dev/run.sh": "x"}

    assert tree_of(view(files, {"deploy/dev/run.sh": "100755"}), DEV).digest != tree(files).digest


def test_what_lies_beside_does_not_count():
    """A commit elsewhere keeps the tree."""
    before = tree({"deploy/dev/a.yaml": "a"})

    assert tree({"deploy/dev/a.yaml": "a", "deploy/dev-2/a.yaml": "b", "README.md": "c"}) == before


def test_the_digest_has_40_hexadecimal_characters():
    """The digest is over path, mode and object id of each file, and looks like a Git id."""
    row = b"deploy/dev/a.yaml\x00100644\x002e65efe2a145dda7ee51d1741299f848e5bf752e\n"

    assert tree({"deploy/dev/a.yaml": "a"}) == Tree(sha256(row).hexdigest()[:40], (), ())


def test_bases_are_followed():
    """A change in a base, and in its kustomization, is a change of the tree; files beside them are not."""
    before = tree(KUSTOMIZED)

    assert before.inputs == ("base/app.yaml", "base/kustomization.yaml")
    assert tree({**KUSTOMIZED, "base/app.yaml": "kind: Pod\n"}).digest != before.digest
    assert tree({**KUSTOMIZED, "base/kustomization.yaml": "resources: [app.yaml] #\n"}).digest != before.digest
    assert tree({**KUSTOMIZED, "base/other.yaml": "kind: Pod\n"}) == before


@pytest.mark.parametrize(
    ("kustomization", "inputs"),
    [
        ("resources: [../../x/f]", ["x/f"]),
        ("resources:\n- ../../x/f\n- ./a.yaml\n", ["x/f"]),
        ("bases: [../../k]", ["k/kustomization.yml"]),
        ("components: [../../k/]", ["k/kustomization.yml"]),
        ("crds: [../../x/f]", ["x/f"]),
        ("configurations: [../../x/f]", ["x/f"]),
        ("patches: [{path: ../../x/f}, {patch: 'a: b'}]", ["x/f"]),
        ("patchesJson6902:\n- target: {kind: Pod}\n  path: ../../x/f\n", ["x/f"]),
        ("patchesStrategicMerge:\n- ../../x/f\n- |-\n  kind: Pod\n", ["x/f"]),
        ("replacements: [{path: ../../x/f}]", ["x/f"]),
        ("openapi: {path: ../../x/f}", ["x/f"]),
        ("configMapGenerator: [{name: a, files: [../../x/f, k=../../x/g]}]", ["x/f", "x/g"]),
        ("secretGenerator: [{name: a, envs: [../../x/f], env: ../../x/g}]", ["x/f", "x/g"]),
        ("generators: [../../x/f]", ["x/f"]),
        ("generators: [../../x/cm.yaml]", ["x/cm.yaml", "x/g"]),
        ("generators:\n- |-\n  kind: SecretGenerator\n  envs: [../../x/g]\n", ["x/g"]),
        ("transformers: [../../x/patch.yaml]", ["x/g", "x/patch.yaml"]),
        ("transformers:\n- {kind: PatchStrategicMergeTransformer, paths: [../../x/f]}\n", None),
        ("transformers:\n- |\n  kind: PatchStrategicMergeTransformer\n  paths: [../../x/f, 'a: b']\n", ["x/f"]),
        ("transformers:\n- |\n  kind: ReplacementTransformer\n  replacements: [{path: ../../x/f}]\n", ["x/f"]),
        ("transformers: ['https://example.com/t.yaml?ref=v1.0.0']", []),
        ("transformers:\n- 'kind: Custom'\n", []),
        (
            "generators:\n- |\n  kind: HelmChartInflationGenerator\n  name: app\n  chartHome: ../../c\n",
            ["c/app/Chart.yaml", "c/app/templates/d.yaml"],
        ),
        ("resources: [github.com/local]", []),
        ("validators: [../../k]", ["k/kustomization.yml"]),
        (
            "helmGlobals: {chartHome: ../../c}\nhelmCharts: [{name: app}]",
            ["c/app/Chart.yaml", "c/app/templates/d.yaml"],
        ),
        (
            "helmGlobals: {chartHome: ../../c}\nhelmCharts: [{name: app, valuesFile: ../../x/f, version: 1.0.0}]",
            ["c/app/Chart.yaml", "c/app/templates/d.yaml", "x/f"],
        ),
        (
            "helmChartInflationGenerator: [{chartName: app, chartHome: ../../c, values: ../../x/f}]",
            ["c/app/Chart.yaml", "c/app/templates/d.yaml", "x/f"],
        ),
        ("", []),
        ("---\n# nothing\n", []),
        ("resources:\nbases: ~\n", []),
        ("images: [{name: a}]\nnamespace: x\n", []),
        ("anchors: &a [../../x/f]\nresources: *a\n", ["x/f"]),
    ],
)
def test_what_a_kustomization_references(kustomization, inputs):
    """Each field of a kustomization that names a file or a folder is followed."""
    files = {
        "deploy/dev/kustomization.yaml": kustomization,
        "deploy/dev/a.yaml": "",
        "deploy/dev/github.com/local": "",
        "x/f": "",
        "x/g": "",
        "x/cm.yaml": "kind: ConfigMapGenerator\nfiles: [../../x/g]\n",
        "x/patch.yaml": "kind: PatchTransformer\npath: ../../x/g\n",
        "k/kustomization.yml": "",
        "c/app/Chart.yaml": "name: app",
        "c/app/templates/d.yaml": "{{ no YAML }}",
    }

    if inputs is None:
        assert "expected a single value" in refusal(files)
    else:
        assert list(tree(files).inputs) == inputs


def test_bases_on_bases_and_diamonds():
    """Bases are followed to the end, and one that is reached twice is taken once."""
    files = {
        "deploy/dev/Kustomization": "resources: [../../a, ../../b]",
        "a/kustomization.yaml": "resources: [../c]",
        "b/kustomization.yaml": "resources: [../c]\ncomponents: [../c]\n",
        "c/kustomization.yaml": "resources: [c.yaml]",
        "c/c.yaml": "",
    }

    assert tree(files).inputs == (
        "a/kustomization.yaml",
        "b/kustomization.yaml",
        "c/c.yaml",
        "c/kustomization.yaml",
    )


def test_a_reference_inside_the_folder_adds_nothing():
    """What lies in the folder is in the tree already; what its own bases reference outside still counts."""
    files = {
        "deploy/dev/kustomization.yaml": "resources: [a.yaml, base]",
        "deploy/dev/a.yaml": "",
        "deploy/dev/base/kustomization.yaml": "resources: [../../../x.yaml]",
        "x.yaml": "",
    }

    assert tree(files).inputs == ("x.yaml",)


CHARTED = {
    "deploy/dev/Chart.yaml": "dependencies: [{name: lib, version: 1.0.0, repository: 'file://../../charts/lib'}]",
    "charts/lib/Chart.yaml": "dependencies:\n- {name: deep, repository: file://../deep}\n",
    "charts/lib/values.yaml": "a: 1",
    "charts/deep/Chart.yaml": "name: deep",
    "charts/deep/charts/old/Chart.yaml": "dependencies: [{name: gone, repository: 'file://../gone'}]",
}


def test_local_charts_are_followed_whole():
    """A local chart's every file counts, and those of the charts it depends on; what it vendors is taken as it is."""
    assert tree(CHARTED).inputs == (
        "charts/deep/Chart.yaml",
        "charts/deep/charts/old/Chart.yaml",
        "charts/lib/Chart.yaml",
        "charts/lib/values.yaml",
    )


def test_requirements_of_older_charts():
    """`requirements.yaml` names dependencies as `Chart.yaml` does."""
    files = {**CHARTED, "deploy/dev/Chart.yaml": "", "deploy/dev/requirements.yaml": CHARTED["deploy/dev/Chart.yaml"]}

    assert tree(files).inputs == tree(CHARTED).inputs


@pytest.mark.parametrize("vendored", ["charts/lib-1.0.0.tgz", "charts/lib/Chart.yaml"])
@pytest.mark.parametrize("repository", ["file://../gone", "https://charts.example.com", ""])
def test_a_vendored_dependency_needs_no_source(vendored, repository):
    """Where a chart holds its dependency itself, neither its source nor a warning is needed."""
    files = {
        "deploy/dev/Chart.yaml": f"dependencies: [{{name: lib, version: '*', repository: '{repository}'}}]",
        f"deploy/dev/{vendored}": "",
    }

    assert tree(files).warnings == ()


@pytest.mark.parametrize(
    ("reference", "pinned"),
    [
        (f"https://github.com/acme/base//dev?ref={COMMIT}", True),
        ("https://github.com/acme/base//dev?ref=v1.2.3", True),
        ("https://github.com/acme/base//dev?timeout=90s&ref=kustomize/v4.5.7", True),
        ("https://github.com/acme/app/releases/download/v1.2.3/install.yaml", True),
        (f"https://raw.githubusercontent.com/acme/app/{COMMIT}/install.yaml", True),
        ("github.com/acme/base?ref=main", False),
        ("github.com/acme/base", False),
        ("git@github.com:acme/base", False),
        ("https://example.com/app/latest/install.yaml", False),
        ("https://github.com/acme/base//v1.2.3?ref=main", False),
        ("ssh://git@example.com/acme/base?ref=HEAD", False),
    ],
)
def test_remote_references_are_warned_about_by_name(reference, pinned):
    """What is fetched is not watched, and says so; without a fixed version it says that, too."""
    (warning,) = tree({"deploy/dev/kustomization.yaml": f"resources:\n- {reference}\n"}).warnings

    assert (warning.file, warning.line, warning.column) == ("deploy/dev/kustomization.yaml", 2, 3)
    assert reference in warning.message
    assert ("a change there is not noticed" in warning.message) == pinned
    assert ("no fixed version" in warning.message) != pinned


def test_a_credential_in_a_url_is_not_printed():
    """A URL's user part is redacted."""
    (warning,) = tree({"deploy/dev/kustomization.yaml": "resources: ['https://me:hunter2@example.com/a']"}).warnings

    assert "hunter2" not in str(warning)
    assert "https://***@example.com/a" in str(warning)


@pytest.mark.parametrize(
    ("version", "lock", "pinned"),
    [
        ("1.2.3", "", True),
        ("v1.2.3-rc.1", "", True),
        ("^1.2.3", "", False),
        ("1.x", "", False),
        ("", "", False),
        ("^1.2.0", "dependencies: [{name: redis, version: 1.2.9}]", True),
        ("^1.2.0", "dependencies: [{name: other, version: 1.2.9}]", False),
    ],
)
def test_remote_charts(version, lock, pinned):
    """A chart from elsewhere is pinned by an exact version, in `Chart.yaml` or in its lock."""
    files = {
        "deploy/dev/Chart.yaml": f"dependencies:\n- {{name: redis, version: '{version}', repository: 'oci://x/y'}}\n",
        "deploy/dev/Chart.lock": lock,
    }

    (warning,) = tree(files).warnings

    assert "chart 'redis' from oci://x/y" in warning.message
    assert ("a change there is not noticed" in warning.message) == pinned


def test_remote_charts_of_a_kustomization():
    """`helmCharts` from elsewhere are warned about as well."""
    chart = "helmCharts: [{name: redis, repo: 'https://c.example.com', version: 1.2.3}]"
    (warning,) = tree({"deploy/dev/kustomization.yaml": chart}).warnings

    assert "not noticed" in warning.message


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({}, "gitslo.yaml: the folder `deploy/dev` of `dev` is missing"),
        ({"deploy/dev": ""}, "deploy/dev: the folder of 'dev' is a file"),
        ({"deploy": ""}, "deploy: the folder of 'dev' is a file"),
        ({"deploy/dev/a.yaml": "", "deploy/dev/A.yaml": ""}, "some systems take it for"),
        ({"deploy/dev/x/a": "", "deploy/dev/X/b": ""}, "some systems take it for"),
        ({"deploy/dev/stra\u00dfe": "", "deploy/dev/STRASSE": ""}, "some systems take it for"),
        ({"deploy/dev/.GIT/config": ""}, "some file systems take for `.git`"),
        ({"deploy/dev/.g\u200cit/config": ""}, "some file systems take for `.git`"),
        ({"deploy/dev/git~1": ""}, "some file systems take for `.git`"),
        ({"deploy/dev/.git . ": ""}, "some file systems take for `.git`"),
        ({"deploy/dev/../x": ""}, "relative part '..'"),
        ({"deploy/dev/a\\b": ""}, "backslash"),
        ({"deploy/dev/a\nb": ""}, "control character"),
    ],
)
def test_hostile_folders(files, says):
    """Missing folders, and names that mean another file somewhere, are refused by name."""
    assert says in refusal(files)


@pytest.mark.parametrize(("mode", "says"), [("120000", "a symbolic link"), ("160000", "a submodule")])
@pytest.mark.parametrize("path", ["deploy/dev/x", "deploy/dev", "deploy", "base", "base/app.yaml"])
def test_links_and_submodules_are_refused(path, mode, says):
    """No link and no submodule is followed, in the folder, above it or in a base."""
    files = {name: text for name, text in KUSTOMIZED.items() if not name.startswith(f"{path}/")}

    said = refusal({**files, path: "x"}, {path: mode})

    assert path in said
    assert says in said


@pytest.mark.parametrize(
    ("kustomization", "says"),
    [
        ("resources:\n- ../../../x\n", "deploy/dev/kustomization.yaml:2:3: '../../../x' leaves the repository"),
        ("resources: [/etc/passwd]", "'/etc/passwd' is no path relative to 'deploy/dev'"),
        ("resources: ['..\\..\\x']", "is no path relative"),
        ("resources: ['file:///etc/passwd']", "leaves the repository"),
        ("resources: ['']", "'' is no path"),
        ("resources: [bsae.yaml]", "there is no 'deploy/dev/bsae.yaml' (did you mean `deploy/dev/base.yaml`?)"),
        ("resources: [../../base]", "there is no 'base'"),
        ("resources: [../other]", "the folder 'deploy/other' holds no kustomization.yaml"),
        ("components: [base.yaml]", "'base.yaml' is a file and a folder with a kustomization is expected"),
        ("crds: [../other]", "'deploy/other' is a folder and a file is expected"),
        ("resources: [.]", "comes round to itself: deploy/dev -> deploy/dev"),
        ("resources: {a: b}", "expected a single value"),
        ("patches: [a]", "expected a mapping"),
        ("- a", "expected a mapping"),
        ("a: 1\n---\nb: 2\n", "expected one YAML document and found 2"),
        ("a: [", "kustomization.yaml:1"),
        ("crds: ['https://example.com/crd.yaml', nothing]", "there is no 'deploy/dev/nothing'"),
        ("helmCharts: [{name: app, version: 1.0.0}]", "the chart 'app' is not in 'charts'"),
        ("helmCharts: [{name: app}]", "the chart 'app' is not in 'charts', and no 'repo' says"),
        ("helmCharts: [{repo: x}]", "a chart without 'name'"),
        ("helmCharts: [{name: ../../../../x}]", "leaves the repository"),
        ("helmGlobals: {chartHome: ..}\nhelmCharts: [{name: other}]", "is no chart: it has no Chart.yaml"),
    ],
)
def test_broken_references(kustomization, says):
    """A reference that is missing, leaves the repository or is of the wrong kind is refused where it stands."""
    files = {"deploy/dev/kustomization.yaml": kustomization, "deploy/dev/base.yaml": "", "deploy/other/x": ""}

    assert says in refusal(files)


def test_a_circle_of_bases_is_named():
    """Bases that reference each other are refused, with the way round."""
    files = {
        "deploy/dev/kustomization.yaml": "resources: [../../a]",
        "a/kustomization.yaml": "resources: [../b]",
        "b/kustomization.yaml": "resources: [../a]",
    }

    assert "b/kustomization.yaml:1:13: the reference comes round to itself: a -> b -> a" in refusal(files)


def test_a_chart_without_its_dependency():
    """A dependency that is neither vendored nor said to come from somewhere is missing."""
    chart = "dependencies: [{name: lib, version: 1.0.0}]"

    assert "the chart 'lib' is not in 'deploy/dev/charts'" in refusal({"deploy/dev/Chart.yaml": chart})


def test_a_circle_of_charts_is_named():
    """Charts that depend on each other are refused as well."""
    chart = "dependencies: [{{name: x, repository: 'file://../{}'}}]"
    files = {
        "deploy/dev/Chart.yaml": chart.format("../c/a"),
        "c/a/Chart.yaml": chart.format("b"),
        "c/b/Chart.yaml": chart.format("a"),
    }

    assert "c/a -> c/b -> c/a" in refusal(files)


def test_bases_without_end_are_refused():
    """A tower of bases is refused before it costs anything."""
    files = {f"b{n}/kustomization.yaml": f"resources: [../b{n + 1}]" for n in range(100)}

    assert "on top of each other" in refusal({"deploy/dev/kustomization.yaml": "resources: [../../b0]", **files})


def test_two_kustomizations_in_one_folder():
    """Kustomize reads one kustomization per folder."""
    assert "holds both" in refusal({"deploy/dev/kustomization.yaml": "", "deploy/dev/Kustomization": ""})


def test_shared_bases_are_told():
    """What several environments reference is told once, by its folder, with their names in the pipeline's order."""
    files = {
        "deploy/dev/kustomization.yaml": "resources: [../../base, ../../own]",
        "deploy/prod/kustomization.yaml": "resources: [../../base, ../dev/only.yaml]\ncrds: [../../base/sub/crd.yaml]",
        "deploy/dev/only.yaml": "",
        "base/kustomization.yaml": "resources: [app.yaml]\ncrds: [sub/crd.yaml]",
        "base/app.yaml": "",
        "base/sub/crd.yaml": "",
        "own/kustomization.yaml": "",
    }
    found = (environment("deploy/prod", name="prod"), environment())

    assert shared(found, [tree_of(view(files), each) for each in found]) == (
        ("base", ("prod", "dev")),
        ("deploy/dev/only.yaml", ("prod", "dev")),
    )


def test_files_of_a_folder_that_are_shared_differently_are_told_apart():
    """Where a folder is shared in part, its files are named."""
    files = {
        "deploy/dev/kustomization.yaml": "resources: [../../base/a.yaml, ../../base/b.yaml]",
        "deploy/prod/kustomization.yaml": "resources: [../../base/a.yaml]",
        "base/a.yaml": "",
        "base/b.yaml": "",
    }
    found = (environment(), environment("deploy/prod", name="prod"))

    assert shared(found, [tree_of(view(files), each) for each in found]) == (("base/a.yaml", ("dev", "prod")),)


def test_the_tree_after_edits_is_the_tree_of_the_edited_files():
    """A digest computed before a commit is the one computed after it."""
    before, after = view(KUSTOMIZED), view({**KUSTOMIZED, "deploy/dev/kustomization.yaml": "resources: [../../b]\n"})
    edits = {"deploy/dev/kustomization.yaml": b"resources: [../../base]\n"}

    assert tree_of(edited_tree(after, edits), DEV) == tree_of(before, DEV)
