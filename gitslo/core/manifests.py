"""Reading what concerns us out of manifests: image references, the containers that name them, and single fields.

Called by `references` (kustomizations, charts), `places` and `change`. Must stay true: what does not concern us is
passed over, whatever it looks like; what does is read exactly, and refused with its position where it is odd.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn

from gitslo.core.yamlsafe import MANIFEST, Mapping, Mark, Node, Scalar, Sequence, read_documents
from gitslo.errors import Problem, Refused
from gitslo.ports import TreeView

__all__ = ["DIGEST", "TAG", "At", "Fields", "ImageReference", "Path", "fields_of", "images_in", "split_image"]

Path = tuple[str | int, ...]
"""Keys and indices from a document's root."""

TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
"""An image's tag (OCI distribution specification, `reference`)."""
DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")

_POD_SPECS: dict[str, Path] = {
    "Pod": ("spec",),
    "PodTemplate": ("template", "spec"),
    "CronJob": ("spec", "jobTemplate", "spec", "template", "spec"),
    **dict.fromkeys(
        (
            "DaemonSet",
            "Deployment",
            "Job",
            "ReplicaSet",
            "ReplicationController",
            "Rollout",  # argoproj.io: shaped like a Deployment
            "StatefulSet",
        ),
        ("spec", "template", "spec"),
    ),
}
"""Kind -> where its Pod's specification is."""

_CONTAINERS = ("initContainers", "containers")


@dataclass(frozen=True, slots=True)
class ImageReference:
    """An image as a manifest names it, in parts; neither tag nor digest need be well formed.

    Attributes:
        name: registry and repository, as written.
        tag, digest: None where the reference has none.
    """

    name: str
    tag: str | None
    digest: str | None


def split_image(text: str) -> ImageReference:
    """The parts of a reference: `localhost:5000/app:1@sha256:...` has the name `localhost:5000/app`."""
    named, at, digest = text.partition("@")
    folder, slash, last = named.rpartition("/")
    last, colon, tag = last.partition(":")
    return ImageReference(f"{folder}{slash}{last}", tag if colon else None, digest if at else None)


def images_in(document: Node) -> Iterator[tuple[Path, Scalar]]:
    """Every container's image in the Pod-bearing manifests of one document, Lists included, in the file's order."""
    yield from _images(document, ())


def _images(node: Node, path: Path) -> Iterator[tuple[Path, Scalar]]:
    kind = _at(node, ("kind",))
    if not isinstance(kind, Scalar):
        return
    items = _at(node, ("items",))
    if kind.value.endswith("List") and isinstance(items, Sequence):
        for index, item in enumerate(items.items):
            yield from _images(item, (*path, "items", index))
    where = _POD_SPECS.get(kind.value)
    if where is None:
        return
    for field in _CONTAINERS:
        containers = _at(node, (*where, field))
        if not isinstance(containers, Sequence):
            continue
        for index, container in enumerate(containers.items):
            image = _at(container, ("image",))
            if isinstance(image, Scalar) and not image.missing:
                yield (*path, *where, field, index, "image"), image


def _at(node: Node | None, path: tuple[str | int, ...]) -> Node | None:
    for key in path:
        node = node.get(str(key)) if isinstance(node, Mapping) else None
    return node


# --------------------------------------------------------------------------- single fields


class At:
    """Where something stands, for errors."""

    def __init__(self, file: str, mark: Mark) -> None:
        self.file = file
        self.mark = mark

    def problem(self, message: str, hint: str = "") -> Problem:
        """A problem here."""
        return Problem(message, file=self.file, line=self.mark.line, column=self.mark.column, hint=hint)

    def refuse(self, message: str, hint: str = "") -> NoReturn:
        """Refuse it."""
        raise Refused(self.problem(message, hint))


class Fields:
    """A mapping of which some fields concern us; each is a single value or a list of them.

    Args:
        file: its path, for errors.
        node: None (or YAML's null) for an empty document.

    Raises:
        Refused: it is no mapping.
    """

    def __init__(self, file: str, node: Node | None) -> None:
        self.at = At(file, Mark(1, 1, 0) if node is None else node.alias or node.start)
        if isinstance(node, Scalar) and node.data() is None:
            node = None
        if node is not None and not isinstance(node, Mapping):
            self.at.refuse("expected a mapping")
        self._node = node

    def scalars(self, key: str) -> Iterator[tuple[Scalar, At]]:
        """The single value of `key`, or each of its list; nothing where it is missing or null."""
        for node in self._each(key):
            at = At(self.at.file, node.alias or node.start)
            if not isinstance(node, Scalar):
                at.refuse("expected a single value")
            yield node, at

    def text(self, key: str) -> str:
        """The single value of `key`; empty where it is missing or null."""
        return next((scalar.value for scalar, _ in self.scalars(key)), "")

    def mappings(self, key: str) -> Iterator[Fields]:
        """The mapping at `key`, or each of its list."""
        for node in self._each(key):
            yield Fields(self.at.file, node)

    def _each(self, key: str) -> Iterator[Node]:
        node = None if self._node is None else self._node.get(key)
        if node is None or (isinstance(node, Scalar) and node.data() is None):
            return
        yield from node.items if isinstance(node, Sequence) else (node,)


def fields_of(view: TreeView, path: str) -> Fields:
    """The fields of the one document in a file, which may be empty.

    Raises:
        Refused: there is no such file, it is no YAML, has several documents or no mapping.
    """
    documents = read_documents(view.read(path), file=path, budget=MANIFEST)
    if len(documents) > 1:
        raise Refused(Problem(f"expected one YAML document and found {len(documents)}", file=path))
    return Fields(path, documents[0] if documents else None)
