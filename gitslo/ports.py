"""The Protocols between the loop and the outside, and the data that crosses them.

Adapters raise only the errors of `gitslo.errors`. Every read has a time-out and a byte cap; every effect has a natural
key, so that doing it twice equals doing it once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Protocol

from gitslo.model import (
    ByteCount,
    Call,
    CommitId,
    Environment,
    Instant,
    LoadSection,
    LoadSummary,
    ObjectId,
    Objective,
    Phase,
    Readiness,
    Release,
    Second,
    Seconds,
    Target,
)

__all__ = [
    "FILE_CAP",
    "STATUS_LENGTH",
    "Address",
    "Authorization",
    "Capabilities",
    "Clock",
    "CommitInfo",
    "Edit",
    "Event",
    "Expected",
    "Forge",
    "LoadEngine",
    "LoadJob",
    "LoadResult",
    "LoadSnapshot",
    "MethodSchemas",
    "ObjectiveSeconds",
    "Observer",
    "PullRequest",
    "PullRequestState",
    "Readied",
    "ReadinessProbe",
    "RefUpdate",
    "Repository",
    "Status",
    "StatusState",
    "SyncReport",
    "SyncState",
    "Syncer",
    "TargetAccess",
    "TlsMaterial",
    "TreeEntry",
    "TreeView",
]


# --------------------------------------------------------------------------- time


class Clock(Protocol):
    """Both clocks, and waiting."""

    def now(self) -> Instant:
        """The present instant."""

    def sleep(self, seconds: Seconds) -> None:
        """Return after `seconds`."""


# --------------------------------------------------------------------------- Git


@dataclass(frozen=True, slots=True)
class TreeEntry:
    """One entry of a Git tree.

    Attributes:
        path: relative to the repository's root, `/`-separated.
        mode: octal text as Git writes it: `100644`, `100755`, `040000`, `120000` (symlink), `160000` (submodule).
        id: the object.
    """

    path: str
    mode: str
    id: ObjectId


Edit = bytes | TreeEntry | None
"""New content of a path (mode kept, 100644 if new), an existing object put there, or None: the path is removed."""


@dataclass(frozen=True, slots=True)
class CommitInfo:
    """One commit, as much of it as decisions need. Text is the author's and must be escaped before it is shown.

    Attributes:
        author: `Name <email>`.
        wall: committer date in seconds since the epoch.
        trailers: the message's trailers, in order.
    """

    id: CommitId
    parents: tuple[CommitId, ...]
    author: str
    wall: float
    subject: str
    trailers: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class RefUpdate:
    """Move `ref` from `old` to `new`; old None: it must not exist; new None: delete it."""

    ref: str
    old: CommitId | None
    new: CommitId | None


FILE_CAP: Final = ByteCount(1024 * 1024)
"""Largest file that is read from a repository: a pipeline may be that long; the other budgets are smaller."""


class TreeView(Protocol):
    """One revision's tree (or a folder on disk) as the pure core reads it. Paths are relative to its root."""

    def entry(self, path: str) -> TreeEntry | None:
        """What stands at `path`, or None."""

    def walk(self, path: str) -> tuple[TreeEntry, ...]:
        """Every file (not folder) below the folder `path`, recursively, sorted by path; empty where there is none."""

    def read(self, path: str) -> bytes:
        """A file's content.

        Raises:
            Refused: there is no such file, it is no regular file, or it is larger than FILE_CAP.
        """


