"""`gitslo judge`: a verdict from the counts of one objective, or a recorded run's again."""

from __future__ import annotations

import json
import math
from pathlib import Path

import click

from gitslo.errors import Problem, Refused
from gitslo.model import Share, Verdict

__all__ = ["judge"]

_LARGEST = 700.0
"""Of a logarithm whose e-value is still a number."""


@click.command(
    epilog="Example: gitslo judge --limit 1% --bad 3 --total 1000, or gitslo judge --run prod#3 --config operator.yaml"
)
@click.option("--limit", metavar="PERCENT", help="The share of bad requests that is not to be exceeded.")
@click.option("--bad", type=click.IntRange(0), help="Requests that broke the limit.")
@click.option("--total", type=click.IntRange(0, 10**12), help="Requests counted.")
@click.option("--confidence", metavar="PERCENT", help="Of a fail and of a pass.  [default: 95%]")
@click.option("--run", "run", metavar="ENVIRONMENT[#N]", help="Judge a recorded run again, the last one without N.")
@click.option(
    "--config", "-c", type=click.Path(dir_okay=False, path_type=Path), help="With --run: the operator's file."
)
@click.option("--repository", help="With --run: name in the operator's file, where it has several.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def judge(
    context: click.Context,
    limit: str | None,
    bad: int | None,
    total: int | None,
    confidence: str | None,
    run: str | None,
    config: Path | None,
    repository: str | None,
    as_json: bool,
) -> None:
    """Say what BAD of TOTAL requests mean for a limit, however often one has looked before.

    "p95 < 250ms" is a limit of 5% on the requests above 250ms. Each request is taken to be bad on its own: a run
    asks as well how bad ones lie in time, which two numbers do not tell. With --run: compute a recorded verdict
    again, from the ledger and the run's plan alone, and say whether it is the same.

    Exit code: pass 0, fail 1, usage 2, inconclusive 3, and 4 where a recorded verdict is not the same.
    """
    counted = {"--limit": limit, "--bad": bad, "--total": total}
    if run is not None:
        given = [name for name, value in (*counted.items(), ("--confidence", confidence)) if value is not None]
        if given:
            raise click.UsageError(f"--run and {given[0]} exclude each other")
        if config is None:
            raise click.UsageError("--run needs --config, the operator's file")
        from gitslo.cli.judged_run import judge_run

        judge_run(context, run, config, repository, as_json=as_json)
        return
    if config is not None or repository is not None:
        raise click.UsageError("--config and --repository go with --run")
    if limit is None or bad is None or total is None:
        missing = next(name for name, value in counted.items() if value is None)
        raise click.UsageError(f"Missing option '{missing}', or --run ENVIRONMENT[#N].")
    _judge_counts(context, limit, bad, total, confidence or "95%", as_json=as_json)


def _judge_counts(context: click.Context, limit: str, bad: int, total: int, confidence: str, *, as_json: bool) -> None:
    from gitslo.cli.style import paint
    from gitslo.cli.test import exit_code
    from gitslo.core.figures import count, e_value, share
    from gitslo.core.judge import verdict_of
    from gitslo.core.stats import clean_requests_to_pass, interval, log_e_fail, log_e_pass

    allowed, sure = _share(limit, "--limit"), _share(confidence, "--confidence")
    if bad > total:
        raise Refused(Problem(f"--bad {bad} is more than --total {total}"))
    against, towards = log_e_fail(bad, total, allowed), log_e_pass(bad, total, allowed)
    need = -math.log1p(-sure)
    verdict = verdict_of(bad, total, allowed, need_fail=need, need_pass=need)
    low, high = interval(bad, total, sure)
    more = clean_requests_to_pass(bad, total, allowed, need) if verdict is Verdict.INCONCLUSIVE else None
    if as_json:
        document = {
            "verdict": verdict.value,
            "limit": allowed,
            "bad": bad,
            "total": total,
            "confidence": sure,
            "measured": bad / total if total else None,
            "interval": [low, high],
            "e_fail": math.exp(min(against, _LARGEST)),
            "e_pass": math.exp(min(towards, _LARGEST)),
            "log_e_fail": against,
            "log_e_pass": towards,
            "need": need,
            "clean_requests_to_pass": more,
        }
        click.echo(json.dumps(document, indent=2))
    else:
        measured = share(bad / total if total else None)
        click.echo(
            f"{paint(verdict.value)}: {measured} measured ({count(bad)} of {count(total)}), {share(allowed)} allowed"
        )
        click.echo(f"fail      {e_value(against)}, needed {e_value(need)}")
        click.echo(f"pass      {e_value(towards)}, needed {e_value(need)}")
        click.echo(f"interval  {share(low)} to {share(high)}, at {share(sure)}, whenever one looks")
        if more is not None:
            click.echo(f"to pass   about {count(more)} more clean requests")
    context.exit(exit_code(verdict))


def _share(text: str, option: str) -> Share:
    from gitslo.core.units import parse_share

    try:
        share = parse_share(text)
    except Refused as refused:
        raise Refused(*(Problem(f"{option}: {each.message}", hint=each.hint) for each in refused.problems)) from None
    if not 0.0 < share < 1.0:
        raise Refused(Problem(f"{option}: expected more than 0% and less than 100%, found {text}"))
    return share
