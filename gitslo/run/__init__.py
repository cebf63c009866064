"""One attempt of a run through the ports: readiness -> load and metrics -> verdict.

Called by the loop and by `gitslo test`. The order of things is `sequence.attempt`; read it first. What must stay true:

* No request leaves before every host has been found in the operator's allow-list and every ceiling has been kept, and
  no source is asked that the operator does not allow.
* Every section of the load begins at the same time, and their newest snapshots are judged together, with what the
  metrics' sources have answered, at every look.
* What ends an attempt is the first of: a finding fails, every deciding finding passes, the stages or `max_duration`
  end. What was decided then stays decided; the requests still under way only complete the evidence.
* An attempt that is cut off raises and so leaves nothing.
"""

from gitslo.run.order import AttemptOrder, AttemptOutcome, CutOff, Stop, Tell
from gitslo.run.sequence import attempt

__all__ = ["AttemptOrder", "AttemptOutcome", "CutOff", "Stop", "Tell", "attempt"]
