"""What `gitslo.yaml` says: stages, environments, what is promoted, and the policy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from gitslo.model.units import Seconds

__all__ = [
    "Action",
    "Cause",
    "ChangeKind",
    "Environment",
    "Locator",
    "LocatorForm",
    "MergeMode",
    "NewerCommit",
    "OutcomeRule",
    "Outcomes",
    "Pipeline",
    "PromoteRule",
    "Promoted",
    "PromotedKind",
    "Release",
    "ReleaseValue",
    "Revalidation",
    "RevertScope",
    "Stage",
    "SyncSpec",
    "WriteMode",
    "WritePolicies",
    "WritePolicy",
]


class Cause(StrEnum):
    """Why a run exists."""

    SYNC = "sync"
    REVALIDATION = "revalidation"
    MANUAL = "manual"


class ChangeKind(StrEnum):
    """What a change does to the environment it goes into."""

    PROMOTE = "promote"
    REVERT = "revert"


class Action(StrEnum):
    """What a verdict leads to."""

    PROMOTE = "promote"
    REVERT = "revert"
    EXTEND = "extend"
    HOLD = "hold"
    NOTHING = "nothing"


class WriteMode(StrEnum):
    """How a change reaches the branch."""

    PULL_REQUEST = "pull-request"
    DIRECT = "direct"


class MergeMode(StrEnum):
    """Who merges a pull request of ours."""

    AUTO = "auto"
    MANUAL = "manual"


class NewerCommit(StrEnum):
    """What happens to the run in flight when a newer commit arrives."""

    FINISH = "finish"
    SUPERSEDE = "supersede"


class RevertScope(StrEnum):
    """What a revert restores: the whole tree, or only the values that `promote` names."""

    TREE = "tree"
    RELEASE = "release"


class PromotedKind(StrEnum):
    """What kind of value moves from stage to stage."""

    IMAGE = "image"
    FIELD = "field"
    FILE = "file"


class LocatorForm(StrEnum):
    """Where a promoted value lives in one stage."""

    MANIFESTS = "manifests"
    """Every Pod-bearing manifest of the folder that names the image."""
    KUSTOMIZE = "kustomize"
    """`images` of a kustomization file: `newTag` and `digest`."""
    HELM = "helm"
    """A values file: `tag` (and `digest`) are dotted paths into it."""
    YAML = "yaml"
    """One scalar of a YAML file, at a dotted path."""
    FILE = "file"
    """A whole file, byte for byte."""


@dataclass(frozen=True, slots=True)
class Locator:
    """Where one promoted value lives in one stage.

    Attributes:
        form: how to read and write it.
        file: path relative to the environment's folder; None where the form finds it itself (MANIFESTS).
        at: dotted path of the scalar (HELM: the tag; YAML: the field); None for the other forms.
        digest_at: HELM only: dotted path of the digest, or None.
    """

    form: LocatorForm
    file: str | None = None
    at: str | None = None
    digest_at: str | None = None


@dataclass(frozen=True, slots=True)
class PromoteRule:
    """One entry of `promote`, before `{service}` is filled in.

    Attributes:
        kind: image, field or file.
        name: the image reference without tag and digest, or the name given to the field or file; may hold `{service}`.
        places: stage name -> locator. A stage that is missing here uses LocatorForm.MANIFESTS (images only).
        compare: pattern of a link between two versions, with `{before}` and `{after}`; empty: none.
    """

    kind: PromotedKind
    name: str
    places: Mapping[str, Locator]
    compare: str = ""


@dataclass(frozen=True, slots=True)
class Promoted:
    """One promoted value of one environment: a PromoteRule with its service and stage filled in."""

    kind: PromotedKind
    name: str
    locator: Locator
    compare: str = ""


@dataclass(frozen=True, slots=True)
class ReleaseValue:
    """One promoted value as one tree carries it.

    Attributes:
        kind: image, field or file.
        name: as Promoted.name.
        value: image: `TAG`, `TAG@sha256:...` or `@sha256:...`; field: the scalar's text; file: the blob's object id.
    """

    kind: PromotedKind
    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Release:
    """The values that `promote` names, as one tree carries them.

    Attributes:
        values: in the order of `promote`.
        digest: sha256 hex over the values; equal releases have equal digests, in every environment.
    """

    values: tuple[ReleaseValue, ...]
    digest: str

    def images(self) -> tuple[str, ...]:
        """The image references `name:tag` (or `name@digest`), in order."""
        return tuple(
            f"{value.name}{value.value}" if value.value.startswith("@") else f"{value.name}:{value.value}"
            for value in self.values
            if value.kind is PromotedKind.IMAGE
        )


@dataclass(frozen=True, slots=True)
class WritePolicy:
    """How one kind of change is written."""

    mode: WriteMode = WriteMode.PULL_REQUEST
    merge: MergeMode = MergeMode.MANUAL


@dataclass(frozen=True, slots=True)
class WritePolicies:
    """The write policy per change kind."""

    promotion: WritePolicy = field(default_factory=WritePolicy)
    revert: WritePolicy = field(default_factory=WritePolicy)

    def of(self, kind: ChangeKind) -> WritePolicy:
        """The policy of one change kind."""
        return self.promotion if kind is ChangeKind.PROMOTE else self.revert


@dataclass(frozen=True, slots=True)
class OutcomeRule:
    """What one verdict leads to.

    Attributes:
        action: what gitslo does.
        times: EXTEND only: how many extensions.
        then: EXTEND only: what follows when they are used up.
        run: name of an operator's command to run as well, or None.
    """

    action: Action
    times: int = 0
    then: Action = Action.HOLD
    run: str | None = None


@dataclass(frozen=True, slots=True)
class Outcomes:
    """(verdict word, cause) -> rule; total: every pair is present. Keys are plain words such as ("fail", "sync")."""

    rules: Mapping[tuple[str, Cause], OutcomeRule]

    def of(self, verdict: str, cause: Cause) -> OutcomeRule:
        """The rule of one verdict and cause."""
        return self.rules[verdict, cause]


@dataclass(frozen=True, slots=True)
class Revalidation:
    """How what runs is judged again.

    Attributes:
        every: seconds between a verdict and the next revalidation; None switches revalidation off.
        confirm: how many failing revalidations in a row withdraw a pass.
    """

    every: Seconds | None
    confirm: int = 2


@dataclass(frozen=True, slots=True)
class SyncSpec:
    """Which syncer deploys the repository, and its settings with `{service}` and `{stage}` still in them.

    Attributes:
        syncer: `process` or `probe` in this version.
        settings: the syncer's own settings, flat: probe has exactly one of `url` + `json` (JMESPath) or `url` +
            `header`, and `reports` = `image` | `commit`.
    """

    syncer: str
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of the pipeline.

    Attributes:
        name: unique in the pipeline.
        path: the environment's folder; may hold `{service}`.
        after: names of the stages that must have passed a release before it comes here.
        write: the stage's own policies, already merged with the pipeline's.
    """

    name: str
    path: str
    after: tuple[str, ...]
    write: WritePolicies


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A parsed `gitslo.yaml`.

    Attributes:
        name: in ref and branch names.
        services: empty where the repository has one service.
        plan: path of the plan: relative to the environment's folder, or with `{service}`/`{stage}` from the root.
    """

    name: str
    services: tuple[str, ...]
    stages: tuple[Stage, ...]
    plan: str
    sync: SyncSpec
    promote: tuple[PromoteRule, ...]
    revert: RevertScope
    newer_commit: NewerCommit
    outcomes: Outcomes
    revalidation: Revalidation


@dataclass(frozen=True, slots=True)
class Environment:
    """One service in one stage: a folder with manifests and a plan.

    Attributes:
        name: `<service>/<stage>`, or `<stage>` where the repository has one service.
        pipeline: the pipeline's name.
        service: None where the repository has one service.
        path: the folder, relative to the root, without slashes at its ends.
        plan_path: the plan's path, relative to the root.
        after: environment names whose pass a promotion into this one needs, all of the same service.
        promoted: the values that move, with this stage's locators.
        sync: the syncer with `{service}` and `{stage}` filled in.
    """

    name: str
    pipeline: str
    service: str | None
    stage: str
    path: str
    plan_path: str
    after: tuple[str, ...]
    promoted: tuple[Promoted, ...]
    write: WritePolicies
    sync: SyncSpec
