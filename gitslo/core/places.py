"""Where a promoted value stands in one environment's folder, and what it says there.

Called by `change`; `placing` changes what is found here. Must stay true: what is read here is what runs (or it is
refused): one value per folder, never guessed, never rounded; and nothing outside the environment's folder, or in its
plan, is ever named as a place.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import assert_never

from gitslo.core.dotted import follow
from gitslo.core.edit import Address, YamlFile
from gitslo.core.manifests import DIGEST, TAG, ImageReference, images_in, split_image
from gitslo.core.nearest import nearest
from gitslo.core.objects import EXECUTABLE, FILE
from gitslo.core.references import CHART, KUSTOMIZATIONS
from gitslo.core.yamlsafe import Mapping, Scalar, Sequence
from gitslo.errors import Problem, Refused
from gitslo.model import Environment, LocatorForm, Promoted, PromotedKind
from gitslo.ports import TreeEntry, TreeView

__all__ = [
    "Carrier",
    "FieldPlace",
    "FilePlace",
    "HelmPlace",
    "ImagePlaces",
    "ImagesEntry",
    "KustomizePlaces",
    "Spot",
    "field_value",
    "find",
    "image_value",
    "text_of",
    "value_of",
]

FIELD_CAP = 4096
"""Characters of a promoted field: it is kept in the ledger and printed. What is longer is promoted as a file."""


@dataclass(frozen=True, slots=True)
class Spot:
    """A single value in a YAML file."""

    file: YamlFile
    address: Address
    scalar: Scalar

    def __str__(self) -> str:
        mark = self.scalar.alias or self.scalar.start
        return f"{self.file.path}:{mark.line}:{mark.column}"

    def problem(self, message: str, hint: str = "") -> Problem:
        """A problem here."""
        return self.file.at(self.scalar.alias or self.scalar.start).problem(message, hint)


@dataclass(frozen=True, slots=True)
class ImagePlaces:
    """Containers' images, at least one, all of the promoted name."""

    images: tuple[tuple[Spot, ImageReference], ...]


@dataclass(frozen=True, slots=True)
class ImagesEntry:
    """One entry of a kustomization's `images`; the spot has its address and the value that named it."""

    spot: Spot
    tag: str
    digest: str


@dataclass(frozen=True, slots=True)
class KustomizePlaces:
    """Entries of one kustomization's `images`, at least one."""

    entries: tuple[ImagesEntry, ...]


@dataclass(frozen=True, slots=True)
class HelmPlace:
    """An image's tag, and its digest where the locator names one, in a values file."""

    tag: Spot
    digest: Spot | None


@dataclass(frozen=True, slots=True)
class FieldPlace:
    """A single value; of an image: its tag, or the whole reference."""

    spot: Spot


@dataclass(frozen=True, slots=True)
class FilePlace:
    """A whole file."""

    path: str
    entry: TreeEntry


Carrier = ImagePlaces | KustomizePlaces | HelmPlace | FieldPlace | FilePlace


# --------------------------------------------------------------------------- finding


def find(view: TreeView, environment: Environment, promoted: Promoted) -> Carrier:
    """Where `promoted` stands in the environment's folder.

    Raises:
        Refused: nowhere, or in several places that cannot all be meant.
    """
    locator = promoted.locator
    if locator.file is None:
        return _search(view, environment, promoted)
    path = f"{environment.path}/{locator.file}"
    if view.entry(path) is None:
        known = [entry.path for entry in _candidates(view, environment)]
        raise Refused(
            Problem(f"{promoted.name!r} should stand in a file that is missing", file=path, hint=nearest(path, known))
        )
    match locator.form:
        case LocatorForm.FILE:
            return FilePlace(path, _regular(view, path))
        case LocatorForm.MANIFESTS:
            images = tuple(_images(_yaml(view, path), promoted.name))
            if not images:
                raise Refused(_nowhere(view, environment, promoted, path))
            return ImagePlaces(images)
        case LocatorForm.KUSTOMIZE:
            entries = tuple(_entries(_yaml(view, path), promoted.name))
            if not entries:
                raise Refused(_nowhere(view, environment, promoted, path))
            return KustomizePlaces(entries)
        case LocatorForm.HELM:
            file = _yaml(view, path)
            digest = None if locator.digest_at is None else _spot(file, locator.digest_at)
            return HelmPlace(_spot(file, locator.at or ""), digest)
        case LocatorForm.YAML:
            return FieldPlace(_spot(_yaml(view, path), locator.at or ""))
    assert_never(locator.form)


