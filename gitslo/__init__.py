"""gitslo: a commit is promoted when it has proven its SLOs, reverted when it has broken them."""

__version__ = "0.1.0"
