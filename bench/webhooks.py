"""A storm of webhooks at a real daemon: F14's figures.

    python bench/webhooks.py [DELIVERIES]      10,000 unless said; a tenth as many malformed requests and repetitions

`gitslo serve` as its users run it, on a repository whose environment has passed, polled every 30 s. Its clients are
processes of their own on the same machine: every request is a connection of its own, all of them shuffled. Meanwhile it
is asked whether it lives and what its verdict is. What is counted is what the daemon itself counts (polls, runs), what
the clients saw (statuses), and what the kernel says of its memory.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from gitslo.core.webhooks import Sender
from gitslo.ports import Address
from tests.e2e.world import World, get, lines, until
from tests.webhooks.deliveries import exchange, post, signed, status

DELIVERIES = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
SECRET = "a secret of the bench"
CLIENTS, THREADS = 2, 8
HOOK = "/webhooks/shop"
SERVE = """\
serve: {listen: "127.0.0.1:0"}
webhooks: {shop: {from: github, secret: {env: HOOK}}}
"""


@dataclass(frozen=True)
class Seen:
    """What one client saw: (what was sent, status) -> how often; and how long its deliveries took, in seconds."""

    answers: Counter[tuple[str, int]]
    seconds: list[float]


def delivery(number: int) -> bytes:
    """A push as GitHub tells it, some 7 KB."""
    body = b'{"ref": "refs/heads/main", "after": "%040x", "commits": [%b]}' % (number, b'"x"' + b', "x"' * 1400)
    return post(HOOK, signed(Sender.GITHUB, body, str(number), SECRET), body)


def malformed(number: int, chance: random.Random) -> bytes:
    """Something that is wrong, of every kind in turn."""
    body = b"{}%d" % number
    good = signed(Sender.GITHUB, body, secret=SECRET)
    kinds = (
        lambda: chance.randbytes(chance.randrange(1, 2000)) + b"\r\n\r\n",
        lambda: post(HOOK, signed(Sender.GITHUB, body, secret=SECRET[::-1]), body),
        lambda: post(HOOK, {}, body),
        lambda: post("/webhooks/other", good, body),
        lambda: post(HOOK, good, body, "GET"),
        lambda: b"POST /webhooks/shop HTTP/1.1\r\nHost: x\r\nContent-Length: 52428800\r\n\r\n",
        lambda: b"POST /webhooks/shop HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        lambda: b"POST /webhooks/shop HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 20_000 + b"\r\n\r\n",
    )
    return kinds[number % len(kinds)]()


def client(address: Address, work: list[tuple[str, bytes]], seen: multiprocessing.Queue[Seen]) -> None:
    """Send everything, over as many connections at a time as there are threads."""
    answers: Counter[tuple[str, int]] = Counter()
    seconds: list[float] = []
    lock, rest = threading.Lock(), iter(work)

    def carry() -> None:
        while True:
            with lock:
                one = next(rest, None)
            if one is None:
                return
            began = time.perf_counter()
            found = status(exchange(address, one[1]))
            took = time.perf_counter() - began
            with lock:
                answers[one[0], found] += 1
                if one[0] == "delivery":
                    seconds.append(took)

    threads = [threading.Thread(target=carry) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seen.put(Seen(answers, seconds))


def resident(pid: int) -> dict[str, float]:
    """MiB in memory now, and at most so far."""
    rows = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return {name: int(rows[name].split()[0]) / 1024 for name in ("VmRSS", "VmHWM")}


def processor(pid: int) -> float:
    """Seconds of processor time."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def counted(base: str) -> dict[str, float]:
    """The daemon's own counters."""
    rows = (line.rsplit(" ", 1) for line in get(f"{base}/metrics")[1].splitlines() if not line.startswith("#"))
    found = {name: float(value) for name, value in rows}
    return {
        "polls": found["gitslo_polls_total"],
        "runs": sum(value for name, value in found.items() if name.startswith("gitslo_runs_total")),
        "faults": sum(value for name, value in found.items() if name.startswith("gitslo_errors_total")),
    }


def probe(base: str, stopping: threading.Event, found: dict[str, list[float]]) -> None:
    """Ask whether it lives and what its verdict is, five times a second."""
    asked = {"health": "/healthz", "verdict": "/api/v1/verdict?repository=shop&environment=checkout/dev"}
    while not stopping.wait(0.2):
        for name, path in asked.items():
            began = time.perf_counter()
            code, _ = get(base + path)
            found[name].append(time.perf_counter() - began if code == 200 else float("inf"))  # noqa: PLR2004


