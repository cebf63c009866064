"""`gitslo.yaml` -> Pipeline.

Called by the loop, the process syncer and `gitslo check`. What only the whole set of environments shows (folders that
overlap, circles in `after`) is found by `gitslo.core.discover`. Must stay true: the outcomes are total, and only pass
promotes, only fail reverts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from gitslo.core.addresses import parse_http_url
from gitslo.core.compare import parse_compare
from gitslo.core.document import Document, Field
from gitslo.core.jsonpath import search
from gitslo.core.objects import name_fault
from gitslo.core.parse_outcomes import parse_outcomes
from gitslo.core.schema import Contract
from gitslo.core.units import parse_duration
from gitslo.core.yamlsafe import PIPELINE
from gitslo.errors import Problem, Refused
from gitslo.model import (
    Locator,
    LocatorForm,
    MergeMode,
    NewerCommit,
    Pipeline,
    PromotedKind,
    PromoteRule,
    Revalidation,
    RevertScope,
    Seconds,
    Stage,
    SyncSpec,
    WriteMode,
    WritePolicies,
    WritePolicy,
)

__all__ = ["parse_pipeline"]


_PLAN = "slo.yaml"
_EVERY = Seconds(6 * 3600.0)
_SHORTEST = Seconds(1.0)
_PLACEHOLDER = re.compile(r"\{(?:service|stage)\}")
_IMAGE = re.compile(
    r"(?:[a-z0-9]+(?:[.-][a-z0-9]+)*(?::[0-9]{1,5})?/)?[a-z0-9]+(?:[._/-]+[a-z0-9]+)*",
)


def parse_pipeline(data: bytes, *, file: str) -> Pipeline:
    """Read a pipeline.

    Args:
        data: the file's bytes.
        file: its path, for errors.

    Raises:
        Refused: every mistake in the file, with line, column and pointer.
    """
    document = Document(Contract.PIPELINE, data, file=file, budget=PIPELINE)
    root = document.root
    write = _write(root.get("write"), WritePolicies())
    plan = root.get("plan")
    pipeline = Pipeline(
        name=root.text_of("name", ""),
        services=_texts(root, "services"),
        stages=tuple(_stages(root, write)),
        plan=_PLAN if plan is None else plan.parsed(_path, _PLAN),
        sync=_sync(root),
        promote=tuple(_promote(root)),
        revert=RevertScope(root.text_of("revert", RevertScope.TREE)),
        newer_commit=NewerCommit(root.text_of("newer_commit", NewerCommit.FINISH)),
        outcomes=parse_outcomes(root.get("outcomes")),
        revalidation=_revalidation(root),
    )
    document.finish()
    return pipeline


def _texts(field: Field, key: str) -> tuple[str, ...]:
    found = field.get(key)
    return () if found is None else found.texts()


def _path(text: str) -> str:
    """A path inside the repository; placeholders count as names.

    Raises:
        Refused: it leaves the repository, or means something else on some systems.
    """
    bare = text.removeprefix("./").rstrip("/")
    if text.startswith("/"):
        raise Refused(Problem("the path must be relative", hint=f"did you mean `{text.lstrip('/')}`?"))
    fault = name_fault(_PLACEHOLDER.sub("x", bare))
    if fault:
        raise Refused(
            Problem(f"the path {fault}", hint="write it relative to the repository's root, like `deploy/dev`")
        )
    return text


# --------------------------------------------------------------------------- stages


def _stages(root: Field, write: WritePolicies) -> Iterator[Stage]:
    stages = root.get("stages")
    for field in stages.items() if stages is not None else ():
        yield Stage(
            name=field.text_of("name", ""),
            path=field.parsed_of("path", _path, "."),
            after=_texts(field, "after"),
            write=_write(field.get("write"), write),
        )


def _write(field: Field | None, default: WritePolicies) -> WritePolicies:
    if field is None:
        return default
    promotion, revert = field.get("promotion"), field.get("revert")
    return WritePolicies(
        default.promotion if promotion is None else _policy(promotion),
        default.revert if revert is None else _policy(revert),
    )


def _policy(field: Field) -> WritePolicy:
    mode, merge = field.text_of("mode", WriteMode.PULL_REQUEST), field.get("merge")
    if mode == WriteMode.DIRECT and merge is not None:
        merge.add("`merge` has no meaning with `mode: direct`: there is no pull request", "remove it", on_key=True)
    return WritePolicy(WriteMode(mode), MergeMode(merge.text) if merge is not None else WritePolicy().merge)


def _revalidation(root: Field) -> Revalidation:
    field = root.get("revalidate")
    if field is None:
        return Revalidation(_EVERY)
    confirm = field.number_of("confirm", Revalidation(None).confirm)
    every = field.get("every")
    if every is None:
        return Revalidation(_EVERY, confirm)
    if every.text == "never":
        return Revalidation(None, confirm)
    seconds = every.parsed(parse_duration, _EVERY)
    if seconds < _SHORTEST:
        every.add("revalidations need at least `1s` between them", "`never` switches them off")
    return Revalidation(seconds, confirm)


# --------------------------------------------------------------------------- sync


def _sync(root: Field) -> SyncSpec:
    field = root.get("sync")
    probe = field.get("probe") if field is not None else None
    if probe is None:
        return SyncSpec("process")
    settings = {"reports": probe.text_of("reports", "image")}
    url, path, header = probe.get("url"), probe.get("json"), probe.get("header")
    if url is not None:
        settings["url"] = url.parsed(_probe_url, "")
    if path is not None:
        settings["json"] = path.parsed(_expression, "")
    if header is not None:
        settings["header"] = header.text
    if probe.sound and (path is None) == (header is None):
        message = "expected either `json` or `header`, which say where the version stands"
        probe.add(message, "e.g. `json: image`")
    return SyncSpec("probe", settings)


def _probe_url(text: str) -> str:
    whole, _, query = _PLACEHOLDER.sub("x", text).partition("?")
    parse_http_url(whole)
    if not re.fullmatch(r"[!-~]*", query) or "#" in query:
        raise Refused(Problem("the query of the URL may hold only printable ASCII without blanks"))
    return text


def _expression(text: str) -> str:
    search(text, None)
    return text


# --------------------------------------------------------------------------- promote


def _promote(root: Field) -> Iterator[PromoteRule]:
    rules = root.get("promote")
    for field in rules.items() if rules is not None else ():
        for kind in PromotedKind:
            name = field.get(kind)
            if name is not None:
                text = name.parsed(_image, "") if kind is PromotedKind.IMAGE else name.text
                places = field.get("in")
                found = {} if places is None else {key: _locator(place) for key, place in places.fields()}
                yield PromoteRule(kind, text, found, field.parsed_of("compare", parse_compare, ""))


def _image(text: str) -> str:
    folder, slash, last = text.partition("@")[0].rpartition("/")
    bare = f"{folder}{slash}{last.partition(':')[0]}"
    if bare != text:
        message = f"expected an image's name and found `{text}` with more"
        raise Refused(Problem(message, hint=f"write `{bare}`: the rest is what moves"))
    if not _IMAGE.fullmatch(_PLACEHOLDER.sub("x", text)):
        raise Refused(Problem(f"`{text}` is no image's name", hint="e.g. `ghcr.io/acme/shop`"))
    return text


def _locator(field: Field) -> Locator:
    def file(key: str) -> str | None:
        found = field.get(key)
        return None if found is None else found.parsed(_path, "")

    def text(key: str) -> str | None:
        found = field.get(key)
        return None if found is None else found.text

    if field.get("helm") is not None:
        return Locator(LocatorForm.HELM, file("helm"), text("tag"), text("digest"))
    if field.get("kustomize") is not None:
        return Locator(LocatorForm.KUSTOMIZE, file("kustomize"))
    if field.get("yaml") is not None:
        return Locator(LocatorForm.YAML, file("yaml"), text("at"))
    if field.get("file") is not None:
        return Locator(LocatorForm.FILE, file("file"))
    return Locator(LocatorForm.MANIFESTS)
