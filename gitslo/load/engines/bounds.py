"""What an engine refuses before it starts anything. Pure; called by every engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from gitslo.errors import Problem, Refused
from gitslo.load.schedule import Schedule, interleave
from gitslo.model import Ceilings, Seconds, TargetScheme
from gitslo.ports import LoadJob

__all__ = ["LEAST_DRAIN", "check"]

LEAST_DRAIN = Seconds(1.0)
"""What a deadline must leave beside one time-out, so that a load can be drained and told of."""


def check(job: LoadJob, ceilings: Ceilings, allowed: Callable[[str], bool]) -> None:
    """Hold a job against the operator's bounds and against what this engine can do.

    Args:
        job: the job.
        ceilings: none may be exceeded.
        allowed: whether a host, as the plan writes it, may be called.

    Raises:
        Refused: with everything that is wrong; a ceiling is named as the operator's file names it.
    """
    wanted = TargetScheme.GRPC if job.section.calls else TargetScheme.HTTP
    if job.target.scheme is not wanted:
        raise Refused(Problem(f"load {job.section.name!r} needs {wanted} and its target speaks {job.target.scheme}"))
    for host in (job.target.host, *([job.target.resolve[0]] if job.target.resolve else ())):
        if not allowed(host):
            raise Refused(
                Problem(f"the host {host!r} is not allowed as a target", hint="the operator's file allows hosts")
            )
    problems = [*_over(job, ceilings), *_senseless(job)]
    if problems:
        raise Refused(*(Problem(f"load {job.section.name!r}: {problem}") for problem in problems))


def _over(job: LoadJob, ceilings: Ceilings) -> Iterator[str]:
    schedule = Schedule(job.section.stages)
    connections = job.section.connections
    if not job.closed and schedule.peak > ceilings.rate:
        yield f"the rate {schedule.peak:g}/s is above the ceiling `rate` of {ceilings.rate:g}/s"
    if schedule.duration > ceilings.duration:
        yield f"{schedule.duration:g} s of load are above the ceiling `duration` of {ceilings.duration:g} s"
    if connections is not None and connections > ceilings.connections:
        yield f"{connections} connections are above the ceiling `connections` of {ceilings.connections}"


def _senseless(job: LoadJob) -> Iterator[str]:
    section = job.section
    for name, value in (("connections", section.connections), ("max_in_flight", section.max_in_flight)):
        if value is not None and value < 1:
            yield f"`{name}` must be at least 1"
    if section.timeout <= 0:
        yield "the time-out must be positive"
    elif job.deadline < section.timeout + LEAST_DRAIN:
        yield f"the deadline of {job.deadline:g} s leaves no time to drain a time-out of {section.timeout:g} s"
    names = {endpoint.name for endpoint in section.requests}
    for objective in job.objectives:
        if objective.endpoint is not None and objective.endpoint not in names:
            yield f"the objective {objective.text!r} names no endpoint of this load"
    try:
        interleave([endpoint.weight for endpoint in section.requests])
    except ValueError as error:
        yield str(error)
