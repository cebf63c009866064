"""`gitslo verdict`: may this commit go on? Asks a daemon, and waits until it knows.

What must stay true: exit code 0 is a pass that the daemon said and 1 a fail, and neither is given for anything else.
"""

from __future__ import annotations

import json
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gitslo.cli.parsing import not_empty
from gitslo.cli.result_files import result_file_options, result_files
from gitslo.core.answer_formats import AnswerResult, answer_junit, answer_markdown, answer_text
from gitslo.core.gate import counts_as
from gitslo.errors import GitsloError, Problem, Refused
from gitslo.model import Verdict

if TYPE_CHECKING:
    from gitslo.adapters.gate_client import Outcome, Question
    from gitslo.model import Seconds

__all__ = ["verdict"]


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
@result_file_options
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
    junit_path: Path | None,
    summary_path: Path | None,
    as_json: bool,
) -> None:
    """Ask a daemon whether a commit's content holds in an environment.

    Waiting goes on while the commit is not polled, deployed or judged yet, and while the daemon is away for a moment.
    Exit code: pass 0, fail 1, usage 2, inconclusive 3 (and not decided when the time is over), error 4 (and no answer
    from the daemon).
    """
    from gitslo.adapters.gate_client import GateClient, Outcome, Question, wait_for
    from gitslo.adapters.http_client import HttpClient
    from gitslo.cli.style import first_word_painted
    from gitslo.cli.test import exit_code
    from gitslo.core.addresses import parse_http_url
    from gitslo.wiring_run import SystemClock

    files = result_files(junit_path, summary_path, beside={})
    for option, text in (("--repository", repository), ("--environment", environment), ("--commit", commit)):
        if text is not None:
            not_empty(text, option)
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
    except Exception as error:  # noqa: BLE001 - a fault of ours must not end with the exit code of a fail
        traceback.print_exc()
        outcome = Outcome(None, None, f"internal error: {type(error).__name__}: {error}", reached=False)
    result = _result(outcome, question, url)
    files.write(junit=lambda: answer_junit(result), summary=lambda: answer_markdown(result))
    if as_json:
        document = outcome.document if outcome.said is not None else _nothing(outcome, question)
        click.echo(json.dumps(document, indent=2))
    else:
        click.echo(first_word_painted(answer_text(result)), nl=False)
    context.exit(exit_code(result.verdict))


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


def _result(outcome: Outcome, question: Question, url: str) -> AnswerResult:
    where, said = f"{question.repository} {question.environment}", outcome.said
    if said is None:
        counts = Verdict.INCONCLUSIVE if outcome.reached else Verdict.ERROR
        return AnswerResult(where, question.commit or "", "no verdict", counts, (outcome.missing,))
    lines = [said.reason + (f" (since {said.since})" if said.since else "")]
    if said.rejected and said.rejected not in said.reason:
        lines.append(f"rejected: {said.rejected}")
    if said.held is not None and said.held.reason not in said.reason:
        lines.append(f"held by {said.held.by}: {said.held.reason}")
    if outcome.missing and outcome.missing != said.reason:
        lines.append(outcome.missing)
    report = "" if said.run is None else f"{url.rstrip('/')}{said.run.report}"
    counts = counts_as(said.verdict)
    return AnswerResult(where, said.commit, said.verdict.value, counts, tuple(lines), report, said.findings)
