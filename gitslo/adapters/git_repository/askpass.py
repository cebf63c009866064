"""Answers Git's question for a user name or a password from an inherited file descriptor.

Started by Git as a program of its own (GIT_ASKPASS), so it imports nothing of gitslo. Must stay true: it answers only
for the origin it was told, so that a redirect or a submodule elsewhere learns nothing; the secret is neither in its
arguments nor in its environment.
"""

from __future__ import annotations

import os
import re
import sys

__all__ = ["FD_VARIABLE", "ORIGIN_VARIABLE", "answer"]

FD_VARIABLE = "GITSLO_ASKPASS_FD"
ORIGIN_VARIABLE = "GITSLO_ASKPASS_ORIGIN"
_LONGEST = 65536


def answer(prompt: str, origin: str, secrets: bytes) -> bytes | None:
    """What to print, or None where this is not ours to answer.

    Args:
        prompt: `Username for 'https://host': ` or `Password for 'https://user@host': `.
        origin: `scheme://host[:port]`.
        secrets: the user name, a NUL, the password.
    """
    match = re.match(r"(Username|Password) for '([a-z]+)://(?:[^/']*@)?([^/'@]+)(?:/[^']*)?': ?\Z", prompt)
    if match is None or f"{match[2]}://{match[3]}" != origin:
        return None
    username, _, password = secrets.partition(b"\0")
    return username if match[1] == "Username" else password


def main() -> int:
    """Answer the prompt in the first argument; 1 where there is no answer."""
    # Read at an offset: Git asks twice, and both processes share one descriptor.
    secrets = os.pread(int(os.environ[FD_VARIABLE]), _LONGEST, 0)
    said = answer(sys.argv[1] if len(sys.argv) > 1 else "", os.environ[ORIGIN_VARIABLE], secrets)
    if said is None:
        return 1
    sys.stdout.buffer.write(said + b"\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
