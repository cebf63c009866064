"""THE state machine: what to do about one environment, given everything that is known of it. Pure.

`gitslo.loop` observes, calls `decide`, and carries the one step out. Nothing else decides anything.

| module | question |
|---|---|
| `rules` | in which order are the rules asked, and what is said where none has anything to do? |
| `table` | which moves are permitted? |
| `attempts` | has the attempt ended, is it to be cut off, taken over, begun? |
| `judging` | what follows from its verdict? |
| `changing` | is there a change to propose, settle, withdraw, reject? |
| `publishing` | is it out: pushed, opened, merged, cleared up? |
| `holds` | does the ledger or the branch need a person? |
| `claiming` | is there something to judge? |
| `telling` | who is to be told? |
| `facts` | what do several of them ask? |

Invariants
    * `decide` is total: every observation gives a step. It is pure: equal observations give equal steps.
    * A step is at most one effect, and every effect has a natural key. After its own effect it is not asked for again.
    * Every ledger entry written here follows an edge of RUN_TABLE and CHANGE_TABLE; what is judged stays judged, and
      what is settled, withdrawn or rejected stays so. A new run or change has a new id.
    * Nothing is claimed, proposed, merged or reverted while the environment is held.
    * Only a pass promotes; only a fail reverts; missing data is neither.
"""

from gitslo.core.state.changing import intent
from gitslo.core.state.facts import change_key, pass_key
from gitslo.core.state.rules import RULES, decide
from gitslo.core.state.table import CHANGE_TABLE, RUN_TABLE, Edge
from gitslo.core.state.telling import report_link, status_context

__all__ = [
    "CHANGE_TABLE",
    "RULES",
    "RUN_TABLE",
    "Edge",
    "change_key",
    "decide",
    "intent",
    "pass_key",
    "report_link",
    "status_context",
]
