"""The compare-and-swap push, and whether several refs move together.

Called by `repository.swap` and `repository.atomic`. **Invariants**
* a ref moves only from the value the caller saw: `--force-with-lease=REF:OLD`, and `=` (somebody built the very same
  commit) is a loss, not a win;
* flags of `push --porcelain` decide; words only tell a lost race from a policy after the refs were looked at again;
* what is not known to have happened is Retry.

**How `atomic` is proven.** That a server advertises `atomic` proves little: some create one ref and refuse the other
all the same. So two creations are pushed together with `--atomic`, one of which cannot succeed because a ledger's ref
stands where it needs a folder. Git stops by itself, before anything is sent, where the server does not advertise it; an
honest server then refuses both, and nothing is written at all; one that creates the first is found out, and the scratch
ref is removed. It needs an existing ledger, which also shows that the namespace can be written; until then the answer
is no.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping, Sequence

from gitslo.adapters.git_repository import grammar
from gitslo.adapters.git_repository.faults import TimedOut, TooLarge, cleaned, remote_error
from gitslo.adapters.git_repository.grammar import Remote
from gitslo.adapters.git_repository.process import Finished, GitProcesses
from gitslo.adapters.git_repository.replies import PushLine, parse_push
from gitslo.errors import Conflict, Problem, Refused, Retry
from gitslo.model import CommitId
from gitslo.ports import RefUpdate

__all__ = ["HEADS", "OWN_HEADS", "PROBE", "check", "of_people", "prove_atomic", "push"]

PROBE = "probe."
"""How the name of a scratch ref begins, below the ledger namespace."""

HEADS = "refs/heads/"
OWN_HEADS = f"{HEADS}gitslo/"
"""Branches that only gitslo writes."""

_OWN_REFS = "refs/gitslo"
_MOST_UPDATES = 200
_CAP = 1 << 22
_RACE = re.compile(
    r"cannot lock ref|failed to (?:update|lock) ref|incorrect old value|reference already exists|"
    r"fetch first|stale info|non-fast-forward|already exists|transaction"
)
_HIDDEN = re.compile(r"hidden ref")
_TAKEN_ALONG = re.compile(r"atomic push failure")
"""What a server says of the refs that it would have moved, had it not refused another."""
_GONE = re.compile(r"remote ref does not exist")

Listing = Callable[[Sequence[str]], Mapping[str, CommitId]]
"""Asks the remote where these refs are."""


def of_people(ref: str) -> bool:
    """Whether a ref is a branch that people write, too: it only grows, and is never deleted."""
    return ref.startswith(HEADS) and not ref.startswith(OWN_HEADS)


def check(updates: Sequence[RefUpdate], ledger_prefix: str) -> None:
    """See that these are updates that we may ask for, whatever the server would allow.

    Raises:
        Refused: one is not.
    """
    if len({update.ref for update in updates}) != len(updates) or len(updates) > _MOST_UPDATES:
        raise Refused(f"a swap names each ref once, and at most {_MOST_UPDATES} of them")
    for update in updates:
        grammar.ref(update.ref)
        for tip in (update.old, update.new):
            if tip is not None:
                grammar.commit_id(tip)
        if not update.ref.startswith((HEADS, _OWN_REFS, ledger_prefix)):
            raise Refused(f"{update.ref} is neither a branch nor below {_OWN_REFS}: not ours to write")
        if update.old is None and update.new is None:
            raise Refused(f"{update.ref}: there is nothing to swap")
        if update.new is None and of_people(update.ref):
            raise Refused(f"{update.ref} is not ours: it is never deleted")


def _pushed(git: GitProcesses, remote: Remote, updates: Sequence[RefUpdate], *, atomic: bool) -> Finished:
    leases = [f"--force-with-lease={update.ref}:{update.old or ''}" for update in updates]
    moves = [f"{update.new or ''}:{update.ref}" for update in updates]
    try:
        return git.run(
            "push",
            "--porcelain",
            "--no-verify",
            "--no-signed",
            "--no-follow-tags",
            "--recurse-submodules=no",
            "--atomic" if atomic else "--no-atomic",
            *leases,
            "--end-of-options",
            remote.url,
            *moves,
            cap=_CAP,
            to_remote=True,
        )
    except TimedOut:
        raise Retry(f"pushing to {remote.url}: no answer in time; whether it arrived is unknown") from None
    except TooLarge:
        raise Retry(f"pushing to {remote.url}: the answer is endless; whether it arrived is unknown") from None


def push(
    git: GitProcesses,
    remote: Remote,
    updates: Sequence[RefUpdate],
    *,
    atomic: bool,
    ledger_prefix: str,
    listing: Listing,
) -> None:
    """Move the refs; raises as `ports.Repository.swap`."""
    finished = _pushed(git, remote, updates, atomic=atomic)
    lines = parse_push(finished.out)
    lost = [update for update in updates if not _won(update, lines.get(update.ref))]
    if not lost and finished.code == 0:
        return
    refused = [lines[update.ref] for update in lost if update.ref in lines and lines[update.ref].flag == "!"]
    doing = f"pushing to {remote.url}"
    if not refused and not any(update.ref in lines for update in lost):
        # Nothing was reported about them: the push as a whole failed.
        if _GONE.search(finished.said):
            raise Conflict(f"{doing}: a ref that was to be deleted is gone")
        error = remote_error(doing, finished.said, signed_in=git.signed_in)
        raise error or Retry(f"{doing}: {cleaned(finished.said) or f'git ended with {finished.code}'}")
    policy = [line for line in refused if line.summary == "[remote rejected]"]
    if any(line.summary == "[remote failure]" for line in refused):
        raise Retry(f"{doing}: the server did not say what became of it: {_words(refused)}")
    hidden = [line for line in policy if _HIDDEN.search(line.reason)]
    if hidden or (policy and not _moved(lost, listing) and not any(_RACE.search(line.reason) for line in policy)):
        alone = [line for line in policy if not _TAKEN_ALONG.search(line.reason)]
        raise _policy(doing, hidden or alone or policy, finished.said, ledger_prefix)
    where = ", ".join(update.ref for update in lost)
    raise Conflict(f"{where}: {_words(refused) or 'somebody else has moved it, even if to the same commit'}")


def _won(update: RefUpdate, line: PushLine | None) -> bool:
    if line is None:
        return False
    match line.flag:
        case "*":
            return update.old is None
        case " " | "+":
            return update.old is not None and update.new is not None
        case "-":
            return update.new is None
        case "=":
            return update.old == update.new
        case _:
            return False


def _moved(updates: Sequence[RefUpdate], listing: Listing) -> bool:
    present = listing([update.ref for update in updates])
    return any(present.get(update.ref) != update.old for update in updates)


def _words(lines: Sequence[PushLine]) -> str:
    return cleaned("; ".join(f"{line.ref} {line.summary} ({line.reason})" for line in lines))


def _policy(doing: str, lines: Sequence[PushLine], said: str, ledger_prefix: str) -> Refused:
    # What a hook prints arrives on standard error, marked `remote:`.
    hook = [line.removeprefix("remote:") for line in re.split(r"[\r\n]+", said) if line.startswith("remote:")]
    told = f": {cleaned(chr(10).join(hook))}" if any(line.strip() for line in hook) else ""
    problems = []
    for line in lines:
        of_ledger = line.ref.startswith(ledger_prefix)
        hint = (
            f"let this account write {ledger_prefix}*, or set another ledger namespace in the operator file"
            if of_ledger
            else "let this account write that ref, or change the write mode"
        )
        problems.append(
            Problem(f"{doing}: the server does not let us write {line.ref} ({cleaned(line.reason)}){told}", hint=hint)
        )
    return Refused(*problems)


def prove_atomic(
    git: GitProcesses, remote: Remote, ledger: tuple[str, CommitId], ledger_prefix: str, listing: Listing
) -> bool:
    """Whether a push with `--atomic` is all or nothing here.

    Args:
        ledger: an existing ledger's ref and tip.

    Raises:
        Retry: it could not be found out now.
        Refused: the remote does not let us push at all.
    """
    ref, tip = ledger
    free, blocked = f"{ledger_prefix}{PROBE}{secrets.token_hex(8)}", f"{ref}/{PROBE}x"
    finished = _pushed(git, remote, (RefUpdate(free, None, tip), RefUpdate(blocked, None, tip)), atomic=True)
    lines = parse_push(finished.out)
    if not lines:
        error = remote_error(f"pushing to {remote.url}", finished.said, signed_in=git.signed_in)
        if error is not None:
            raise error
        return False  # Git did not even send it: not advertised
    # Both are there only where the ledger was deleted at this very moment.
    created = [RefUpdate(name, at, None) for name, at in listing([free, blocked]).items()]
    if created:
        _pushed(git, remote, created, atomic=False)
    return not created and all(line.flag == "!" for line in lines.values())
