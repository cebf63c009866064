"""`gitslo test`: one run of a plan without Git. Whoever types it is the operator: the targets named are the allow-list.

The progress goes to standard error and the result to standard output. What must stay true: the exit code of a fail is
never given for anything else, so every other end has a code of its own, our own mistakes included.
"""

from __future__ import annotations

import contextlib
import difflib
import secrets
import signal
import sys
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, assert_never
from urllib.parse import urlsplit

import click

from gitslo.cli.result_files import FILE, result_file_options, result_files
from gitslo.cli.whole_file import see_that_it_can_be_written, write_whole
from gitslo.core.addresses import parse_host_port
from gitslo.core.bounds import length_alone, targets_used
from gitslo.core.evidence_file import EVIDENCE_CAP, EvidenceFile, decode, encode
from gitslo.core.formats import Format, TestResult, render
from gitslo.errors import GitsloError, Problem, Refused
from gitslo.model import Allowed, Ceilings, Evidence, Plan, Target, TargetScheme, Verdict

if TYPE_CHECKING:
    from types import FrameType

    from gitslo.ports import MetricSource, TargetAccess
    from gitslo.run import Stop, Tell

__all__ = ["exit_code", "read_plan", "test"]

_SCHEMES = {
    "http": (TargetScheme.HTTP, False, 80),
    "https": (TargetScheme.HTTP, True, 443),
    "grpc": (TargetScheme.GRPC, False, None),
    "grpcs": (TargetScheme.GRPC, True, 443),
    "tcp": (TargetScheme.TCP, False, None),
}
"""URL scheme -> what it speaks, whether in TLS, the port that goes without saying."""


def exit_code(verdict: Verdict) -> int:
    """What a shell is told; 2 is a mistake in the arguments or in an input."""
    match verdict:
        case Verdict.PASS:
            return 0
        case Verdict.FAIL:
            return 1
        case Verdict.INCONCLUSIVE:
            return 3
        case Verdict.ERROR:
            return 4
        case _:
            assert_never(verdict)


@click.command(epilog="Example: gitslo test slo.yaml --target checkout=http://127.0.0.1:8080")
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@click.option(
    "--target", "targets", multiple=True, metavar="NAME=URL", help="Where a target of the plan is; repeat it."
)
@click.option(
    "--format", "how", type=click.Choice([each.value for each in Format]), help="Of the result.  [default: text]"
)
@click.option(
    "--evidence",
    "evidence_path",
    metavar="FILE",
    type=FILE,
    help="Go on with the evidence in this file, and write it back.",
)
@result_file_options
@click.option(
    "--certificate",
    "certificates",
    multiple=True,
    metavar="NAME=FILE[,KEY]",
    help="PEM for a name in `tls` of the plan: authorities, or with its key what is shown of ourselves; repeat it.",
)
@click.option(
    "--identity",
    "identities",
    multiple=True,
    metavar="NAME=FORM",
    help="For a name in `auth` of the plan: bearer:env:NAME, basic:USER:env:NAME (or file:PATH), or"
    " oauth2:FILE; repeat it.",
)
@click.option("--env", "variables", multiple=True, metavar="NAME", help="An environment variable that is sent.")
@click.option(
    "--engine",
    "engines",
    multiple=True,
    metavar="NAME[=PATH]",
    help="A program of this machine, e.g. k6 or fortio, that `engine` of the plan may name; repeat it.",
)
@click.option(
    "--sources",
    "sources_path",
    metavar="FILE",
    type=FILE,
    help="Where metrics come from: `sources`, and the `certificates` they name, as in the operator's file.",
)
@click.option(
    "--set",
    "facts",
    multiple=True,
    metavar="NAME=VALUE",
    help="What `${environment}`, `${service}`, `${stage}` or `${revision}` of metrics stands for; repeat it.",
)
@click.option("--insecure", is_flag=True, help="Let the plan leave certificates unverified.")
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.pass_context
def test(
    context: click.Context,
    file: Path,
    targets: tuple[str, ...],
    how: str | None,
    evidence_path: Path | None,
    junit_path: Path | None,
    summary_path: Path | None,
    certificates: tuple[str, ...],
    identities: tuple[str, ...],
    variables: tuple[str, ...],
    engines: tuple[str, ...],
    sources_path: Path | None,
    facts: tuple[str, ...],
    insecure: bool,
    as_json: bool,
) -> None:
    """Judge what runs at the targets by the plan in FILE: readiness, load and metrics, verdict.

    Exactly the hosts named by --target are called, and the sources that --sources holds. Exit code: pass 0, fail 1,
    usage 2, inconclusive 3, error 4.
    """
    from gitslo.cli.access_options import certificates_of, identities_of, variable
    from gitslo.cli.metric_options import facts_of, sources_in
    from gitslo.cli.style import first_word_painted
    from gitslo.wiring_run import target_access

    if as_json and how not in (None, Format.JSON.value):
        raise click.UsageError(f"--json and --format {how} exclude each other")
    form = Format.JSON if as_json else Format(how or Format.TEXT.value)
    beside = {"FILE": file, "--evidence": evidence_path, "--sources": sources_path}
    files = result_files(junit_path, summary_path, beside=beside)
    plan = read_plan(file)
    plan, hosts = _with_targets(plan, targets, str(file))
    allowed = Allowed(
        targets=hosts, variables=tuple(variable(name, "--env") for name in variables), insecure_tls=insecure
    )
    given = certificates_of(certificates, "--certificate")
    access = target_access(given, identities_of(identities, given, hosts, "--identity"), allowed)
    kept = _Kept(evidence_path, plan.digest) if evidence_path is not None else None
    outside = _Outside(access, _engines(engines, plan), sources_in(sources_path), facts_of(facts, "--set"))
    result = _run(plan, allowed, outside, str(file), kept.file if kept is not None else None)
    files.write(junit=lambda: render(result, Format.JUNIT), summary=lambda: render(result, Format.MARKDOWN))
    if kept is not None and result.verdict is not Verdict.ERROR:
        kept.write(result)
    said = render(result, form)
    click.echo(first_word_painted(said) if form is Format.TEXT else said, nl=False)
    context.exit(exit_code(result.verdict))


