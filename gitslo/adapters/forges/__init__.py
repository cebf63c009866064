"""Forges that are asked over HTTP: pull requests, comments and statuses as teams see them.

Used by the daemon where a repository's `forge` names one. `http` sends and bounds every request, `answers` reads what
comes back, `marks` is how our own words are found again; there is one module per forge on top.
"""

from gitslo.adapters.forges.gitea import GiteaForge
from gitslo.adapters.forges.github import GithubForge
from gitslo.adapters.forges.gitlab import GitlabForge
from gitslo.adapters.forges.http import ForgeHttp
from gitslo.adapters.forges.opening import gitea_forge, github_forge, gitlab_forge, installed_app

__all__ = [
    "ForgeHttp",
    "GiteaForge",
    "GithubForge",
    "GitlabForge",
    "gitea_forge",
    "github_forge",
    "gitlab_forge",
    "installed_app",
]
