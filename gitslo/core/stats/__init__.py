"""Sequential tests on counts: how strongly `bad` of `total` speaks against a limit, at any moment and after any looks.

Called by `gitslo.core.judge` and `gitslo judge`. The only place that imports scipy, and only when a
number is asked for.
"""

from gitslo.core.stats.bernoulli import PRIOR, log_e_fail, log_e_pass
from gitslo.core.stats.interval import clean_requests_to_pass, interval

__all__ = ["PRIOR", "clean_requests_to_pass", "interval", "log_e_fail", "log_e_pass"]
