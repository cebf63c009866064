"""What may stand in a URL, a ref name, a pattern or a path before any Git process hears of it.

Called first by everything in this package that takes text from outside. Allow-lists: what is not named here is refused,
whatever Git would make of it (`ext::` transports, `--upload-pack=`, user names in URLs, `..`).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from gitslo.core.gitnames import PLAIN_HTTP, in_clear
from gitslo.core.objects import name_fault
from gitslo.errors import Problem, Refused
from gitslo.model import CommitId, ObjectId

__all__ = [
    "Remote",
    "branch_ref",
    "commit_id",
    "identity",
    "object_id",
    "path",
    "pattern",
    "pattern_matcher",
    "ref",
    "ref_prefix",
    "remote",
    "signing_in",
]

_ID = re.compile(r"[0-9a-f]{40}\Z")
_HOST = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{2,45}\])\Z")
_URL_PATH = re.compile(r"/(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})+\Z")
_FILE_PATH = re.compile(r"/[^\x00-\x1f\x7f?#%\\]+\Z")
_REF_FORBIDDEN = frozenset(' ~^:?*[\\"')
_LONGEST_REF = 400
_LONGEST_PATH = 4096
_LONGEST_URL = 2048


@dataclass(frozen=True, slots=True)
class Remote:
    """A checked URL.

    Attributes:
        url: without user name, password, query and fragment.
        scheme: the one transport Git may use for it.
        origin: `scheme://host[:port]`, as Git names it when it asks for a password; empty for `file`.
    """

    url: str
    scheme: str
    origin: str


def _refuse(what: str, value: object, why: str, hint: str = "") -> Refused:
    return Refused(Problem(f"{what} {_shown(value)} {why}", hint=hint))


def _shown(value: object) -> str:
    """The offending text, cut and escaped: it may be hostile."""
    text = ascii(value)
    return text if len(text) <= 120 else f"{text[:117]}..."  # noqa: PLR2004 - a readable line


def remote(url: str) -> Remote:
    """The remote behind `file:///...`, `http://host/...` or `https://host/...`.

    Raises:
        Refused: it is anything else.
    """
    hint = "write https://host/path, http://host/path or file:///absolute/path; credentials are given apart"
    shown = re.sub(r"//[^/]*@", "//***@", url) if isinstance(url, str) else url
    if not isinstance(url, str) or len(url) > _LONGEST_URL or not url.isprintable() or url.strip() != url:
        raise _refuse("the repository URL", shown, "is empty, too long or holds characters that do not show", hint)
    scheme, colon, rest = url.partition("://")
    if not colon or scheme not in {"file", "http", "https"}:
        raise _refuse("the repository URL", shown, "does not begin with https://, http:// or file://", hint)
    if scheme == "file":
        if not _FILE_PATH.match(rest) or rest.startswith("//") or "/-" in rest[:2]:
            raise _refuse("the repository URL", shown, "names no absolute path", hint)
        return Remote(url, scheme, "")
    try:
        parts = urlsplit(url)
        host, port = parts.netloc, parts.port
    except ValueError:
        raise _refuse("the repository URL", shown, "has no readable host and port", hint) from None
    if "@" in host or parts.query or parts.fragment or url.endswith(("?", "#")):
        raise _refuse("the repository URL", shown, "holds a user name, a query or a fragment", hint)
    bare = host.rsplit(":", 1)[0] if port is not None and not host.endswith("]") else host
    if not _HOST.match(bare) or port == 0 or ".." in bare:
        raise _refuse("the repository URL", shown, "has no valid host", hint)
    if not _URL_PATH.match(parts.path) or any(part in {".", ".."} for part in parts.path.split("/")):
        raise _refuse("the repository URL", shown, "has no plain path", hint)
    return Remote(url, scheme, f"{scheme}://{host}")


def signing_in(remote: Remote, username: str | None, *, password: bool, plain_http: bool) -> None:
    """See that the remote takes credentials, and that nobody reads them on the way unless that may be.

    Args:
        remote: where they would go.
        username: or None.
        password: whether there is one.
        plain_http: whether they may go over plain http:// to another machine.
    """
    if username is not None and not password:
        raise Refused("the repository has a user name and no password")
    if password and not remote.origin:
        raise Refused("a file:// repository takes no credentials")
    if password and not plain_http and in_clear(remote.url):
        raise Refused(PLAIN_HTTP)


def ref(name: str) -> str:
    """A full ref name (`refs/...`) that Git accepts and that no option parser can take for anything else."""
    if not isinstance(name, str) or not name.startswith("refs/") or len(name) > _LONGEST_REF:
        raise _refuse("the ref", name, "does not begin with refs/ or is longer than 400 characters")
    parts = name.split("/")
    if any(part[:1] in {"", ".", "-"} or part.endswith((".lock", ".")) for part in parts):
        raise _refuse("the ref", name, "has a part that is empty, begins with '.' or '-', or ends with '.' or '.lock'")
    if ".." in name or "@{" in name or not name.isprintable() or _REF_FORBIDDEN & set(name) or not name.isascii():
        raise _refuse("the ref", name, "holds '..', '@{', a blank or one of ~^:?*[\\\" or is not printable ASCII")
    if len(parts) < 3:  # noqa: PLR2004 - refs/<kind>/<name>
        raise _refuse("the ref", name, "has fewer than three parts")
    return name


def branch_ref(branch: str) -> str:
    """`main` -> `refs/heads/main`."""
    if not isinstance(branch, str) or not branch or branch.startswith("refs/"):
        raise _refuse("the branch", branch, "is empty or a full ref name", "write its short name, e.g. main")
    return ref(f"refs/heads/{branch}")


def ref_prefix(prefix: str) -> str:
    """`refs/gitslo/`: a folder of refs, with its final slash."""
    if not isinstance(prefix, str) or not prefix.endswith("/"):
        raise _refuse("the ledger namespace", prefix, "does not end with '/'", "e.g. refs/gitslo/")
    ref(f"{prefix}x/x")
    if prefix in {"refs/", "refs/heads/", "refs/tags/", "refs/heads/gitslo/"}:
        raise _refuse("the ledger namespace", prefix, "holds other things than ledgers", "e.g. refs/gitslo/")
    return prefix


def pattern(glob: str) -> str:
    """A full ref name in which `*` stands for any run of characters."""
    if not isinstance(glob, str):
        raise _refuse("the ref pattern", glob, "is no text")
    ref(glob.replace("*", "x"))
    return glob


def pattern_matcher(globs: Sequence[str]) -> re.Pattern[str]:
    """Matches exactly the full ref names that one of the patterns means (ls-remote's own match is on any tail)."""
    return re.compile("|".join(".*".join(map(re.escape, glob.split("*"))) + r"\Z" for glob in globs))


def path(text: str, *, root: bool = False) -> str:
    """A path inside a tree, `/`-separated; empty only where `root` is allowed."""
    if root and text == "":
        return text
    if not isinstance(text, str) or not text or len(text) > _LONGEST_PATH:
        raise _refuse("the path", text, "is empty or longer than 4096 characters")
    if text.startswith(("-", "/", ":")):
        raise _refuse("the path", text, "begins with '-', '/' or ':'")
    if fault := name_fault(text):
        raise _refuse("the path", text, fault)
    return text


def object_id(text: str) -> ObjectId:
    """A full lower-case SHA-1 id."""
    if not isinstance(text, str) or not _ID.match(text):
        raise _refuse("the object id", text, "is not 40 lower-case hexadecimal digits")
    return ObjectId(text)


def commit_id(text: str) -> CommitId:
    """A full lower-case SHA-1 id, meant as a commit's."""
    return CommitId(object_id(text))


def identity(author: tuple[str, str]) -> tuple[str, str]:
    """A name and an e-mail address that leave no room for a second header line."""
    for text in author:
        crooked = not text or text.strip(" .,:;'\"") != text or any(sign in text for sign in "<>")
        if crooked or any(unicodedata.category(sign) in {"Cc", "Cs", "Zl", "Zp"} for sign in text):
            raise _refuse("the author", text, "is empty, holds '<', '>' or a line break, or begins or ends with crud")
    return author
