"""The state machine's tables as the page of the documentation: `python -m gitslo.core.diagram`.

A test says that `docs/reference/state-machine.md` is what this prints.
"""

from __future__ import annotations

from collections.abc import Iterable

from gitslo.core.state import CHANGE_TABLE, RULES, RUN_TABLE, Edge

__all__ = ["mermaid", "page"]


def mermaid(edges: Iterable[Edge]) -> str:
    """A state diagram of the edges, in Mermaid's language."""
    lines = ["stateDiagram-v2"]
    for edge in edges:
        start = "[*]" if edge.start == "none" else edge.start
        lines.append(f"    {start} --> {edge.end}: {edge.event}")
    return "\n".join(lines)


def page() -> str:
    """The whole page, as Markdown."""
    rules = "\n".join(
        f"{number}. {(rule.__doc__ or '').splitlines()[0].strip()}" for number, rule in enumerate(RULES, 1)
    )
    return f"""\
# The state machine

This page is printed by `python -m gitslo.core.diagram` from the tables in `gitslo/core/state/table.py`.

Two small machines per environment, both kept in its ledger. Every entry of a ledger is one arrow of one of them, or a
hold, or the note that an operator's command has run.

## The run: is what runs here good?

```mermaid
{mermaid(RUN_TABLE)}
```

Waiting for the sync is not a state: a run is claimed only when the syncer reports the tree, or says that it cannot be
rolled out. `superseded` has no verdict: something else came to run, and what was measured was dropped.

## The change into an environment: what should run here?

```mermaid
{mermaid(CHANGE_TABLE)}
```

## The rules, in their order

`decide` asks them one after the other; the first that has something to say gives the one step to take.

{rules}
"""


if __name__ == "__main__":
    print(page(), end="")  # noqa: T201 - this is what the module is run for
