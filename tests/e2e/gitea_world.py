"""The shop of `tests.e2e.world` with its repository on a real Gitea, as a team has it.

Its branch `main` is protected: the owner may push to it, the stranger may not, and nothing is merged without the status
of `checkout/prod`. Everything that people do goes through the forge's API or over HTTP, with their own accounts.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass

from gitslo.model import CommitId
from gitslo.testing.git_server import BareRepository
from tests.e2e.world import World
from tests.gitea_server import BOT, OWNER, GiteaServer, Reply

__all__ = ["LEDGER_KEY", "GiteaRepository", "GiteaShop"]

PROTECTION = {
    "rule_name": "main",
    "enable_push": True,
    "enable_push_whitelist": True,
    "push_whitelist_usernames": [OWNER],
    "enable_status_check": True,
    "status_check_contexts": ["gitslo/checkout/prod"],
}
LEDGER_KEY = "canary-of-the-ledger-key-7d1f0c"
HEAD = "gitslo/shop/checkout/prod/promote"


class GiteaRepository(BareRepository):
    """A repository on the forge: looked at where the server keeps it, written by people through the forge."""

    def __init__(self, server: GiteaServer, name: str) -> None:
        super().__init__(server.folder(name))
        self.server, self.name = server, name

    @property
    def url(self) -> str:
        """As the daemon reaches it."""
        return self.server.clone_url(self.name)

    def git(self, *arguments: str, stdin: bytes = b"") -> bytes:
        """Run Git on the server's folder, which is another user's."""
        return super().git("-c", "safe.directory=*", *arguments, stdin=stdin)

    def commit(self, files: Mapping[str, bytes | None], message: str = "", **ignored: object) -> CommitId:
        """The owner's commit to `main`."""
        return CommitId(
            self.server.commit(self.name, "main", {path: (it or b"").decode() for path, it in files.items()})
        )


@dataclass
class GiteaShop(World):
    """See the module.

    Attributes:
        server: the forge.
        wishes: further fields of `forge: {gitea: ...}`.
    """

    only: str = "checkout/*"
    server: GiteaServer | None = None
    wishes: str = ""

    def __post_init__(self) -> None:
        assert self.server is not None
        self.variables["FORGE_TOKEN"] = self.server.accounts[BOT].token
        self.variables["LEDGER_KEY"] = LEDGER_KEY
        super().__post_init__()
        assert self.api(OWNER, "POST", "/branch_protections", PROTECTION).status == 201

    def created(self) -> BareRepository:
        """On the forge."""
        assert self.server is not None
        return GiteaRepository(self.server, self.server.new_repository())

    def operate(self, repositories: Mapping[str, str], credentials: str = "") -> None:
        """With the forge, and the bot's name and token."""
        said = f"{{username: {BOT}, password: {{env: FORGE_TOKEN}}}}"
        forge = f"forge: {{gitea: {{token: {{env: FORGE_TOKEN}}{self.wishes}}}}}"
        super().operate(repositories, f"{said}\n    {forge}\n    ledger: {{key: {{env: LEDGER_KEY}}}}")
        # each look is a process or two of the forge's
        self.config.write_text(self.config.read_text().replace("poll: 200ms", "poll: 500ms"))

    def api(self, who: str, method: str, path: str, body: object = None) -> Reply:
        """One call of the API about the repository."""
        assert self.server is not None
        assert isinstance(self.repository, GiteaRepository)
        return self.server.api(who, method, f"/repos/{self.repository.name}{path}", body)

    def pulls(self, state: str = "open") -> list[dict[str, object]]:
        """Pull requests, newest first."""
        found: list[dict[str, object]] = self.api(OWNER, "GET", f"/pulls?state={state}").data
        return found

    def says(self, number: object) -> str:
        """Every comment on a pull request."""
        return "\n".join(row["body"] for row in self.api(OWNER, "GET", f"/issues/{number}/comments").data)

    def head_state(self, pull: Mapping[str, object]) -> str:
        """The status of `checkout/prod` on a pull request's head; empty where there is none."""
        head = pull["head"]
        assert isinstance(head, dict)
        rows = self.api(OWNER, "GET", f"/commits/{head['sha']}/status").data["statuses"] or []
        return next((row["status"] for row in rows if row["context"] == "gitslo/checkout/prod"), "")

    def person_pushes(self, who: str, branch: str, path: str) -> subprocess.CompletedProcess[str]:
        """Somebody's `git push` of one more file, over HTTP."""
        assert self.server is not None
        assert isinstance(self.repository, GiteaRepository)
        clone = self.folder / f"clone-of-{who}-{branch.replace('/', '-')}"
        url = self.server.clone_url(self.repository.name, who)
        who_it_is = ("-c", f"user.name={who}", "-c", f"user.email={who}@example.com")
        environment = {**self.environment(), "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0"}
        for argv in (("clone", "-q", "-b", branch, url, str(clone)), ("-C", str(clone), "add", path)):
            if argv[0] != "clone":
                (clone / path).write_text("mine\n")
            subprocess.run(["git", *argv], env=environment, check=True, timeout=60, capture_output=True)
        commit = ["git", "-C", str(clone), *who_it_is, "commit", "-q", "-m", f"Add {path}"]
        subprocess.run(commit, env=environment, check=True, timeout=60)
        push = ["git", "-C", str(clone), "push", "-q"]
        return subprocess.run(push, env=environment, check=False, timeout=60, capture_output=True, text=True)
