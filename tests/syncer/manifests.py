"""Manifests as tests write them, the operator's programs beside them, and waiting with a deadline."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from gitslo.core.yamlsafe import MANIFEST, read_documents
from gitslo.syncer.desired import Desired, desired
from gitslo.syncer.manifest import Manifest

DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: hello, namespace: hello-dev}
spec:
  replicas: 1
  progressDeadlineSeconds: 30
  selector: {matchLabels: {app: hello}}
  template:
    metadata: {labels: {app: hello}}
    spec:
      containers:
        - name: hello
          image: example/hello:v1
          ports: [{name: http, containerPort: 8080}]
          readinessProbe: {httpGet: {path: /readyz, port: http}}
"""
SERVICE = """\
apiVersion: v1
kind: Service
metadata: {name: hello, namespace: hello-dev}
spec:
  selector: {app: hello}
  ports: [{port: 80, targetPort: http}]
"""
CONFIG = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: hello, namespace: hello-dev}
data: {greeting: hi, GREETING: hello, SECRET: canary}
"""


@dataclass(frozen=True)
class OperatorsProgram:
    """What the operator's file gives for one image."""

    image: str = "example/hello"
    argv: tuple[str, ...] = (sys.executable, "-m", "gitslo.demo.app", "{tag}")
    environment: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()


def manifests(*documents: str) -> list[Manifest]:
    """One file per document: `0.yaml`, `1.yaml`, ..."""
    return [
        Manifest(f"dev/{index}.yaml", node)
        for index, text in enumerate(documents)
        for node in read_documents(text.encode(), file=f"dev/{index}.yaml", budget=MANIFEST)
    ]


def hello(version: str = "v1", program: OperatorsProgram | None = None, deployment: str = DEPLOYMENT) -> Desired:
    """The demo's service at a version."""
    text = deployment.replace("example/hello:v1", f"example/hello:{version}")
    return desired(manifests(text, SERVICE, CONFIG), [program or OperatorsProgram()], "dev")


def until(holds: Callable[[], bool], what: str, seconds: float = 30.0) -> None:
    """Wait until `holds`; fail with `what` after a deadline that a slow machine does not reach."""
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while not holds():
        assert time.monotonic() < deadline, f"{what}: not within {seconds:g} s"
        pause.wait(0.02)
