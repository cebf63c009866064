"""Secrets: where they are, as the operator's file says it, and their text, which is never shown.

Called by `gitslo.config` and the adapters that present secrets. Must stay true: a secret is read when it is used, so
that a rotated one is taken up; `Secret` says `***` wherever it is shown.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from dataclasses import field as attribute
from pathlib import Path

from gitslo.core.document import Field
from gitslo.errors import Problem, Refused

__all__ = ["Secret", "SecretRef", "secret_at"]

_LONGEST_SECRET = 64 * 1024


class Secret:
    """Text that is not shown: `str` and `repr` say `***`, only `reveal` gives it away."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself."""
        return self._text

    def __repr__(self) -> str:
        return "***"

    def __reduce__(self) -> str:
        raise TypeError("a secret is not pickled")


@dataclass(frozen=True, slots=True)
class SecretRef:
    """Where a secret is: exactly one of an environment variable's name and a file's absolute path.

    Attributes:
        place: the reference's own place in the operator's file, for messages; two references to one secret are equal.
    """

    env: str | None = None
    file: str | None = None
    place: Problem = attribute(default=Problem(""), compare=False)

    def resolve(self) -> Secret:
        """Read it now; one line break at the end of a file does not count.

        Raises:
            Refused: it is not there, empty, larger than 64 KiB or no UTF-8.
        """
        if self.env is not None:
            text = os.environ.get(self.env, "")
            if not text:
                message = f"the environment variable {self.env} is not set, or empty"
                raise Refused(replace(self.place, message=message, hint="set it where gitslo is started"))
            return Secret(text)
        path = Path(self.file or "")
        try:
            with path.open("rb") as file:
                text = file.read(_LONGEST_SECRET + 1).decode()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8"
            raise Refused(Problem(f"the secret cannot be read: {reason}", file=str(path))) from None
        if not text.strip() or len(text) > _LONGEST_SECRET:
            raise Refused(Problem("the secret is empty or larger than 64 KiB", file=str(path)))
        return Secret(text.removesuffix("\n").removesuffix("\r"))


def secret_at(reference: Field) -> SecretRef:
    """The reference that stands in the operator's file."""
    env, file = reference.get("env"), reference.get("file")
    place = reference.problem("")
    if env is not None:
        return SecretRef(env=env.text, place=place)
    return SecretRef(file=None if file is None else file.text, place=place)
