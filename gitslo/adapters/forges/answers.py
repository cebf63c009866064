"""Reading a forge's JSON: typed, by path, and never trusted to have the shape that it is documented to have.

Called by the forges of this package. What is not there, or is of another type, is a Retry: an answer that cannot be
understood is like none.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from gitslo.errors import Retry

__all__ = ["Json", "Record", "items", "record"]

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
"""What a JSON document is made of."""


class Record:
    """An object of an answer."""

    __slots__ = ("_fields",)

    def __init__(self, fields: Mapping[str, Json]) -> None:
        self._fields = fields

    def text(self, *path: str) -> str:
        """The text at a path; empty where there is none or null.

        Raises:
            Retry: something else is there.
        """
        found = self._at(path)
        if found is None:
            return ""
        if not isinstance(found, str):
            raise _odd(path, "text")
        return found

    def words(self, *path: str) -> str:
        """All texts at a path, of whatever is there, in one line: GitLab says `{"title": ["is too long"]}`."""
        return "; ".join(_words(self._at(path)))

    def complaint(self) -> str:
        """What a forge says of a request that it did not like, in one line; empty where it says nothing.

        GitHub has the reason beside the message: `{"message": "Validation Failed", "errors": [{"field": "head",
        "code": "invalid"}]}`; a list of texts, and a `message` in an entry, are known as well.
        """
        reasons = []
        listed = self._at(("errors",))
        for each in listed if isinstance(listed, list) else ():
            if isinstance(each, dict):
                entry = Record(each)
                reasons.append(entry.words("message") or f"{entry.words('field')} {entry.words('code')}".strip())
            else:
                reasons += _words(each)
        said = self.words("message") or self.words("error")
        return ": ".join(filter(None, (said, "; ".join(filter(None, reasons)))))

    def number(self, *path: str) -> int:
        """The whole number at a path.

        Raises:
            Retry: there is none.
        """
        found = self._at(path)
        if not isinstance(found, int) or isinstance(found, bool):
            raise _odd(path, "a number")
        return found

    def truth(self, *path: str) -> bool:
        """Whether `true` stands at a path."""
        return self._at(path) is True

    def has(self, *path: str) -> bool:
        """Whether anything but null stands at a path."""
        return self._at(path) is not None

    def moment(self, *path: str) -> datetime:
        """The moment at a path; one without an offset is in UTC.

        Raises:
            Retry: there is none.
        """
        try:
            found = datetime.fromisoformat(self.text(*path))
        except ValueError:
            raise _odd(path, "a moment") from None
        return found if found.tzinfo is not None else found.replace(tzinfo=UTC)

    def records(self, *path: str) -> tuple[Record, ...]:
        """The objects of the list at a path; none where there is no list.

        Raises:
            Retry: something else is there.
        """
        found = self._at(path)
        return () if found is None else items(found)

    def texts(self, *path: str) -> tuple[str, ...]:
        """The texts of the list at a path; others are left out."""
        found = self._at(path)
        return tuple(each for each in found if isinstance(each, str)) if isinstance(found, list) else ()

    def _at(self, path: tuple[str, ...]) -> Json:
        found: Json = dict(self._fields)
        for key in path:
            if not isinstance(found, dict):
                return None
            found = found.get(key)
        return found


def record(data: Json) -> Record:
    """An answer that should be an object.

    Raises:
        Retry: it is none.
    """
    if not isinstance(data, dict):
        raise Retry("the forge's answer is no JSON object")
    return Record(data)


def items(data: Json) -> tuple[Record, ...]:
    """An answer that should be a list of objects.

    Raises:
        Retry: it is none.
    """
    if not isinstance(data, list):
        raise Retry("the forge's answer is no JSON list")
    return tuple(record(each) for each in data)


def _words(data: Json) -> list[str]:
    match data:
        case str():
            return [data]
        case list():
            return [word for each in data for word in _words(each)]
        case dict():
            return [f"{key} {word}" for key, each in data.items() for word in _words(each)]
    return []


def _odd(path: tuple[str, ...], expected: str) -> Retry:
    return Retry(f"the forge's answer has not {expected} at {'.'.join(path)}")
