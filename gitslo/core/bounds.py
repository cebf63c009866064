"""What the operator's file allows a plan to do, before anything is done. Pure.

Called by `gitslo.run`; `core.lint` says the same of a commit beforehand, with lines.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from gitslo.core.baselines import targets_of
from gitslo.core.gather import Course
from gitslo.core.variables import environment_of
from gitslo.core.wildcard import matches
from gitslo.errors import Problem, Refused
from gitslo.model import Allowed, Ceilings, Plan, Seconds

__all__ = ["LENGTH_ALONE", "check_allowed", "check_ceilings", "length_alone", "targets_used"]

_VARIABLES = "`allow.variables` of the operator's file, or `--env` of `gitslo test`, names the variables"


def check_allowed(plan: Plan, allowed: Allowed) -> None:
    """Hold what a plan talks to, and what it sends of the operator's, against the allow-lists.

    Raises:
        Refused: a host or a variable is in none of them.
    """
    used = targets_used(plan)
    problems = [
        Problem(
            f"the host {host!r} of target `{target.name}` is not allowed",
            hint="`allow.targets` of the operator's file, or `--target` of `gitslo test`, names the hosts",
        )
        for target in (plan.targets[name] for name in used)
        for host in target.hosts
        if not matches(allowed.targets, host)
    ]
    problems += [
        Problem(f"the load `{section.name}` sends the variable `env.{name}`, which is not allowed", hint=_VARIABLES)
        for section in plan.load
        for name in environment_of(section)
        if name not in allowed.variables
    ]
    if problems:
        raise Refused(*problems)


def targets_used(plan: Plan) -> tuple[str, ...]:
    """The targets that a plan talks to: for readiness, with load, and for what its objectives are relative to."""
    loaded = [name for section in plan.load for name in (section.target, *targets_of(plan, section.name))]
    return tuple(dict.fromkeys([*(check.target for check in plan.readiness), *loaded]))


LENGTH_ALONE: Final = "/judge/max_duration"
"""The field that says it."""


def length_alone(plan: Plan) -> Seconds:
    """For how long a plan without load judges its metrics at most; nothing where a load says it."""
    return plan.judge.max_duration if plan.metrics and not plan.load else Seconds(0.0)


def check_ceilings(plan: Plan, courses: Sequence[Course], ceilings: Ceilings) -> None:
    """Hold an attempt against the operator's ceilings: its loads, or for how long it looks at metrics without any.

    Raises:
        Refused: something is above one.
    """
    problems = []
    watched = length_alone(plan)
    if watched > ceilings.duration:
        most = f"the operator's ceiling `duration` is {ceilings.duration:g} s"
        problems.append(Problem(f"the metrics are judged for {watched:g} s, {most}", pointer=LENGTH_ALONE))
    for each in courses:
        section = each.section
        asked = (
            ("rate", "stages", max((stage.rate for stage in section.stages), default=0.0), ceilings.rate, "/s"),
            ("duration", "stages", each.duration, ceilings.duration, " s"),
            ("connections", "connections", float(section.connections or 0), float(ceilings.connections), ""),
        )
        problems += [
            Problem(
                f"the load `{section.name}` asks for {value:g}{unit},"
                f" the operator's ceiling `{name}` is {bound:g}{unit}",
                pointer=f"/load/{section.name}/{at}",
            )
            for name, at, value, bound, unit in asked
            if value > bound
        ]
    if problems:
        raise Refused(*problems)
