"""What one repository's loop knows, for readers in other threads: a gate's questions about commits and environments.

| module | question |
|---|---|
| `gate` | what is the answer, and who may ask now? |
| `archive` | which commit is meant, and what do it and the ledgers say? |
| `views` | what is asked, answered, bounded, and left behind by a poll? |
"""

from gitslo.loop.gate.gate import Gate
from gitslo.loop.gate.views import Bounds, Denied, EnvironmentView, VerdictView

__all__ = ["Bounds", "Denied", "EnvironmentView", "Gate", "VerdictView"]
