"""The Protocols between the loop and the outside, and the data that crosses them.

Adapters raise only the errors of `gitslo.errors`. Every read has a time-out and a byte cap; every effect has a natural
key, so that doing it twice equals doing it once.

One module per neighbour; everything is importable from here.
"""

from gitslo.ports.clock import Clock
from gitslo.ports.forge import (
    STATUS_LENGTH,
    Capabilities,
    CommitComments,
    Forge,
    Issue,
    Issues,
    PullRequest,
    PullRequestState,
    Status,
    StatusState,
)
from gitslo.ports.git import FILE_CAP, CommitInfo, Edit, RefUpdate, Repository, TreeEntry, TreeView
from gitslo.ports.http import ConfiguredServer, Exchange, HttpAnswer, HttpSend, Said
from gitslo.ports.load import (
    Authorization,
    LoadEngine,
    LoadJob,
    LoadResult,
    LoadSnapshot,
    MethodSchemas,
    ObjectiveSeconds,
    TargetAccess,
    TlsMaterial,
)
from gitslo.ports.metrics import MetricAnswer, MetricQuestion, MetricSource, Span, WindowCounts
from gitslo.ports.observer import Event, Observer, tell_all
from gitslo.ports.readiness import Readied, ReadinessProbe
from gitslo.ports.served import Ask, ServedReply, ServedRequest, WebhookDesk
from gitslo.ports.syncer import Address, Expected, Syncer, SyncReport, SyncState
from gitslo.ports.wording import Place, Value, Wording, usual_wording

__all__ = [
    "FILE_CAP",
    "STATUS_LENGTH",
    "Address",
    "Ask",
    "Authorization",
    "Capabilities",
    "Clock",
    "CommitComments",
    "CommitInfo",
    "ConfiguredServer",
    "Edit",
    "Event",
    "Exchange",
    "Expected",
    "Forge",
    "HttpAnswer",
    "HttpSend",
    "Issue",
    "Issues",
    "LoadEngine",
    "LoadJob",
    "LoadResult",
    "LoadSnapshot",
    "MethodSchemas",
    "MetricAnswer",
    "MetricQuestion",
    "MetricSource",
    "ObjectiveSeconds",
    "Observer",
    "Place",
    "PullRequest",
    "PullRequestState",
    "Readied",
    "ReadinessProbe",
    "RefUpdate",
    "Repository",
    "Said",
    "ServedReply",
    "ServedRequest",
    "Span",
    "Status",
    "StatusState",
    "SyncReport",
    "SyncState",
    "Syncer",
    "TargetAccess",
    "TlsMaterial",
    "TreeEntry",
    "TreeView",
    "Value",
    "WebhookDesk",
    "WindowCounts",
    "Wording",
    "tell_all",
    "usual_wording",
]
