"""What a failed Git process means to the loop, and how its words are made fit to be shown.

Pure. Called wherever a process ended badly. Git says why in words only (`LC_ALL=C` fixes them); what is not known here
is left to the caller, who compares refs before he believes anything.
"""

from __future__ import annotations

import re
import unicodedata
from base64 import b64encode
from collections.abc import Sequence
from urllib.parse import quote

from gitslo.errors import GitsloError, Problem, Refused, Retry

__all__ = ["Absent", "Damaged", "TimedOut", "TooLarge", "cleaned", "masked", "remote_error"]

MASK = "***"
_SHOWN = 600
_USERINFO = re.compile(r"(?<=://)[^/\s'@]*@")
_UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


class Damaged(Exception):
    """The clone is not what Git left there."""


class Absent(Exception):
    """Objects that the caller names are not in the clone.

    Attributes:
        ids: which.
    """

    def __init__(self, ids: Sequence[str]) -> None:
        super().__init__(", ".join(ids))
        self.ids = tuple(ids)


class TimedOut(Exception):
    """The process did not end in time and was killed with everything it had started."""


class TooLarge(Exception):
    """The process printed more than it may and was killed."""


def masked(text: str, secrets: Sequence[str]) -> str:
    """`text` without these values, plain, percent-encoded or in Base64, and without URL user names."""
    forms: set[str] = set()
    for secret in filter(None, secrets):
        forms |= {secret, quote(secret), quote(secret, safe=""), b64encode(secret.encode()).decode()}
    for form in sorted(forms, key=len, reverse=True):
        text = text.replace(form, MASK)
    return _USERINFO.sub(f"{MASK}@", text)


def cleaned(text: str) -> str:
    """One line, cut at 600 characters, with every character that acts on a terminal written as an escape."""
    lines = (line.strip() for line in re.split(r"[\r\n]+", text))
    said = "; ".join(line for line in lines if line)
    shown = "".join(
        sign.encode("unicode_escape").decode("ascii") if unicodedata.category(sign) in _UNSEEN else sign
        for sign in said[:_SHOWN]
    )
    return shown + ("..." if len(said) > _SHOWN else "")


_STATUS = re.compile(r"The requested URL returned error: (\d{3})")
_WANTS_LOGIN = re.compile(r"Authentication failed for|could not read (?:Username|Password)|terminal prompts disabled")
_NO_REPOSITORY = re.compile(
    r"repository '[^']*' not found|does not appear to be a git repository|not a git repository|Repository not found|"
    r"invalid gitfile format"
)
_OWNER = re.compile(r"dubious ownership")
_TRANSPORT = re.compile(r"transport '[^']*' not allowed|not valid: is this a git repository|redirect", re.IGNORECASE)
_UNREACHED = re.compile(
    r"Failed to connect|Could(?:n't| not) connect|Could not resolve (?:host|proxy)|Connection refused", re.IGNORECASE
)
_NETWORK = re.compile(
    r"unable to access|Could not resolve|Failed to connect|timed out|early EOF|unexpected disconnect|RPC failed|"
    r"hung up unexpectedly|Connection (?:refused|reset|closed)|Empty reply|server returned empty|"
    r"expected flush|bad line length|protocol error|invalid server response"
)
_CERTIFICATE = re.compile(
    r"SSL certificate problem|certificate verification failed|SSL: (?:no alternative )?certificate subject name|"
    r"certificate subject name .*does not match|does not match target host name"
)
_LOCAL_DISK = re.compile(r"No space left|[Qq]uota exceeded|Read-only file system|Too many open files|Out of memory")
_TEMPORARY = {408, 409, 425, 429}
_LATER = 30.0


def remote_error(doing: str, said: str, *, signed_in: bool) -> GitsloError | None:
    """The error that a remote's failure means, or None where the words say nothing about the remote.

    Args:
        doing: what was tried, with the URL, e.g. `listing https://...`.
        said: standard error, already masked.
        signed_in: whether credentials were offered.
    """
    text = cleaned(said)
    login = "check the user name and the token" if signed_in else "give the repository credentials in the operator file"
    if status := _STATUS.search(said):
        code = int(status[1])
        if code in _TEMPORARY or code >= 500:  # noqa: PLR2004 - HTTP's server errors
            return Retry(f"{doing}: the server answered {code}: {text}", _LATER)
        hint = login if code in {401, 403} else "check the repository's URL"
        return Refused(Problem(f"{doing}: the server answered {code}: {text}", hint=hint))
    if _LOCAL_DISK.search(said):
        return Retry(f"{doing}: this machine cannot store it: {text}", _LATER)
    for expression, why, hint in (
        (_WANTS_LOGIN, "the server does not accept the credentials" if signed_in else "it needs credentials", login),
        (_OWNER, "another user owns the repository", "run as its owner, or serve it over HTTP"),
        (_NO_REPOSITORY, "there is no such repository, or it must not be seen", "check the repository's URL"),
        (_TRANSPORT, "it is no Git repository, or leads elsewhere", "give the URL that clients use to clone"),
    ):
        if expression.search(said):
            return Refused(Problem(f"{doing}: {why}: {text}", hint=hint))
    if _CERTIFICATE.search(said):
        # Certificates expire and are renewed: no reason to give up.
        own = "is its authority one of your own, name its certificates in the repository's `ca`"
        return Retry(f"{doing}: the server's certificate is not accepted: {text} ({own})")
    if _UNREACHED.search(said):
        return Retry(f"{doing}: no connection: {text} (check the repository's URL, and whether its server is up)")
    if _NETWORK.search(said):
        return Retry(f"{doing}: {text}")
    return None
