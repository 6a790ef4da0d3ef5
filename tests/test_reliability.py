"""The promises of docs/reliability.md are those that are tested."""

import re
from pathlib import Path

import pytest

from tests.promises import TESTS, Promise, read_promises

PROMISES = list(read_promises())


def functions_of(file: Path) -> set[str]:
    """The tests that are in a file."""
    return set(re.findall(r"^def (test_\w+)", file.read_text(encoding="utf-8"), re.MULTILINE))


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.text)
def test_each_promise_names_tests_that_are_there(promise: Promise) -> None:
    for file, name in promise.tests:
        assert name in functions_of(TESTS.parent / file), f"{file} has no {name}"


def test_every_group_is_a_mark_of_its_tests(pytestconfig: pytest.Config) -> None:
    marks = {line.split(":")[0] for line in pytestconfig.getini("markers")}
    groups = {promise.group for promise in PROMISES}
    assert groups == {"decoding", "filesystem", "crash", "models", "queries", "network"}
    assert groups < marks


@pytest.mark.parametrize(
    "name",
    [
        "test_namespaces.py",
        "test_load.py",
        "test_failpoints.py",
        "test_order.py",
        "test_stopping.py",
        "test_readers.py",
    ],
)
def test_what_provokes_faults_is_named(name: str) -> None:
    tests = functions_of(Path(__file__).parent / name)
    named = {function for promise in PROMISES for file, function in promise.tests if name in file}
    assert tests - {"test_an_error_on_the_page_counts_as_one"} == named
