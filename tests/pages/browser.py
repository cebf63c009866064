"""A headless Chromium for tests that look at a page as a person does: one process, steered through a pipe.

Called by `tests.pages`. It speaks the DevTools protocol, of which a few commands are used
(https://chromedevtools.github.io/devtools-protocol/), over `--remote-debugging-pipe`: messages of JSON, each ended by a
zero byte, so that no port is open and no further library is needed. Must stay true: it asks nobody but loopback, and
leaving the `with` block leaves no process and no profile behind.
"""

from __future__ import annotations

import base64
import contextlib
import json
import queue
import shutil
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, Self

__all__ = ["Browser", "Page"]

DEADLINE = 90.0
"""Seconds for one answer, and for one condition: a busy machine starts it in ten."""
OPTIONS = (
    "--headless=new",
    "--remote-debugging-pipe",
    # everything that it renders here is ours; as root, and in most containers, there is no sandbox to be had
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--hide-scrollbars",
    # nothing but loopback is ever looked up
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
)
PLUMBING = 'exec "$0" "$@" 3<&0 4>&1 </dev/null >/dev/null'
"""Chromium reads its commands from 3 and answers on 4."""


class Browser:
    """See the module."""

    def __init__(self, program: Path) -> None:
        self._program = program
        self._folder = Path(tempfile.mkdtemp(prefix="gitslo-chromium-"))
        self._process: subprocess.Popen[bytes] | None = None
        self._answers: queue.Queue[dict[str, Any]] = queue.Queue()
        self._asked = 0

    def __enter__(self) -> Self:
        # its own home: what it writes beside the profile (fonts, crash reports) goes with it
        environment = {"HOME": str(self._folder), "PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"}
        argv = ["sh", "-c", PLUMBING, str(self._program), *OPTIONS, f"--user-data-dir={self._folder / 'profile'}"]
        with (self._folder / "errors").open("wb") as errors:
            self._process = subprocess.Popen(
                [*argv, "about:blank"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, env=environment
            )
        threading.Thread(target=self._listen, daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        assert self._process is not None
        with contextlib.suppress(AssertionError, OSError):
            self.ask("Browser.close")
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def page(self, url: str, *, dark: bool = False, width: int = 1280) -> Page:
        """A page of its own, on its way to be loaded."""
        target = self.ask("Target.createTarget", {"url": "about:blank"})["targetId"]
        session = self.ask("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
        page = Page(self, session)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        page.ask("Emulation.setEmulatedMedia", {"features": [scheme]})
        page.size(width, 1000)
        page.ask("Page.navigate", {"url": url})
        return page

    def ask(self, method: str, parameters: dict[str, Any] | None = None, session: str = "") -> dict[str, Any]:
        """One command and what it gave; AssertionError where it is refused or nothing comes in time."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._asked += 1
        said = {"id": self._asked, "method": method, "params": parameters or {}}
        if session:
            said["sessionId"] = session
        self._process.stdin.write(json.dumps(said).encode() + b"\0")
        self._process.stdin.flush()
        end = time.monotonic() + DEADLINE
        while True:
            try:
                answer = self._answers.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"{method}: no answer; {self._errors()}") from None
            if answer.get("id") == self._asked:
                assert "error" not in answer, f"{method}: {answer['error']}"
                given: dict[str, Any] = answer["result"]
                return given

    def _listen(self) -> None:
        """Everything that it says; events, which have no `id`, are dropped: conditions are looked up instead."""
        assert self._process is not None
        assert self._process.stdout is not None
        held = b""
        with contextlib.suppress(OSError, ValueError):
            while heard := self._process.stdout.read1(1 << 16):  # type: ignore[attr-defined]
                *whole, held = (held + heard).split(b"\0")
                for message in map(json.loads, whole):
                    if "id" in message:
                        self._answers.put(message)

    def _errors(self) -> str:
        return (self._folder / "errors").read_text(errors="replace")[-2000:]


class Page:
    """One page; `evaluate` is a person's console."""

    def __init__(self, browser: Browser, session: str) -> None:
        self._browser, self._session = browser, session

    def ask(self, method: str, parameters: dict[str, Any] | None = None) -> dict[str, Any]:
        """One command of the protocol, about this page."""
        return self._browser.ask(method, parameters, self._session)

    def evaluate(self, script: str) -> Any:
        """What an expression of JavaScript gives; a promise is waited for."""
        wish = {"expression": script, "returnByValue": True, "awaitPromise": True}
        answer = self.ask("Runtime.evaluate", wish)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def until(self, script: str, what: str) -> None:
        """Wait until an expression is true."""
        end, pause = time.monotonic() + DEADLINE, threading.Event()
        while not self.evaluate(script):
            if time.monotonic() > end:
                seen = self.evaluate("document.body.innerText")
                raise AssertionError(f"not so after {DEADLINE:.0f} s: {what}; the page says\n{str(seen)[:3000]}")
            pause.wait(0.1)

    def size(self, width: int, height: int) -> None:
        """Of the window, in pixels."""
        wish = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.ask("Emulation.setDeviceMetricsOverride", wish)

    def picture(self, file: Path) -> None:
        """The whole page as a PNG."""
        given = self.ask("Page.captureScreenshot", {"captureBeyondViewport": True})
        file.write_bytes(base64.b64decode(given["data"]))
