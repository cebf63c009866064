"""Which of the operator's repositories a command is about."""

from __future__ import annotations

from pathlib import Path

from gitslo.config import RepositoryConfig, load_operator
from gitslo.core.nearest import nearest
from gitslo.errors import Problem, Refused
from gitslo.loop.sight import Sight
from gitslo.wiring import open_sight

__all__ = ["repository_of", "sight_of"]


def repository_of(config: Path, name: str | None) -> RepositoryConfig:
    """The only repository, or the one of this name.

    Raises:
        Refused: there is none of this name, or several and no name.
    """
    repositories = load_operator(config).repositories
    names = [repository.name for repository in repositories]
    if name is None and len(repositories) == 1:
        return repositories[0]
    for repository in repositories:
        if repository.name == name:
            return repository
    if name is None:
        message, hint = "the file has several repositories, expected --repository NAME", f"one of {', '.join(names)}"
    else:
        message, hint = f"there is no repository `{name}`", nearest(name, names)
    raise Refused(Problem(message, file=str(config), hint=hint))


def sight_of(config: Path, name: str | None) -> Sight:
    """The chosen repository, looked at once."""
    sight = open_sight(repository_of(config, name))
    if sight.pipeline is None and sight.pipeline_problem is not None:
        raise sight.pipeline_problem
    return sight
