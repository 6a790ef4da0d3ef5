import os

import pytest
import torch

from indexer.errors import ModelError, UsageError
from indexer.learning import machine
from indexer.learning.machine import agree, choose_machine, threads, workers
from indexer.learning.options import TrainOptions

USUAL = TrainOptions()


def test_a_processor_trains_in_a_precision_that_it_computes_in() -> None:
    chosen = choose_machine(USUAL, "cpu")
    assert chosen.device == "cpu"
    assert chosen.precision in ("fp32", "bf16")
    assert choose_machine(TrainOptions(precision="fp32"), "cpu").precision == "fp32"


@pytest.mark.parametrize(("computes", "precision"), [(True, "bf16"), (False, "fp16")])
def test_a_card_trains_in_a_half_precision_that_it_does_not_emulate(
    monkeypatch: pytest.MonkeyPatch, computes: bool, precision: str
) -> None:
    monkeypatch.setattr(machine, "pick_device", lambda wanted: "cuda")
    monkeypatch.setattr(
        torch.cuda,
        "is_bf16_supported",
        lambda including_emulation=True: computes or including_emulation,
    )
    assert choose_machine(USUAL, "cuda").precision == precision


def test_half_precision_of_accelerators_is_refused_on_a_processor() -> None:
    with pytest.raises(UsageError, match="--precision fp16 needs an accelerator"):
        choose_machine(TrainOptions(precision="fp16"), "cpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a card here")
def test_a_card_that_is_asked_for_and_not_there_is_said_to_be_missing() -> None:
    with pytest.raises(ModelError, match="the device cuda cannot be used here"):
        choose_machine(USUAL, "cuda")


def test_every_core_of_a_processor_trains_and_draws() -> None:
    cores = os.cpu_count() or 1
    assert workers(USUAL, "cpu") == min(cores, 8)
    with threads(0, "cpu"):
        assert torch.get_num_threads() == cores


def test_several_processes_share_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    assert workers(USUAL, "cpu") == 4
    with threads(0, "cpu"):
        assert torch.get_num_threads() == 4


def test_what_the_user_says_of_threads_and_workers_holds_and_only_while_training() -> None:
    before = torch.get_num_threads()
    with threads(3, "cpu"):
        assert torch.get_num_threads() == 3
    assert torch.get_num_threads() == before
    assert workers(TrainOptions(workers=0), "cpu") == 0


def test_a_process_alone_agrees_with_itself() -> None:
    assert agree({"a": 1}) == {"a": 1}
