"""A forge for plain Git: pull requests, comments and statuses kept in refs of the repository itself.

Used by the daemon where a repository names no other forge, and by `gitslo pulls` for people. `record` is what a pull
request is, `refs` where the records and the statuses live, `forge` the Forge on top.
"""

from gitslo.adapters.local_forge.forge import LocalForge, Pulls
from gitslo.adapters.local_forge.record import Comment, PullRecord

__all__ = ["Comment", "LocalForge", "PullRecord", "Pulls"]
