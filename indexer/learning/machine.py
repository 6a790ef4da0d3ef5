"""What a run computes with: device, precision, processes."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar

import torch
from torch import distributed

from indexer.errors import UsageError
from indexer.learning.options import TrainOptions
from indexer.runtime.devices import Device, Wanted, pick_device
from indexer.train.loop import Machine, Precision

__all__ = ["agree", "choose_machine", "processes", "threads", "workers"]

LONGEST_WAIT = timedelta(days=7)
"""For the leading process, which decodes all pictures while the others wait."""

MOST_DRAWING = 8
"""Processes that draw views for a processor: each keeps batches ahead in memory, and it never trains so fast."""

T = TypeVar("T")


def choose_machine(options: TrainOptions, wanted: Wanted) -> Machine:
    """The device that the configuration names, and the precision in which it is fast."""
    device = pick_device(wanted)
    if device == "cuda" and "LOCAL_RANK" in os.environ:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    if options.precision == "fp16" and device == "cpu":
        raise UsageError(
            "--precision fp16 needs an accelerator; on the processor give bf16 or fp32"
        )
    return Machine(device, _fastest(device) if options.precision == "auto" else options.precision)


def _fastest(device: Device) -> Precision:
    if device == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
    # Processors without such instructions emulate bf16, slowly.
    knows_bf16 = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    return "bf16" if device == "cpu" and knows_bf16() else "fp32"


def workers(options: TrainOptions, device: Device | str) -> int:
    """Processes that draw views: one a core; where another chip trains, a core is left to feed it."""
    if options.workers is not None:
        return options.workers
    cores = os.cpu_count() or 1
    return max(1, (cores - 1 if device == "cuda" else min(cores, MOST_DRAWING)) // _world())


@contextmanager
def threads(wanted: int, device: str) -> Iterator[None]:
    """The threads that the processor trains with: all cores, unless the user says how many.

    Those that draw views give way to them.
    """
    before = torch.get_num_threads()
    if wanted or device == "cpu":
        torch.set_num_threads(wanted or max(1, (os.cpu_count() or 1) // _world()))
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _world() -> int:
    return int(os.environ.get("WORLD_SIZE", "1"))


@contextmanager
def processes(device: str) -> Iterator[None]:
    """Join the other processes, where torchrun has started several."""
    if _world() == 1:
        yield
        return
    backend = "nccl" if device == "cuda" else "gloo"
    distributed.init_process_group(backend, timeout=LONGEST_WAIT)
    try:
        yield
    finally:
        distributed.destroy_process_group()


def agree(value: T) -> T:
    """The leading process's value, in all of them; they wait for it."""
    if not distributed.is_initialized():
        return value
    values = [value]
    distributed.broadcast_object_list(values, src=0)
    return values[0]
