"""Checks over every file of the checkout, as `make lint` runs them: `python -m tests.project.files`.

Links between the pages resolve, and no file names somebody's machine.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

ROOT = Path(__file__).resolve().parents[2]

_LINK = re.compile(r"!?\[[^\]]*\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
_FENCE = re.compile(r"^(```|~~~).*?^\1\s*$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`[^`\n]*`")
_HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*#*$", re.MULTILINE)
_HOME = re.compile(r"(?<![\w.~-])/(?:home|Users)/[A-Za-z0-9_.-]+|(?<![\w.~-])/root/[A-Za-z0-9_.-]+")
_ELSEWHERE = re.compile(r"^[a-z][a-z0-9+.-]*:", re.IGNORECASE)


@dataclass(frozen=True, order=True)
class Flaw:
    """Something wrong in one line of one file."""

    path: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.message}"


def files(root: Path) -> tuple[Path, ...]:
    """Every file under `root` that Git tracks, or would if it were added."""
    argv = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(argv, capture_output=True, check=True, text=True).stdout.split("\0")
    paths = (root / name for name in sorted(set(names)) if name)
    return tuple(path for path in paths if path.is_file() and not path.is_symlink())


def broken_links(root: Path, page: Path) -> Iterator[Flaw]:
    """Relative links of a Markdown page that lead nowhere; what stands in code is no link."""
    text = page.read_text(encoding="utf-8")
    prose = _CODE.sub(_blank, _FENCE.sub(_blank, text))
    for match in _LINK.finditer(prose):
        link = match[1]
        if _ELSEWHERE.match(link) or link.startswith("//"):
            continue
        where, _, anchor = unquote(link).partition("#")
        target = (page.parent / where).resolve() if where else page
        line = text.count("\n", 0, match.start()) + 1
        if not target.is_relative_to(root.resolve()) or not target.exists():
            yield Flaw(str(page.relative_to(root)), line, f"the link {link} leads nowhere")
        elif anchor and target.suffix == ".md" and anchor not in anchors(target):
            yield Flaw(str(page.relative_to(root)), line, f"{where or 'this page'} has no heading #{anchor}")


def anchors(page: Path) -> frozenset[str]:
    """The anchors that forges give to a page's headings."""
    prose = _FENCE.sub(_blank, page.read_text(encoding="utf-8"))
    found = set[str]()
    for match in _HEADING.finditer(prose):
        words = re.sub(r"[^\w\s-]", "", match[1].lower().replace("`", ""))
        found.add(re.sub(r"\s", "-", words))
    return frozenset(found)


def home_paths(root: Path, path: Path) -> Iterator[Flaw]:
    """Lines that name a path of somebody's machine."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return
    for number, line in enumerate(text.splitlines(), start=1):
        for match in _HOME.finditer(line):
            yield Flaw(str(path.relative_to(root)), number, f"{match[0]} is a path of one machine")
        if str(root) != "/" and str(root) in line:
            yield Flaw(str(path.relative_to(root)), number, "names this checkout's own path")


def flaws(root: Path) -> tuple[Flaw, ...]:
    """All of them, by file and line."""
    found: list[Flaw] = []
    for path in files(root):
        found += home_paths(root, path)
        if path.suffix == ".md":
            found += broken_links(root, path)
    return tuple(sorted(found))


def _blank(match: re.Match[str]) -> str:
    """Spaces of the same length, line breaks kept."""
    return re.sub(r"[^\n]", " ", match[0])


def main() -> int:
    """Print every flaw; 1 if there is one."""
    found = flaws(ROOT)
    for flaw in found:
        print(flaw)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
