"""Repositories that `gitslo check` looks at, and what it says of them. Used by the tests beside it."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner, Result

from gitslo.cli.root import cli
from gitslo.core.guarantee import GUARANTEE

PIPELINE = """\
schema: gitslo/v1
name: shop
stages:
  - {name: dev, path: dev}
  - {name: prod, path: prod, after: [dev]}
sync: process
promote:
  - image: example/shop
"""
PLAN = """\
schema: gitslo/v1
targets:
  web: {http: "http://shop.dev.svc:80"}
load:
  browse:
    target: web
    endpoints:
      list: {get: /items, weight: 99}
      pay: {post: /pay, weight: 1}
    stages:
      - {hold: 50/s, for: 2m}
objectives:
  - browse.errors < 1%
"""
DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop}
spec:
  template:
    spec:
      containers:
        - name: app
          image: example/shop:v1
"""
OPERATOR = """\
schema: gitslo/v1
repositories:
  - name: shop
    url: file:///srv/git/shop.git
    allow: {environments: ["dev"], targets: ["*.dev.svc"]}
ceilings: {rate: 40/s, duration: 1m, connections: 5}
commands: {page: {argv: [page]}}
"""


GIVEN = """\
schema: gitslo/v1
targets:
  web:
    http: https://shop.dev.svc
    resolve: shop.prod.svc:443
    tls: {ca: shop-c, certificate: shop-ca}
    auth: tester
  other: {grpc: "other.dev.svc:9090", tls: {insecure: true}, auth: nobody}
load:
  browse: {target: web, get: "/${env.TENANT}/${env.REGION}", stages: [{hold: 20/s, for: 1m}]}
  quote: {target: other, call: {method: a.B/C}, stages: [{hold: 20/s, for: 1m}]}
objectives: [browse.errors < 50%]
"""


def flawless(folder: Path) -> Path:
    """A repository without a flaw, in a folder of its own."""
    for path, text in {
        "gitslo.yaml": PIPELINE,
        "dev/slo.yaml": PLAN,
        "dev/deployment.yaml": DEPLOYMENT,
        "prod/slo.yaml": PLAN,
        "prod/deployment.yaml": DEPLOYMENT,
    }.items():
        write(folder / "repository", path, text)
    return folder / "repository"


def write(folder: Path, path: str, text: str) -> None:
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).write_text(text, encoding="utf-8")


def change(folder: Path, path: str, old: str, new: str) -> None:
    text = (folder / path).read_text(encoding="utf-8")
    assert old in text
    write(folder, path, text.replace(old, new))


def run(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["check", str(folder), *arguments])


def found(stdout: str) -> list[str]:
    """What is found, without what its verdicts will mean."""
    return [line for each in stdout.split("\n\n") if GUARANTEE not in each for line in each.splitlines()]


def lines(folder: Path, *arguments: str) -> list[str]:
    """What is found in a folder."""
    return found(run(folder, *arguments).stdout)


def about_dev(told: list[str]) -> list[str]:
    """What is said of the plan of `dev`, without its name."""
    return [line.removeprefix("dev/slo.yaml:") for line in told if line.startswith("dev/slo.yaml:")]
