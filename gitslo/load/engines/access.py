"""What an engine has of the operator's where there is no operator's file: nothing. Called by every engine."""

from __future__ import annotations

from collections.abc import Mapping

from gitslo.errors import Problem, Refused
from gitslo.model import Target, TlsSettings
from gitslo.ports import Authorization, TlsMaterial

__all__ = ["NoAccess"]


class NoAccess:
    """A `ports.TargetAccess` for whoever has no operator's file: no certificates, no identities, no variables."""

    def tls(self, target: Target) -> TlsMaterial:
        """Nothing, where nothing is asked for.

        Raises:
            Refused: the target's settings name something.
        """
        if target.settings != TlsSettings(
            server_name=target.settings.server_name, min_version=target.settings.min_version
        ):
            raise Refused(Problem(f"the target `{target.name}` names certificates, and there are none here"))
        return TlsMaterial()

    def authorize(self, target: Target) -> Authorization | None:
        """Nothing, where nothing is asked for.

        Raises:
            Refused: the target names an identity.
        """
        if target.auth:
            raise Refused(Problem(f"there is no identity `{target.auth}` here"))
        return None

    def environment(self) -> Mapping[str, str]:
        """None."""
        return {}