def _regular(view: TreeView, path: str) -> TreeEntry:
    entry = view.entry(path)
    if entry is None or entry.mode not in {FILE, EXECUTABLE}:
        raise Refused(Problem("is not a regular file", file=path))
    return entry


def _yaml(view: TreeView, path: str) -> YamlFile:
    return YamlFile.read(view.read(path), path)


def _spot(file: YamlFile, at: str) -> Spot:
    address, scalar = follow(file, at)
    return Spot(file, address, scalar)


def _search(view: TreeView, environment: Environment, promoted: Promoted) -> Carrier:
    """Look for an image where nobody said where it is: in the Pods, then in the kustomizations of the folder."""
    images: list[tuple[Spot, ImageReference]] = []
    kustomized: list[ImagesEntry] = []
    form = promoted.locator.form
    if form not in {LocatorForm.MANIFESTS, LocatorForm.KUSTOMIZE}:
        raise Refused(Problem(f"it is not said in which file {promoted.name!r} stands", file=environment.path))
    for entry in _candidates(view, environment):
        if not _may_name(view, entry.path, promoted.name):
            continue
        if posixpath.basename(entry.path) in KUSTOMIZATIONS:
            kustomized.extend(_entries(_yaml(view, entry.path), promoted.name))
        elif form is not LocatorForm.KUSTOMIZE:
            images.extend(_images(_yaml(view, entry.path), promoted.name))
    tagged = [spot for spot, reference in images if reference.tag or reference.digest]
    if kustomized and tagged:
        # kustomize would overrule the manifest, another tool would not: only the author knows which one deploys.
        spot = kustomized[0].spot
        name = spot.file.path.removeprefix(f"{environment.path}/")
        message = f"{promoted.name!r} has two places: {tagged[0]} and {spot}"
        raise Refused(
            spot.problem(message, f"say which one is meant, e.g. `in: {{{environment.stage}: {{kustomize: {name}}}}}`")
        )
    files = list(dict.fromkeys(entry.spot.file.path for entry in kustomized))
    if len(files) > 1:
        message = f"{promoted.name!r} has two places: {' and '.join(files)}"
        raise Refused(kustomized[-1].spot.problem(message, "say which kustomization is meant"))
    if kustomized:
        return KustomizePlaces(tuple(kustomized))
    if not images:
        raise Refused(_nowhere(view, environment, promoted, environment.path))
    return ImagePlaces(tuple(images))


def _candidates(view: TreeView, environment: Environment) -> Iterator[TreeEntry]:
    """The YAML files of the folder that can be manifests: not the plan, no charts' templates."""
    files = view.walk(environment.path)
    charts = {posixpath.dirname(entry.path) for entry in files if posixpath.basename(entry.path) == CHART}
    for entry in files:
        name = posixpath.basename(entry.path)
        if entry.path == environment.plan_path or entry.mode not in {FILE, EXECUTABLE}:
            continue
        if any(entry.path.startswith((f"{chart}/templates/", f"{chart}/charts/")) for chart in charts):
            continue
        if name in KUSTOMIZATIONS or (name.endswith((".yaml", ".yml")) and name != CHART):
            yield entry


def _may_name(view: TreeView, path: str, name: str) -> bool:
    """Whether a file can hold the name at all: only escapes can hide it, and they take a backslash.

    Files that are none of ours, and may be templates or have tags in them, are so never parsed.
    """
    try:
        data = view.read(path)
    except Refused as refused:
        hint = "say where the image stands, then other files need not be searched"
        raise Refused(*(replace(problem, hint=hint) for problem in refused.problems)) from refused
    return name.encode() in data or b"\\" in data


def _images(file: YamlFile, name: str) -> Iterator[tuple[Spot, ImageReference]]:
    for number, document in enumerate(file.documents):
        for path, scalar in images_in(document):
            reference = split_image(scalar.value)
            if reference.name == name:
                yield Spot(file, Address(number, path), scalar), reference


def _entries(file: YamlFile, name: str) -> Iterator[ImagesEntry]:
    for number, document in enumerate(file.documents):
        images = document.get("images") if isinstance(document, Mapping) else None
        if not isinstance(images, Sequence):
            continue
        for index, entry in enumerate(images.items):
            if not isinstance(entry, Mapping):
                continue
            scalars = {key.value: value for key, value in entry.entries if isinstance(value, Scalar)}
            named = next((s for key in ("name", "newName") if (s := scalars.get(key)) and s.value == name), None)
            if named is None:
                continue
            texts = {key: "" if scalar.data() is None else scalar.value for key, scalar in scalars.items()}
            if texts.get("tagSuffix"):
                file.at(named.start).refuse("`tagSuffix` leaves the tag to another place", "write `newTag`")
            spot = Spot(file, Address(number, ("images", index)), named)
            yield ImagesEntry(spot, texts.get("newTag", ""), texts.get("digest", ""))


