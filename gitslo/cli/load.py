"""`gitslo load URL`: the load engine alone. Whoever types it is the operator: the host named is the allow-list.

The live view goes to standard error and the result to standard output, so that `--json` can be piped.
"""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

import click

from gitslo.cli.grouped import GroupedCommand
from gitslo.cli.load_options import Flags, options

if TYPE_CHECKING:
    from gitslo.cli.load_arguments import Asked
    from gitslo.load.engines.process import Standby
    from gitslo.load.results.detail import LoadDetail

__all__ = ["load"]

_EXAMPLES = """\b
Example: gitslo load http://127.0.0.1:8080/items --rate 500/s --duration 30s
         gitslo load https://shop.example.com/ --ca ca.pem --bearer env:TOKEN
         gitslo load h2c://127.0.0.1:8080/ --closed --connections 4 --streams 16
         gitslo load h2://shop.example.com/ --requests 10000 --json
         gitslo load grpc://127.0.0.1:9090/acme.Pricing/Quote --message '{"sku": "${seq}"}'
         gitslo load grpcs://pricing.example.com/acme.Pricing/Quote --schema pricing.proto
"""


@click.command(cls=GroupedCommand, epilog=_EXAMPLES)
@click.argument("url")
@options
def load(url: str, **given: Any) -> None:
    """Send load to URL and say how it was answered, measured from the moment each request was due.

    URL begins with http://, https://, h2c:// (HTTP/2 without TLS), h2://, grpc:// or grpcs://; of gRPC it ends with
    /package.Service/Method. The URL, header values, metadata, bodies and messages may hold ${uuid}, ${seq},
    ${timestamp}, and what --data and --env give.

    Exit code: 0; 1 where not one request succeeded; 2 for a mistake in the arguments or a name that does not resolve.
    """
    from gitslo.load.engines.process import Standby

    flags = Flags(**given)
    with Standby() if not flags.engine else contextlib.nullcontext() as standby:
        order, detail = _measured(url, flags, standby)
    _told(flags, order, detail)


def _measured(url: str, flags: Flags, standby: Standby | None) -> tuple[Asked, LoadDetail]:
    """What was asked for, and what came of it. Its imports take as long as the worker on standby takes to start."""
    from gitslo.cli.load_arguments import asked
    from gitslo.cli.load_result import check_file
    from gitslo.cli.load_view import LiveView
    from gitslo.model import Allowed
    from gitslo.wiring_run import load_engine

    order = asked(url, flags)
    check_file(flags.hlog, "--hlog")
    check_file(flags.openmetrics, "--openmetrics")
    engines = {flags.engine: None} if flags.engine else None
    engine = load_engine(order.ceilings, Allowed(targets=order.job.target.hosts), order.access, engines, standby)
    with LiveView() as live:
        return order, engine.measure(order.job, live.show)


def _told(flags: Flags, order: Asked, detail: LoadDetail) -> None:
    from gitslo.cli.load_result import document, nothing_succeeded, tell, write_files

    write_files(flags, detail)
    if flags.as_json:
        click.echo(json.dumps(document(order, detail), indent=2))
    else:
        tell(order, detail)
    nothing = nothing_succeeded(detail)
    if nothing:
        click.echo(nothing, err=True)
        raise SystemExit(1)
