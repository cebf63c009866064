"""Runs GnuPG's programs one after another, and waits for the agent that the first of them leaves behind.

Started by `gpg_signing` as a program of its own, so it imports nothing of gitslo. The agent detaches from whoever
starts it; as the reaper of its descendants (prctl(2), PR_SET_CHILD_SUBREAPER) this process sees it end. Otherwise each
signature would leave a zombie where nothing else reaps: in a container whose first process is gitslo.

Standard input and output: JSON, a list of {argv, stdin} and a list of {code, out, said}; bytes are in Base64. Must stay
true: every step is run, whatever came of those before it: the last one ends the agent.
"""

from __future__ import annotations

import base64
import ctypes
import json
import os
import subprocess
import sys

__all__ = ["main"]

_PR_SET_CHILD_SUBREAPER = 36


def main() -> int:
    """Run the steps that standard input names; 0, whatever they came to."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    came = []
    for step in json.load(sys.stdin):
        done = subprocess.run(step["argv"], input=base64.b64decode(step["stdin"]), capture_output=True, check=False)
        out, said = (base64.b64encode(each).decode() for each in (done.stdout, done.stderr))
        came.append({"code": done.returncode, "out": out, "said": said})
    try:
        while True:
            os.wait()
    except ChildProcessError:
        pass  # nobody is left
    json.dump(came, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
