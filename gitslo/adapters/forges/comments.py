"""Our own comments below one thing of a forge, e.g. a pull request: one for each mark, edited rather than repeated.

Composed by the forges of this package, which say where comments stand there. Must stay true: it looks before it writes,
and of several with one mark, which only a race of two daemons leaves, the oldest counts; nobody else's is touched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from gitslo.adapters.forges.answers import Record
from gitslo.adapters.forges.http import ForgeHttp
from gitslo.adapters.forges.looks import Looks
from gitslo.adapters.forges.marks import fitted, marked, unmarked

__all__ = ["CommentWords", "ForgeComments"]

GLANCE: Final = 10.0
"""Seconds for which a look serves those who only ask."""

K = TypeVar("K")


@dataclass(frozen=True, slots=True)
class CommentWords(Generic[K]):
    """What one forge calls things; a place is what it knows the thing by that is commented on.

    Attributes:
        rows: what stands at a place, oldest first.
        new: the path that a new one is posted to.
        old: the path of one that stands there.
        method: of an edit.
        author: where the author's name stands in a row.
        gone: statuses that a new one is answered with where the thing itself is not there, which then gets none.
        most: characters that the forge takes, the mark's among them; None: as many as there are.
        write, read: a text with its mark as the forge is to have it, and back.
    """

    rows: Callable[[K], Iterable[Record]]
    new: Callable[[K], str]
    old: Callable[[K, Record], str]
    method: str = "PATCH"
    author: tuple[str, str] = ("user", "login")
    gone: tuple[int, ...] = ()
    most: int | None = None
    write: Callable[[str, str, str], str] = marked
    read: Callable[[str, str], tuple[str, str]] = unmarked


class ForgeComments(Generic[K]):
    """See the module.

    Args:
        http: requests to the forge.
        words: its own.
        us: our account's name.
    """

    def __init__(self, http: ForgeHttp, words: CommentWords[K], us: Callable[[], str]) -> None:
        self._http, self._us = http, us
        self._words: CommentWords[K] = words
        self._looks: Looks[K, Mapping[str, Record]] = Looks(GLANCE, http.monotonic)

    def has(self, place: K, marker: str) -> bool:
        """Whether there is one of ours with this marker; may rest on a look that is some seconds old."""
        return marker in self._looks.of(place, self._look)

    def once(self, place: K, marker: str, body: str) -> None:
        """Comment, or bring ours with this marker up to date.

        Raises:
            Retry, Refused: as every request.
        """
        words = self._words
        with self._http.alone():
            standing = self._look(place).get(marker)
            kept = body if words.most is None else fitted(body, words.most)
            content = words.write(kept, "comment", marker)
            self._looks.forget(place)
            if standing is None:
                self._http.write("POST", words.new(place), {"body": content}, expect=words.gone)
            elif standing.text("body").replace("\r\n", "\n") != content:
                self._http.write(words.method, words.old(place, standing), {"body": content})

    def _look(self, place: K) -> Mapping[str, Record]:
        """Ours by marker; the oldest of each counts."""
        found: dict[str, Record] = {}
        for row in self._words.rows(place):
            marker = self._words.read(row.text("body"), "comment")[1]
            if marker and row.text(*self._words.author) == self._us():
                found.setdefault(marker, row)
        return self._looks.keep(place, found)
