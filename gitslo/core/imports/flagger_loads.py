"""Flagger's webhooks: load tests -> loads of a plan. Called by `flagger`."""

from __future__ import annotations

from decimal import Decimal

from gitslo.core.imports.draft import Draft, digits
from gitslo.core.imports.flagger_commands import Command, read_command
from gitslo.core.imports.loads import Load, Request, add_load, grpc_target, http_target
from gitslo.core.imports.measures import duration
from gitslo.core.imports.reading import Cell
from gitslo.core.imports.result import Rule

__all__ = ["add_webhook"]

_LOAD_RATE = Decimal(10)
_HOOKS = {
    "pre-rollout": "a check before traffic is sent: what it asks can be `readiness`, or `checks` of a load",
    "post-rollout": "what is done after a verdict is said by `outcomes` of the pipeline",
    "confirm-rollout": "a person's say: `write` of the pipeline decides what is merged by hand",
    "confirm-promotion": "a person's say: `write` of the pipeline decides what is merged by hand",
    "confirm-traffic-increase": "gitslo shifts no traffic",
    "rollback": "a person's say: `gitslo hold`",
    "event": "notifications are the operator's",
}


def add_webhook(draft: Draft, load: str, hook: Cell, length: Decimal) -> list[Load]:
    """Add a load test of an analysis that takes so many seconds."""
    name, kind = hook.text_of("name"), hook.text_of("type") or "rollout"
    command, form = hook.get("metadata", "cmd"), hook.text_of("metadata", "type") or "cmd"
    hook.take()
    shown = f"webhook `{name}`"
    if kind in _HOOKS:
        draft.note(hook, _HOOKS[kind], what=shown)
        return []
    if command is None:
        draft.leave_out(hook, "what it asks is not in the file; it is left out", what=shown)
        return []
    if form == "cmd":
        why = "the load tester starts it and answers 200 at once: that it fails, or sends nothing, is seen by nobody"
        draft.find(
            Rule.UNOBSERVED_LOAD, command, why, "the plan's load is counted, and too little of it is inconclusive"
        )
    found = read_command(command.text)
    if found is None:
        draft.leave_out(
            command, "no command that gitslo can read as a load; it is left out", "write it as `load`", what=shown
        )
        return []
    return _load(draft, load, command, found, length)


def _load(draft: Draft, name: str, at: Cell, command: Command, length: Decimal) -> list[Load]:
    url = draft.target_url(name) or command.url
    target = (grpc_target if command.method == "call" else http_target)(draft, name, url, at)
    if target is None:
        return []
    if "-canary." in url:
        why = "the Service of this name is Flagger's, and without it there is none"
        draft.note(at, why, f"say another with --target {name}=URL", what=f"`{url}`")
    if command.rate is None:
        why = f"{command.tool} sends as fast as it can where no rate is given: {digits(_LOAD_RATE)}/s is taken"
        draft.note(at, why, "name the rate that your users have")
    if command.dropped:
        draft.note(
            at, f"{', '.join(f'`{each}`' for each in command.dropped)} is not carried over", what=f"`{command.tool}`"
        )
    seconds = max(command.seconds or Decimal(60), length)
    if command.seconds is not None and length > command.seconds:
        why = f"Flagger starts it anew at every check: here it lasts as long as they do, {duration(float(length))}"
        draft.note(at, why, "nothing to do")
    load = Load(
        target.name,
        target.name,
        rate=command.rate or _LOAD_RATE,
        seconds=seconds,
        requests=(Request(command.method, target.path or "/", more=command.more),),
    )
    add_load(draft, load, (f"{at.place.file}:{at.place.line}",))
    why = "it makes traffic for the metrics; objectives on it would measure what users see"
    draft.note(at, why, f"e.g. `{load.name}.errors < 1%` and `{load.name}.latency.p99 < 500ms`")
    return [load]
