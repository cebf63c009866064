"""Writes what is told now into the cases' `expected.txt`: `python -m tests.wrong_inputs.record [CASE...]`.

For whoever adds a case or changes a message; the difference is then read by a person, word by word.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.wrong_inputs.world import CASES, cases, serving


def main() -> None:
    """Record the cases named, or all of them."""
    with tempfile.TemporaryDirectory() as scratch, serving(Path(scratch)) as run:
        for case in sys.argv[1:] or cases():
            told = run(case)
            (CASES / case / "expected.txt").write_text(told.text, encoding="utf-8")
            left = f", and left {', '.join(told.left)}" if told.left else ""
            sys.stdout.write(f"{case}: exit code {told.exit_code}{left}\n")


if __name__ == "__main__":
    main()
