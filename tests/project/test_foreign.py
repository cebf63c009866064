from __future__ import annotations

import sys
from collections import defaultdict

from tests.project.source import imported, module_name, modules, parsed

EVERYWHERE = {"gitslo", "click"}
"""click is the command line's language; every command module speaks it."""

FAMILIES = {
    "scipy": "gitslo.core.stats",
    "numpy": "gitslo.core",
}
"""Libraries that one package uses in more than one of its files."""


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
