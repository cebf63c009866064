from __future__ import annotations

import pytest

from gitslo.core.change import release_of
from gitslo.errors import Refused
from gitslo.model import LocatorForm, Promoted
from tests.change.folders import APP, SHA, carried, deployment, environment, field, image, view, whole

KUSTOMIZE = image(LocatorForm.KUSTOMIZE, file="kustomization.yaml")
HELM = image(LocatorForm.HELM, file="values.yaml", at="image.tag")
PINNED = image(LocatorForm.HELM, file="values.yaml", at="image.tag", digest_at="image.digest")


def refusal(files: dict[str, str], *promoted: Promoted) -> str:
    with pytest.raises(Refused) as caught:
        release_of(view(files), environment(*promoted))
    return str(caught.value)


@pytest.mark.parametrize(
    ("reference", "value"),
    [
        (f"{APP}:1.2.3", "1.2.3"),
        (f"'{APP}:1.10'", "1.10"),
        (f"{APP}:1@{SHA}", f"1@{SHA}"),
        (f"{APP}@{SHA}", f"@{SHA}"),
        (APP, "latest"),
        (f"{APP}:latest", "latest"),
    ],
)
def test_an_image_in_a_manifest(reference, value):
    """An image carries its tag, its digest or both; without either it is what every runtime takes it for."""
    assert carried({"a.yaml": deployment(reference)}, image()) == (value,)


@pytest.mark.parametrize(
    "kind",
    ["Deployment", "StatefulSet", "DaemonSet", "Job", "ReplicaSet", "ReplicationController", "Rollout"],
)
def test_kinds_with_a_pod_template(kind):
    """Every kind with a Pod template is read."""
    assert carried({"a.yaml": deployment(f"{APP}:1", kind)}, image()) == ("1",)


@pytest.mark.parametrize(
    "text",
    [
        f"kind: Pod\nspec: {{containers: [{{image: '{APP}:1'}}]}}",
        f"kind: Pod\nspec: {{initContainers: [{{image: '{APP}:1'}}], containers: [{{image: other:2}}]}}",
        f"kind: PodTemplate\ntemplate: {{spec: {{containers: [{{image: '{APP}:1'}}]}}}}",
        "kind: CronJob\nspec: {jobTemplate: {spec: {template: {spec: {containers: [{image: 'APP:1'}]}}}}}",
        f"kind: List\nitems:\n- kind: Service\n- kind: Pod\n  spec: {{containers: [{{image: '{APP}:1'}}]}}\n",
        f"kind: Service\n---\nkind: Pod\nspec: {{containers: [{{name: no image}}, {{image: '{APP}:1'}}]}}",
        '{"kind": "Pod", "spec": {"containers": [{"image": "ghcr.io\\/acme\\/app:1"}]}}',
    ],
)
def test_where_pods_are(text):
    """Pods, templates, jobs of jobs, lists, several documents, init containers, JSON with escapes: all are read."""
    assert carried({"a.yml": text.replace("APP", APP)}, image()) == ("1",)


def test_only_pods_count():
    """An image named elsewhere is not what runs."""
    elsewhere = f"kind: ConfigMap\nspec: {{containers: [{{image: '{APP}:2'}}]}}\n---\nimage: {APP}:3\n"

    assert carried({"a.yaml": deployment(f"{APP}:1") + "---\n" + elsewhere}, image()) == ("1",)


@pytest.mark.parametrize("other", [f"{APP}-worker:9", f"{APP}/sub:9", "app:9", f"mirror/{APP}:9", "acme/app:9"])
def test_names_that_are_alike_are_others(other):
    """A name matches whole, never by its beginning or end."""
    assert carried({"a.yaml": deployment(f"{APP}:1"), "b.yaml": deployment(other)}, image()) == ("1",)


def test_a_registry_with_a_port():
    """The colon of a registry's port is no tag's."""
    assert carried({"a.yaml": deployment("localhost:5000/app:1")}, image(name="localhost:5000/app")) == ("1",)
    assert carried({"a.yaml": deployment("localhost:5000/app")}, image(name="localhost:5000/app")) == ("latest",)


@pytest.mark.parametrize("name", ["slo.yaml", "templates/d.yaml", "charts/x/d.yaml", "notes.txt"])
def test_what_is_not_searched(name):
    """The plan, a chart's templates and what it vendors, and other files are no manifests of the folder."""
    files = {name: deployment(f"{APP}:2"), "Chart.yaml": "name: x", "a.yaml": deployment(f"{APP}:1")}

    assert carried(files, image()) == ("1",)