# --------------------------------------------------------------------------- plan and targets


def read_plan(file: Path) -> Plan:
    """The plan in a file of this machine; the files that it names lie beside it."""
    from gitslo.adapters.directory import DirectoryView
    from gitslo.core.parse_plan import parse_plan

    real = file.resolve()
    if not real.is_file():
        message = "is a folder, and no plan" if real.is_dir() else "there is no such file"
        raise Refused(Problem(message, file=str(file)))
    view = DirectoryView(real.parent)
    return parse_plan(view.read(real.name), file=str(file), read_file=view.read)


def _with_targets(plan: Plan, given: tuple[str, ...], file: str) -> tuple[Plan, tuple[str, ...]]:
    """The plan with the caller's targets in place of its own, and their hosts; its digest stays as it is."""
    urls: dict[str, str] = {}
    for text in given:
        name, equals, url = text.partition("=")
        if not equals or not name or not url or "://" in name:
            shown = "--target" if "@" in text else f"--target {text!r}"
            raise Refused(Problem(f"{shown} is not of the form NAME=URL", hint=_known(plan)))
        if name in urls:
            raise Refused(Problem(f"--target {name} is given twice"))
        if name not in plan.targets:
            raise Refused(
                Problem(f"--target {name}: the plan has no such target", file=file, hint=_nearest(name, plan))
            )
        urls[name] = url
    missing = [name for name in targets_used(plan) if name not in urls]
    if missing:
        raise Refused(
            *(
                Problem(f"the plan uses the target `{name}`", file=file, hint=f"say where it is: --target {name}=URL")
                for name in missing
            )
        )
    targets = {name: _target(target, urls[name]) if name in urls else target for name, target in plan.targets.items()}
    return replace(plan, targets=targets), tuple(dict.fromkeys(targets[name].host for name in urls))


def _nearest(name: str, plan: Plan) -> str:
    close = difflib.get_close_matches(name, plan.targets, 1)
    return f"did you mean `{close[0]}`?" if close else _known(plan)


def _known(plan: Plan) -> str:
    return f"the plan's targets: {', '.join(plan.targets)}"


def _target(planned: Target, url: str) -> Target:
    # What stands before an `@` may be a password: such a URL is not repeated.
    option = f"--target {planned.name}" if "@" in url else f"--target {planned.name}={url}"
    if "://" not in url:
        url = f"{planned.scheme.value}{'s' if planned.tls else ''}://{url}"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise Refused(Problem(f"{option}: no URL: {error}")) from error
    known = _SCHEMES.get(parts.scheme)
    if known is None or known[0] is not planned.scheme:
        fitting = " or ".join(f"{word}://" for word, (speaks, *_) in _SCHEMES.items() if speaks is planned.scheme)
        raise Refused(Problem(f"{option}: the plan's target is {planned.scheme.value}", hint=f"expected {fitting}"))
    _, tls, usual = known
    port = port if port is not None else usual
    if not parts.hostname or not port or "*" in parts.hostname:
        raise Refused(Problem(f"{option}: expected a host and a port", hint=f"e.g. {parts.scheme}://127.0.0.1:8080"))
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise Refused(Problem(f"{option}: a target has no user, query or fragment", hint="take them out of the URL"))
    try:
        host, port = parse_host_port(f"{f'[{parts.hostname}]' if ':' in parts.hostname else parts.hostname}:{port}")
    except Refused as refused:
        raise Refused(*(Problem(f"{option}: {each.message}", hint=each.hint) for each in refused.problems)) from None
    path = parts.path.rstrip("/")
    if path and planned.scheme is not TargetScheme.HTTP:
        raise Refused(Problem(f"{option}: only an http target has a path"))
    return replace(planned, host=host, port=port, tls=tls, path=path, resolve=None)


# --------------------------------------------------------------------------- the run


