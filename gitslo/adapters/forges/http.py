"""What every request to a forge has in common: bounds, rights, limits and errors.

Called by the forges of this package, which know paths and bodies and nothing of HTTP beyond that.

**Invariants**
* the token goes to the forge's own host and nowhere else: every URL is the base URL and a path of ours, no redirect is
  followed, no link of an answer is taken;
* an answer is JSON, whole and of a bounded size, or it counts as none: a page, a torn or an endless answer is a Retry;
* what a forge says about how often it may be asked is kept: until that moment nothing is sent;
* two writes never go out at once to one repository from this process, whoever asks for them;
* a write whose answer is lost may have happened: the caller looks before it writes again;
* no message has the token in it.
"""

from __future__ import annotations

import json
import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final
from urllib.parse import quote, urlencode

from gitslo.adapters.forges.answers import Json, record
from gitslo.core.addresses import parse_http_url
from gitslo.core.escape import plain, short
from gitslo.errors import Problem, Refused, Retry
from gitslo.model import ByteCount, Instant, Seconds, Target, TargetScheme
from gitslo.ports import HttpAnswer, HttpSend, TlsMaterial

__all__ = ["ForgeHttp", "Reply", "segment"]

TIMEOUT: Final = Seconds(15.0)
BODY_CAP: Final = ByteCount(8 * 1024 * 1024)
REMEMBERED: Final = 200
"""Answers that are kept for their ETag."""
UNSAID_WAIT: Final = 60.0
"""Seconds to wait where a forge says that it is too much and not until when (as GitHub documents its limits)."""
LONGEST_WAIT: Final = 3600.0
_SAID: Final = 200
_KNOWN_BY: Final = 4
"""Credentials that are kept out of messages: the last ones, should an answer repeat them."""
_TOO_MUCH: Final = (b"rate limit", b"abuse detection")
_A_MOMENT: Final = 1_000_000_000
_LIMITS: Final = ("x-ratelimit", "ratelimit")
_MOVED: Final = "name that URL in the operator's file, if it is the right one"
_RIGHTS: Final = "what the token must be allowed to do is in docs/how-to/forges.md"
_NOT_FOUND: Final = "is the forge's `url` right, and may the account see the repository?"
_BUSY = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY)


@dataclass(slots=True)
class _Turn:
    """Whose turn it is to write to one repository; `wrote`: monotonic seconds of the last write."""

    lock: threading.RLock
    wrote: float = -math.inf


