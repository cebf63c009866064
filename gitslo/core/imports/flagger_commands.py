"""Commands of Flagger's load tester -> loads: `hey`, `fortio load`, `wrk` and `ghz`, as far as they say a rate.

Read for `flagger`. Options are those of rakyll/hey, fortio.org, wg/wrk and ghz.sh.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from decimal import Decimal

from gitslo.core.imports.iter8_tasks import go_seconds
from gitslo.core.imports.plantext import Block, Entry, Flow, Written
from gitslo.core.imports.reading import number_of

__all__ = ["Command", "read_command"]

_HEY = {"-n", "-c", "-q", "-z", "-o", "-m", "-H", "-t", "-A", "-d", "-D", "-T", "-U", "-a", "-x", "-host", "-cpus"}
_FORTIO = {"-qps", "-c", "-t", "-n", "-H", "-timeout", "-payload", "-payload-file", "-content-type", "-p", "-r", "-X"}
_WRK = {
    "-t",
    "-c",
    "-d",
    "-s",
    "-H",
    "--timeout",
    "--latency",
    "-R",
    "--rate",
    "--threads",
    "--connections",
    "--duration",
}
_GHZ = {
    "-n", "--total", "-c", "--concurrency", "-r", "--rps", "-z", "--duration", "--call", "-d", "--data", "--proto",
    "-t", "--timeout", "--connections", "--protoset", "-m", "--metadata",
}  # fmt: skip
_FLAGS = {"--latency"}
_GLUED = re.compile(r"^(-[tcdR])([0-9].*)$")
"""`-t2` of wrk is `-t 2`."""
_HEY_COUNT = Decimal(200)
_WORKERS = Decimal(50)


@dataclass(frozen=True, slots=True)
class Command:
    """What a command sends.

    Attributes:
        tool: its name.
        url: a URL, or `host:port` of ghz.
        rate: requests a second, None where it has none.
        seconds: how long.
        method: `get`, ... or `call`.
        more: fields of the request.
        dropped: options that say something else.
    """

    tool: str
    url: str
    rate: Decimal | None
    seconds: Decimal | None
    method: str = "get"
    more: tuple[Entry, ...] = ()
    dropped: tuple[str, ...] = ()


def read_command(text: str) -> Command | None:
    """The command, or None where it is none of these tools."""
    try:
        words = shlex.split(text)
    except ValueError:
        return None
    while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
        words.pop(0)
    if words[:2] == ["fortio", "load"]:
        return _fortio(*_options(words[2:], _FORTIO))
    match words[:1]:
        case ["hey"]:
            return _hey(*_options(words[1:], _HEY))
        case ["wrk" | "wrk2"]:
            apart = [part for word in words[1:] for part in _GLUED.sub(r"\1 \2", word, count=1).split(" ", 1)]
            return _wrk(*_options(apart, _WRK))
        case ["ghz"]:
            return _ghz(*_options(words[1:], _GHZ))
        case _:
            return None


_Options = dict[str, list[str]]


def _options(words: list[str], known: set[str]) -> tuple[_Options, list[str]]:
    options: _Options = {}
    rest: list[str] = []
    left = list(words)
    while left:
        word = left.pop(0)
        name, equals, value = word.partition("=")
        if not word.startswith("-"):
            rest.append(word)
        elif equals:
            options.setdefault(name, []).append(value)
        elif word in _FLAGS or word not in known or not left:
            options.setdefault(word, []).append("")
        else:
            options.setdefault(word, []).append(left.pop(0))
    return options, rest


def _one(options: _Options, *names: str) -> str:
    return next((options[name][-1] for name in names if name in options), "")


def _hey(options: _Options, rest: list[str]) -> Command | None:
    """`-q` is the rate of each of `-c` workers."""
    each, workers = number_of(_one(options, "-q")), number_of(_one(options, "-c")) or _WORKERS
    rate = each * workers if each else None
    seconds = go_seconds(_one(options, "-z")) if "-z" in options else None
    if seconds is None and rate:
        seconds = (number_of(_one(options, "-n")) or _HEY_COUNT) / rate
    method = _one(options, "-m").lower() or "get"
    kind = _one(options, "-T") or "text/html"
    return _http("hey", options, rest, rate, seconds, method, _one(options, "-d"), kind)


def _fortio(options: _Options, rest: list[str]) -> Command | None:
    rate = number_of(_one(options, "-qps") or "8")
    seconds = go_seconds(_one(options, "-t") or "5s")
    if "-n" in options and rate:
        seconds = (number_of(_one(options, "-n")) or Decimal(0)) / rate or seconds
    body = _one(options, "-payload")
    method = "post" if body else _one(options, "-X").lower() or "get"
    return _http("fortio", options, rest, rate or None, seconds, method, body, _one(options, "-content-type"))


def _wrk(options: _Options, rest: list[str]) -> Command | None:
    seconds = go_seconds(_one(options, "-d", "--duration")) if "-d" in options or "--duration" in options else None
    return _http("wrk", options, rest, number_of(_one(options, "-R", "--rate")), seconds, "get", "", "")


def _http(
    tool: str,
    options: _Options,
    rest: list[str],
    rate: Decimal | None,
    seconds: Decimal | None,
    method: str,
    body: str,
    kind: str,
) -> Command | None:
    url = next((each for each in rest if each.startswith(("http://", "https://"))), "")
    if not url:
        return None
    headers: list[tuple[str, Written]] = []
    for each in options.get("-H", []):
        name, _, value = each.partition(":")
        if name.strip().lower() not in {"host", "connection"}:
            headers.append((name.strip(), value.strip().replace("${", "$${")))
    if body and kind and not any(name.lower() == "content-type" for name, _ in headers):
        headers.append(("Content-Type", kind))
    more: list[Entry] = [Entry("headers", Flow(tuple(headers)))] if headers else []
    if body and method not in {"get", "head", "options"}:
        more.append(Entry("body", body.replace("${", "$${")))
    carried = {"-q", "-z", "-n", "-qps", "-t", "-d", "-H", "-m", "-T", "-R", "--rate", "--duration", "-payload"}
    carried |= {"-content-type", "-X"}
    carried |= {"-c"} if tool == "hey" else set()
    dropped = tuple(name for name in options if name not in carried or (tool != "fortio" and name == "-t"))
    return Command(tool, url, rate, seconds, method, tuple(more), dropped)


def _ghz(options: _Options, rest: list[str]) -> Command | None:
    call = _one(options, "--call")
    if not call or not rest:
        return None
    service, _, method = call.replace("/", ".").rpartition(".")
    rate = number_of(_one(options, "-r", "--rps"))
    seconds = go_seconds(_one(options, "-z", "--duration")) if {"-z", "--duration"} & options.keys() else None
    total = number_of(_one(options, "-n", "--total"))
    if seconds is None and rate:
        seconds = (total or _HEY_COUNT) / rate
    carried = {"-r", "--rps", "-z", "--duration", "-n", "--total", "--call", "-c", "--concurrency", "--connections"}
    more = (Entry("call", Block((Entry("method", f"{service}/{method}"),))),)
    dropped = tuple(name for name in options if name not in carried)
    return Command("ghz", rest[-1], rate, seconds, "call", more, dropped)
