"""The promises of docs/reliability.md are those that are tested."""

import ast
from pathlib import Path

import pytest

from tests.promises import TESTS, Promise, read_promises

PROMISES = list(read_promises())


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.text)
def test_each_promise_names_tests_that_are_there(promise: Promise) -> None:
    for file, name in promise.tests:
        tree = ast.parse((TESTS.parent / file).read_text(encoding="utf-8"))
        names = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        assert name in names, f"{file} has no {name}"


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
    tree = ast.parse((Path(__file__).parent / name).read_text(encoding="utf-8"))
    tests = {
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }
    named = {function for promise in PROMISES for file, function in promise.tests if name in file}
    assert tests - {"test_an_error_on_the_page_counts_as_one"} == named
