from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from tests.wrong_inputs.world import PASSWORD, WRONG_PASSWORD, Told, cases, expected, serving

NAMES = cases()


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Future[Told]]]:
    """Every case, run once and all of them side by side: most of their time is waiting."""
    with serving(tmp_path_factory.mktemp("wrong_inputs")) as run, ThreadPoolExecutor(4) as pool:
        futures = {case: pool.submit(run, case) for case in NAMES}
        try:
            yield futures
        finally:
            pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("case", NAMES)
def test_a_wrong_input_is_told_in_these_words(told: Mapping[str, Future[Told]], case: str) -> None:
    """Whoever types `command` gets exactly `expected.txt`: exit code, standard output, standard error."""
    assert expected(case) == told[case].result().text


@pytest.mark.parametrize("case", NAMES)
def test_a_wrong_input_leaves_nothing_behind(told: Mapping[str, Future[Told]], case: str) -> None:
    """No file of the user's folder is made or changed, and no ref is written in the remote."""
    assert () == told[case].result().left


@pytest.mark.parametrize("case", NAMES)
def test_a_wrong_input_is_no_success_no_crash_and_no_leak(told: Mapping[str, Future[Told]], case: str) -> None:
    """Never exit code 0, never a traceback, never a password."""
    done = told[case].result()

    assert (True, False, False, False) == (
        done.exit_code in {1, 2, 3, 4},
        "Traceback" in done.text,
        WRONG_PASSWORD in done.text,
        PASSWORD in done.text,
    )


def test_there_are_cases_of_every_kind() -> None:
    """Files, flags, remotes and targets: at least thirty of them, each by its folder's name."""
    kinds = {name.partition("-")[0] for name in NAMES}

    assert ({"pipeline", "plan", "operator", "flag", "remote", "target"}, True) == (kinds, len(NAMES) >= 30)