def storm(address: Address) -> tuple[Seen, float]:
    """All of it; what was seen, and the seconds it took."""
    chance = random.Random(14)  # noqa: S311 - the same storm again
    tenth = DELIVERIES // 10
    good = [delivery(number) for number in range(DELIVERIES)]
    work = [("delivery", one) for one in good]
    work += [("malformed", malformed(number, chance)) for number in range(tenth)]
    chance.shuffle(work)
    # Repeated once they have been taken: after everything else.
    work += [("repetition", one) for one in chance.sample(good, tenth)]
    seen: multiprocessing.Queue[Seen] = multiprocessing.Queue()
    clients = [multiprocessing.Process(target=client, args=(address, work[at::CLIENTS], seen)) for at in range(CLIENTS)]
    began = time.monotonic()
    for each in clients:
        each.start()
    parts = [seen.get() for _ in clients]
    took = time.monotonic() - began
    for each in clients:
        each.join()
    answers = sum((part.answers for part in parts), Counter[tuple[str, int]]())
    return Seen(answers, [second for part in parts for second in part.seconds]), took


def main() -> int:
    """Play it and print what came of it."""
    with tempfile.TemporaryDirectory() as folder, World(Path(folder), only="checkout/dev") as world:
        written = world.config.read_text().replace("poll: 200ms", "poll: 30s")
        world.config.write_text(written.replace('serve: {listen: "127.0.0.1:0"}\n', SERVE))
        world.variables["HOOK"] = SECRET
        log = Path(folder) / "serve.jsonl"
        daemon = world.serve(log)
        until(lambda: any(line["event"] == "serve.listening" for line in lines(log)), "it listens")
        base = str(next(line["url"] for line in lines(log) if line["event"] == "serve.listening"))
        host, port = base.removeprefix("http://").split(":")
        until(lambda: world.judged("checkout/dev") == ("v1", "pass"), "v1 is proven")
        until(lambda: "gitslo_run_active 0" in get(f"{base}/metrics")[1], "nothing is under way")
        time.sleep(3.0)  # what follows the verdict
        before, memory, cpu = counted(base), resident(daemon.pid), processor(daemon.pid)
        stopping, asked = threading.Event(), {"health": [], "verdict": []}
        prober = threading.Thread(target=probe, args=(base, stopping, asked))
        prober.start()
        seen, took = storm((host, int(port)))
        stopping.set()
        prober.join()
        after, later, used = counted(base), resident(daemon.pid), processor(daemon.pid) - cpu
        alive = daemon.poll() is None and get(f"{base}/readyz")[0] == 200  # noqa: PLR2004 - HTTP's number
        told = Counter(str(line["event"]) for line in lines(log) if str(line["event"]).startswith("webhook."))

    total = sum(seen.answers.values())
    print(
        f"{total:,} requests in {took:.1f} s, {total / took:,.0f} a second; the daemon took {used:.1f} s of processor"
    )
    for kind in ("delivery", "malformed", "repetition"):
        found = {code: number for (what, code), number in sorted(seen.answers.items()) if what == kind}
        print(f"{kind}: " + ", ".join(f"{number:,} x {code or 'cut'}" for code, number in found.items()))
    ordered = sorted(seen.seconds)
    shown = [1000 * second for second in (statistics.median(ordered), ordered[len(ordered) * 99 // 100], ordered[-1])]
    print("a delivery took {:.1f} ms in the median, {:.0f} ms at p99, {:.0f} ms at most".format(*shown))
    for name, values in asked.items():
        print(f"{name} was asked {len(values)} times meanwhile: {max(values) * 1000:.0f} ms at most")
    print(f"memory: {memory['VmRSS']:.1f} MiB before, {later['VmRSS']:.1f} MiB after, {later['VmHWM']:.1f} MiB at most")
    print(
        "polls: {polls:.0f} more, runs: {runs:.0f} more, errors: {faults:.0f} more".format(
            **{name: after[name] - before[name] for name in after}
        )
    )
    print(f"events: {dict(told)}; still alive: {alive}")
    return 0 if alive and after["runs"] == before["runs"] else 1


if __name__ == "__main__":
    sys.exit(main())
