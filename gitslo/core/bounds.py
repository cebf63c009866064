"""What the operator's file allows a plan to do, before anything is done. Called by `gitslo.run`. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from gitslo.core.baselines import targets_of
from gitslo.core.gather import Course
from gitslo.core.variables import environment_of
from gitslo.core.wildcard import matches
from gitslo.errors import Problem, Refused
from gitslo.model import Allowed, Ceilings, Plan

__all__ = ["check_allowed", "check_ceilings", "targets_used"]

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


def check_ceilings(courses: Sequence[Course], ceilings: Ceilings) -> None:
    """Hold the loads of an attempt against the operator's ceilings.

    Raises:
        Refused: one of them is above one.
    """
    problems = []
    for each in courses:
        section = each.section
        asked = (
            ("rate", max((stage.rate for stage in section.stages), default=0.0), ceilings.rate, "/s"),
            ("duration", each.duration, ceilings.duration, " s"),
            ("connections", float(section.connections or 0), float(ceilings.connections), ""),
        )
        problems += [
            Problem(
                f"the load `{section.name}` asks for {value:g}{unit}, the operator's ceiling `{name}` is {most:g}{unit}"
            )
            for name, value, most, unit in asked
            if value > most
        ]
    if problems:
        raise Refused(*problems)