def _nowhere(view: TreeView, environment: Environment, promoted: Promoted, path: str) -> Problem:
    known: set[str] = set()
    for entry in _candidates(view, environment):
        try:
            file = _yaml(view, entry.path)
        except Refused:
            continue  # it is no manifest; the error to show is the one we are at
        for document in file.documents:
            known.update(split_image(scalar.value).name for _, scalar in images_in(document))
            images = document.get("images") if isinstance(document, Mapping) else None
            for item in images.items if isinstance(images, Sequence) else ():
                names = [item.get(key) for key in ("name", "newName")] if isinstance(item, Mapping) else []
                known.update(name.value for name in names if isinstance(name, Scalar) and name.value)
    hint = nearest(promoted.name, sorted(known)) or "add an `images` entry to its kustomization, or say where it stands"
    return Problem(f"no image {promoted.name!r} is named here", file=path, hint=hint)


# --------------------------------------------------------------------------- reading


def value_of(carrier: Carrier, promoted: Promoted) -> str:
    """What the folder says, as `ReleaseValue.value`.

    Raises:
        Refused: its places disagree, say nothing, or say what is no tag and no digest.
    """
    match carrier:
        case ImagePlaces():
            return _agreed([(spot, image_value(spot, reference)) for spot, reference in carrier.images], promoted)
        case KustomizePlaces():
            return _agreed([(e.spot, _joined(e.spot, e.tag, e.digest)) for e in carrier.entries], promoted)
        case HelmPlace():
            digest = "" if carrier.digest is None else text_of(carrier.digest)
            return _joined(carrier.tag, text_of(carrier.tag), digest)
        case FieldPlace():
            return field_value(carrier.spot, promoted)
        case FilePlace():
            return carrier.entry.id
    assert_never(carrier)


def _agreed(values: list[tuple[Spot, str]], promoted: Promoted) -> str:
    first, value = values[0]
    for spot, other in values[1:]:
        if other != value:
            message = f"{promoted.name!r} is {value!r} at {first} and {other!r} here"
            raise Refused(spot.problem(message, "one environment runs one release: make them equal"))
    return value


def text_of(spot: Spot) -> str:
    """A value that may be empty; YAML's null is."""
    return "" if spot.scalar.data() is None else spot.scalar.value


def image_value(spot: Spot, reference: ImageReference) -> str:
    """What an image reference carries, as `ReleaseValue.value`."""
    if reference.tag is None and reference.digest is None:
        return "latest"  # what every runtime takes it for
    return _joined(spot, reference.tag or "", reference.digest or "")


def _joined(spot: Spot, tag: str, digest: str) -> str:
    """`TAG`, `TAG@DIGEST` or `@DIGEST`; a tag that has a digest behind it (some charts' way) is taken as it is."""
    tag, at, own = tag.partition("@")
    digest = digest or own
    if not tag and not digest:
        raise Refused(spot.problem("there is neither a tag nor a digest here", "write the tag that runs now"))
    if tag and not TAG.fullmatch(tag):
        raise Refused(spot.problem(f"{tag!r} is no image tag"))
    if (digest or at) and not DIGEST.fullmatch(digest):
        raise Refused(spot.problem(f"{digest!r} is no image digest", "a digest is `sha256:` and 64 hexadecimal digits"))
    return f"{tag}@{digest}" if digest else tag


def field_value(spot: Spot, promoted: Promoted) -> str:
    """What a field carries, as `ReleaseValue.value`; an image's may be its tag or the whole reference."""
    text = text_of(spot)
    if promoted.kind is PromotedKind.IMAGE:
        reference = split_image(text)
        return image_value(spot, reference) if reference.name == promoted.name else _joined(spot, text, "")
    if spot.scalar.missing:
        raise Refused(spot.problem(f"{promoted.name!r} has no value here"))
    if len(spot.scalar.value) > FIELD_CAP:
        hint = "promote the file instead: `file:`"
        raise Refused(spot.problem(f"{promoted.name!r} has more than {FIELD_CAP} characters", hint))
    return spot.scalar.value
