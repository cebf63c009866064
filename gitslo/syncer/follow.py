"""Follows one repository's branch: what each of its environments should run, told to `processes`.

Polled by `program`. Reads Git and nothing else: no ledger, no pull request. A pipeline file that is broken leaves the
last valid one in force, and says so; an environment whose manifests are refused leaves the others alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gitslo.core.discover import environments, tree_of
from gitslo.core.parse_pipeline import parse_pipeline
from gitslo.core.wildcard import matches
from gitslo.core.yamlsafe import MANIFEST, read_documents
from gitslo.errors import Problem, Refused
from gitslo.model import Allowed, CommitId, Environment, ObjectId
from gitslo.ports import FILE_CAP, Repository, TreeEntry
from gitslo.syncer.containers import Program
from gitslo.syncer.desired import Desired, desired
from gitslo.syncer.manifest import Manifest
from gitslo.syncer.processes import Processes
from gitslo.syncer.runner import Wanted

__all__ = ["Follower"]

PIPELINE_FILE = "gitslo.yaml"
REGULAR = ("100644", "100755")
RENDERED = {
    "kustomization.yaml": "kustomize",
    "kustomization.yml": "kustomize",
    "Kustomization": "kustomize",
    "Chart.yaml": "Helm",
}


class Follower:
    """One repository."""

    def __init__(
        self, repository: Repository, programs: Sequence[Program], allowed: Allowed, processes: Processes
    ) -> None:
        """Nothing is read before the first `poll`.

        Args:
            repository: read only.
            programs: what the operator runs for which image.
            allowed: which environments may be run.
            processes: told what is wanted.
        """
        self._repository = repository
        self._programs = programs
        self._allowed = allowed
        self._processes = processes
        self._head: CommitId | None = None
        self._problem = ""
        self._environments: tuple[Environment, ...] = ()

    def poll(self) -> str:
        """Look at the branch; where it moved, say what should run now.

        Returns:
            What is wrong with the pipeline file; empty where nothing is.

        Raises:
            Retry: the repository does not answer.
            Refused: it may not be read.
        """
        ref = self._repository.branch_ref
        head = self._repository.list_refs()[ref]
        if head == self._head:
            self._processes.trouble(self._problem)
            return self._problem
        self._repository.fetch({ref: head})
        view = _View(self._repository, head)
        self._problem = self._read_pipeline(view)
        wanted = {environment.name: self._wanted(view, head, environment) for environment in self._environments}
        self._processes.want(wanted, self._problem)
        self._head = head
        return self._problem

    def _read_pipeline(self, view: _View) -> str:
        if view.entry(PIPELINE_FILE) is None:
            return f"{PIPELINE_FILE}: there is no pipeline file at the root of the branch"
        try:
            found = environments(parse_pipeline(view.read(PIPELINE_FILE), file=PIPELINE_FILE))
        except Refused as refused:
            return _line(refused)
        self._environments = tuple(
            environment
            for environment in found
            if environment.sync.syncer == "process" and matches(self._allowed.environments, environment.name)
        )
        return ""

    def _wanted(self, view: _View, head: CommitId, environment: Environment) -> Wanted:
        tree = ""
        try:
            tree = tree_of(view, environment).digest
            return Wanted(head, tree, self._desired(view, environment))
        except Refused as refused:
            return Wanted(head, tree, None, _line(refused))

    def _desired(self, view: _View, environment: Environment) -> Desired:
        manifests: list[Manifest] = []
        files = view.walk(environment.path)
        for entry in files:
            name = entry.path.rpartition("/")[2]
            if name in RENDERED:
                hint = "the process syncer runs plain manifests only"
                raise Refused(Problem(f"{RENDERED[name]} is rendered by a cluster's syncer", entry.path, hint=hint))
            if entry.path != environment.plan_path and name.endswith((".yaml", ".yml")):
                nodes = read_documents(view.read(entry.path), file=entry.path, budget=MANIFEST)
                manifests += [Manifest(entry.path, node) for node in nodes]
        return desired(manifests, self._programs, environment.name)


class _View:
    """A `TreeView` of one commit, each object read once."""

    def __init__(self, repository: Repository, commit: CommitId) -> None:
        self._repository = repository
        self._commit = commit
        self._entries: dict[str, TreeEntry | None] = {}
        self._blobs: dict[ObjectId, bytes] = {}

    def entry(self, path: str) -> TreeEntry | None:
        """What stands at `path`, or None."""
        if path not in self._entries:
            self._entries.update(self._repository.resolve(self._commit, [path]))
        return self._entries[path]

    def walk(self, path: str) -> tuple[TreeEntry, ...]:
        """Every file below the folder `path`."""
        files = self._repository.walk(self._commit, path)
        self._entries.update({entry.path: entry for entry in files})
        missing = [entry.id for entry in files if entry.mode in REGULAR and entry.id not in self._blobs]
        self._read_ahead(missing)
        return files

    def read(self, path: str) -> bytes:
        """A regular file's content.

        Raises:
            Refused: there is none, or it is larger than FILE_CAP.
        """
        entry = self.entry(path)
        if entry is None or entry.mode not in REGULAR:
            raise Refused(Problem("expected a regular file here", file=path))
        if entry.id not in self._blobs:
            self._blobs.update(self._repository.read([entry.id], FILE_CAP))
        return self._blobs[entry.id]

    def _read_ahead(self, ids: Sequence[ObjectId]) -> None:
        """One process instead of one per file; a file that is too large is refused when it is asked for."""
        if not ids:
            return
        try:
            content: Mapping[ObjectId, bytes] = self._repository.read(ids, FILE_CAP)
        except Refused:
            return
        self._blobs.update(content)


def _line(refused: Refused) -> str:
    return "; ".join(str(problem) for problem in refused.problems)