def test_files_that_cannot_name_the_image_are_not_parsed():
    """A file that is no YAML, or has tags, does no harm while it does not name the image."""
    files = {"a.yaml": deployment(f"{APP}:1"), "b.yaml": "a: !secret x", "c.yaml": "{{ if }}"}

    assert carried(files, image()) == ("1",)
    assert "c.yaml" in refusal({**files, "c.yaml": f"{{{{ {APP} }}}}"}, image())


def test_two_tags_in_one_folder():
    """One environment runs one release: different tags are refused, naming both places."""
    said = refusal({"a.yaml": deployment(f"{APP}:1"), "b.yaml": deployment(f"{APP}:2")}, image())

    assert said == (
        f"deploy/prod/b.yaml:7:18: '{APP}' is '1' at deploy/prod/a.yaml:7:18 and '2' here"
        " (one environment runs one release: make them equal)"
    )


def test_the_same_tag_twice():
    """Equal tags in several places are one value."""
    assert carried({"a.yaml": deployment(f"{APP}:1"), "b.yaml": deployment(f'"{APP}:1"')}, image()) == ("1",)


def test_no_image_has_the_nearest_as_a_hint():
    """An image that is nowhere is refused, with the one that was probably meant."""
    assert "did you mean `ghcr.io/acme/aap`?" in refusal({"a.yaml": deployment("ghcr.io/acme/aap:1")}, image())
    assert "did you mean `ghcr.io/acme/aap`?" in refusal(
        {"kustomization.yaml": "images: [{name: ghcr.io/acme/aap, newTag: v1}]"}, image()
    )


@pytest.mark.parametrize("reference", [f"{APP}:${{TAG}}", f"{APP}:-x", f"{APP}:1@sha256:12", f"{APP}@", f"'{APP}:'"])
def test_what_is_no_tag_and_no_digest(reference):
    """A tag that is none (a variable, a typo) is refused with its position."""
    assert refusal({"a.yaml": deployment(reference)}, image()).startswith("deploy/prod/a.yaml:7:18: ")


def test_a_named_manifest():
    """Where the manifest is named, only that one is read."""
    files = {"a.yaml": deployment(f"{APP}:1"), "b.yaml": deployment(f"{APP}:2"), "c.yaml": "kind: Pod"}

    assert carried(files, image(file="b.yaml")) == ("2",)
    assert "c.yaml: no image" in refusal(files, image(file="c.yaml"))


def test_a_place_without_a_file():
    """Only images in manifests and kustomizations are searched for."""
    assert "it is not said in which file" in refusal({"a.yaml": "a: 1"}, image(LocatorForm.HELM, at="image.tag"))


def test_a_kustomization_without_a_file_is_searched():
    """A kustomization need not be named where there is one; manifests are then not looked at."""
    files = {"a.yaml": deployment(f"{APP}:1"), "kustomization.yaml": f"images: [{{name: {APP}, newTag: v2}}]"}

    assert carried(files, image(LocatorForm.KUSTOMIZE)) == ("v2",)


def test_a_large_file_in_the_way():
    """A file too large to be searched is refused with a way out."""
    files = {"a.yaml": deployment(f"{APP}:1"), "crds.yaml": "#" * (1024 * 1024 + 1)}

    assert "say where the image stands" in refusal(files, image())


def test_the_nearest_name_passes_over_what_is_no_yaml():
    """A broken file beside does not hide the hint."""
    files = {"a.yaml": deployment("ghcr.io/acme/aap:1"), "b.yaml": "a: [", "kustomization.yaml": "images: [text]"}

    assert "did you mean `ghcr.io/acme/aap`?" in refusal(files, image())


def test_a_kustomization_is_found_by_itself():
    """Where no manifest of the folder names the image, its kustomization is looked at."""
    files = {"sub/kustomization.yml": f"images: [{{name: {APP}, newTag: v1}}]"}

    assert carried(files, image()) == ("v1",)


def test_an_untagged_manifest_leaves_it_to_the_kustomization():
    """A manifest without a tag carries none where a kustomization sets it."""
    files = {"a.yaml": deployment(APP), "kustomization.yaml": f"images: [{{name: {APP}, newTag: v1}}]"}

    assert carried(files, image()) == ("v1",)