def _engines(given: tuple[str, ...], plan: Plan) -> Mapping[str, Path | None]:
    asked = dict.fromkeys(section.engine for section in plan.load if section.engine)
    found: dict[str, Path | None] = {}
    for text in given:
        name, _, path = text.partition("=")
        if name not in asked:
            hint = f"its engines: {', '.join(asked) or 'none but our own'}"
            raise Refused(Problem(f"--engine {text}: the plan asks for no engine `{name}`", hint=hint))
        if path and not Path(path).is_file():
            raise Refused(Problem(f"--engine {name}: there is no such program", file=path))
        found[name] = Path(path).absolute() if path else None
    return found


@dataclass(frozen=True, slots=True)
class _Outside:
    """What the caller gives beside the plan and its targets; `facts` are the variables of metrics."""

    access: TargetAccess
    engines: Mapping[str, Path | None]
    sources: Mapping[str, MetricSource]
    facts: Mapping[str, str]


def _run(plan: Plan, allowed: Allowed, outside: _Outside, file: str, kept: EvidenceFile | None) -> TestResult:
    from gitslo.errors import Retry
    from gitslo.run import AttemptOrder, CutOff, attempt
    from gitslo.wiring_run import SystemClock, load_engine, readiness_probe

    # Who looks longer at metrics alone is nobody's load: the plan's own bound is enough.
    ceilings = Ceilings(duration=max(Ceilings().duration, length_alone(plan)))
    earlier = kept.evidence if kept is not None else Evidence()
    order = AttemptOrder(
        plan=plan,
        number=len(earlier.attempts) + 1,
        earlier=earlier,
        # Only what was left undecided is extended; after a pass the whole load runs again.
        extension=int(kept is not None and kept.verdict is Verdict.INCONCLUSIVE),
        addresses={},
        allowed=allowed,
        ceilings=ceilings,
        run_id=f"test-{secrets.token_hex(4)}",
        seed=len(earlier.attempts),
        variables=outside.facts,
    )
    before = len(earlier.attempts)
    notes = (f"Earlier attempts that are judged together with this one: {before}.",) if before else ()

    def failed(why: str) -> TestResult:
        return TestResult(file, plan.digest, Verdict.ERROR, (), Evidence(), (why,))

    try:
        with _stoppable() as stop, _telling(Path(file).name) as tell:
            outcome = attempt(
                order,
                clock=SystemClock(),
                readiness=readiness_probe(outside.access),
                engine=load_engine(ceilings, allowed, outside.access, outside.engines),
                sources=outside.sources,
                stop=stop,
                tell=tell,
            )
    except CutOff as cut:
        return failed(f"cut off: {cut.reason}")
    except Retry as error:
        return failed(str(error))
    except GitsloError:
        raise
    except Exception as error:  # noqa: BLE001 - a fault of ours must not end with the exit code of a fail
        traceback.print_exc()
        return failed(f"internal error: {type(error).__name__}: {error}")
    evidence = Evidence((*earlier.attempts, outcome.evidence))
    return TestResult(file, plan.digest, outcome.verdict, outcome.findings, evidence, notes)


@contextlib.contextmanager
def _stoppable() -> Iterator[Stop]:
    """The first Ctrl-C or SIGTERM ends the attempt in good order, the second one at once."""
    said: list[str] = []

    def hear(number: int, _: FrameType | None) -> None:
        if said:
            raise KeyboardInterrupt
        said.append(f"stopped by {signal.Signals(number).name}")

    before = {number: signal.signal(number, hear) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: said[0] if said else None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _telling(name: str) -> Iterator[Tell]:
    from gitslo.cli.style import colour_on, is_terminal, width
    from gitslo.observers.live import LiveObserver
    from gitslo.observers.redaction import Redactor
    from gitslo.ports import Event

    live = LiveObserver(
        sys.stderr, Redactor(), in_place=is_terminal(sys.stderr), colour=colour_on(sys.stderr), width=width
    )

    def tell(message: str, fields: Mapping[str, str | int | float | bool | None]) -> None:
        progress = "sent" in fields or "windows" in fields
        live.tell(Event("run.progress" if progress else "run.waiting", name, message, fields))

    try:
        yield tell
    finally:
        live.tell(Event("run.judged", name, "the attempt has ended"))
        live.close()


# --------------------------------------------------------------------------- the evidence file


@dataclass(slots=True)
class _Kept:
    """The evidence file, read before the run and written after it.

    Attributes:
        file: None where there was none yet.
    """

    path: Path
    plan: str
    file: EvidenceFile | None = None
    _content: bytes | None = None

    def __post_init__(self) -> None:
        see_that_it_can_be_written(self.path)
        self._content = self._read()
        if self._content is not None:
            self.file = decode(self._content, plan=self.plan, where=str(self.path))

    def _read(self) -> bytes | None:
        try:
            with self.path.open("rb") as stream:
                return stream.read(EVIDENCE_CAP + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Refused(Problem(f"cannot be read: {error.strerror}", file=str(self.path))) from error

    def write(self, result: TestResult) -> None:
        """Replace the file, whole or not at all."""
        if self._read() != self._content:
            message = "somebody else changed it while this test ran; its evidence was not added"
            raise Refused(Problem(message, file=str(self.path), hint="give each test a file of its own"))
        write_whole(self.path, encode(result.plan, result.verdict, result.evidence))
