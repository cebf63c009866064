"""A kubeconfig file: where an API server is and who we are to it. Pure: files that it names are read by the caller.

Called by `gitslo.adapters.kubernetes_source`. Must stay true: nothing is run (`exec`, `auth-provider`), and no message
repeats what the file holds of secrets.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass, field

from gitslo.core.nearest import nearest
from gitslo.core.yamlsafe import CONTRACT, Plain, plain, read_document
from gitslo.errors import Problem, Refused

__all__ = ["Kubeconfig", "parse_kubeconfig"]


@dataclass(frozen=True, slots=True)
class Kubeconfig:
    """One context of it.

    Attributes:
        server: the API server's URL.
        ca, certificate, key: PEM; empty: none.
        authorization: the header's value; empty: none is sent.
        server_name: what the certificate is made out to; empty: the URL's host.
        insecure: the certificate is not verified.
    """

    server: str
    ca: bytes = b""
    certificate: bytes = b""
    key: bytes = field(default=b"", repr=False)
    authorization: str = field(default="", repr=False)
    server_name: str = ""
    insecure: bool = False


def parse_kubeconfig(data: bytes, context: str, read: Callable[[str], bytes], *, file: str) -> Kubeconfig:
    """Read one context.

    Args:
        data: the file.
        context: its name; empty: the file's current one.
        read: gives a file that is named in it, by its path as it stands there.
        file: its path, for messages.

    Raises:
        Refused: it is none, or asks for what is not done.
    """
    reading = _Reading(plain(read_document(data, file=file, budget=CONTRACT)), file, read)
    name = context or reading.text(reading.root, "current-context")
    chosen = reading.named("contexts", "context", name)
    cluster = reading.named("clusters", "cluster", reading.text(chosen, "cluster"))
    user = reading.named("users", "user", reading.text(chosen, "user"))
    for key in ("exec", "auth-provider"):
        if key in user:
            hint = "give a service account's token, or a client certificate"
            raise Refused(Problem(f"the user of the context `{name}` is had from a program (`{key}`)", file, hint=hint))
    return Kubeconfig(
        server=reading.text(cluster, "server"),
        ca=reading.content(cluster, "certificate-authority"),
        certificate=reading.content(user, "client-certificate"),
        key=reading.content(user, "client-key"),
        authorization=reading.authorization(user),
        server_name=reading.text(cluster, "tls-server-name"),
        insecure=cluster.get("insecure-skip-tls-verify") is True,
    )


class _Reading:
    def __init__(self, root: Plain, file: str, read: Callable[[str], bytes]) -> None:
        self.root = root if isinstance(root, dict) else {}
        self._file = file
        self._read = read

    def text(self, holder: dict[str, Plain], key: str) -> str:
        value = holder.get(key)
        return value if isinstance(value, str) else ""

    def named(self, listing: str, key: str, name: str) -> dict[str, Plain]:
        listed = self.root.get(listing)
        found = {}
        for each in listed if isinstance(listed, list) else ():
            value = each.get(key) if isinstance(each, dict) else None
            if isinstance(each, dict) and isinstance(each.get("name"), str):
                found[str(each["name"])] = value if isinstance(value, dict) else {}
        if name not in found:
            message = f"it has no {key} `{name}`" if name else f"it does not say which {key} is meant"
            raise Refused(Problem(message, self._file, hint=nearest(name, found)))
        return found[name]

    def content(self, holder: dict[str, Plain], key: str) -> bytes:
        """What stands in it as base64, or in the file that it names."""
        inline = self.text(holder, f"{key}-data")
        if inline:
            try:
                return base64.b64decode(inline, validate=True)
            except (binascii.Error, ValueError):
                raise Refused(Problem(f"its `{key}-data` is no base64", self._file)) from None
        path = self.text(holder, key)
        return self._read(path) if path else b""

    def authorization(self, user: dict[str, Plain]) -> str:
        token, path = self.text(user, "token"), self.text(user, "tokenFile")
        if path:
            token = self._read(path).decode("utf-8", "replace").strip()
        if token:
            return f"Bearer {token}"
        name, password = self.text(user, "username"), self.text(user, "password")
        if not name:
            return ""
        return f"Basic {base64.b64encode(f'{name}:{password}'.encode()).decode('ascii')}"