_turns: dict[tuple[str, str], _Turn] = {}
_guard = threading.Lock()


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer that the caller has asked to see.

    Attributes:
        status: 200 to 299, or one that the caller named.
        data: the body; None where it is empty.
        said: what the forge says in words, for people; one harmless line.
        more: the forge names a next page of this list (RFC 8288, `rel="next"`); the link itself is not followed.
    """

    status: int
    data: Json
    said: str = ""
    more: bool = False

    @property
    def done(self) -> bool:
        """Whether it is a success."""
        return self.status < HTTPStatus.BAD_REQUEST


class ForgeHttp:
    """One repository's requests to one forge.

    Args:
        send: carries one request out.
        base: the API's URL, without a final slash.
        authorize: the headers that say who we are; asked before every request, so that tokens can be renewed.
        renew: asked where the forge does not know us: whether there are other credentials now, to ask once more with.
        headers: of every request.
        name: what the forge is called in messages, e.g. `Gitea`.
        repository: its path on the forge; writes to it are one at a time.
        now: both clocks.
        sleep: seconds.
        ca: PEM of the authorities to trust; empty: the system's.
        spacing: seconds between two writes.
    """

    def __init__(
        self,
        send: HttpSend,
        base: str,
        authorize: Callable[[], Sequence[tuple[str, str]]],
        *,
        name: str,
        repository: str,
        now: Callable[[], Instant],
        sleep: Callable[[Seconds], None],
        renew: Callable[[], bool] = lambda: False,
        headers: Sequence[tuple[str, str]] = (("Accept", "application/json"),),
        ca: bytes = b"",
        spacing: float = 0.0,
    ) -> None:
        url = parse_http_url(base)
        self.base = base
        self.name = name
        self.sleep = sleep
        self._send, self._authorize, self._renew, self._now = send, authorize, renew, now
        self._headers = tuple(headers)
        self._target = Target("", TargetScheme.HTTP, url.host, url.port, path=url.path, tls=url.tls)
        self._address = (url.host, url.port)
        self._tls = TlsMaterial(ca=ca)
        self._spacing = spacing
        with _guard:
            self._turn = _turns.setdefault((base, repository), _Turn(threading.RLock()))
        self._closed_until = 0.0
        self._credentials: tuple[str, ...] = ()
        self._seen: OrderedDict[str, tuple[str, Reply]] = OrderedDict()

    def monotonic(self) -> float:
        """Seconds on the clock that is never set."""
        return self._now().monotonic

    def wall(self) -> float:
        """Seconds since the epoch."""
        return self._now().wall

    # ----------------------------------------------------------------- asking

    def get(self, path: str, query: Mapping[str, str | int] | None = None, *, expect: Sequence[int] = ()) -> Reply:
        """Read; an answer that has not changed since it was read last is not sent again where the forge offers that.

        Args:
            path: below the base URL, its parts encoded (`segment`).
            query: parameters.
            expect: further statuses that the caller understands.

        Raises:
            Retry: no answer that can be used. Refused: we may not.
        """
        full = f"{path}?{urlencode(query)}" if query else path
        etag, kept = self._seen.get(full, ("", Reply(HTTPStatus.OK, None)))
        headers = [("If-None-Match", etag)] if etag else []
        answer = self._exchange("GET", full, headers, b"")
        if etag and answer.status == HTTPStatus.NOT_MODIFIED:
            self._seen.move_to_end(full)
            return kept
        reply = self._understood(answer, expect, path)
        etag = _header(answer, "etag")
        if etag and reply.status == HTTPStatus.OK:
            self._seen[full] = (etag, reply)
            if len(self._seen) > REMEMBERED:
                self._seen.popitem(last=False)
        return reply

    def pages(
        self, path: str, query: Mapping[str, str | int], size: int, most: int, *, sized: str = "limit"
    ) -> Sequence[Json]:
        """All of a list that comes in pages, up to `most` of them.

        Args:
            path: as `get`.
            query: as `get`.
            size: how many one page holds.
            most: pages.
            sized: the parameter that says the size.

        Raises:
            Retry, Refused: as `get`.
        """
        found: list[Json] = []
        for page in range(1, most + 1):
            data = self.get(path, {**query, sized: size, "page": page}).data
            if not isinstance(data, list):
                raise Retry("the forge's answer is no JSON list")
            found += data
            if len(data) < size:
                break
        return found

    def write(
        self, method: str, path: str, body: Mapping[str, Json] | None = None, *, expect: Sequence[int] = ()
    ) -> Reply:
        """Write; one at a time.

        Raises:
            Retry: no answer that can be used; it may have happened. Refused: we may not.
        """
        content = b"" if body is None else json.dumps(body).encode()
        with self.alone():
            wait = self._turn.wrote + self._spacing - self.monotonic()
            if wait > 0.0:
                self.sleep(Seconds(wait))
            try:
                answer = self._exchange(method, path, [("Content-Type", "application/json")], content)
            finally:
                self._turn.wrote = self.monotonic()
        return self._understood(answer, expect, path)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """While nobody else of this process writes to the repository: what is looked at stands until this is left."""
        with self._turn.lock:
            yield

    # ----------------------------------------------------------------- understanding

    def _exchange(self, method: str, path: str, headers: Sequence[tuple[str, str]], body: bytes) -> HttpAnswer:
        left = self._closed_until - self.monotonic()
        if left > 0.0:
            raise Retry(f"{self.name} asks not to be asked so often", left)
        answer = self._ask(method, path, headers, body)
        if answer.status == HTTPStatus.UNAUTHORIZED and self._renew():
            return self._ask(method, path, headers, body)  # who was not known has changed nothing
        return answer

    def _ask(self, method: str, path: str, headers: Sequence[tuple[str, str]], body: bytes) -> HttpAnswer:
        credentials = self._authorize()
        self._credentials = tuple(dict.fromkeys([*(value for _, value in credentials), *self._credentials]))[:_KNOWN_BY]
        return self._send(
            method,
            self._target,
            path,
            address=self._address,
            timeout=TIMEOUT,
            headers=[*self._headers, *headers, *credentials],
            body=body,
            cap=BODY_CAP,
            tls=self._tls,
        )

    def _understood(self, answer: HttpAnswer, expect: Sequence[int], path: str) -> Reply:
        status = answer.status
        limit = self._limit(answer)
        if limit is not None:
            self._closed_until = self.monotonic() + limit
            raise Retry(f"{self.name} asks not to be asked so often (status {status})", limit)
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR and status not in expect:
            raise Retry(f"{self.name} answers with status {status}: {self._said(answer)}")
        if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
            where = short(plain(_header(answer, "location")), _SAID)
            raise Refused(Problem(f"{self.name} is not at {self.base}: it points to {where}", hint=_MOVED))
        if status < HTTPStatus.MULTIPLE_CHOICES:
            return Reply(status, self._data(answer), more='rel="next"' in _header(answer, "link"))
        if status in expect:
            return Reply(status, None, self._said(answer))
        if status in _BUSY:
            raise Retry(f"{self.name} answers with status {status}: {self._said(answer)}")
        if status == HTTPStatus.UNAUTHORIZED:
            message = f"{self.name} at {self.base} does not accept the token: {self._said(answer)}"
            raise Refused(Problem(message, hint="it may have expired, or been revoked"))
        what = "does not let us" if status == HTTPStatus.FORBIDDEN else f"answers with status {status} to"
        hint = _NOT_FOUND if status == HTTPStatus.NOT_FOUND else _RIGHTS
        raise Refused(Problem(f"{self.name} {what} {path.partition('?')[0]}: {self._said(answer)}", hint=hint))

    def _limit(self, answer: HttpAnswer) -> float | None:
        """Seconds until the forge may be asked again, where it says that this was too much; otherwise None."""
        if answer.status not in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.FORBIDDEN, HTTPStatus.SERVICE_UNAVAILABLE):
            return None
        after = self._moment(_header(answer, "retry-after"))
        if after is not None:
            return after
        if answer.status == HTTPStatus.SERVICE_UNAVAILABLE:
            return None
        remaining = next((found for each in _LIMITS if (found := _header(answer, f"{each}-remaining"))), "")
        reset = next((found for each in _LIMITS if (found := _header(answer, f"{each}-reset"))), "")
        if remaining == "0" and reset.isascii() and reset.isdigit():
            until = int(reset[:12])
            # GitHub and GitLab name a moment, others (an IETF draft) a span
            wait = until - self._now().wall if until > _A_MOMENT else float(until)
            return min(LONGEST_WAIT, max(1.0, wait))
        said = answer.body.lower()
        secondary = answer.status == HTTPStatus.FORBIDDEN and any(word in said for word in _TOO_MUCH)
        if answer.status == HTTPStatus.TOO_MANY_REQUESTS or secondary:
            return UNSAID_WAIT
        return None

    def _moment(self, text: str) -> float | None:
        """Retry-After in seconds: a number of them, or a date (RFC 9110, section 10.2.3)."""
        if text.isascii() and text.isdigit():
            return min(LONGEST_WAIT, float(text[:9]))
        try:
            wait = parsedate_to_datetime(text).timestamp() - self._now().wall
        except (ValueError, TypeError, IndexError, OverflowError):
            return None
        return min(LONGEST_WAIT, max(0.0, wait))

    def _data(self, answer: HttpAnswer) -> Json:
        if not answer.whole:
            raise Retry(f"the answer of {self.name} is larger than {BODY_CAP} bytes")
        if not answer.body.strip():
            return None
        try:
            data: Json = json.loads(answer.body)
        except (ValueError, RecursionError):
            html = answer.body.lstrip()[:1] == b"<"
            what = "a page instead of JSON; is something in front of it?" if html else "what is no JSON"
            raise Retry(f"{self.name} answers with {what}") from None
        return data

    def _said(self, answer: HttpAnswer) -> str:
        """The forge's own words, harmless, without the token."""
        try:
            text = record(json.loads(answer.body)).complaint()
        except (ValueError, RecursionError, Retry):
            text = ""
        for value in self._credentials:
            for word in (value, value.rpartition(" ")[2]):
                text = text.replace(word, "***")
        return short(plain(text), _SAID) or "it does not say why"


def segment(text: str) -> str:
    """One part of a path, encoded whole: a slash in a branch's name is no folder."""
    return quote(text, safe="")


def _header(answer: HttpAnswer, name: str) -> str:
    return next((value.strip() for known, value in answer.headers if known == name), "")
