from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

from gitslo.testing.git_server import Access, Fault, GitServer

OPERATOR = """\
schema: gitslo/v1
repositories:
  - {name: shop, url: %s}
"""


HEARING = """\
import runpy, signal
signal.signal(signal.SIGINT, signal.default_int_handler)
runpy.run_module("gitslo", run_name="__main__")
"""
"""Whoever runs the tests in the background has had the interrupt ignored, which children inherit."""


def test_an_interrupt_is_no_fail_and_no_traceback(tmp_path: Path) -> None:
    """Ctrl-C while a server is waited for: one word, and the exit code that shells give it, never that of a fail."""
    config = tmp_path / "operator.yaml"
    asked = threading.Event()

    def hang(_: Access) -> Fault:
        asked.set()
        return Fault.HANG

    with GitServer(tmp_path / "remotes", fault=hang) as server:
        config.write_text(OPERATOR % server.url("shop.git"), encoding="utf-8")
        process = subprocess.Popen(
            [sys.executable, "-c", HEARING, "status", "--config", str(config)],
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "GITSLO_CACHE": str(tmp_path / "cache")},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            assert asked.wait(20)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=20)
        finally:
            process.kill()
            process.wait()

    assert (130, "", "interrupted\n") == (process.returncode, out, err)
