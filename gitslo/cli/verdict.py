"""`gitslo verdict`: may this commit go on? Asks a daemon, and waits until it knows.

What must stay true: exit code 0 is a pass that the daemon said and 1 a fail, and neither is given for anything else.
"""

from __future__ import annotations

import json
import traceback
from typing import TYPE_CHECKING, assert_never

import click

from gitslo.core.gate import Answered
from gitslo.errors import GitsloError, Problem, Refused

if TYPE_CHECKING:
    from gitslo.adapters.gate_client import Outcome, Question, VerdictSaid
    from gitslo.model import Seconds

__all__ = ["exit_code", "verdict"]


def exit_code(answered: Answered) -> int:
    """As of `gitslo test`; what is not decided is inconclusive."""
    match answered:
        case Answered.PASS:
            return 0
        case Answered.FAIL:
            return 1
        case Answered.INCONCLUSIVE | Answered.PENDING | Answered.UNKNOWN:
            return 3
        case Answered.ERROR:
            return 4
        case _:
            assert_never(answered)


@click.command(
    epilog="Example: gitslo verdict --url http://gitslo.gitslo.svc:8080 --repository shop --environment staging"
    " --commit 3f2a9c1 --wait 20m"
)
@click.option("--url", envvar="GITSLO_URL", required=True, help="Of the daemon.  [env: GITSLO_URL]")
@click.option("--repository", required=True, help="Its name in the operator's file.")
@click.option("--environment", required=True, help="Its name, e.g. `staging` or `checkout/staging`.")
@click.option("--commit", help="A commit's id, or at least 7 digits of it.  [default: the branch's head]")
@click.option("--wait", default="0s", show_default=True, help="How long to wait for a verdict, e.g. 20m.")
@click.option("--token-env", metavar="NAME", help="The environment variable with the daemon's token.")
@click.option("--plain-http", is_flag=True, help="Send the token over plain http:// to another machine, too.")
@click.option("--json", "as_json", is_flag=True, help="Print the daemon's answer as JSON.")
@click.pass_context
def verdict(
    context: click.Context,
    url: str,
    repository: str,
    environment: str,
    commit: str | None,
    wait: str,
    token_env: str | None,
    plain_http: bool,
    as_json: bool,
) -> None:
    """Ask a daemon whether a commit's content holds in an environment.

    Waiting goes on while the commit is not polled, deployed or judged yet, and while the daemon is away for a moment.
    Exit code: pass 0, fail 1, usage 2, inconclusive 3 (and not decided when the time is over), error 4 (and no answer
    from the daemon).
    """
    from gitslo.adapters.gate_client import GateClient, Question, wait_for
    from gitslo.adapters.http_client import HttpClient
    from gitslo.core.addresses import parse_http_url
    from gitslo.wiring_run import SystemClock

    for option, text in (("--repository", repository), ("--environment", environment), ("--commit", commit)):
        if text is not None and not text.strip():
            raise click.BadParameter("it is empty; is the variable set that should hold it?", param_hint=option)
    patience = _parsed(wait)
    try:
        parse_http_url(url)
    except Refused as refused:
        raise Refused(*(Problem(f"--url: {each.message}", hint=each.hint) for each in refused.problems)) from None
    client = GateClient(url, HttpClient().send, _token(token_env, url, plain_http=plain_http))
    question = Question(repository, environment, commit)
    try:
        outcome = wait_for(client, question, clock=SystemClock(), wait=patience, tell=_tell)
    except GitsloError:
        raise
    except Exception:  # noqa: BLE001 - a fault of ours must not end with the exit code of a fail
        traceback.print_exc()
        context.exit(exit_code(Answered.ERROR))
    said = outcome.said
    if as_json:
        click.echo(json.dumps(outcome.document if said is not None else _nothing(outcome, question), indent=2))
    else:
        _print(outcome, question, url)
    if said is None or outcome.missing:
        context.exit(exit_code(Answered.PENDING if outcome.reached else Answered.ERROR))
    context.exit(exit_code(said.verdict))


def _tell(text: str) -> None:
    click.echo(f"waiting: {text}", err=True)


def _parsed(wait: str) -> Seconds:
    from gitslo.core.units import parse_duration

    try:
        return parse_duration(wait)
    except Refused as refused:
        raise Refused(*(Problem(f"--wait: {each.message}", hint=each.hint) for each in refused.problems)) from None


def _token(name: str | None, url: str, *, plain_http: bool) -> str:
    from gitslo.cli.access_options import variable
    from gitslo.core.gitnames import in_clear
    from gitslo.secret import SecretRef

    if name is None:
        return ""
    try:
        token = SecretRef(env=variable(name, "--token-env")).resolve().reveal()
    except GitsloError as error:
        raise Refused(Problem(f"--token-env: {error}")) from None
    if in_clear(url) and not plain_http:
        message = "the token would go over plain http:// to another machine, where everybody on the way can read it"
        raise Refused(Problem(message, hint="give the https:// URL, or say --plain-http"))
    return token


def _nothing(outcome: Outcome, question: Question) -> dict[str, object]:
    """In the form of the daemon's own errors."""
    code = "unknown_commit" if outcome.reached else "no_answer"
    hint = f"{question.repository} {question.environment}"
    return {"schema": "gitslo/v1", "error": {"code": code, "message": outcome.missing, "hint": hint}}


def _print(outcome: Outcome, question: Question, url: str) -> None:
    from gitslo.cli.style import paint
    from gitslo.core.escape import plain

    said = outcome.said
    where = f"{question.repository} {question.environment}"
    if said is None:
        click.echo(f"no verdict: {where} {question.commit or ''}".rstrip())
        click.echo(plain(outcome.missing))
        return
    click.echo(f"{paint(said.verdict.value)}: {where} {said.commit[:12]}")
    for line in _lines(said):
        click.echo(plain(line))
    if outcome.missing and outcome.missing != said.reason:
        click.echo(plain(outcome.missing))
    if said.run is not None:
        click.echo(plain(f"report: {url.rstrip('/')}{said.run.report}"))


def _lines(said: VerdictSaid) -> list[str]:
    lines = [said.reason + (f" (since {said.since})" if said.since else "")]
    if said.rejected and said.rejected not in said.reason:
        lines.append(f"rejected: {said.rejected}")
    if said.held is not None and said.held.reason not in said.reason:
        lines.append(f"held by {said.held.by}: {said.held.reason}")
    return [*lines, *said.findings]
