"""Environments with promoted values, and folders in memory, as the tests of changes need them."""

from __future__ import annotations

from collections.abc import Mapping

from gitslo.core.change import promotion_edits, release_of
from gitslo.model import (
    Environment,
    Locator,
    LocatorForm,
    Promoted,
    PromotedKind,
    Release,
    ReleaseValue,
    SyncSpec,
    WritePolicies,
)
from gitslo.ports import TreeEntry
from gitslo.testing.memory_view import MemoryView

APP = "ghcr.io/acme/app"
SHA = "sha256:" + "0123456789abcdef" * 4
OTHER_SHA = "sha256:" + "f" * 64


def environment(*promoted: Promoted, stage: str = "prod") -> Environment:
    """The environment of one service in `stage`; its folder is `deploy/<stage>`."""
    return Environment(
        name=stage,
        pipeline="shop",
        service=None,
        stage=stage,
        path=f"deploy/{stage}",
        plan_path=f"deploy/{stage}/slo.yaml",
        after=(),
        promoted=promoted,
        write=WritePolicies(),
        sync=SyncSpec("probe"),
    )


def image(form: LocatorForm = LocatorForm.MANIFESTS, name: str = APP, **locator: str) -> Promoted:
    """A promoted image."""
    return Promoted(PromotedKind.IMAGE, name, Locator(form, **locator))


def field(file: str, at: str, name: str = "field") -> Promoted:
    """A promoted field."""
    return Promoted(PromotedKind.FIELD, name, Locator(LocatorForm.YAML, file, at))


def whole(file: str, name: str = "file") -> Promoted:
    """A promoted file."""
    return Promoted(PromotedKind.FILE, name, Locator(LocatorForm.FILE, file))


def view(files: Mapping[str, str | bytes], stage: str = "prod") -> MemoryView:
    """A repository with these files in the folder of `stage`."""
    return MemoryView(
        {f"deploy/{stage}/{name}": data if isinstance(data, bytes) else data.encode() for name, data in files.items()}
    )


def release(value: str, promoted: Promoted) -> Release:
    """A release with one value."""
    return Release((ReleaseValue(promoted.kind, promoted.name, value),), "0" * 64)


def carried(files: Mapping[str, str], *promoted: Promoted) -> tuple[str, ...]:
    """The values that these files carry."""
    return tuple(value.value for value in release_of(view(files), environment(*promoted)).values)


def promote(files: Mapping[str, str], value: str, promoted: Promoted) -> dict[str, str]:
    """The files that change when an image or a text is promoted, by name, checked to carry it afterwards."""
    target = environment(promoted)
    before = view(files)
    edits = promotion_edits(before, target, release(value, promoted), before, target)
    after = view(
        {
            **files,
            **{path.removeprefix("deploy/prod/"): data for path, data in edits.items() if isinstance(data, bytes)},
        }
    )
    assert release_of(after, target).values == (ReleaseValue(promoted.kind, promoted.name, value),)
    assert promotion_edits(after, target, release(value, promoted), before, target) == {}
    return {path.removeprefix("deploy/prod/"): text(data) for path, data in edits.items()}


def text(edit: bytes | TreeEntry) -> str:
    """An edit's new text."""
    assert isinstance(edit, bytes)
    return edit.decode()


def deployment(reference: str, kind: str = "Deployment") -> str:
    """A manifest with one container."""
    containers = f"      containers:\n        - name: app\n          image: {reference}\n"
    return f"kind: {kind}\nspec:\n  template:\n    spec:\n{containers}"