def test_a_manifest_and_a_kustomization_are_two_places():
    """Where both carry a tag, only the author knows which one deploys: refused, naming both."""
    files = {"a.yaml": deployment(f"{APP}:1"), "kustomization.yaml": f"images: [{{name: {APP}, newTag: v1}}]"}

    assert "has two places: deploy/prod/a.yaml:7:18 and deploy/prod/kustomization.yaml:1:17" in refusal(files, image())
    assert carried(files, KUSTOMIZE) == ("v1",)


def test_two_kustomizations_are_two_places():
    """One place is found by itself, two are not."""
    text = f"images: [{{name: {APP}, newTag: v1}}]"

    assert "has two places" in refusal({"a/kustomization.yaml": text, "b/kustomization.yaml": text}, image())


@pytest.mark.parametrize(
    ("entry", "value"),
    [
        (f"{{name: {APP}, newTag: v1}}", "v1"),
        (f"{{name: app, newName: {APP}, newTag: '1.10'}}", "1.10"),
        (f"{{name: {APP}, newName: mirror/app, newTag: 1.10}}", "1.10"),
        (f"{{name: {APP}, newTag: 1_0}}", "1_0"),
        (f"{{name: {APP}, newTag: 0x10}}", "0x10"),
        (f"{{name: {APP}, newTag: on}}", "on"),
        (f"{{name: {APP}, digest: '{SHA}'}}", f"@{SHA}"),
        (f"{{name: {APP}, digest: '{SHA}', newTag: v1}}", f"v1@{SHA}"),
        (f"{{name: {APP}, digest: , newTag: v1}}", "v1"),
    ],
)
def test_an_entry_of_images(entry, value):
    """A kustomization's tag is read as it is written, never as a number."""
    files = {"kustomization.yaml": f"images:\n- name: other\n- {entry}\n- text\n"}

    assert carried(files, KUSTOMIZE) == (value,)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (f"images: [{{name: {APP}}}]", "kustomization.yaml:1:17: there is neither a tag nor a digest here"),
        (f"images: [{{name: {APP}, newTag: ~}}]", "neither a tag nor a digest"),
        (f"images: [{{name: {APP}, tagSuffix: -x}}]", "write `newTag`"),
        (f"images: [{{name: {APP}, newTag: a}}, {{newName: {APP}, newTag: b}}]", "is 'a' at"),
        ("images: [{name: ghcr.io/acme/ap, newTag: a}]", "did you mean `ghcr.io/acme/ap`?"),
        ("resources: []", f"no image '{APP}' is named here"),
    ],
)
def test_entries_that_carry_nothing(text, says):
    """An entry without a value, or two that disagree, are refused."""
    assert says in refusal({"kustomization.yaml": text}, KUSTOMIZE)


def test_a_missing_file_has_the_nearest_as_a_hint():
    """A locator's file that is not there is refused, with the one that was probably meant."""
    assert "did you mean `deploy/prod/value.yaml`?" in refusal({"value.yaml": "a: 1"}, HELM)


@pytest.mark.parametrize(
    ("text", "promoted", "value"),
    [
        ("image:\n  tag: 1.10\n", HELM, "1.10"),
        ("image: {tag: '1.10'}", HELM, "1.10"),
        ("image: {tag: on}", HELM, "on"),
        (f"image: {{tag: v1@{SHA}}}", HELM, f"v1@{SHA}"),
        (f"image: {{tag: v1, digest: '{SHA}'}}", PINNED, f"v1@{SHA}"),
        (f"image: {{tag: '', digest: '{SHA}'}}", PINNED, f"@{SHA}"),
        ("image: {tag: v1, digest: ''}", PINNED, "v1"),
        ("image: {tag: v1, digest: null}", PINNED, "v1"),
    ],
)
def test_values_of_a_chart(text, promoted, value):
    """A values file's tag and digest are read as they are written."""
    assert carried({"values.yaml": text}, promoted) == (value,)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("image: {tga: v1}", "values.yaml:1:8: there is no 'image.tag': 'tag' is not here (did you mean `tga`?)"),
        ("iamge: {tag: v1}", "did you mean `iamge`?"),
        ("image: v1", "'tag' is not here"),
        ("image: {tag: {a: b}}", "'image.tag' is a mapping and a single value is expected"),
        ("image: {tag: [a]}", "'image.tag' is a list and a single value is expected"),
        ("image: {tag: ''}", "neither a tag nor a digest"),
        ("image: {tag: ~}", "neither a tag nor a digest"),
        ("image: {tag: a b}", "'a b' is no image tag"),
        ("", "the file is empty"),
        ("image: {tag: a}\n---\nimage: {tag: b}\n", "more than one document: lines 1 and 3"),
    ],
)
def test_values_that_are_not_there(text, says):
    """A path that leads nowhere, or to no single tag, is refused with a hint."""
    assert says in refusal({"values.yaml": text}, HELM)


