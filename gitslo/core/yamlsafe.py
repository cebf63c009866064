"""The budgeted YAML reader: bytes -> nodes with exact positions, or `Refused`. The only file that imports ruamel.

`gitslo.core.schema` (contracts), `gitslo.core.discover` and the byte-precise edits (manifests) read through here.

Invariants:
    * Budgets hold while events stream, before anything is composed: an alias bomb or 100,000 brackets cost what they
      weigh on disk, not what they would unfold to (a bomb of 400 bytes held a JSON Schema validator for 8 s).
    * Whatever the bytes, the answer is a tuple of nodes or `Refused`; no other exception, no recursion.
    * Offsets index the decoded text exactly, line ends as they are in the file, so that edits can cut bytes by them.
    * Only the YAML 1.2 core schema is resolved: no tags, no timestamps, no `yes`, no sexagesimals.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, NoReturn

from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from ruamel.yaml.parser import Parser
from ruamel.yaml.reader import Reader
from ruamel.yaml.resolver import VersionedResolver
from ruamel.yaml.scanner import Scanner, ScannerError

from gitslo.core.yamlnodes import (
    DECIMAL,
    INTEGER,
    LONGEST_NUMBER,
    NUMBER_STARTS,
    Mapping,
    Mark,
    Node,
    Plain,
    Scalar,
    Sequence,
    find,
    locate,
    locate_key,
    plain,
    pointer_to,
    resolve,
)
from gitslo.core.yamltext import (
    BANNED,
    CONTRACT,
    MANIFEST,
    PIPELINE,
    Budget,
    decode,
    in_words,
    mark_at,
    not_printable,
)
from gitslo.errors import Problem, Refused

__all__ = [
    "CONTRACT",
    "MANIFEST",
    "PIPELINE",
    "Budget",
    "Mapping",
    "Mark",
    "Node",
    "Plain",
    "Scalar",
    "Sequence",
    "find",
    "locate",
    "locate_key",
    "plain",
    "pointer_to",
    "read_document",
    "read_documents",
]


_UNFOLDED = 4
"""How many times the byte budget aliases may unfold to."""

_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_LARGEST_INT = 2**63 - 1
_SPACE = re.compile(r"(?:[ \t\r\n]|#[^\r\n]*)*")


def read_documents(data: bytes, *, file: str, budget: Budget) -> tuple[Node, ...]:
    """Every document of a file, in order; empty for a file without any.

    Args:
        data: the file's bytes, UTF-8.
        file: its path as its author knows it, for errors.
        budget: CONTRACT, PIPELINE or MANIFEST.

    Raises:
        Refused: it is no YAML, or more than the budget, or holds what no file of ours or of Kubernetes needs.
    """
    text = decode(data, file, budget.bytes)
    reading = _Reading(text, file, budget)
    try:
        return tuple(reading.documents())
    except Refused:
        raise
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        message, hint = in_words(str(error.problem or error.context))
        reading.refuse(f"no valid YAML: {message}", reading.last if mark is None else _mark(mark), hint)
    except Exception as error:  # noqa: BLE001 - the scanner fails in many ways on bytes nobody wrote by hand
        reading.refuse(f"no valid YAML: {type(error).__name__} near here", reading.last)


def read_document(data: bytes, *, file: str, budget: Budget) -> Node:
    """The one document of a file.

    Raises:
        Refused: as `read_documents`, or there is no document in it, or more than one.
    """
    documents = read_documents(data, file=file, budget=budget)
    if len(documents) != 1:
        found = "nothing" if not documents else f"{len(documents)} documents"
        raise Refused(Problem(f"expected one YAML document and found {found}", file=file, line=1, column=1))
    return documents[0]


# --------------------------------------------------------------------------- text -> events -> nodes


class _Events(Reader, Scanner, Parser, VersionedResolver):
    """ruamel's pure event parser, put together without its loader (which looks for plug-ins on disk)."""

    def __init__(self, text: str) -> None:
        self.comment_handling = None
        Reader.__init__(self, text, loader=self)
        Scanner.__init__(self, loader=self)
        Parser.__init__(self, loader=self)
        VersionedResolver.__init__(self, None, loader=self)

    def fetch_directive(self) -> NoReturn:
        raise ScannerError(None, None, "directives (`%...`) are not allowed", self.get_mark())

    def fetch_tag(self) -> NoReturn:
        raise ScannerError(None, None, "tags (`!...`)", self.get_mark())

    def events(self) -> Iterator[Any]:
        while self.check_event():
            yield self.get_event()


def _mark(mark: Any) -> Mark:
    return Mark(mark.line + 1, mark.column + 1, mark.index)


