"""Run the tests that docs/reliability.md names, and write what came of each promise into its table.

python -m benchmarks.reliability [--report FILE …]

With reports of tests that ran already (`make test PYTEST_ADDOPTS=--junitxml=FILE`) nothing is run, and what they say
is written: of a test that is in several, what the last says.
"""

import argparse
import os
import platform
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

from tests.promises import PAGE, ROW, Promise, read_promises

DATED = re.compile(r"^The last column was written on .*$", re.MULTILINE)


class Outcome(NamedTuple):
    """What became of one test; of several cases, of each."""

    verdict: str
    seconds: float


def main() -> None:
    """Run, write, and fail where a promise does not hold."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--report", type=Path, nargs="+", default=[])
    reports = parser.parse_args().report
    promises = list(read_promises())
    if reports:
        outcomes = {test: told for each in reports for test, told in read(each).items()}
    else:
        outcomes = run({test for promise in promises for test in promise.tests})
    results = {promise.text: result_of(promise, outcomes) for promise in promises}
    lines = [_with_result(line, results) for line in PAGE.read_text(encoding="utf-8").splitlines()]
    machine = f"{platform.machine()}, {os.cpu_count()} cores"
    dated = f"The last column was written on {date.today()} ({machine}): seconds of all the tests of a row."
    PAGE.write_text(DATED.sub(dated, "\n".join(lines)) + "\n", encoding="utf-8")
    broken = [text for text, result in results.items() if not result.startswith("holds")]
    print("\n".join(broken) or f"{len(results)} promises hold")
    sys.exit(bool(broken))


def run(tests: Iterable[tuple[str, str]]) -> dict[tuple[str, str], list[Outcome]]:
    """Run tests, by file and function, in a pytest of their own."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        nodes = sorted(f"{file}::{name}" for file, name in tests)
        shared = ("--numprocesses", "auto", "--dist", "loadfile", "--no-loadscope-reorder")
        subprocess.run([sys.executable, "-m", "pytest", *shared, f"--junitxml={report}", *nodes])
        return read(report)


def read(report: Path) -> dict[tuple[str, str], list[Outcome]]:
    """What a report of pytest says, by file and function."""
    found = defaultdict(list)
    for case in ElementTree.parse(report).iter("testcase"):
        file = case.attrib["classname"].replace(".", "/") + ".py"
        name = case.attrib["name"].partition("[")[0]
        trouble = next((child for child in case if child.tag != "properties"), None)
        verdict = "holds" if trouble is None else f"{trouble.tag}: {trouble.get('message', '')}"
        found[file, name].append(Outcome(verdict, float(case.attrib["time"])))
    return found


def result_of(promise: Promise, outcomes: dict[tuple[str, str], list[Outcome]]) -> str:
    """One cell: that it holds, or the first that went wrong."""
    if not all(outcomes.get(test) for test in promise.tests):
        return "not run"
    all_of_it = [outcome for test in promise.tests for outcome in outcomes[test]]
    wrong = [outcome.verdict for outcome in all_of_it if outcome.verdict != "holds"]
    if wrong:
        return wrong[0].splitlines()[0][:80].replace("|", "/")
    return f"holds, {sum(outcome.seconds for outcome in all_of_it):.1f} s"


def _with_result(line: str, results: dict[str, str]) -> str:
    row = ROW.fullmatch(line)
    return f"| {row['text']} | {row['tests']} | {results[row['text']]} |" if row else line


if __name__ == "__main__":
    main()
