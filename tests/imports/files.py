"""The files that imports are tested with, and how what comes of them is written down.

`cases/` holds own files: a folder each, named `FORMAT-...`, with its YAML files, the options in `arguments.txt` where
there are any, and what comes of them in `expected.txt`. `foreign/` holds what comes of other tools' real files, which
lie in `../shared/foreign` beside the checkout. `python -m tests.imports.record` writes both anew.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gitslo.core.imports import Imported, Options, import_files

__all__ = ["CASES", "EXPECTED", "FOREIGN", "RUNS", "Run", "cases", "imported", "run_case", "run_foreign", "shown"]

CASES = Path(__file__).parent / "cases"
EXPECTED = Path(__file__).parent / "foreign"
FOREIGN = Path(__file__).parents[3] / "shared" / "foreign"
"""Other tools' own files, unchanged."""


@dataclass(frozen=True, slots=True)
class Run:
    """One import of foreign files.

    Attributes:
        files: below FOREIGN, the format's folder first.
        options: as on the command line.
    """

    files: tuple[str, ...]
    options: str = ""


_SOCKSHOP = "--set PROJECT=sockshop --set DEPLOYMENT=primary"
_WEB = "--target web=http://shop.example.com"

RUNS: Mapping[str, Run] = {
    "argo-analysis-templates": Run(("argo/analysis-templates.yaml",)),
    "argo-cluster-analysis-templates": Run(("argo/cluster-analysis-templates.yaml",)),
    "flagger-istio-canary": Run(("flagger/istio-canary.yaml",)),
    "flagger-linkerd-canary": Run(("flagger/linkerd-canary.yaml",)),
    "iter8-assert-experiment": Run(("iter8/assert-experiment.yaml",)),
    "iter8-experiment": Run(("iter8/experiment.yaml",)),
    "iter8-experiment-grpc": Run(("iter8/experiment-grpc.yaml",)),
    "iter8-experiment-grpc-with-target": Run(("iter8/experiment-grpc.yaml",), "--target grpc=127.0.0.1:50051"),
    "iter8-v0.8-values": Run(("iter8/v0.8-load-test-http-values.yaml",)),
    "keptn-carts-quality-gates": Run(("keptn/carts-quality-gates.yaml", "keptn/carts-sli-prometheus.yaml"), _SOCKSHOP),
    "keptn-carts-self-healing": Run(("keptn/carts-self-healing.yaml", "keptn/carts-sli-prometheus.yaml"), _SOCKSHOP),
    "keptn-carts-alone": Run(("keptn/carts-quality-gates.yaml",)),
    "keptn-sli-alone": Run(("keptn/carts-sli-prometheus.yaml",)),
    "keptn-podtato-head": Run(("keptn/podtato-head.yaml",)),
    "keptn-reference": Run(("keptn/reference.yaml",)),
    "keptn-simplenode-basic": Run(("keptn/simplenode-basic.yaml",)),
    "keptn-simplenode-basic-with-target": Run(("keptn/simplenode-basic.yaml",), _WEB),
    "keptn-simplenode-empty": Run(("keptn/simplenode-empty.yaml",)),
    "keptn-simplenode-perftest": Run(("keptn/simplenode-perftest.yaml",), _WEB),
    "openslo-low-traffic-timeslices": Run(("openslo/low-traffic-timeslices.yaml",)),
    "openslo-occurrences": Run(("openslo/occurrences.yaml",)),
    "openslo-sloth-getting-started": Run(("openslo/sloth-openslo-getting-started.yaml",)),
    "openslo-sloth-kubernetes-apiserver": Run(("openslo/sloth-openslo-kubernetes-apiserver.yaml",)),
    "openslo-timeslices": Run(("openslo/timeslices.yaml",)),
}
"""Every foreign file, alone or as it is used."""


def cases() -> tuple[Path, ...]:
    """The folders of the own files, by name."""
    return tuple(sorted(folder for folder in CASES.iterdir() if folder.is_dir()))


def run_case(folder: Path) -> Imported:
    """Import the files of a case."""
    files = tuple((path.name, path.read_bytes()) for path in sorted(folder.glob("*.yaml")))
    arguments = folder / "arguments.txt"
    words = arguments.read_text(encoding="utf-8") if arguments.exists() else ""
    return imported(folder.name.partition("-")[0], files, words)


def run_foreign(run: Run) -> Imported:
    """Import foreign files."""
    files = tuple((name.partition("/")[2], (FOREIGN / name).read_bytes()) for name in run.files)
    return imported(run.files[0].partition("/")[0], files, run.options)


def imported(form: str, files: tuple[tuple[str, bytes], ...], words: str = "") -> Imported:
    """Import with options as on the command line."""
    given: dict[str, dict[str, str]] = {"--target": {}, "--set": {}, "--source": {}}
    options = shlex.split(words)
    for option, value in zip(options[::2], options[1::2], strict=True):
        name, _, text = value.partition("=")
        given[option][name] = text
    return import_files(form, files, Options(given["--source"], given["--target"], given["--set"]))


def shown(result: Imported) -> str:
    """All of it as text: the plan, then one thing a line."""
    lines = [result.plan or "refused\n"]
    lines += [f"refused: {each}\n" for each in result.refused]
    lines += [f"finding: {each}\n" for each in result.findings]
    lines += [f"note: {each}\n" for each in result.notes]
    for each in result.sources:
        lines += [f"source: {line}\n" for line in each.snippet.splitlines()]
    return "".join(lines)
