"""Metrics from databases, through SQLAlchemy: `SqlSource`."""

from gitslo.adapters.sql_source.source import SqlSource

__all__ = ["SqlSource"]
