"""A run in a few lines of plain text: what is sent to a chat or by mail. Pure.

Called by the loop for an operator's command, and by `gitslo report --short`. What must stay true: whatever a repository
or a service wrote mentions nobody, begins no command and cannot act on a terminal; it fits into one message of a chat.
"""

from __future__ import annotations

from typing import Final

from gitslo.core.escape import quiet, short
from gitslo.core.gate import finding_lines
from gitslo.core.messages import short_value
from gitslo.model import Environment, EnvironmentState, Run, RunState, Verdict

__all__ = ["MOST_LINES", "notice"]

MOST_LINES: Final = 5
"""Findings that are told; how many more there are is said."""
_LONGEST: Final = 200


def notice(run: Run, state: EnvironmentState, environment: Environment, link: str = "") -> str:
    """The verdict and what it is about; the findings that decided it, or broke it; a hold; the commit and a link.

    Args:
        run: judged, under way or superseded.
        state: of the ledger at that run's entry.
        link: of the report; empty: none.

    Returns:
        Lines of at most 200 characters and a link, without a line break at the end.
    """
    word = "superseded" if run.state is RunState.SUPERSEDED else "running" if run.verdict is None else run.verdict.value
    release = ", ".join(short_value(image) for image in run.release.images()) or run.release.digest[:12]
    lines = [f"{environment.name}: {word} in run {run.id} ({run.cause}) of {release}"]
    deciding = tuple(each for each in run.findings if each.decides)
    telling = tuple(each for each in deciding if each.verdict is not Verdict.PASS) or deciding
    lines += finding_lines(telling[:MOST_LINES])
    if len(telling) > MOST_LINES:
        lines.append(f"and {len(telling) - MOST_LINES} more")
    lines += run.notes[-1:] if not telling else ()
    if state.hold is not None:
        lines.append(f"held: {state.hold.reason}")
    lines.append(f"commit {run.revision[:12]}")
    return "\n".join([*(short(_still(line), _LONGEST) for line in lines), *([link] if link else [])])


def _still(line: str) -> str:
    """Chats also take `<!channel>` for a mention of everybody."""
    return quiet(line).replace("<!", "< !")
