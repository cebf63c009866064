"""`gitslo init`: a starting layout, from the templates in `starting_layout/`."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path, PurePosixPath

import click

from gitslo.errors import Problem, Refused

__all__ = ["init"]

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")
_IMAGE = re.compile(r"[a-z0-9]+([._/:-]+[a-z0-9]+)*")


@click.command()
@click.argument("folder", metavar="[DIR]", default=".", type=click.Path(file_okay=False, path_type=Path))
@click.option("--name", help="The pipeline's name, also that of the service.  [default: the folder's name]")
@click.option("--image", help="The image to promote, without tag.  [default: ghcr.io/acme/NAME]")
@click.option("--json", "as_json", is_flag=True, help="Print what was written as JSON.")
def init(folder: Path, name: str | None, image: str | None, as_json: bool) -> None:
    """Write a starting layout: one service, dev and prod, and an operator's file beside the folder.

    Nothing is overwritten: where one of the files exists, none is written.

    Example: gitslo init shop --image registry.example.com/shop
    """
    folder = folder.absolute()
    name = _name(folder.resolve().name) if name is None else name
    if not _NAME.fullmatch(name):
        expected = "lower-case letters, digits and inner dashes, at most 40"
        raise Refused(Problem(f"--name: {name!r} cannot stand in ref names", hint=f"expected {expected}"))
    image = f"ghcr.io/acme/{name}" if image is None else image
    if not _IMAGE.fullmatch(image) or ":" in image.rpartition("/")[2]:
        hint = "expected a reference such as registry.example.com/shop, without tag or digest"
        raise Refused(Problem(f"--image: {image!r} is no image name", hint=hint))

    templates = files("gitslo.cli") / "starting_layout"
    planned = {folder / path: text for path, text in _texts(templates / "repository", PurePosixPath())}
    operator = folder.resolve().parent / f"{name}-operator.yaml"
    planned[operator] = (templates / "operator.yaml").read_text(encoding="utf-8")
    in_the_way = [path for path in planned if path.exists() or path.is_symlink()]
    if in_the_way:
        raise Refused(*(Problem("exists already; nothing was written", file=_shown(path)) for path in in_the_way))
    try:
        for path, text in planned.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8", newline="\n") as file:
                file.write(text.replace("@NAME@", name).replace("@IMAGE@", image))
    except OSError as error:
        raise Refused(Problem(f"cannot be written: {error.strerror}", file=_shown(path))) from None

    if as_json:
        document = {"folder": str(folder), "operator": str(operator), "files": sorted(str(path) for path in planned)}
        click.echo(json.dumps(document, indent=2))
        return
    for path in planned:
        click.echo(f"wrote {_shown(path)}")
    click.echo(
        f"\nNext:\n"
        f"  1. put your manifests, hosts and limits in place of the examples;\n"
        f"  2. gitslo check {_shown(folder)}\n"
        f"  3. commit and push the folder as a repository, name its URL in {_shown(operator)};\n"
        f"  4. gitslo once --config {_shown(operator)}"
    )


def _name(folder: str) -> str:
    """A pipeline name that resembles the folder's."""
    return re.sub(r"[^a-z0-9]+", "-", folder.lower()).strip("-")[:40].strip("-") or "pipeline"


def _texts(folder: Traversable, below: PurePosixPath) -> list[tuple[PurePosixPath, str]]:
    """Every template below `folder`, sorted by path."""
    found: list[tuple[PurePosixPath, str]] = []
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir():
            found += _texts(entry, below / entry.name)
        else:
            found.append((below / entry.name, entry.read_text(encoding="utf-8")))
    return found


def _shown(path: Path) -> str:
    """The path as the caller would type it."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