class Repository(Protocol):
    """One Git remote and branch. Nothing here touches a work tree; the local clone is a disposable cache.

    Paths are relative to the root. Reads of objects that are not local yet fetch only what `list_refs` reported.
    """

    @property
    def branch_ref(self) -> str:
        """The full name of the watched branch, e.g. `refs/heads/main`."""

    @property
    def ledger_prefix(self) -> str:
        """Where ledgers live, e.g. `refs/gitslo/shop/`; ends with a slash."""

    def list_refs(self, patterns: Sequence[str] = ()) -> Mapping[str, CommitId]:
        """One `ls-remote`: the branch, every ledger, every `refs/heads/gitslo/...` head, and what `patterns` match.

        Args:
            patterns: globs over full ref names, asked in the same `ls-remote`.

        Raises:
            Retry: the remote did not answer in time, or not as Git.
            Refused: the remote says that we may not read it, or there is no such repository or branch.
        """

    def fetch(self, ids: Mapping[str, CommitId]) -> None:
        """Make the given tips (ref name -> commit) readable; does nothing for those that already are."""

    def resolve(self, commit: CommitId, paths: Sequence[str]) -> Mapping[str, TreeEntry | None]:
        """What each path is in the commit's tree, in one process whatever their number; `` is the root tree."""

    def walk(self, commit: CommitId, path: str) -> tuple[TreeEntry, ...]:
        """Every file (not folder) below `path`, recursively, sorted by path; empty where there is no such folder."""

    def read(self, ids: Sequence[ObjectId], cap: ByteCount) -> Mapping[ObjectId, bytes]:
        """The contents of blobs, in one process.

        Raises:
            Refused: one of them is larger than `cap` or is no blob.
        """

    def resolve_all(self, pairs: Sequence[tuple[CommitId, str]]) -> Mapping[tuple[CommitId, str], TreeEntry | None]:
        """Like `resolve`, for paths in many commits, in one process."""

    def walk_all(self, commit: CommitId, paths: Sequence[str]) -> Mapping[str, tuple[TreeEntry, ...]]:
        """Like `walk`, for many folders, in one process.

        Raises:
            Refused: as `walk` for any of them, or they are too much in sum: ask for fewer.
        """

    def read_within(self, ids: Sequence[ObjectId], cap: ByteCount, budget: ByteCount) -> Mapping[ObjectId, bytes]:
        """The contents of those blobs that have at most `cap` bytes, in order, until `budget` bytes are spent."""

    def changes(self, old: CommitId, new: CommitId, most: int) -> Mapping[str, TreeEntry | None] | None:
        """What stands in `new` at every path, files and folders, where `old` has something else; reads what differs.

        None instead of a mapping where more than `most` paths differ, or one of the commits is in no ref any more.
        """

    def commit(
        self,
        parents: Sequence[CommitId],
        base: CommitId | None,
        edits: Mapping[str, Edit],
        message: str,
        wall: float,
    ) -> CommitId:
        """Build a commit in the object database; nothing is published.

        Deterministic: the same arguments give the same id on every machine.

        Args:
            parents: in order.
            base: whose tree the edits apply to; None: the empty tree.
            edits: path -> new content.
            message: ends with its trailers.
            wall: author and committer date, whole seconds since the epoch, UTC.
        """

    def commit_info(self, ids: Sequence[CommitId]) -> Mapping[CommitId, CommitInfo]:
        """Facts about commits that are local."""

    def history(
        self, newest: CommitId, since: CommitId | None, paths: Sequence[str], limit: int
    ) -> tuple[CommitInfo, ...]:
        """Commits reachable from `newest` and not from `since` that touch `paths` (all if empty), newest first."""

    def is_ancestor(self, old: CommitId, new: CommitId) -> bool:
        """Whether `new` contains `old`."""

    def merge_tree(self, ours: CommitId, theirs: CommitId) -> ObjectId | None:
        """The tree of a three-way merge, or None where it conflicts."""

    def commit_tree(self, parents: Sequence[CommitId], tree: ObjectId, message: str, wall: float) -> CommitId:
        """Like `commit`, with a whole tree."""

    def swap(self, updates: Sequence[RefUpdate]) -> None:
        """Compare-and-swap the refs on the remote: one push, atomic where the server can.

        Raises:
            Conflict: at least one ref was not at its `old` any more. With one update nothing has moved; with several
                and `atomic` False some may have.
            Refused: the server's policy does not let us write one of the refs.
            Retry: no answer: the outcome is unknown, look again.
        """

    @property
    def clones_remade(self) -> int:
        """How often this object found its local clone damaged and made it again."""

    @property
    def atomic(self) -> bool:
        """Whether several updates in one `swap` are known to be all or nothing on this remote."""


# --------------------------------------------------------------------------- forge


class PullRequestState(StrEnum):
    """Where a pull request is."""

    OPEN = "open"
    MERGED = "merged"
    CLOSED = "closed"


class StatusState(StrEnum):
    """The state of a commit status."""

    PENDING = "pending"
    SUCCESS = "success"
    FAILURE = "failure"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class PullRequest:
    """One pull request.

    Attributes:
        key: the natural key given at creation (it is kept in the body); empty for a person's.
        head: branch name without `refs/heads/`.
        head_commit: its tip as the forge knows it.
        merged: the commit on the base branch that brought it, where the forge knows it.
        closed_by_us: closed without merge, by our own account.
        closed_by: who closed it, as the forge names them; empty where unknown or open.
    """

    number: int
    state: PullRequestState
    key: str
    head: str
    base: str
    head_commit: CommitId
    title: str
    body: str
    url: str
    merged: CommitId | None = None
    closed_by_us: bool = False
    closed_by: str = ""


STATUS_LENGTH: Final = 140
"""Characters that every forge takes in a status' description."""


