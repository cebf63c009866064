from __future__ import annotations

import subprocess
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from gitslo.cli.root import cli
from gitslo.cli.whole_file import write_whole
from gitslo.core.formats import Format, render
from gitslo.errors import Refused
from gitslo.model import Role
from tests.cli_test.test_formats import LOAD, NOT_JUDGED, result
from tests.cli_test.test_test_command import gitslo, plan, serving
from tests.required import required

SCHEMA = Path(__file__).with_name("junit.xsd")
NASTY = replace(LOAD, errors=(("\x1b[2J\x00\ufffe<!-- ]]> & \"' \ud800", 3),))


def hostile():
    """A result with a service's text that would break out of XML, and a plan's name that would, too."""
    of = result(11, notes=("]]></system-out><x a='1'>",))
    attempt = replace(of.evidence.attempts[0], loads=(NASTY,), no_fail=("\x1b]0;x\x07",))
    return replace(of, file='"><script>\x00.yaml', evidence=replace(of.evidence, attempts=(attempt,)))


@pytest.mark.parametrize(
    "of",
    [
        result(0),
        result(60),
        result(11),
        result(60, slow=55),
        result(0, slow=900, role=Role.REPORT),
        NOT_JUDGED,
        hostile(),
    ],
    ids=["pass", "fail", "inconclusive", "both", "report", "error", "hostile"],
)
def test_junit_is_what_readers_of_it_expect(tmp_path, of) -> None:
    """Every outcome is valid by the schema: elements, their order, attributes, counts and times."""
    file = tmp_path / "junit.xml"
    write_whole(file, render(of, Format.JUNIT).encode())
    argv = [str(required("xmllint")), "--noout", "--nonet", "--schema", str(SCHEMA), str(file)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)

    assert (0, f"{file} validates") == (done.returncode, done.stderr.strip())


def test_what_is_not_decided_says_so_in_a_sentence() -> None:
    """The test case of an objective that is not decided carries the sentence that explains it."""
    [case] = [each for each in ET.fromstring(render(result(11), Format.JUNIT)).iter("error")]  # noqa: S314, C416

    assert case.get("type") == "inconclusive"
    assert "11" in (case.text or "")
    assert (case.text or "").count(" ") > 8


def test_both_files_hold_the_verdict_beside_the_text(tmp_path) -> None:
    """One run, three forms: JUnit, Markdown, and the text on standard output."""
    junit, summary = tmp_path / "junit.xml", tmp_path / "summary.md"
    with serving("v2") as port:
        target = f"hello=http://127.0.0.1:{port}"
        done = gitslo(plan(tmp_path), "--target", target, "--junit", junit, "--summary", summary)

    assert (0, "pass:") == (done.returncode, done.stdout[:5])
    assert ["verdict", "pass"] == list(next(ET.parse(junit).iter("property")).attrib.values())  # noqa: S314 - ours
    assert "**Pass**" in summary.read_text()
    assert ["junit.xml", "slo.yaml", "summary.md"] == sorted(each.name for each in tmp_path.iterdir())


def test_the_files_say_an_error_too(tmp_path) -> None:
    """Nobody answers: the attempt is a fail of readiness, and both files say it."""
    junit, summary = tmp_path / "junit.xml", tmp_path / "summary.md"
    done = gitslo(plan(tmp_path), "--target", "hello=http://127.0.0.1:9", "--junit", junit, "--summary", summary)

    assert done.returncode == 1
    assert "readiness" in junit.read_text()
    assert "**Fail**" in summary.read_text()


def test_an_earlier_verdict_is_never_left(tmp_path) -> None:
    """What an earlier run has left is gone, also where this one does not come to a verdict."""
    junit = tmp_path / "junit.xml"
    junit.write_text("<testsuites/>")
    done = CliRunner().invoke(cli, ["test", str(tmp_path / "no-such.yaml"), "--junit", str(junit)])

    assert (2, False) == (done.exit_code, junit.exists())


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--junit", "{0}/x", "--summary", "{0}/x"), "--summary and --junit name one file"),
        (("--junit", "{0}/slo.yaml"), "--junit and FILE name one file"),
        (("--evidence", "{0}/e.json", "--summary", "{0}/./e.json"), "--summary and --evidence name one file"),
        (("--junit", "{0}/none/x.xml"), "its folder does not exist, or is not writable"),
        (("--junit", "{0}/slo.yaml/x.xml"), "its folder does not exist, or is not writable"),
        (("--junit", ""), "--junit is empty; is the variable set that should hold the file's name?"),
        (("--junit", "/dev/stdout"), "is a link, or no regular file"),
        (("--summary", "/dev/null"), "is a link, or no regular file"),
    ],
)
def test_files_that_cannot_be_are_refused_before_the_run(tmp_path, arguments, expected) -> None:
    """The plan, the evidence and each other are not written over, and nothing is run for a result that has no place."""
    file = plan(tmp_path)
    before = file.read_bytes()
    given = [each.format(tmp_path) for each in arguments]
    done = CliRunner().invoke(cli, ["test", str(file), "--target", "hello=http://127.0.0.1:9", *given])

    assert (2, True) == (done.exit_code, expected in done.output)
    assert before == file.read_bytes()
    assert Path("/dev/null").exists()


def test_a_file_is_never_half_written(tmp_path) -> None:
    """Where it cannot be written, the old one stays as it was, and nothing lies beside it."""
    file = tmp_path / "junit.xml"
    write_whole(file, b"old")
    file.chmod(0o600)
    write_whole(file, b"new")
    with pytest.raises(Refused, match="cannot be written"):
        write_whole(tmp_path / ("x" * 250), b"a name too long for what it is written to first")

    assert (b"new", 0o600) == (file.read_bytes(), file.stat().st_mode & 0o777)
    assert ["junit.xml"] == [each.name for each in tmp_path.iterdir()]
