"""The one loop: observe, decide, act.

`controller` owns a repository and drives its environments; `sight` is what one poll saw; `observe` turns it into the
observation of one environment; `gitslo.core.state` decides; `act` carries the one step out; `attempts` holds the runs
under way in this process. Nothing here survives the process, and nothing that matters is kept here.
"""

from gitslo.loop.controller import Controller, Poll, Settings

__all__ = ["Controller", "Poll", "Settings"]