@dataclass(frozen=True, slots=True)
class Status:
    """One commit status; the newest per (commit, context) counts. `description`: at most STATUS_LENGTH characters."""

    commit: CommitId
    context: str
    state: StatusState
    description: str
    url: str = ""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a forge can do; said in `gitslo status`."""

    expected_head_merge: bool
    statuses: bool
    comments: bool


class Forge(Protocol):
    """Pull requests, statuses and comments of one repository."""

    def capabilities(self) -> Capabilities:
        """What this forge can do."""

    def find(self, head: str) -> tuple[PullRequest, ...]:
        """Every pull request with this head branch, newest first."""

    def ensure_pull_request(self, *, key: str, head: str, base: str, title: str, body: str) -> PullRequest:
        """Look for the open pull request of `head` and bring its title, body and key up to date, or create it."""

    def comment_once(self, number: int, marker: str, body: str) -> None:
        """Comment, unless a comment with this marker exists; then bring that one up to date."""

    def set_status(self, status: Status) -> None:
        """Set a commit status; does nothing where it already stands so."""

    def has_status(self, status: Status) -> bool:
        """Whether it stands just so; may rest on a look that is some seconds old. Reads only: it costs no push."""

    def has_comment(self, number: int, marker: str) -> bool:
        """Whether there is a comment with this marker; otherwise as `has_status`."""

    def merge(self, number: int, expected_head: CommitId, message: str) -> CommitId:
        """Merge by us; returns the new commit on the base branch.

        Raises:
            Conflict: the head or the base moved, or it does not merge cleanly now.
            Refused: a rule of the forge forbids it.
        """

    def close(self, number: int, comment: str) -> None:
        """Close without merging, saying why; does nothing where it is closed."""


# --------------------------------------------------------------------------- syncer


class SyncState(StrEnum):
    """What a syncer says about one environment."""

    SYNCED = "synced"
    """What runs is the expected tree, and its rollout is complete."""
    WAITING = "waiting"
    """Not yet, suspended, or in a sync window."""
    FAILED = "failed"
    """The expected tree was applied and does not roll out."""


Address = tuple[str, int]
"""A host or address, and a port."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What should run.

    Attributes:
        revision: the branch's head.
        tree: the environment's tree there.
        release: what that tree carries.
        carries: whether another commit of the branch carries the same tree, for a deployer that redeploys only when its
            own folder changes.
    """

    revision: CommitId
    tree: str
    release: Release
    carries: Callable[[CommitId], bool] = field(default=lambda _: False, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class SyncReport:
    """What a syncer saw.

    Attributes:
        detail: one line for people: what it waits for, or why it failed.
        fingerprint: hash of what runs (image ids, processes' identity); empty unless SYNCED.
        addresses: `host:port` as plans write it -> where it really listens. An address given here counts as allowed
            where the name is.
    """

    state: SyncState
    detail: str
    fingerprint: str = ""
    addresses: Mapping[str, Address] = field(default_factory=dict)


class Syncer(Protocol):
    """Says what runs. It never deploys at our bidding: the branch is what it follows."""

    def report(self, environment: Environment, expected: Expected) -> SyncReport:
        """What runs now.

        Raises:
            Retry: the syncer does not answer.
        """


# --------------------------------------------------------------------------- readiness and load


@dataclass(frozen=True, slots=True)
class Readied:
    """One look at one readiness check: `reason` says why not, and is empty when `ready`."""

    ready: bool
    reason: str = ""


class ReadinessProbe(Protocol):
    """Looks once at one readiness check; the run repeats it until its deadline."""

    def look(self, check: Readiness, target: Target, address: Address, timeout: Seconds) -> Readied:
        """One look, over before `timeout` seconds; network errors are reasons, not exceptions.

        Raises:
            Refused, Retry: what the target's settings ask for is not given, or not now: no fault of the target's.
        """


@dataclass(frozen=True, slots=True)
class LoadJob:
    """What a load engine is asked to do: one load section of a plan, whole in itself.

    Attributes:
        section: schedule and endpoints.
        target: where to.
        address: the address to connect to; Host and SNI still say `target.host`.
        objectives: those on this section: exact counts are kept above each of their limits.
        judged: the stretch that is judged, [from, to) in seconds since the load's start, per phase: holds of the
            schedule after the warm-up.
        seed: of everything random.
        workers: processes; 0: the engine's choice, by the rate and the processors there are.
        deadline: seconds after which the workers end, whatever happens.
        run_id: in the User-Agent.
        closed: no schedule: every connection (every stream, with HTTP/2) sends as soon as it has been answered, for the
            stages' duration. Says what a target can take, never how it fares under a load that does not wait for it.
        count: arrivals after which the load ends before its stages do; None: the stages' own end.
        unix: path of the socket to connect to instead of `address`; empty: none.
        expires: seconds of the monotonic clock after which no worker of it may be alive, however late it was started;
            None: `deadline` alone says.
    """

    section: LoadSection
    target: Target
    address: Address
    objectives: tuple[Objective, ...]
    judged: tuple[tuple[Phase, Seconds, Seconds], ...]
    seed: int
    workers: int
    deadline: Seconds
    run_id: str
    closed: bool = False
    count: int | None = None
    unix: str = ""
    expires: float | None = None


@dataclass(frozen=True, slots=True)
class TlsMaterial:
    """What the operator's names in `Target.settings` stand for, as PEM; empty where no name is given."""

    ca: bytes = b""
    certificate: bytes = b""
    key: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Authorization:
    """The value of an Authorization header.

    Attributes:
        value: e.g. `Bearer ...`.
        fresh_for: seconds after which it should be read again; None: it does not change.
    """

    value: str = field(repr=False)
    fresh_for: Seconds | None = None


class TargetAccess(Protocol):
    """What the operator gives for targets: certificates, identities, variables. All of it stays out of plans."""

    def tls(self, target: Target) -> TlsMaterial:
        """The material of a target's TLS settings.

        Raises:
            Refused: a name is not known, a file cannot be read, or `insecure` is not allowed.
        """

    def authorize(self, target: Target) -> Authorization | None:
        """A present value for the target's identity; None where it has none. Called off the hot path.

        Raises:
            Refused: the name is not known, or not allowed for this host.
            Retry: whoever issues tokens gave none.
        """

    def environment(self) -> Mapping[str, str]:
        """The variables that templates may name, with their values."""


class MethodSchemas(Protocol):
    """Finds the types of gRPC methods."""

    def descriptors(self, target: Target, address: Address, call: Call, tls: TlsMaterial) -> bytes:
        """A serialised FileDescriptorSet that holds the call's method and everything it refers to.

        Raises:
            Refused: the sources do not compile, or hold no such service.
            Retry: the target did not answer, or does not offer reflection.
        """


@dataclass(frozen=True, slots=True)
class ObjectiveSeconds:
    """The per-second counts of one objective so far, all seconds of all phases (the run sorts them into phases)."""

    objective: str
    seconds: tuple[Second, ...]


@dataclass(frozen=True, slots=True)
class LoadSnapshot:
    """A look at a load under way. Cumulative; only seconds that every watermark has passed are in it.

    Attributes:
        elapsed: seconds since the load's start.
        sent, done, errors: requests so far, warm-up included.
        in_flight: now.
        p50, p99: seconds over the last whole second, for the live view; None where unknown.
        counts: per objective. A second s is in it when s + 1 + (latency limit, or time-out for errors) <= elapsed.
        lag_p99: schedule lag in seconds over the last whole second, for the live view; None where unknown.
        watched: seconds: the quantile that `Abort.latency` names over the last whole second; None where unknown.
    """

    elapsed: Seconds
    sent: int
    done: int
    errors: int
    in_flight: int
    p50: float | None
    p99: float | None
    counts: tuple[ObjectiveSeconds, ...]
    lag_p99: float | None = None
    watched: float | None = None


@dataclass(frozen=True, slots=True)
class LoadResult:
    """What a load said at its end.

    Attributes:
        counts: per objective, every intended second up to where the load ended.
        ended_at: seconds since the load's start up to which arrivals were released.
        summaries: the section as a whole first, then each endpoint.
        no_fail, no_pass: what the health gate found (LOAD: our own lag blocks only fail, under-delivery only pass,
            a lost shard or zero requests both).
        cpu_seconds: of all workers.
        aborted: why the load was stopped for its target's sake, or empty.
    """

    counts: tuple[ObjectiveSeconds, ...]
    ended_at: Seconds
    summaries: tuple[LoadSummary, ...]
    no_fail: tuple[str, ...]
    no_pass: tuple[str, ...]
    cpu_seconds: Seconds
    aborted: str = ""


class LoadEngine(Protocol):
    """Sends load from processes of its own that die with us."""

    def run(self, job: LoadJob, on_snapshot: Callable[[LoadSnapshot], bool]) -> LoadResult:
        """Carry out the job; about once a second `on_snapshot` is told, and stops the load by returning False.

        Raises:
            Retry: the workers could not be started or all of them died.
            Refused: the job asks for what this engine cannot do.
        """


# --------------------------------------------------------------------------- observing


@dataclass(frozen=True, slots=True)
class Event:
    """Something worth telling: to logs, metrics and the live view.

    Attributes:
        name: dotted, from a closed list, e.g. `run.claimed`, `run.judged`, `change.proposed`, `poll.done`.
        environment: its name, or empty.
        message: one line for people, already redacted.
        fields: typed facts; keys are stable, part of the public surface.
    """

    name: str
    environment: str
    message: str
    fields: Mapping[str, str | int | float | bool | None] = field(default_factory=dict)


class Observer(Protocol):
    """Is told; never answers, never blocks, never raises."""

    def tell(self, event: Event) -> None:
        """Take note."""


def tell_all(observers: Iterable[Observer], event: Event) -> None:
    """Tell every observer."""
    for observer in observers:
        observer.tell(event)
