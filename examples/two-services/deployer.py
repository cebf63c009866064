"""A deployer for one machine: runs what the branch says, a process per environment, and says what runs.

    python deployer.py shop.git [PORT]

stands in for Argo CD, Flux or scripts of yours. For each folder it reads the image's tag and the port from
deployment.yaml and runs the demo's application with them; a new tag is a new process. What runs in an environment is
asked at http://127.0.0.1:9100/SERVICE/STAGE/version, or at another PORT. gitslo knows nothing of it but that address.
"""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

WANTED = re.compile(r"image: \S+:(?P<tag>\S+).*containerPort: (?P<port>\d+)", re.DOTALL)
stopping = threading.Event()
running: dict[str, tuple[str, str, subprocess.Popen[bytes]]] = {}


def git(*arguments: str) -> str:
    """Ask the bare repository."""
    return subprocess.run(["git", "-C", sys.argv[1], *arguments], capture_output=True, text=True, check=True).stdout


def deploy(environment: str, manifest: str) -> None:
    """Run what the manifest says, if it does not run yet."""
    found = WANTED.search(manifest)
    if found is None:
        return
    tag, port = found["tag"], found["port"]
    before = running.get(environment)
    if before is not None and before[:2] == (tag, port) and before[2].poll() is None:
        return
    if before is not None:
        stop(before[2])
    child = subprocess.Popen([sys.executable, "-m", "gitslo.demo.app", tag], env={"PORT": port})
    running[environment] = (tag, port, child)


def stop(child: subprocess.Popen[bytes]) -> None:
    """End one process."""
    child.terminate()
    child.wait()


class Version(BaseHTTPRequestHandler):
    """GET /SERVICE/STAGE/version: what the process itself answers."""

    def do_GET(self) -> None:
        """Pass the question on."""
        environment = self.path.removeprefix("/").removesuffix("/version")
        try:
            port = running[environment][1]
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/version", timeout=2) as answer:
                status, body = 200, answer.read()
        except (KeyError, OSError):
            status, body = 503, b"{}"
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        """Nothing: gitslo asks every second."""


def main() -> None:
    """Follow the branch until told to stop."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    port = int(sys.argv[2] if sys.argv[2:] else 9100)
    server = ThreadingHTTPServer(("127.0.0.1", port), Version)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    while not stopping.is_set():
        for path in git("ls-tree", "-r", "--name-only", "main").split():
            if path.endswith("/deployment.yaml"):
                deploy(path.removesuffix("/deployment.yaml"), git("show", f"main:{path}"))
        stopping.wait(0.5)
    server.shutdown()
    for _, _, child in running.values():
        stop(child)


if __name__ == "__main__":
    main()
