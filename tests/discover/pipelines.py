"""Pipelines and environments as the tests of discovery need them."""

from __future__ import annotations

from collections.abc import Mapping

from gitslo.model import (
    Environment,
    Locator,
    NewerCommit,
    Outcomes,
    Pipeline,
    PromotedKind,
    PromoteRule,
    Revalidation,
    RevertScope,
    Stage,
    SyncSpec,
    WritePolicies,
)


def stage(name: str, path: str | None = None, after: tuple[str, ...] = ()) -> Stage:
    """A stage whose folder is `deploy/<name>` unless said otherwise."""
    return Stage(name, f"deploy/{name}" if path is None else path, after, WritePolicies())


def pipeline(
    *stages: Stage,
    services: tuple[str, ...] = (),
    plan: str = "slo.yaml",
    promote: tuple[PromoteRule, ...] = (),
    sync: Mapping[str, str] | None = None,
) -> Pipeline:
    """A pipeline named `shop`."""
    return Pipeline(
        name="shop",
        services=services,
        stages=stages,
        plan=plan,
        sync=SyncSpec("probe", sync or {}),
        promote=promote,
        revert=RevertScope.TREE,
        newer_commit=NewerCommit.FINISH,
        outcomes=Outcomes({}),
        revalidation=Revalidation(None),
    )


def image(name: str, **places: Locator) -> PromoteRule:
    """A promoted image."""
    return PromoteRule(PromotedKind.IMAGE, name, places)


def environment(path: str = "deploy/dev", plan: str | None = None, name: str = "dev") -> Environment:
    """An environment without promoted values."""
    return Environment(
        name=name,
        pipeline="shop",
        service=None,
        stage=name,
        path=path,
        plan_path=plan or f"{path}/slo.yaml",
        after=(),
        promoted=(),
        write=WritePolicies(),
        sync=SyncSpec("probe"),
    )
