"""What a folder's kustomizations and local Helm charts reference outside it, followed to the end.

Called by `discover.tree_of`. Must stay true: every file of the repository that `kustomize build` or `helm template`
would read for the folder is named, or the folder is refused; what they would fetch from elsewhere is warned about.
Every kustomization and chart in the folder counts, whether the deploying tool starts there or not.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from gitslo.core.manifests import At, Fields, fields_of
from gitslo.core.nearest import nearest
from gitslo.core.objects import FOLDER, SUBMODULE, SYMLINK
from gitslo.core.yamlsafe import MANIFEST, Scalar, read_documents
from gitslo.errors import Problem, Refused
from gitslo.ports import TreeEntry, TreeView

__all__ = ["CHART", "KUSTOMIZATIONS", "referenced"]

KUSTOMIZATIONS = ("kustomization.yaml", "kustomization.yml", "Kustomization")
CHART = "Chart.yaml"

READS_CAP = 2_000
"""Kustomizations and charts that one environment may pull in."""
DEPTH_CAP = 32
"""Bases on bases, and charts on charts."""

_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
# A tag as releases carry it. A branch can have such a name, too; nobody can tell without asking the remote.
_VERSION = re.compile(r"(.*/)?v?[0-9]+\.[0-9]+\.[0-9]+([-+._].*)?")
_EXACT = re.compile(r"v?[0-9]+\.[0-9]+\.[0-9]+([-+][0-9A-Za-z.+-]+)?")
_SCHEME = re.compile(r"(git::)?[a-z][a-z0-9+.-]*://|git::|[\w.-]+@[\w.-]+:", re.IGNORECASE)
_HOST = re.compile(r"(www\.)?(github\.com|gitlab\.com|bitbucket\.org|codeberg\.org|gitea\.com)[/:]", re.IGNORECASE)
_REF = re.compile(r"[?&](?:ref|version)=([^&]*)")


def referenced(
    view: TreeView, folder: str, files: Iterable[TreeEntry]
) -> tuple[tuple[TreeEntry, ...], tuple[Problem, ...]]:
    """The files outside `folder` that it depends on, sorted by path, and warnings about what is fetched.

    Args:
        view: the revision.
        folder: the environment's.
        files: every file in it that counts.

    Raises:
        Refused: a reference is missing, leaves the repository or comes round to itself.
    """
    following = _Following(view, folder)
    paths = {entry.path for entry in files}
    charts = {posixpath.dirname(path) for path in paths if posixpath.basename(path) == CHART}
    for path in sorted(paths):
        at, name = posixpath.split(path)
        if name in KUSTOMIZATIONS:
            following.kustomization(at)
        elif name == CHART and not _vendored_in(at, charts):
            following.chart(at)
    return (
        tuple(entry for _, entry in sorted(following.outside.items())),
        tuple(dict.fromkeys(following.warnings)),
    )


def _vendored_in(chart: str, charts: set[str]) -> bool:
    """Whether it lies in the `charts/` of another: Helm takes it as it is, and its own references are resolved."""
    parts = chart.split("/")
    return any(part == "charts" and "/".join(parts[:index]) in charts for index, part in enumerate(parts))


class _Following:
    """One environment's references: what was found so far, and the way that leads to where we are."""

    def __init__(self, view: TreeView, folder: str) -> None:
        self.view = view
        self.folder = folder
        self.outside: dict[str, TreeEntry] = {}
        self.warnings: list[Problem] = []
        self.done: set[tuple[str, str]] = set()
        self.way: list[tuple[str, str]] = []

    # ----------------------------------------------------------------- kustomize

    def kustomization(self, folder: str, at: At | None = None) -> None:
        """Follow the kustomization in `folder`; `at`: where it was referenced, None for the environment's own."""
        with self._visit("kustomization", folder, at) as fresh:
            if not fresh:
                return
            present = [path for name in KUSTOMIZATIONS if self.view.entry(path := posixpath.join(folder, name))]
            if len(present) != 1:
                found = "no kustomization.yaml" if not present else f"both {' and '.join(present)}"
                message = f"the folder {folder or '.'!r} holds {found}"
                if at is None:
                    raise Refused(Problem(message, file=folder or "."))
                at.refuse(message)
            self._take(present[0], at)
            self._kustomize(fields_of(self.view, present[0]), folder)

    def _kustomize(self, document: Fields, folder: str) -> None:
        for field in ("resources", "bases", "components"):
            for scalar, at in document.scalars(field):
                self._resource(folder, scalar.value, at, folder_only=field != "resources")
        for field in ("generators", "transformers", "validators"):
            for scalar, at in document.scalars(field):
                self._plugin(folder, scalar, at)
        for field in ("crds", "configurations"):
            self._files(folder, document.scalars(field))
        self._files(folder, (found for found in document.scalars("patchesStrategicMerge") if not _inline(found[0])))
        for field in ("patches", "patchesJson6902", "replacements", "openapi"):
            for entry in document.mappings(field):
                self._files(folder, entry.scalars("path"))
        for field in ("configMapGenerator", "secretGenerator"):
            for entry in document.mappings(field):
                self._generator(folder, entry)
        self._helm_charts(folder, document)

    def _helm_charts(self, folder: str, document: Fields) -> None:
        home = next((entry.text("chartHome") for entry in document.mappings("helmGlobals")), "") or "charts"
        for entry in document.mappings("helmCharts"):
            self._helm_chart(folder, home, entry, ("name", "repo", "version"))
        for entry in document.mappings("helmChartInflationGenerator"):
            self._files(folder, entry.scalars("values"))
            self._helm_chart(folder, home, entry, ("chartName", "chartRepoUrl", "chartVersion"))

    def _resource(self, folder: str, text: str, at: At, *, folder_only: bool = False) -> None:
        if self._remote(folder, text, at):
            return
        path = self._path(folder, text, at)
        entry = self._entry(path, at)
        if entry.mode == FOLDER:
            self.kustomization(path, at)
        elif folder_only:
            at.refuse(f"{text!r} is a file and a folder with a kustomization is expected")
        else:
            self._take(path, at)

    def _plugin(self, folder: str, scalar: Scalar, at: At) -> None:
        """A generator or transformer: a file (or a folder, or written in place) that can itself name files."""
        if _inline(scalar):
            path = f"{at.file}:{at.mark.line}"  # positions inside it count from where it starts
            nodes = read_documents(scalar.value.encode(), file=path, budget=MANIFEST)
        else:
            self._resource(folder, scalar.value, at)
            path = "" if self._remote(folder, scalar.value, at, warn=False) else self._path(folder, scalar.value, at)
            if not path or self._entry(path, at).mode == FOLDER:
                return
            nodes = read_documents(self.view.read(path), file=path, budget=MANIFEST)
        for node in nodes:
            self._plugin_files(folder, Fields(path, node))

    def _plugin_files(self, folder: str, document: Fields) -> None:
        """Kustomize resolves what its own kinds name against the kustomization that lists them."""
        kind = document.text("kind")
        if kind in {"ConfigMapGenerator", "SecretGenerator"}:
            self._generator(folder, document)
        elif kind in {"PatchTransformer", "PatchJson6902Transformer"}:
            self._files(folder, document.scalars("path"))
        elif kind == "PatchStrategicMergeTransformer":
            self._files(folder, (found for found in document.scalars("paths") if not _inline(found[0])))
        elif kind == "ReplacementTransformer":
            for entry in document.mappings("replacements"):
                self._files(folder, entry.scalars("path"))
        elif kind == "HelmChartInflationGenerator":
            self._helm_chart(folder, "charts", document, ("name", "repo", "version"))

    def _generator(self, folder: str, entry: Fields) -> None:
        for scalar, at in entry.scalars("files"):
            key, equals, path = scalar.value.partition("=")
            self._file(folder, path if equals else key, at)
        for field in ("envs", "env"):
            self._files(folder, entry.scalars(field))

    def _helm_chart(self, folder: str, home: str, entry: Fields, keys: tuple[str, str, str]) -> None:
        for field in ("valuesFile", "additionalValuesFiles"):
            self._files(folder, entry.scalars(field))
        home = entry.text("chartHome") or home
        name, repository, version = (entry.text(key) for key in keys)
        at = entry.at
        if not name:
            at.refuse(f"a chart without {keys[0]!r}")
        # kustomize unpacks what it pulls into <home>/<name>-<version>/<name>, and looks there as well.
        places = [f"{home}/{name}"] + ([f"{home}/{name}-{version}/{name}"] if version else [])
        for place in places:
            path = self._path(folder, place, at)
            if self.view.entry(path) is not None:
                self.chart(path, at)
                return
        if not repository:
            at.refuse(f"the chart {name!r} is not in {home!r}, and no {keys[1]!r} says where it comes from")
        self._warn_remote(at, f"chart {name!r} from {_shown(repository)}", pinned=bool(_EXACT.fullmatch(version)))

    # ----------------------------------------------------------------- Helm

    def chart(self, folder: str, at: At | None = None) -> None:
        """Take a local chart, whole, and the local charts that it depends on."""
        with self._visit("chart", folder, at) as fresh:
            if not fresh:
                return
            if self.view.entry(posixpath.join(folder, CHART)) is None and at is not None:
                at.refuse(f"the folder {folder!r} is no chart: it has no {CHART}")
            for entry in self.view.walk(folder):
                self._take(entry.path, at)
            for name, lock in ((CHART, "Chart.lock"), ("requirements.yaml", "requirements.lock")):
                path = posixpath.join(folder, name)
                if self.view.entry(path) is not None:
                    self._dependencies(folder, fields_of(self.view, path), self._locked(posixpath.join(folder, lock)))

    def _dependencies(self, folder: str, document: Fields, locked: dict[str, str]) -> None:
        for entry in document.mappings("dependencies"):
            name, repository, version = (entry.text(key) for key in ("name", "repository", "version"))
            vendored = self._vendored(folder, name)
            if repository.startswith("file://"):
                path = self._path(folder, repository.removeprefix("file://"), entry.at)
                if not vendored or self.view.entry(path) is not None:
                    self._entry(path, entry.at)
                    self.chart(path, entry.at)
            elif vendored:
                continue
            elif not repository:
                entry.at.refuse(f"the chart {name!r} is not in {posixpath.join(folder, 'charts')!r}")
            else:
                pinned = bool(_EXACT.fullmatch(locked.get(name, version)))
                self._warn_remote(entry.at, f"chart {name!r} from {_shown(repository)}", pinned=pinned)

    def _vendored(self, folder: str, name: str) -> bool:
        charts = posixpath.join(folder, "charts")
        prefix = f"{charts}/{name}"
        return any(
            entry.path.startswith(f"{prefix}/") or (entry.path.startswith(f"{prefix}-") and entry.path.endswith(".tgz"))
            for entry in self.view.walk(charts)
        )

    def _locked(self, path: str) -> dict[str, str]:
        if self.view.entry(path) is None:
            return {}
        entries = fields_of(self.view, path).mappings("dependencies")
        return {entry.text("name"): entry.text("version") for entry in entries}

    # ----------------------------------------------------------------- paths

    @contextmanager
    def _visit(self, kind: str, folder: str, at: At | None) -> Iterator[bool]:
        """Whether `folder` has not been followed yet; while it is, coming back to it is a cycle."""
        step = (kind, folder)
        if step in self.way:
            cycle = " -> ".join(path or "." for _, path in [*self.way[self.way.index(step) :], step])
            problem = f"the reference comes round to itself: {cycle}"
            raise Refused(at.problem(problem) if at is not None else Problem(problem, file=folder))
        if step in self.done:
            yield False
            return
        self.done.add(step)
        if len(self.done) > READS_CAP or len(self.way) >= DEPTH_CAP:
            raise Refused(
                Problem(
                    f"more than {READS_CAP} bases and charts, or more than {DEPTH_CAP} on top of each other",
                    file=self.folder,
                )
            )
        self.way.append(step)
        yield True
        self.way.pop()

    def _files(self, folder: str, found: Iterable[tuple[Scalar, At]]) -> None:
        for scalar, at in found:
            self._file(folder, scalar.value, at)

    def _file(self, folder: str, text: str, at: At) -> None:
        if not self._remote(folder, text, at):
            self._take(self._path(folder, text, at), at)

    def _path(self, folder: str, text: str, at: At) -> str:
        """The path from the root that `text`, written in `folder`, means."""
        if not text or text.startswith("/") or "\\" in text:
            at.refuse(f"{text!r} is no path relative to {folder or '.'!r}", "write it with `/`, relative to this file")
        path = posixpath.normpath(posixpath.join(folder, text))
        if path == ".." or path.startswith("../"):
            at.refuse(f"{text!r} leaves the repository")
        return "" if path == "." else path

    def _entry(self, path: str, at: At | None) -> TreeEntry:
        entry = self.view.entry(path)
        if entry is not None and entry.mode not in {SYMLINK, SUBMODULE}:
            return entry
        parts = path.split("/")
        for length in range(1, len(parts) + 1):
            part = "/".join(parts[:length])
            on_the_way = self.view.entry(part)
            if on_the_way is not None and on_the_way.mode in {SYMLINK, SUBMODULE}:
                kind = "a symbolic link" if on_the_way.mode == SYMLINK else "a submodule"
                message, hint = f"{part!r} is {kind} and is not followed", ""
                break
        else:
            message, hint = f"there is no {path!r}", self._like(path)
        raise Refused(at.problem(message, hint) if at is not None else Problem(message, file=path, hint=hint))

    def _like(self, path: str) -> str:
        folder = posixpath.dirname(path)
        start = len(folder) + 1 if folder else 0
        names = {entry.path[start:].split("/")[0] for entry in self.view.walk(folder)}
        return nearest(path, sorted(posixpath.join(folder, name) for name in names))

    def _take(self, path: str, at: At | None) -> None:
        entry = self._entry(path, at)
        if entry.mode == FOLDER:
            message = f"{path!r} is a folder and a file is expected"
            raise Refused(at.problem(message) if at is not None else Problem(message, file=path))
        if not path.startswith(f"{self.folder}/"):
            self.outside[path] = entry

    # ----------------------------------------------------------------- elsewhere

    def _remote(self, folder: str, text: str, at: At, *, warn: bool = True) -> bool:
        """Whether `text` is fetched from outside the repository; says so."""
        if text.lower().startswith("file:"):
            at.refuse(f"{text!r} leaves the repository", "write a path relative to this file")
        if not _SCHEME.match(text):
            local = posixpath.normpath(posixpath.join(folder, text))
            if not _HOST.match(text) or self.view.entry(local) is not None:
                return False
        if warn:
            ref = _REF.search(text)
            parts = [ref[1]] if ref is not None else text.split("/")
            pinned = any(_COMMIT.fullmatch(part) or _VERSION.fullmatch(part) for part in parts)
            self._warn_remote(at, _shown(text), pinned=pinned)
        return True

    def _warn_remote(self, at: At, what: str, *, pinned: bool) -> None:
        if pinned:
            self.warnings.append(at.problem(f"{what} lies outside the repository: a change there is not noticed"))
        else:
            message = f"{what} has no fixed version: what runs can change without a commit"
            self.warnings.append(at.problem(message, "name a tag or commit (`?ref=`), or an exact chart version"))


def _inline(scalar: Scalar) -> bool:
    """Whether YAML was written in place where a path may stand."""
    return "\n" in scalar.value or ": " in scalar.value or scalar.value.lstrip().startswith("{")


def _shown(text: str) -> str:
    """A URL as it may be printed: whoever put a credential into it did not want it in a log."""
    return re.sub(r"//(?!git@)[^/@\s]*@", "//***@", text)
