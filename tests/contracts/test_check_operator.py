from __future__ import annotations

from pathlib import Path

import pytest

from tests.contracts.checked import GIVEN, OPERATOR, about_dev, change, flawless, lines, run, write


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return flawless(tmp_path)


def test_what_the_operator_does_not_allow_is_told(folder: Path) -> None:
    """Hosts, ceilings, commands and the process syncer; an environment that is not allowed is left alone."""
    operator = folder.parent / "operator.yaml"
    operator.write_text(OPERATOR, encoding="utf-8")
    change(folder, "gitslo.yaml", "sync: process", "sync: process\noutcomes: {error: {action: hold, run: pag}}")
    change(folder, "dev/slo.yaml", "shop.dev.svc", "shop.prod.svc")
    change(folder, "dev/slo.yaml", "    stages:", "    connections: 6\n    stages:")

    assert [
        "dev/slo.yaml:3:8: /targets/web: the operator does not allow the host `shop.prod.svc` (there is *.dev.svc)",
        "dev/slo.yaml:10:18: /load/browse/connections: 6 connections are above the operator's ceiling of 5",
        "dev/slo.yaml:12:7: /load/browse/stages: 50/s is above the operator's ceiling of 40/s",
        "dev/slo.yaml:12:7: /load/browse/stages: 2m of load is above the operator's ceiling of 1m",
        "gitslo.yaml:4:3: /stages: warning: the operator does not allow the environment 'prod': it is left alone",
        (
            "gitslo.yaml:6:7: /sync: the operator's file gives this repository no process syncer"
            " (add `process` to the repository there)"
        ),
        "gitslo.yaml:7:19: /outcomes/error: the operator's file has no command `pag` (did you mean `page`?)",
        "2 environments, 6 errors, 1 warning",
    ] == lines(folder, "--operator", str(operator))


@pytest.mark.parametrize(("judge", "place"), [("judge: {max_duration: 2m}\n", "6:23"), ("", "1:1")])
def test_metrics_alone_are_held_against_the_ceiling_of_duration(folder: Path, judge: str, place: str) -> None:
    """A plan without load takes as long as it says, or ten minutes where it says nothing."""
    operator = folder.parent / "operator.yaml"
    sources = "sources: {prom: {prometheus: 'http://127.0.0.1:9090', scrape_interval: 5s}}\n"
    operator.write_text(OPERATOR.replace("allow: {", "allow: {sources: [prom], ") + sources, encoding="utf-8")
    metric = "  lag: {source: prom, gauge: 'lag', between: [0, 9]}\n"
    write(folder, "dev/slo.yaml", f"schema: gitslo/v1\nmetrics:\n{metric}objectives:\n  - lag < 5\n{judge}")
    asked = "2m" if judge else "10m"

    assert [
        (
            f"{place}: /judge/max_duration: {asked} of metrics is above the operator's ceiling of 1m"
            " (at most `judge: {max_duration: 1m}`)"
        )
    ] == [line for line in about_dev(lines(folder, "--operator", str(operator))) if "ceiling" in line]


def test_what_the_operator_does_not_give_to_a_target_is_told(folder: Path) -> None:
    """Certificates by their kind, identities and their hosts, variables, and certificates that nobody verifies."""
    operator = folder.parent / "operator.yaml"
    given = OPERATOR.replace('"*.dev.svc"]', '"*.dev.svc"], variables: [REGION]').replace("1m", "5m") + (
        "certificates: {shop-ca: {file: /ca.pem}, own: {certificate: /own.pem, key: /own.key}}\n"
        "identities: {tester: {bearer: {env: TOKEN}, hosts: ['*.dev.svc']}}\n"
    )
    operator.write_text(given, encoding="utf-8")
    write(folder, "dev/slo.yaml", GIVEN)

    assert [
        "4:5: /targets/web: the operator does not allow the host `shop.prod.svc` (there is *.dev.svc)",
        "6:15: /targets/web/tls/ca: the operator's file has no authorities `shop-c` (did you mean `shop-ca`?)",
        (
            "6:36: /targets/web/tls/certificate: the operator's file has no client certificate `shop-ca`"
            " (there is `own`)"
        ),
        "7:11: /targets/web/auth: the identity `tester` is not for the host `shop.prod.svc`",
        (
            "8:55: /targets/other/tls/insecure: warning: nobody verifies who answers for `other`"
            " (name its authority as `ca`)"
        ),
        (
            "8:55: /targets/other/tls/insecure: the operator does not allow that a certificate is not verified"
            " (name its authority as `ca`)"
        ),
        "8:68: /targets/other/auth: the operator's file has no identity `nobody` (there is `tester`)",
        "10:11: /load/browse: the operator does not allow the environment variable `TENANT` (there is `REGION`)",
    ] == about_dev(lines(folder, "--operator", str(operator)))


def test_the_repository_of_the_operators_file_is_named(folder: Path) -> None:
    """With several, one must be chosen; a wrong name or a broken file is a usage error."""
    operator = folder.parent / "operator.yaml"
    text = OPERATOR.replace("ceilings:", "  - {name: other, url: 'file:///srv/git/other.git'}\nceilings:")
    operator.write_text(text, encoding="utf-8")
    results = [
        run(folder, "--operator", str(operator), *more)
        for more in ((), ("--repository", "x"), ("--repository", "other"))
    ]
    operator.write_text("schema: gitslo/v1\n", encoding="utf-8")
    results.append(run(folder, "--operator", str(operator)))

    assert [2, 2, 1, 2] == [result.exit_code for result in results]
    assert "expected --repository (the file has: shop, other)" in results[0].stderr
    assert "there is no repository `x`" in results[1].stderr
    assert "the field `repositories` is missing" in results[3].stderr


def test_what_the_operator_allows_is_fine(folder: Path) -> None:
    """Nothing is said of what is within the bounds; an environment without a readable plan is judged no further."""
    operator = folder.parent / "operator.yaml"
    text = OPERATOR.replace('["dev"]', '["*"]').replace("rate: 40/s, duration: 1m", "rate: 50/s, duration: 2m")
    state = "    process: {state: /var/lib/gitslo, containers: {example/shop: {argv: [shop]}}}\n"
    operator.write_text(text.replace("ceilings:", f"{state}ceilings:"), encoding="utf-8")
    change(
        folder,
        "gitslo.yaml",
        "sync: process",
        "sync: process\nrevalidate: {every: never}\noutcomes: {error: {action: hold, run: page}}",
    )
    clean = lines(folder, "--operator", str(operator))
    (folder / "prod" / "slo.yaml").unlink()

    assert ["2 environments, 0 errors, 0 warnings"] == clean
    assert ["2 environments, 1 error, 0 warnings"] == lines(folder, "--operator", str(operator))[-1:]
