"""Writes the generated pages of `docs/reference/`: `make docs`. A test compares them with what is there.

`cli.md` is the help of every command; `files.md` is the schemas of the three files as tables, and `api.md` that of what
the daemon answers.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from gitslo.cli.root import COMMANDS, cli

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "docs" / "reference"
NOTICE = "<!-- written by `make docs`; change the source instead -->\n"
WIDTH = 96

FILES = (
    ("pipeline", "gitslo.yaml", "At the root of the repository: stages, what is promoted, and the policy."),
    ("plan", "slo.yaml", "Beside the manifests of an environment: what a good release is."),
    ("operator", "operator.yaml", "Never in the repository: what only the operator may say."),
)
"""(schema, file, what it is)."""


API = (
    ("verdict", "GET /api/v1/verdict", "`repository`, `environment`; `commit`: an id or at least 7 digits of it"),
    ("environments", "GET /api/v1/environments", "all optional: `repository`; `limit`, 500 unless said; `after`"),
    ("error", "Errors", ""),
)
"""(definition in the schema, heading, parameters)."""


def helps(command: click.Command, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    """(words, help text) of a command; of its subcommands where it is a group."""
    if isinstance(command, click.Group):
        for name in sorted(command.commands):
            yield from helps(command.commands[name], (*path, name))
        return
    context = click.Context(
        command, info_name=" ".join(path), terminal_width=WIDTH, max_content_width=WIDTH, **cli.context_settings
    )
    yield path, command.get_help(context)


CLI_INTRODUCTION = """\
Exit codes of every command: 2 for a mistake in the arguments or in an input, said in one line per mistake. `test`,
`judge` and `verdict` tell the verdict: pass 0, fail 1, inconclusive 3, error 4. Colour appears on a terminal only, and
never where `NO_COLOR` is set.
"""

FILES_INTRODUCTION = """\
Each starts with `schema: gitslo/v1`. A field that is not listed here is refused, with the nearest one that is.
Durations are `250ms`, `30s`, `2m`, `6h`; rates `200/s`; shares `1%`; sizes `5GiB`. The schemas lie in
[`schemas/`](../../schemas), for editors. `gitslo check` says what is wrong, with file, line and column.
"""


API_INTRODUCTION = """\
What `gitslo serve` answers to other programs, at `serve: {listen: ...}` of the operator's file. How to use it:
[Ask for a verdict](../how-to/ask-for-a-verdict.md). The schema is [`schemas/api.json`](../../schemas/api.json).

* Reading only: `GET` and `HEAD`; anything else is 405. Nothing that is asked has an effect.
* With `serve: {token: ...}` every request below `/api/` needs `Authorization: Bearer TOKEN`; without it whoever reaches
  the address may ask, as for `/metrics`.
* Answers are JSON, never cached (`Cache-Control: no-store`). New fields may be added; those that are here keep their
  meaning. Times are UTC, to the second.
* What the loop knows is told, as its last poll left it (`looked_at`). A repository that could not be looked at for
  three intervals and a minute is 503 `not_ready`.