@dataclass(slots=True)
class _Size:
    """What a finished node weighs: an alias to it costs this again."""

    nodes: int
    height: int
    text: int


class _Open:
    """A collection whose end has not come yet."""

    def __init__(self, event: Any, start: Mark, *, mapping: bool) -> None:
        self.mapping = mapping
        self.start = start
        self.anchor: str = event.anchor or ""
        self.flow = bool(event.flow_style)
        self.items: list[Node] = []
        self.keys: dict[str, Scalar] = {}
        self.key: Scalar | None = None
        self.merges: list[Mapping] = []
        self.merge_mark: Mark | None = None
        self.size = _Size(1, 1, 0)

    def add_size(self, size: _Size) -> None:
        self.size.nodes += size.nodes
        self.size.text += size.text
        self.size.height = max(self.size.height, size.height + 1)


class _Reading:
    """One file being read: what has been used of its budget, and what is still open."""

    def __init__(self, text: str, file: str, budget: Budget) -> None:
        self.text = text
        self.file = file
        self.budget = budget
        self.last = Mark(1, 1, 0)
        self.nodes = 0
        self.unfolded = 0
        self.open: list[_Open] = []
        self.anchors: dict[str, tuple[Node, _Size]] = {}
        self.started: set[str] = set()
        self.root: Node | None = None

    def refuse(self, message: str, mark: Mark, hint: str = "") -> NoReturn:
        raise Refused(Problem(message, file=self.file, line=mark.line, column=mark.column, hint=hint)) from None

    def documents(self) -> Iterator[Node]:
        count = 0
        for event in _Events(self.text).events():
            self.last = _mark(event.start_mark)
            if isinstance(event, DocumentStartEvent):
                count += 1
                self._begin_document(count)
            elif isinstance(event, NodeEvent):
                self._begin_node(event)
            elif isinstance(event, MappingEndEvent | SequenceEndEvent):
                self._end_collection(_mark(event.end_mark))
            if self.root is not None and not self.open:
                yield self.root
                self.root = None

    def _begin_document(self, count: int) -> None:
        if count > 1 and not self.budget.documents:
            self.refuse("a second document starts here and this file may have only one", self.last, "remove the `---`")
        self._count(1)
        self.anchors.clear()
        self.started.clear()

    def _begin_node(self, event: Any) -> None:
        if isinstance(event, AliasEvent):
            self._alias(event)
            return
        if event.anchor:
            if not self.budget.aliases:
                self.refuse("YAML anchors (`&...`) are not allowed in this file", self.last, "write the value out")
            self.started.add(event.anchor)
            self.anchors.pop(event.anchor, None)
        self._count(1)
        if isinstance(event, ScalarEvent):
            scalar = self._scalar(event)
            self._finish(scalar, _Size(1, 0, len(scalar.value)))
            return
        mapping = isinstance(event, MappingStartEvent)
        if self.open and self.open[-1].mapping and self.open[-1].key is None:
            kind = "mapping" if mapping else "list"
            hint = "a template is no YAML yet: quote `{{ ... }}`" if event.flow_style else ""
            self.refuse(f"a {kind} stands where a key is expected", self.last, hint)
        if len(self.open) >= self.budget.depth:
            self.refuse(f"nested deeper than {self.budget.depth} levels", self.last)
        assert mapping or isinstance(event, SequenceStartEvent)  # noqa: S101 - the parser has four kinds of nodes
        self.open.append(_Open(event, self._content_start(event), mapping=mapping))

    def _content_start(self, event: Any) -> Mark:
        """Where the node itself starts: an event starts at its anchor."""
        if not event.anchor:
            return self.last
        anchor = self.last.offset
        space = _SPACE.match(self.text, anchor + 1 + len(event.anchor))
        offset = anchor if space is None else space.end()
        mark = mark_at(self.text[anchor:offset], offset - anchor)  # from the anchor on: a whole file of them is quick
        column = mark.column + (self.last.column - 1 if mark.line == 1 else 0)
        return Mark(self.last.line + mark.line - 1, column, offset)

    def _scalar(self, event: ScalarEvent) -> Scalar:
        style = str(event.style or "")
        value = self._printable(str(event.value)) if style == '"' else str(event.value)
        end = _mark(event.end_mark)
        start = self._content_start(event)
        if start.offset > end.offset:  # an anchor with nothing behind it
            start = end
        if not style:
            self._finite(value)
        return Scalar(value, style, start, end, event.anchor or "")

    def _printable(self, value: str) -> str:
        """Escapes in double quotes can say what the text itself may not."""
        try:
            value = value.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
        except UnicodeDecodeError:
            self.refuse("half of a surrogate pair is no character", self.last)
        banned = BANNED.search(value)
        if banned is not None:
            self.refuse(not_printable(banned.group()), self.last)
        return value

    def _finite(self, value: str) -> None:
        if not value or value[0] not in NUMBER_STARTS:
            return
        number = INTEGER.fullmatch(value) or DECIMAL.fullmatch(value)
        if _NOT_FINITE.fullmatch(value) or (
            number
            and (
                len(value) > LONGEST_NUMBER
                or (isinstance(data := resolve(value), int) and abs(data) > _LARGEST_INT)
                or (isinstance(data, float) and not math.isfinite(data))
            )
        ):
            # Not repeated: long digits may be a password that somebody forgot to take out.
            self.refuse("this number is not finite, or needs more than 64 bits", self.last, "quote it if it is text")

    def _count(self, nodes: int, hint: str = "") -> None:
        self.nodes += nodes
        if self.nodes > self.budget.nodes:
            self.refuse(f"more than {self.budget.nodes} nodes", self.last, hint)

    def _alias(self, event: AliasEvent) -> None:
        name = str(event.anchor)
        if not self.budget.aliases:
            self.refuse("YAML aliases (`*...`) are not allowed in this file", self.last, "write the value out")
        if name not in self.anchors:
            what = "is inside its own anchor" if name in self.started else "has no anchor"
            self.refuse(f"the alias `*{_short(name)}` {what}", self.last)
        node, size = self.anchors[name]
        self._unfold(size)
        self._finish(replace(node, alias=self.last), size)

    def _unfold(self, size: _Size) -> None:
        self._count(size.nodes, "what an alias stands for counts each time")
        self.unfolded += size.text
        if self.unfolded > _UNFOLDED * self.budget.bytes:
            self.refuse("aliases unfold to more text than is read", self.last)
        if len(self.open) + size.height > self.budget.depth:
            self.refuse(f"nested deeper than {self.budget.depth} levels", self.last)

    def _finish(self, node: Node, size: _Size) -> None:
        """Put a finished node where it belongs."""
        if node.anchor and node.alias is None:
            self.anchors[node.anchor] = (node, size)
        if not self.open:
            self.root = node
            return
        parent = self.open[-1]
        merge = parent.key is not None and parent.key.value == "<<" and not parent.key.style
        parent.add_size(replace(size, height=size.height - 1) if merge else size)
        if not parent.mapping:
            parent.items.append(node)
        elif parent.key is None:
            parent.key = self._key(parent, node)
        elif merge:
            self._merge(parent, node)
            parent.key = None
        else:
            parent.items.append(node)
            parent.key = None

    def _key(self, parent: _Open, node: Node) -> Scalar:
        if not isinstance(node, Scalar):
            self.refuse("an alias of a list or mapping stands where a key is expected", self.last)
        if node.missing:
            self.refuse("a key is expected before `:`", self.last)
        if node.value in parent.keys or (node.value == "<<" and not node.style and parent.merge_mark is not None):
            first = parent.merge_mark if node.value not in parent.keys else parent.keys[node.value].start
            line = "" if first is None else f"; the first is on line {first.line}"
            self.refuse(f"the key `{_short(node.value)}` is there twice{line}", self.last)
        if node.value == "<<" and not node.style:
            if not self.budget.aliases:
                self.refuse("merge keys (`<<`) are not allowed in this file", self.last, "write the values out")
            parent.merge_mark = node.start
        else:
            parent.keys[node.value] = node
        return node

    def _merge(self, parent: _Open, node: Node) -> None:
        sources = node.items if isinstance(node, Sequence) else (node,)
        for source in sources:
            if not isinstance(source, Mapping):
                self.refuse("a merge key (`<<`) takes a mapping or a list of mappings", self.last)
            through = source.alias or node.alias
            if through is not None:
                entries = tuple((key, replace(value, alias=through)) for key, value in source.entries)
                source = replace(source, entries=entries)  # noqa: PLW2901 - the same mapping, marked
            parent.merges.append(source)

    def _end_collection(self, end: Mark) -> None:
        done = self.open.pop()
        if not done.mapping:
            sequence = Sequence(tuple(done.items), done.start, end, done.flow, done.anchor)
            self._finish(sequence, done.size)
            return
        entries = list(zip(done.keys.values(), done.items, strict=True))
        merged = set(done.keys)
        for source in done.merges:
            fresh = [entry for entry in source.entries if entry[0].value not in merged]
            merged.update(key.value for key, _ in fresh)
            entries.extend(fresh)
        self._finish(Mapping(tuple(entries), done.start, end, done.flow, done.anchor), done.size)


def _short(value: str) -> str:
    return value if len(value) <= LONGEST_NUMBER else value[:LONGEST_NUMBER] + "…"
