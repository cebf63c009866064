"""Ledgers through the Repository port: tips read and verified, entries appended by compare-and-swap.

Called by `observe` and `act`. A tip never changes under its id, so what was read is kept, within bounds: decoded while
that is little, compressed while that is little, and otherwise read again.
"""

from __future__ import annotations

import zlib
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from gitslo.core.ledger import decode, encode, ledger_ref
from gitslo.errors import Refused
from gitslo.model import ByteCount, CommitId, EnvironmentState
from gitslo.ports import RefUpdate, Repository

__all__ = ["LedgerTip", "Ledgers"]

FILES = ("ledger.json", "ledger.hmac")
ENTRY_CAP = ByteCount(512 * 1024)
AHEAD_BYTES: Final = ByteCount(16 * 1024 * 1024)
DECODED_BYTES: Final = 8 * 1024 * 1024
"""Bytes of JSON whose decoded states are kept; decoded they take about four times as much."""
COMPRESSED_BYTES: Final = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class LedgerTip:
    """One ledger's tip; `problem` says why it cannot be believed."""

    id: CommitId | None
    state: EnvironmentState
    problem: str = ""


@dataclass(frozen=True, slots=True)
class _Entry:
    """One ledger commit as it was read.

    Attributes:
        files: name -> compressed content.
        size: bytes of what is compressed.
    """

    parent: CommitId | None
    files: dict[str, bytes]
    size: int

    @property
    def kept(self) -> int:
        """Bytes that it takes here, and room for what is around them."""
        return sum(map(len, self.files.values())) + 512


class Ledgers:
    """The ledgers of one pipeline in one repository."""

    def __init__(
        self,
        repository: Repository,
        *,
        name: str,
        key: bytes | None,
        decoded: int = DECODED_BYTES,
        compressed: int = COMPRESSED_BYTES,
    ) -> None:
        """Args: name: the repository's name in the operator file; key: of the HMAC, or None for none; the rest: bounds.

        decoded, compressed: bytes.
        """
        self._bounds = (decoded, compressed)
        self._repository = repository
        self._name = name
        self._key = key
        self._entries: OrderedDict[CommitId, _Entry] = OrderedDict()
        self._compressed = 0
        self._tips: OrderedDict[tuple[str, str, CommitId], tuple[LedgerTip, int]] = OrderedDict()
        self._decoded = 0

    def ref(self, pipeline: str, environment: str) -> str:
        """The ref of one environment's ledger."""
        return ledger_ref(f"{self._repository.ledger_prefix}{pipeline}/", environment)

    def known(self, tip: CommitId) -> bool:
        """Whether a tip can be read without asking the repository."""
        return tip in self._entries

    def ahead(self, tips: Sequence[CommitId]) -> None:
        """Read many tips in a few processes; what is too much is left to `read`.

        Raises:
            Refused: one of them is no commit.
        """
        entries = self._repository.resolve_all([(tip, path) for tip in tips for path in FILES])
        blobs = {place: entry.id for place, entry in entries.items() if entry is not None}
        contents = self._repository.read_within(list(blobs.values()), ENTRY_CAP, AHEAD_BYTES)
        for tip, info in self._repository.commit_info(tips).items():
            files = {path: blobs[tip, path] for path in FILES if (tip, path) in blobs}
            if all(blob in contents for blob in files.values()):
                self._keep(tip, info.parents, {path: contents[blob] for path, blob in files.items()})

    def read(self, pipeline: str, environment: str, tip: CommitId | None) -> LedgerTip:
        """The state that a tip holds, verified.

        Raises:
            Refused: it is no commit, or larger than any entry of ours.
        """
        if tip is None:
            return LedgerTip(None, EnvironmentState(pipeline, environment))
        key = (pipeline, environment, tip)
        found = self._tips.get(key)
        if found is not None:
            self._tips.move_to_end(key)
            return found[0]
        entry = self._entries.get(tip) or self._load(tip)
        self._entries.move_to_end(tip)
        read = self._decode(pipeline, environment, tip, entry)
        self._tips[key] = (read, entry.size)
        self._decoded += entry.size
        while self._decoded > self._bounds[0] and len(self._tips) > 1:
            self._decoded -= self._tips.popitem(last=False)[1][1]
        return read

    def _load(self, tip: CommitId) -> _Entry:
        entries = self._repository.resolve(tip, FILES)
        blobs = {path: entry.id for path, entry in entries.items() if entry is not None}
        contents = self._repository.read(list(blobs.values()), ENTRY_CAP)
        parents = self._repository.commit_info([tip])[tip].parents
        return self._keep(tip, parents, {path: contents[blob] for path, blob in blobs.items()})

    def _keep(self, tip: CommitId, parents: Sequence[CommitId], files: dict[str, bytes]) -> _Entry:
        packed = {path: zlib.compress(content, 1) for path, content in files.items()}
        entry = _Entry(parents[0] if parents else None, packed, sum(map(len, files.values())))
        if tip not in self._entries:
            self._compressed += entry.kept
        self._entries[tip] = entry
        while self._compressed > self._bounds[1] and len(self._entries) > 1:
            self._compressed -= self._entries.popitem(last=False)[1].kept
        return entry

    def _decode(self, pipeline: str, environment: str, tip: CommitId, entry: _Entry) -> LedgerTip:
        try:
            state = decode(
                {path: zlib.decompress(content) for path, content in entry.files.items()},
                key=self._key,
                repository=self._name,
                parent=entry.parent,
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
