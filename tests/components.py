"""The real servers that tests talk to: what is here, what is missing, and how to get it.

`make components` runs this before the tests. A component that is missing is said in one line, and is an error where
`CI` is set: there no test may be skipped for want of it. Components that are built are kept, per version, under
`$GITSLO_COMPONENTS` (`~/.cache/gitslo-components`), outside the checkout.

A new one is a new entry of COMPONENTS: its `find` says where it is, or why not, and its `get` how a person gets it; one
that this script can build by itself gives `build`, which is called with the folder that is its own.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

OLDEST_GIT = (2, 38)
"""`merge-tree --write-tree`, on which the local forge's merges stand."""


@dataclass(frozen=True)
class Found:
    """Where a component is (`version` is printed), or why there is none (`missing` is not empty)."""

    version: str = ""
    missing: str = ""


@dataclass(frozen=True)
class Component:
    """One real server or program.

    Attributes:
        name: what it is called.
        find: looks for it; gets the folder that is the component's own.
        get: one line: how a person gets it.
        build: makes it in that folder, or None where it comes from the system.
    """

    name: str
    find: Callable[[Path], Found]
    get: str
    build: Callable[[Path], None] | None = None


def cache() -> Path:
    """Where built components are kept."""
    given = os.environ.get("GITSLO_COMPONENTS")
    return Path(given) if given else Path.home() / ".cache" / "gitslo-components"


def find_git(folder: Path) -> Found:
    """Git, recent enough."""
    del folder
    said = _output("git", "--version")
    match = re.search(r"(\d+)\.(\d+)", said)
    if match is None:
        return Found(missing="there is no git on the PATH")
    version = (int(match[1]), int(match[2]))
    if version < OLDEST_GIT:
        return Found(missing=f"git {version[0]}.{version[1]} is older than {OLDEST_GIT[0]}.{OLDEST_GIT[1]}")
    return Found(version=match[0])


def find_http_backend(folder: Path) -> Found:
    """Git's own HTTP server side."""
    del folder
    backend = Path(_output("git", "--exec-path")) / "git-http-backend"
    if not os.access(backend, os.X_OK):
        return Found(missing=f"{backend} is not there")
    return Found(version=str(backend))


COMPONENTS = (
    Component("git", find_git, "install git 2.38 or later, e.g. `apt-get install git`"),
    Component("git-http-backend", find_http_backend, "it comes with git; e.g. on Alpine `apk add git-daemon`"),
)


def main() -> int:
    """Look for every component, build what can be built; 1 where one is missing and `CI` is set."""
    missing = 0
    for component in COMPONENTS:
        folder = cache() / component.name
        found = component.find(folder)
        if found.missing and component.build is not None:
            folder.mkdir(parents=True, exist_ok=True)
            component.build(folder)
            found = component.find(folder)
        if found.missing:
            missing += 1
            print(f"component {component.name}: {found.missing}; {component.get}", file=sys.stderr)
        else:
            print(f"component {component.name}: {found.version}")
    if missing and os.environ.get("CI"):
        print(f"{missing} components are missing, and CI is set", file=sys.stderr)
        return 1
    return 0


def _output(*argv: str) -> str:
    try:
        run = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
    except OSError:
        return ""
    return run.stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
