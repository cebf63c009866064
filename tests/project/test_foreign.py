from __future__ import annotations

import re
import sys
import tomllib
from collections import defaultdict
from importlib.metadata import packages_distributions

from tests.project.source import ROOT, imported, module_name, modules, parsed

EVERYWHERE = {"gitslo", "click"}
"""click is the command line's language; every command module speaks it."""

FAMILIES = {
    "scipy": "gitslo.core.stats",
    "numpy": "gitslo.core",
}
"""Libraries that one package uses in more than one of its files."""

STARTED = {"grpcio-tools"}
"""Declared, and started as a process of its own: nothing imports it."""


def distribution(name: str) -> str:
    """A distribution's name as packaging compares it (https://packaging.python.org, name normalization)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def test_each_foreign_library_is_declared() -> None:
    """What is imported is a dependency of our own, not one that another happens to bring; and nothing else is one."""
    declared = {
        distribution(re.split(r"[^\w.-]", each, maxsplit=1)[0])
        for each in tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    }
    installed = packages_distributions()
    used = {name.split(".")[0] for path in modules() for _, name in imported(parsed(path))}
    libraries = used - set(sys.stdlib_module_names) - {"gitslo"}
    # `google` is a namespace: more than one distribution may have a part of it.
    brought = {name: {distribution(each) for each in installed.get(name, ())} for name in libraries}

    assert set() == {name for name, by in brought.items() if not by & declared}
    assert STARTED == declared - set().union(*brought.values())


def test_each_foreign_library_is_confined_to_one_file() -> None:
    """A library can be replaced by changing one file (or one named package)."""
    users: dict[str, set[str]] = defaultdict(set)
    for path in modules():
        for _, name in imported(parsed(path)):
            library = name.split(".")[0]
            if library not in sys.stdlib_module_names and library not in EVERYWHERE:
                users[library].add(module_name(path))
    spread = {
        library: sorted(files)
        for library, files in users.items()
        if len(files) > 1
        and not (library in FAMILIES and all(file.startswith(f"{FAMILIES[library]}.") for file in files))
    }

    assert {} == spread
    assert {"structlog", "prometheus_client", "apscheduler", "uvicorn", "rich"} <= set(users)


def test_click_stays_in_the_command_line() -> None:
    """Nothing below the command line knows how it is called."""
    users = {
        module_name(path) for path in modules() for _, name in imported(parsed(path)) if name.split(".")[0] == "click"
    }

    assert set() == {user for user in users if not user.startswith("gitslo.cli.")}
