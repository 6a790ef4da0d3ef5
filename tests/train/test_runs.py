import json
from pathlib import Path

import pytest
import torch

from indexer.errors import UsageError
from indexer.train.runs import DESCRIPTION, Run

SETTINGS = {"method": "simclr", "epochs": 3.0}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path / "runs" / "mine")


def rows(*steps: int) -> list[dict[str, float]]:
    return [{"step": step, "loss": step / 2} for step in steps]


def test_a_run_that_was_begun_is_not_begun_again(run: Run) -> None:
    run.begin(SETTINGS, resume=False)
    with pytest.raises(UsageError, match="mine was begun; go on with --resume"):
        run.begin(SETTINGS, resume=False)


def test_a_finished_run_is_neither_replaced_nor_resumed(run: Run) -> None:
    run.begin(SETTINGS, resume=False)
    run.finish({})
    run.close()
    with pytest.raises(UsageError, match="is there already, or give another name"):
        run.begin(SETTINGS, resume=False)
    with pytest.raises(UsageError, match="is done; leave --resume away"):
        run.begin(SETTINGS, resume=True)


def test_nothing_can_be_resumed_that_was_never_begun(run: Run) -> None:
    with pytest.raises(UsageError, match="was never begun"):
        run.begin(SETTINGS, resume=True)


def test_a_run_goes_on_only_with_the_settings_that_it_began_with(run: Run) -> None:
    run.begin(SETTINGS, resume=False)
    run.begin(SETTINGS, resume=True)
    with pytest.raises(UsageError, match=r"began with epochs = 3.0, not 4.0"):
        run.begin(SETTINGS | {"epochs": 4.0}, resume=True)


def test_the_state_comes_back_and_is_gone_when_all_is_measured(run: Run) -> None:
    run.begin(SETTINGS, resume=False)
    run.save_state({"weight": torch.arange(3), "step": 7})
    assert run.load_state()["step"] == 7
    run.finish({"method": "simclr"})
    assert run.can_resume
    run.close(retrieval={"after": {}})
    assert not run.has_state
    assert not run.can_resume
    assert json.loads((run.folder / DESCRIPTION).read_text())["retrieval"] == {"after": {}}


def test_rows_after_the_state_was_kept_are_cut_off(run: Run) -> None:
    run.begin(SETTINGS, resume=False)
    run.append(rows(1, 2))
    run.append(rows(3))
    run.cut_curve(2)
    assert run.curve() == rows(1, 2)


def test_a_row_that_a_kill_cut_short_is_left_out(run: Run) -> None:
    run.begin(SETTINGS, resume=False)
    run.append(rows(1, 2))
    path = run.folder / "curve.csv"
    path.write_text(path.read_text().removesuffix("1.0\r\n").removesuffix("1.0\n"))
    assert run.curve() == rows(1)
