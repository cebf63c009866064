"""What may stand in the operator's file as a repository's URL, a branch, a ref folder or an author.

Called by `gitslo.config`, to say it with line and column; the Git adapter checks again before any process hears of it.
Allow-lists: what is not named here is refused (`ext::` transports, options as names, user names in URLs).
"""

from __future__ import annotations

import re
from ipaddress import ip_address

from gitslo.core.addresses import parse_http_url
from gitslo.core.mistakes import LATER
from gitslo.errors import Problem, Refused

__all__ = ["PLAIN_HTTP", "in_clear", "parse_author", "parse_branch", "parse_git_url", "parse_namespace"]

_FILE_PATH = re.compile(r"/[^\x00-\x1f\x7f?#%\\-][^\x00-\x1f\x7f?#%\\]*")
_PART = re.compile(r"(?![.-])[A-Za-z0-9._+@-]+(?<!\.)(?<!\.lock)")
_SSH = re.compile(r"(?:ssh://|git\+ssh://|[A-Za-z0-9._-]+@[A-Za-z0-9.-]+:)")
PLAIN_HTTP = Problem(
    "the password would go over plain http:// to another machine, where everybody on the way can read it",
    hint="give the https:// URL (`ca` names the certificates of an authority of your own), "
    "or say `plain_http: true` in `credentials`",
)
"""What is said where a password is to go `in_clear` and the operator has not said that it may."""
_SHAPE = "write https://host/path, http://host/path or file:///absolute/path"


def parse_git_url(text: str) -> str:
    """The URL, unchanged.

    Raises:
        Refused: it is no file, http or https URL, or has a user name or password in it (which are not repeated).
    """
    if _SSH.match(text):
        raise Refused(Problem(f"Git over ssh: {LATER}", hint=_SHAPE))
    scheme, colon, rest = text.partition("://")
    if colon and scheme == "file":
        if not _FILE_PATH.fullmatch(rest) or any(part in {".", ".."} for part in rest.split("/")):
            raise Refused(Problem("the URL names no absolute path", hint="write file:///absolute/path"))
        return text
    if not colon or scheme not in {"http", "https"}:
        raise Refused(Problem("the URL does not begin with https://, http:// or file://", hint=_SHAPE))
    if "@" in rest.partition("/")[0]:
        hint = "name them in `credentials: {username: ..., password: {env: ...}}`"
        raise Refused(Problem("the URL has a user name or a password in it", hint=hint))
    url = parse_http_url(text)
    if not url.path or any(part in {"", ".", ".."} for part in url.path.split("/")[1:]):
        raise Refused(Problem("the URL names no repository", hint=_SHAPE))
    return text


def in_clear(url: str) -> bool:
    """Whether what is sent to this URL can be read on the way: plain http, and not to this machine itself."""
    if not url.startswith("http://"):
        return False
    host = parse_http_url(url).host
    try:
        return not ip_address(host).is_loopback
    except ValueError:
        return host != "localhost"


def _ref_fault(text: str) -> str:
    """Why Git, or one of its option parsers, would not take the name for what it is; or empty."""
    for part in text.split("/"):
        if not _PART.fullmatch(part):
            return f"the part `{part}` is empty, has a sign that is not allowed, or begins with `.` or `-`"
    return "it has `..` or `@{` in it" if ".." in text or "@{" in text else ""


def parse_branch(text: str) -> str:
    """A branch's short name.

    Raises:
        Refused: it is a full ref name, or no name that is safe.
    """
    if text.startswith("refs/"):
        short = text.removeprefix("refs/heads/")
        raise Refused(Problem("expected the branch's short name", hint=f"write `{short}`" if short != text else ""))
    fault = _ref_fault(text)
    if fault or text in {"HEAD", "@"}:
        raise Refused(Problem(f"`{text}` is no branch name: {fault or 'it is reserved'}", hint="e.g. `main`"))
    if text == "gitslo" or text.startswith("gitslo/"):
        raise Refused(Problem("branches below `gitslo/` are gitslo's own", hint="e.g. `main`"))
    return text


def parse_namespace(text: str) -> str:
    """A folder of refs such as `refs/gitslo`, without a final slash.

    Raises:
        Refused: it is none, or others live there.
    """
    bare = text.removesuffix("/")
    fault = _ref_fault(bare)
    if not bare.startswith("refs/") or fault:
        raise Refused(Problem(fault or "expected a folder of refs", hint="e.g. `refs/gitslo`"))
    if bare in {"refs/heads", "refs/tags", "refs/pull", "refs/remotes", "refs/notes", "refs/heads/gitslo"}:
        raise Refused(Problem(f"`{bare}` is not for ledgers alone", hint="e.g. `refs/heads/gitslo-ledger`"))
    return bare


def parse_author(text: str) -> str:
    """An author's name or e-mail address.

    Raises:
        Refused: it could be taken for more than that in a commit.
    """
    if text.strip(" .,:;'\"") != text or not text.isprintable() or any(sign in text for sign in "<>"):
        message = "expected plain text without `<`, `>` and line breaks, and no signs at its ends"
        raise Refused(Problem(message))
    return text
