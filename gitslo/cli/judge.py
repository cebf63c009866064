"""`gitslo judge`: a verdict from the counts of one objective."""

from __future__ import annotations

import json
import math

import click

from gitslo.errors import Problem, Refused
from gitslo.model import Share, Verdict

__all__ = ["judge"]


@click.command(epilog="Example: gitslo judge --limit 1% --bad 3 --total 1000")
@click.option("--limit", required=True, metavar="PERCENT", help="The share of bad requests that is not to be exceeded.")
@click.option("--bad", required=True, type=click.IntRange(0), help="Requests that broke the limit.")
@click.option("--total", required=True, type=click.IntRange(0, 10**12), help="Requests counted.")
@click.option("--confidence", default="95%", show_default=True, metavar="PERCENT", help="Of a fail and of a pass.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def judge(context: click.Context, limit: str, bad: int, total: int, confidence: str, as_json: bool) -> None:
    """Say what BAD of TOTAL requests mean for a limit, however often one has looked before.

    "p95 < 250ms" is a limit of 5% on the requests above 250ms. Exit code: pass 0, fail 1, usage 2, inconclusive 3.
    """
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
