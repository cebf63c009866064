"""Header blocks of HTTP/2: those of answers are read through a cache, those of constant requests are written once.

Called by `session` and `control`. The only file with hpack.

Invariants
- What a block says depends on its bytes and on the decoder's table alone. So a block is kept only where reading it left
  the table as it was, and everything kept is dropped when the table changes.
- Nothing is ever evicted from the encoder's table: what does not fit goes as a literal. A field that is in the table
  stays in it, and a constant request is a constant block until a further field goes in.
- A block cannot make us hold more than `most` bytes of fields, however short it is.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

import hpack
from hpack.hpack import encode_integer
from hpack.table import HeaderTable

__all__ = ["Broken", "Field", "Head", "HeaderReader", "HeaderWriter"]

Field = tuple[bytes, bytes]
"""A name in lower case and a value."""

PROTOCOL, COMPRESSION, CALM = 1, 9, 11

_KEPT = 256
_LONGEST_KEPT = 4096
_FINAL = 200
_STATUS_DIGITS = 3
_FORBIDDEN = frozenset((b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"))
_STATIC = HeaderTable.STATIC_TABLE_MAPPING
_STATIC_LENGTH = HeaderTable.STATIC_TABLE_LENGTH
_OVERHEAD = 32
_LARGEST_TABLE = 4096
"""Both sides may count on so much before they have heard of each other; more would not make requests shorter."""


class Broken(Exception):
    """The connection cannot go on: the peer broke a rule that everything after it rests on.

    Attributes:
        kind: what is counted.
        code: what the peer is told.
    """

    def __init__(self, what: str, code: int = PROTOCOL) -> None:
        self.kind = f"protocol error: {what}"
        self.code = code
        super().__init__(self.kind)


class Head:
    """What one header block of an answer says. Shared by all answers that carry the same block: never changed.

    Attributes:
        status: 100 to 999; 0 in trailers; -1 where the block breaks a rule, so that its stream cannot go on.
        final: whether it is the head of an answer rather than an interim one, trailers or a malformed one.
        length: what `content-length` announces, -1 without.
        fields: in their order.
        note: what `Session.note` made of it.
    """

    __slots__ = ("fields", "final", "length", "note", "status")

    def __init__(self, fields: tuple[Field, ...]) -> None:
        self.fields = fields
        self.length = -1
        self.status = 0
        self.note: object = None
        regular = False
        for name, value in fields:
            if name.startswith(b":"):
                wrong = regular or self.status or name != b":status"
                if wrong or len(value) != _STATUS_DIGITS or not value.isdigit() or value < b"100":
                    self.status = -1
                    break
                self.status = int(value)
            else:
                regular = True
                if not name or name != name.lower() or name in _FORBIDDEN or not self._counted(name, value):
                    self.status = -1
                    break
        self.final = self.status >= _FINAL

    def _counted(self, name: bytes, value: bytes) -> bool:
        if name == b"content-length":
            if not value.isdigit() or len(value) > 18 or self.length not in {-1, int(value)}:  # noqa: PLR2004 - 64 bits
                return False
            self.length = int(value)
        return True

    def get(self, name: bytes) -> bytes | None:
        """The first value of a field, or None."""
        return next((value for given, value in self.fields if given == name), None)


class HeaderReader:
    """The decoder's side.

    Attributes:
        kept: block -> what it says. Looked into by the session before it calls `read`.
    """

    def __init__(self, most: int, note: Callable[[Head], object]) -> None:
        self.kept: dict[bytes, Head] = {}
        self._decoder = hpack.Decoder(max_header_list_size=most)
        self._table = self._decoder.header_table
        self._note = note

    def read(self, block: bytes) -> Head:
        """Read a block that is not kept.

        Raises:
            Broken: it cannot be read, and so neither can any later one.
        """
        table = self._table
        before = table.maxsize, tuple(table.dynamic_entries)
        try:
            fields = tuple((name, value) for name, value in self._decoder.decode(block, raw=True))
        except hpack.OversizedHeaderListError:
            raise Broken("too many headers", CALM) from None
        except (hpack.HPACKError, IndexError):
            raise Broken("header compression", COMPRESSION) from None
        head = Head(fields)
        head.note = self._note(head)
        if before != (table.maxsize, tuple(table.dynamic_entries)):
            self.kept.clear()
        elif len(block) <= _LONGEST_KEPT:
            if len(self.kept) >= _KEPT:
                self.kept.clear()
            self.kept[block] = head
        return head


class HeaderWriter:
    """The encoder's side."""

    def __init__(self, changed: Callable[[], None]) -> None:
        """Start with an empty table.

        Args:
            changed: called when blocks made before stand for something else now.
        """
        self._changed = changed
        self._table: dict[Field, int] = {}
        self._room = self._size = _LARGEST_TABLE
        self._prefix = b""
        self._drawn: dict[Hashable, frozenset[Field]] = {}

    def resize(self, size: int) -> None:
        """The peer's table holds `size` bytes from now on."""
        size = min(size, _LARGEST_TABLE)
        if size != self._size:
            # Emptied, then as large as it may be: simpler than knowing which entries are left.
            self._table.clear()
            self._room = self._size = size
            self._prefix = b"\x20" + (_integer(size, 5, 0x20) if size else b"")
            self._changed()

    def steady(self, fields: Sequence[Field]) -> tuple[bytes, bool]:
        """The block of a constant request, to be sent now; whether a later one is the same bytes.

        Its fields go into the table as far as there is room, and then it is not yet the same.
        """
        return self._written(fields, fields)

    def drawn(self, key: Hashable, fields: Sequence[Field]) -> bytes:
        """The block of a request some of whose fields vary, to be sent now.

        A field that stood in the last one of this key, too, goes into the table; others are literals without indexing.
        """
        given = frozenset(fields)
        before = self._drawn.get(key, frozenset())
        self._drawn[key] = given
        return self._written(fields, before)[0]

    def _written(self, fields: Sequence[Field], worthy: Sequence[Field] | frozenset[Field]) -> tuple[bytes, bool]:
        prefix, self._prefix = self._prefix, b""
        out = [prefix]
        table = self._table
        grown = False
        for field in fields:
            name, value = field
            index, values = _STATIC.get(name, (0, {}))
            if value in values:
                out.append(_integer(values[value], 7, 0x80))
            elif field in table:
                out.append(_integer(_STATIC_LENGTH + len(table) - table[field], 7, 0x80))
            else:
                size = len(name) + len(value) + _OVERHEAD
                if size <= self._room and field in worthy:
                    self._room -= size
                    table[field] = len(table)
                    grown = True
                    out.append(_integer(index, 6, 0x40))
                else:
                    out.append(_integer(index, 4, 0))
                if not index:
                    out.append(_integer(len(name), 7, 0) + name)
                out.append(_integer(len(value), 7, 0) + value)
        if grown:
            self._changed()
        return b"".join(out), not grown and not prefix


def _integer(value: int, bits: int, flags: int) -> bytes:
    if value < (1 << bits) - 1:
        return bytes((flags | value,))
    made = encode_integer(value, bits)
    made[0] |= flags
    return bytes(made)
