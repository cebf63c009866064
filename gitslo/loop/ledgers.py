"""Ledgers through the Repository port: tips read and verified, entries appended by compare-and-swap.

Called by `observe` and `act`. A tip never changes under its id, so what was read is kept.
"""

from __future__ import annotations

from dataclasses import dataclass

from gitslo.core.ledger import decode, encode, ledger_ref
from gitslo.errors import Refused
from gitslo.model import ByteCount, CommitId, EnvironmentState
from gitslo.ports import RefUpdate, Repository

__all__ = ["LedgerTip", "Ledgers"]

FILES = ("ledger.json", "ledger.hmac")
ENTRY_CAP = ByteCount(512 * 1024)


@dataclass(frozen=True, slots=True)
class LedgerTip:
    """One ledger's tip; `problem` says why it cannot be believed."""

    id: CommitId | None
    state: EnvironmentState
    problem: str = ""


class Ledgers:
    """The ledgers of one pipeline in one repository."""

    def __init__(self, repository: Repository, *, name: str, key: bytes | None) -> None:
        """Args: name: the repository's name in the operator file; key: of the HMAC, or None for none."""
        self._repository = repository
        self._name = name
        self._key = key
        self._tips: dict[tuple[str, str, CommitId], LedgerTip] = {}

    def ref(self, pipeline: str, environment: str) -> str:
        """The ref of one environment's ledger."""
        return ledger_ref(f"{self._repository.ledger_prefix}{pipeline}/", environment)

    def read(self, pipeline: str, environment: str, tip: CommitId | None) -> LedgerTip:
        """The state that a tip holds, verified."""
        if tip is None:
            return LedgerTip(None, EnvironmentState(pipeline, environment))
        key = (pipeline, environment, tip)
        found = self._tips.get(key)
        if found is None:
            for old in [k for k in self._tips if k[:2] == key[:2]]:
                del self._tips[old]
            found = self._tips[key] = self._load(pipeline, environment, tip)
        return found

    def _load(self, pipeline: str, environment: str, tip: CommitId) -> LedgerTip:
        entries = self._repository.resolve(tip, FILES)
        blobs = {path: entry.id for path, entry in entries.items() if entry is not None}
        contents = self._repository.read(list(blobs.values()), ENTRY_CAP)
        parents = self._repository.commit_info([tip])[tip].parents
        try:
            state = decode(
                {path: contents[blob] for path, blob in blobs.items()},
                key=self._key,
                repository=self._name,
                parent=parents[0] if parents else None,
                pipeline=pipeline,
                environment=environment,
            )
        except Refused as refused:
            problem = f"the ledger entry {tip[:12]} cannot be believed: {refused}"
            return LedgerTip(tip, EnvironmentState(pipeline, environment), problem)
        return LedgerTip(tip, state)

    def build(self, parent: CommitId | None, state: EnvironmentState, message: str, wall: float) -> RefUpdate:
        """The commit of a new entry, and the compare-and-swap that appends it."""
        files = encode(state, key=self._key, repository=self._name, parent=parent)
        commit = self._repository.commit(
            [parent] if parent else [], None, dict(files), f"{state.why}: {message}\n", float(int(wall))
        )
        return RefUpdate(self.ref(state.pipeline, state.environment), parent, commit)
