"""The two services of `examples/two-services`, as the how-to page tells their story, with a real deployer."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gitslo.testing.git_server import BareRepository, GitServer
from tests.e2e.world import Said, get, until

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "two-services"
PAGE = ROOT / "docs" / "how-to" / "own-repository.md"
PORTS = ("9100", "9101", "9102", "9103", "9104")
ENVIRONMENTS = ("checkout/dev", "checkout/prod", "pricing/dev", "pricing/prod")


def _free_ports(count: int) -> list[str]:
    """Ports that nothing listens on now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [str(each.getsockname()[1]) for each in sockets]
    for each in sockets:
        each.close()
    return ports


@dataclass
class Shop:
    """The example on this machine, deployed."""

    folder: Path
    repository: BareRepository
    ports: dict[str, str]

    def moved(self, text: str) -> str:
        """A file of the example with the ports of this machine."""
        return re.sub("|".join(PORTS), lambda found: self.ports[found[0]], text)

    def gitslo(self, *arguments: str) -> Said:
        """Run one command."""
        variables = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "GITSLO_CACHE": str(self.folder / "cache")}
        argv = [sys.executable, "-m", "gitslo", *arguments]
        done = subprocess.run(argv, env=variables, capture_output=True, text=True, timeout=120, check=False)
        return Said(done.returncode, done.stdout, done.stderr)

    def once(self) -> Said:
        """`gitslo once`."""
        return self.gitslo("once", "--config", str(self.folder / "operator.yaml"), "--wait", "20s", "--json")

    def release(self, environment: str, tag: str) -> None:
        """A person's commit."""
        path = f"{environment}/deployment.yaml"
        manifest = re.sub(rb":v\d+ ", f":{tag} ".encode(), self.repository.read(path))
        self.repository.commit({path: manifest}, f"Release {environment} {tag}")

    def tag(self, environment: str) -> str:
        """What the branch says."""
        found = re.search(rb"image: \S+:(\S+)", self.repository.read(f"{environment}/deployment.yaml"))
        assert found is not None
        return found[1].decode()


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    """Seeded, served over HTTP, and deployed at v1."""
    repository = BareRepository.create(tmp_path / "shop.git")
    ports = dict(zip(PORTS, _free_ports(len(PORTS)), strict=True))
    folder = EXAMPLE / "shop"
    argv = [sys.executable, str(EXAMPLE / "deployer.py"), str(repository.path), ports["9100"]]
    files = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*.yaml"))}
    with GitServer(tmp_path) as server:
        made = Shop(tmp_path, repository, ports)
        repository.commit({name: made.moved(path.read_text()).encode() for name, path in files.items()}, "v1")
        operator = (EXAMPLE / "operator.yaml").read_text()
        operator = re.sub(r"url: \S+", f"url: {server.url('shop.git')}", operator)
        operator = operator.replace("concurrent_runs: 2", "concurrent_runs: 4")
        (tmp_path / "operator.yaml").write_text(operator.replace("/tmp/shop-pages", str(tmp_path / "pages")))
        deployer = subprocess.Popen(argv)
        try:
            base = f"http://127.0.0.1:{ports['9100']}"
            until(lambda: all(_answers(f"{base}/{name}/version") for name in ENVIRONMENTS), "v1 is deployed")
            yield made
        finally:
            deployer.terminate()
            assert 0 == deployer.wait(20)


def _answers(url: str) -> bool:
    try:
        return get(url)[0] == 200
    except OSError:
        return False


def test_the_own_repository_goes_through_once(shop: Shop) -> None:
    """Proven, promoted by a person's merge, reverted, paged: what the page says, on its own files."""
    assert 0 == shop.once().code
    shop.release("checkout/dev", "v2")
    shop.release("pricing/dev", "v3")
    second = shop.once()
    where = ("--repository", str(shop.repository.path))
    number = str(json.loads(shop.gitslo("pulls", "list", "--json", *where).out)[0]["number"])
    merged = shop.gitslo("pulls", "merge", number, "--by", "ann", *where)
    third = shop.once()
    verdicts = {name: entry["verdict"] for name, entry in json.loads(third.out)[0]["environments"].items()}

    assert [0, 0, 0] == [second.code, merged.code, third.code]
    assert dict.fromkeys(ENVIRONMENTS, "pass") == verdicts
    assert {"checkout/dev": "v2", "checkout/prod": "v2", "pricing/dev": "v1", "pricing/prod": "v1"} == {
        name: shop.tag(name) for name in ENVIRONMENTS
    }
    assert "pricing/dev: run 2 (sync): fail\n" == (shop.folder / "pages").read_text()


def test_the_page_shows_the_files_as_they_are() -> None:
    """Every block of the page that names a file of the example is that file."""
    page = PAGE.read_text()
    shown = re.findall(r"```yaml\n# (\S+)\n(.*?)```", page, re.DOTALL)

    assert ["gitslo.yaml", "checkout/dev/slo.yaml"] == [name for name, _ in shown]
    assert [(EXAMPLE / "shop" / name).read_text() for name, _ in shown] == [text for _, text in shown]


def test_the_example_has_no_errors() -> None:
    """`gitslo check` on the example: no error."""
    done = subprocess.run(
        [sys.executable, "-m", "gitslo", "check", str(EXAMPLE / "shop")], capture_output=True, text=True, check=False
    )

    assert (0, "4 environments, 0 errors, 1 warning") == (done.returncode, done.stdout.splitlines()[-1])
