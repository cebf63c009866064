"""What Git prints, parsed: `ls-remote`, `cat-file --batch-command`, `push --porcelain`, `log`.

Pure. Called by `reading`, `publish` and `repository`. A reply that does not parse is a ValueError here and damage, or a
remote that is no Git, there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gitslo.model import CommitId, ObjectId
from gitslo.ports import CommitInfo

__all__ = ["LOG_FORMAT", "CatReplies", "Held", "PushLine", "parse_log", "parse_ls_remote", "parse_push"]

_LONGEST_HEADER = 1024
_LOG_FIELDS = 6
LOG_FORMAT = "--format=%H%x00%P%x00%an <%ae>%x00%ct%x00%s%x00%(trailers:only,unfold)"
"""With `-z`; no field can hold a NUL: Git ends a commit's text at the first one."""


def parse_ls_remote(out: bytes) -> Iterator[tuple[str, str]]:
    """(id, ref) of every line; names that are no UTF-8 are left out, none of ours is such.

    Raises:
        ValueError: a line is not `<id> TAB <ref>`.
    """
    for line in out.splitlines():
        identifier, tab, name = line.partition(b"\t")
        if not tab:
            raise ValueError("a line without a tab")
        try:
            yield identifier.decode("ascii"), name.decode()
        except UnicodeDecodeError:
            continue


@dataclass(frozen=True, slots=True)
class Held:
    """What the object database says of one object; `body` is None where only its kind and size were asked."""

    id: ObjectId
    kind: str
    size: int
    body: bytes | None = None


class CatReplies:
    """Reads the replies to a batch of `info` and `contents` commands, in order; None: there is no such object.

    Args:
        contents: for each command, whether its reply carries the object's content.
    """

    def __init__(self, contents: tuple[bool, ...]) -> None:
        self._contents = contents
        self._buffer = bytearray()
        self._at = 0
        self.replies: list[Held | None] = []

    def feed(self, data: bytes) -> bool:
        """Take more output; True once every reply is there.

        Raises:
            ValueError: this is not what `cat-file` prints.
        """
        self._buffer += data
        while len(self.replies) < len(self._contents):
            end = self._buffer.find(b"\n", self._at)
            if end < 0:
                if len(self._buffer) - self._at > _LONGEST_HEADER:
                    raise ValueError("a header without an end")
                return False
            fields = bytes(self._buffer[self._at : end]).decode("ascii", "replace").split(" ")
            if fields[-1] == "missing":
                self.replies.append(None)
                self._at = end + 1
                continue
            if len(fields) != 3:  # noqa: PLR2004 - id, kind, size
                raise ValueError("a header with a wrong number of fields")
            identifier, kind, size = fields[0], fields[1], int(fields[2])
            after = end + 1
            body: bytes | None = None
            if self._contents[len(self.replies)]:
                if len(self._buffer) < after + size + 1:
                    return False
                body = bytes(self._buffer[after : after + size])
                after += size + 1
            self.replies.append(Held(ObjectId(identifier), kind, size, body))
            self._at = after
        del self._buffer[: self._at]
        self._at = 0
        return True


@dataclass(frozen=True, slots=True)
class PushLine:
    """What became of one ref.

    Attributes:
        flag: ` ` fast-forward, `+` forced, `-` deleted, `*` created, `!` rejected, `=` up to date.
        summary: `[rejected]`, `[remote rejected]`, `[remote failure]` or a range; a fixed word, never translated.
        reason: what follows in parentheses: the client's or the server's words.
    """

    flag: str
    ref: str
    summary: str
    reason: str


def parse_push(out: bytes) -> dict[str, PushLine]:
    """The porcelain lines by ref."""
    lines: dict[str, PushLine] = {}
    for raw in out.decode(errors="replace").split("\n"):
        fields = raw.split("\t")
        if len(fields) < 3 or len(fields[0]) != 1:  # noqa: PLR2004 - flag, from:to, summary
            continue
        name = fields[1].rpartition(":")[2]
        said = "\t".join(fields[2:])
        summary, _, reason = said.partition(" (")
        lines[name] = PushLine(fields[0], name, summary.strip(), reason.removesuffix(")"))
    return lines


def parse_log(out: bytes) -> tuple[CommitInfo, ...]:
    """The commits that `log -z` with LOG_FORMAT printed.

    Raises:
        ValueError: it printed something else.
    """
    fields = out.decode(errors="replace").split("\0")
    if fields[-1] == "":
        fields.pop()
    if len(fields) % _LOG_FIELDS:
        raise ValueError("the log has a wrong number of fields")
    return tuple(_info(fields[at : at + _LOG_FIELDS]) for at in range(0, len(fields), _LOG_FIELDS))


def _info(fields: list[str]) -> CommitInfo:
    identifier, parents, author, wall, subject, trailers = fields
    pairs = (line.partition(":") for line in trailers.split("\n") if ":" in line)
    return CommitInfo(
        id=CommitId(identifier),
        parents=tuple(CommitId(parent) for parent in parents.split()),
        author=author,
        wall=float(wall or 0),
        subject=subject,
        trailers=tuple((key.strip(), value.strip()) for key, _, value in pairs),
    )
