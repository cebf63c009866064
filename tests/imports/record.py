"""Writes what comes of the imports now into the golden files: `python -m tests.imports.record [NAME...]`.

For whoever adds a case or changes a message; the difference is then read by a person, word by word.
"""

from __future__ import annotations

import sys

from tests.imports.files import EXPECTED, FOREIGN, RUNS, cases, run_case, run_foreign, shown


def main() -> None:
    """Record the cases and runs named, or all of them."""
    named = sys.argv[1:]
    for folder in cases():
        if not named or folder.name in named:
            (folder / "expected.txt").write_text(shown(run_case(folder)), encoding="utf-8")
    EXPECTED.mkdir(exist_ok=True)
    for name, run in RUNS.items() if FOREIGN.is_dir() else ():
        if not named or name in named:
            (EXPECTED / f"{name}.txt").write_text(shown(run_foreign(run)), encoding="utf-8")


if __name__ == "__main__":
    main()