@pytest.mark.parametrize(
    ("at", "value"),
    [
        ("a.b", "1"),
        ('notes."x.y/z"', "2"),
        ("notes.'x.y/z'", "2"),
        ('"quo\\"te"', "3"),
        ("list.1.c", "5"),
        ("list[1].c", "5"),
        ("list[0]", "4"),
        ("numbers.0", "6"),
        ("here", "7"),
    ],
)
def test_dotted_paths(at, value):
    """Keys, keys with dots in quotes, and indices; a number is a key where a mapping stands."""
    text = 'a: {b: 1}\nnotes: {x.y/z: 2}\n"quo\\"te": 3\nlist: [4, {c: 5}]\nnumbers: {"0": 6}\nh: &h 7\nhere: *h\n'

    assert carried({"f.yaml": text}, field("f.yaml", at)) == (value,)


@pytest.mark.parametrize("at", ["", ".", "a..b", "a.", "a[x]", '"a', "a b]", '"a"b', "[0", "a.[0]x"])
def test_what_is_no_path(at):
    """A path that cannot be read is refused."""
    assert "is no path" in refusal({"f.yaml": "a: 1"}, field("f.yaml", at))


def test_a_value_in_one_of_several_documents():
    """A file with several documents is searched, as long as one of them has the value."""
    assert carried({"f.yaml": "a: 1\n---\nb: 2\n---\n- c\n"}, field("f.yaml", "b")) == ("2",)


@pytest.mark.parametrize(
    ("text", "value"),
    [("a: 1.10", "1.10"), ("a: 'x  y'", "x  y"), ("a: ''", ""), ("a: |\n  x\n  y\n", "x\ny\n"), ("a: true", "true")],
)
def test_a_field_is_its_text(text, value):
    """A field carries its text, never a number made of it."""
    assert carried({"f.yaml": text}, field("f.yaml", "a")) == (value,)


def test_a_field_without_a_value():
    """An empty field is no value."""
    assert "has no value here" in refusal({"f.yaml": "a:\n"}, field("f.yaml", "a"))
    assert "more than 4096 characters" in refusal({"f.yaml": f"a: {'x' * 4097}"}, field("f.yaml", "a"))


@pytest.mark.parametrize("text", [f"a: {APP}:1", "a: '1'"])
def test_an_image_in_a_field(text):
    """An image may live in a field, as its tag or as the whole reference."""
    assert carried({"f.yaml": text}, image(LocatorForm.YAML, file="f.yaml", at="a")) == ("1",)


def test_a_file_is_its_object_id():
    """A file carries its content, by its id; a folder or a link is no file."""
    assert carried({"rules.txt": "hello\n"}, whole("rules.txt")) == ("ce013625030ba8dba906f756967f9e9ca394464a",)
    assert "is not a regular file" in refusal({"rules.txt/x": "hello\n"}, whole("rules.txt"))


def test_equal_releases_have_equal_digests_in_every_stage():
    """The digest is over kind, name and value: not over the stage, its form, or the order of `promote`."""
    dev = release_of(
        view({"values.yaml": "image: {tag: v1}", "f.yaml": "a: x"}, "dev"),
        environment(HELM, field("f.yaml", "a"), stage="dev"),
    )
    prod = release_of(
        view({"a.yaml": deployment(f"{APP}:v1"), "g.yaml": "- x"}), environment(field("g.yaml", "0"), image())
    )
    other = release_of(
        view({"a.yaml": deployment(f"{APP}:v2"), "g.yaml": "- x"}), environment(field("g.yaml", "0"), image())
    )

    assert dev.digest == prod.digest != other.digest
    assert len(dev.digest) == 64
    assert dev.images() == prod.images() == (f"{APP}:v1",)


def test_nothing_promoted_is_a_release_too():
    """An environment that promotes nothing carries the empty release."""
    assert release_of(view({"a.yaml": ""}), environment()).values == ()
