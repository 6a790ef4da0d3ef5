"""Two processes with half of the batch each must learn what one learns from all of it."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, distributed, multiprocessing, nn

from indexer.train.clip import HeadsConfig, HeadsOnly
from indexer.train.method import Method
from indexer.train.moco import MoCo, MoCoConfig
from indexer.train.simclr import SimCLR, SimCLRConfig
from tests.train.parts import views

WORLD = 2


def methods() -> dict[str, Method]:
    """Without batch norm, whose statistics are each process's own on CPUs."""
    torch.manual_seed(0)

    def trunk() -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(192, 12), nn.Tanh())

    return {
        "simclr": SimCLR(trunk(), 12, SimCLRConfig(batch_norm=False)),
        "moco": MoCo(trunk(), 12, MoCoConfig(queue=16)),
        "heads": HeadsOnly(HeadsConfig(192, 192, 6)),
    }


def learn(rank: int, world: int) -> dict[str, Tensor]:
    """The gradients of one step, averaged over the processes, and MoCo's queue."""
    learnt: dict[str, Tensor] = {}
    for name, method in methods().items():
        share = slice(rank * 8 // world, (rank + 1) * 8 // world)
        first, second = (view[share] for view in views(8))
        batch = (first.flatten(1), second.flatten(1)) if name == "heads" else (first, second)
        method.loss(batch).backward()  # type: ignore[no-untyped-call]
        for key, parameter in method.named_parameters():
            if parameter.grad is not None:
                learnt[f"{name}.{key}"] = parameter.grad
        if isinstance(method, MoCo):
            learnt["queue"] = method.queue.keys
    if world > 1:
        for tensor in learnt.values():
            distributed.all_reduce(tensor)
            tensor /= world
    return learnt


def work(rank: int, folder: Path) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", f"file://{folder}/meeting", rank=rank, world_size=WORLD)
    torch.save(learn(rank, WORLD), folder / f"{rank}.pt")
    distributed.destroy_process_group()


@pytest.mark.slow
def test_two_processes_learn_what_one_learns_from_the_whole_batch(tmp_path: Path) -> None:
    multiprocessing.spawn(work, (tmp_path,), nprocs=WORLD)  # type: ignore[attr-defined, no-untyped-call]
    whole = learn(0, 1)
    for rank in range(WORLD):
        halves = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        assert halves.keys() == whole.keys()
        for name, tensor in whole.items():
            assert torch.allclose(halves[name], tensor, atol=1e-5), name