* `GET /api/v1/report`, with `repository`, `environment` and `run`, is the report of a run as Markdown.
"""


def api_page(schemas: Path) -> str:
    """`api.md`."""
    document = json.loads((schemas / "api.json").read_text(encoding="utf-8"))
    parts = ["# The API\n", NOTICE, API_INTRODUCTION]
    for name, heading, parameters in API:
        node = document["$defs"][name]
        parts.append(f"## {heading}\n")
        parts.append(f"Parameters: {parameters}.\n" if parameters else f"{node['description']}\n")
        parts.append("| field | value | meaning |\n|---|---|---|")
        parts += [
            f"| {field} | {value} | {meaning.removesuffix(' Required.')} |"
            for field, value, meaning in rows(document, node)
        ]
        parts.append("")
    return "\n".join(parts)


def cli_page() -> str:
    """`cli.md`."""
    parts = ["# The command line\n", NOTICE, CLI_INTRODUCTION]
    context = click.Context(cli)
    for name in sorted(COMMANDS):
        command = cli.get_command(context, name)
        if command is None or command.hidden:
            continue
        for path, text in helps(command, ("gitslo", name)):
            parts.append(f"## {' '.join(path)}\n\n```text\n{text.rstrip()}\n```\n")
    return "\n".join(parts)


def files_page(schemas: Path) -> str:
    """`files.md`."""
    parts = ["# The three files\n", NOTICE, FILES_INTRODUCTION]
    for schema, file, what in FILES:
        document = json.loads((schemas / f"{schema}.json").read_text(encoding="utf-8"))
        parts.append(f"## {file}\n\n{what}\n")
        parts.append("| field | value | meaning |\n|---|---|---|")
        parts += [f"| {field} | {value} | {meaning} |" for field, value, meaning in rows(document, document)]
        parts.append("")
    return "\n".join(parts)


def rows(
    root: Mapping[str, Any], node: Mapping[str, Any], at: str = "", *, alternative: bool = False
) -> Iterator[tuple[str, str, str]]:
    """(field, value, meaning) of every named field below `node`, parents first, each once."""
    seen = set[tuple[str, str, str]]()
    for row in _rows(root, node, at, alternative=alternative):
        if row not in seen:
            seen.add(row)
            yield row


def _rows(
    root: Mapping[str, Any], node: Mapping[str, Any], at: str, *, alternative: bool
) -> Iterator[tuple[str, str, str]]:
    node = _resolved(root, node)
    # Of several alternatives only one stands in a file: what it requires is not required as such.
    required = set() if alternative else set(node.get("required", ()))
    explained: dict[str, str] = {}
    for name, child in node.get("properties", {}).items():
        if name == "schema" and not at:
            continue
        like = explained.setdefault(_shape(root, child), name)
        yield from _field(root, child, f"{at}{name}", is_required=name in required, like="" if like == name else like)
    extra = node.get("additionalProperties")
    if isinstance(extra, Mapping):
        yield from _field(root, extra, f"{at}NAME", is_required=False, like="")
    choices = [choice for choice in (*node.get("oneOf", ()), *node.get("anyOf", ())) if _has_fields(root, choice)]
    for choice in choices:
        yield from _rows(root, choice, at, alternative=len(choices) > 1)
    if isinstance(node.get("items"), Mapping):
        yield from _rows(root, node["items"], f"{at.removesuffix('.')}[].", alternative=False)


def _field(
    root: Mapping[str, Any], child: Mapping[str, Any], name: str, *, is_required: bool, like: str
) -> Iterator[tuple[str, str, str]]:
    whole = _resolved(root, child)
    below = [] if whole.get("type") == "string" else list(_rows(root, whole, f"{name}.", alternative=False))
    says = [str(whole.get("description") or whole.get("title") or "")]
    if like and below:
        says.append(f"Like `{like}`.")
    if is_required:
        says.append("Required.")
    if "default" in whole:
        says.append(f"Default: `{_text(whole['default']) or 'empty'}`.")
    sentences = (part if part.endswith(".") else f"{part}." for part in says if part)
    yield f"`{name}`", _cell(_value(root, whole)), _cell(" ".join(sentences))
    if not like:
        yield from below


def _shape(root: Mapping[str, Any], node: Mapping[str, Any]) -> str:
    """Equal for fields that differ in nothing but what they are for."""
    said = {"description", "title", "default", "examples"}
    return json.dumps({key: value for key, value in _resolved(root, node).items() if key not in said}, sort_keys=True)


def _has_fields(root: Mapping[str, Any], node: Mapping[str, Any]) -> bool:
    node = _resolved(root, node)
    return any(key in node for key in ("properties", "oneOf", "anyOf", "items")) or isinstance(
        node.get("additionalProperties"), Mapping
    )


def _resolved(root: Mapping[str, Any], node: Mapping[str, Any]) -> Mapping[str, Any]:
    while "$ref" in node:
        target: Any = root
        for part in node["$ref"].removeprefix("#/").split("/"):
            target = target[part.replace("~1", "/").replace("~0", "~")]
        node = {**target, **{key: value for key, value in node.items() if key != "$ref"}}
    return node


def _value(root: Mapping[str, Any], node: Mapping[str, Any]) -> str:
    """What may stand there: words of an enumeration, else examples, else the types."""
    node = _resolved(root, node)
    if "const" in node:
        return f"`{_text(node['const'])}`"
    if "enum" in node:
        return ", ".join(dict.fromkeys(f"`{_text(word)}`" for word in node["enum"]))
    examples = [example for example in node.get("examples", ()) if not isinstance(example, dict | list)]
    if examples:
        return "e.g. " + ", ".join(f"`{_text(example)}`" for example in examples[:3])
    kinds = node.get("type")
    if kinds is None:
        choices = (_value(root, choice) for choice in (*node.get("oneOf", ()), *node.get("anyOf", ())))
        return " or ".join(dict.fromkeys(choice for choice in choices if choice))
    words = {"object": "mapping", "array": "list", "string": "text", "integer": "whole number", "null": "nothing"}
    return " or ".join(words.get(kind, kind) for kind in ([kinds] if isinstance(kinds, str) else kinds))


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _cell(text: str) -> str:
    parts = " ".join(text.split()).replace("|", "\\|").split("`")
    # What stands between backticks is shown as it is; anywhere else `<` would begin a tag.
    return "`".join(part if number % 2 else part.replace("<", "&lt;") for number, part in enumerate(parts))


def pages() -> dict[Path, str]:
    """Every generated page."""
    schemas = ROOT / "schemas"
    return {
        REFERENCE / "api.md": api_page(schemas),
        REFERENCE / "cli.md": cli_page(),
        REFERENCE / "files.md": files_page(schemas),
    }


def main() -> int:
    """Write them."""
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
        print(path.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main())
