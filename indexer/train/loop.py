"""The one loop that every method of learning runs in."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Literal

import torch
from lightly.utils.dist import rank, world_size
from timm.layers import convert_sync_batchnorm
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from indexer.errors import GlimpseError
from indexer.train.batches import Batch, Batches
from indexer.train.method import Method
from indexer.train.runs import Run

__all__ = ["Machine", "Pace", "Step", "share_batch_norm", "train"]

Precision = Literal["fp32", "bf16", "fp16"]


@dataclass(frozen=True, slots=True)
class Pace:
    """How long to train: until the steps are taken, or the minutes are over."""

    steps: int | None = None
    minutes: float | None = None
    accumulate: int = 1
    """Batches whose gradients make one step."""
    keep_every_s: float = 60.0
    """How often what was learned so far is kept."""

    def share(self, step: int, seconds: float) -> float:
        """How much of training is done, 0 to 1."""
        by_step = step / self.steps if self.steps else 0.0
        by_time = seconds / (60 * self.minutes) if self.minutes else 0.0
        return min(1.0, max(by_step, by_time))


@dataclass(frozen=True, slots=True)
class Machine:
    """What a run computes with."""

    device: Literal["cpu", "cuda", "mps"] = "cpu"
    precision: Precision = "fp32"
    """Of the layers that bear it (autocast); weights and losses are float32 always."""

    def autocast(self) -> torch.autocast:
        """The context of a forward pass."""
        dtype = torch.float16 if self.precision == "fp16" else torch.bfloat16
        return torch.autocast(self.device, dtype, enabled=self.precision != "fp32")


@dataclass(frozen=True, slots=True)
class Step:
    """What a listener is told after each step."""

    number: int
    """Counted from 1."""
    seconds: float
    """Spent on training so far, interruptions left out."""
    share: float
    """Of the whole training that is done, 0 to 1."""
    loss: float
    learning_rate: float
    figures: dict[str, float]
    pictures: int
    """That training has seen so far, of all processes, each as often as it came."""
    warning: str | None = None

    def row(self) -> dict[str, float]:
        """As a row of the curve."""
        return {
            "step": self.number,
            "seconds": self.seconds,
            "pictures": self.pictures,
            "learning_rate": self.learning_rate,
            "loss": self.loss,
            **self.figures,
        }


def train(
    method: Method,
    optimizer: torch.optim.Optimizer,
    learning_rate: Callable[[float], float],
    batches: Batches,
    pace: Pace,
    run: Run,
    *,
    seed: int,
    machine: Machine,
    resume: bool = False,
    on_step: Callable[[Step], object] = lambda step: None,
) -> None:
    """Train until the steps or the minutes are used up; `method` is what has learned then.

    `learning_rate` maps the share of training that is done, 0 to 1, to the rate. A run that was stopped at any
    time, even killed, goes on with `resume` from what was kept last, and takes the same steps as it would have.
    Raises GlimpseError where the loss, or a weight at the end, is no number any more.
    """
    loop = _Loop(method, optimizer, learning_rate, batches, pace, run, seed, machine)
    if resume:
        loop.restore()
    loop.run(on_step)
    _require_numbers(method)


@dataclass
class _Loop:
    method: Method
    optimizer: torch.optim.Optimizer
    learning_rate: Callable[[float], float]
    batches: Batches
    pace: Pace
    run_: Run
    seed: int
    machine: Machine
    step: int = 0
    seconds: float = 0.0
    rows: list[dict[str, float]] = field(default_factory=list)
    """Of the curve, since the state was kept last."""

    def __post_init__(self) -> None:
        self.scaler = torch.amp.GradScaler(
            self.machine.device, enabled=self.machine.precision == "fp16"
        )
        self.forward = _forward(self.method, self.machine.device)

    def run(self, on_step: Callable[[Step], object]) -> None:
        self.method.train()
        before = self.seconds
        began = kept = time.monotonic()
        source = iter(self.batches.starting(self.step * self.pace.accumulate))
        while self._share() < 1:
            rate = self.learning_rate(self._share())
            loss = self._take(source, rate)
            self.step += 1
            now = time.monotonic()
            self.seconds = _agreed(before + now - began, self.machine.device)
            self.method.after_step(self._share())
            on_step(self._report(loss, rate))
            if now - kept >= self.pace.keep_every_s:
                self._keep()
                kept = now
        self._keep()

    def restore(self) -> None:
        state = self.run_.load_state()
        self.method.load_state_dict(state["method"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])
        self.step, self.seconds = state["step"], state["seconds"]
        if rank() == 0:
            self.run_.cut_curve(self.step)

    def _share(self) -> float:
        return self.pace.share(self.step, self.seconds)

    def _take(self, source: Iterator[Batch], rate: float) -> float:
        """One step of the optimiser; its mean loss, over the processes too."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad(set_to_none=True)
        losses = [self._accumulate(source, part) for part in range(self.pace.accumulate)]
        self.scaler.step(self.optimizer)
        self.scaler.update()
        loss = float(_mean(torch.stack(losses).mean()))
        if (
            not math.isfinite(loss) and self.machine.precision != "fp16"
        ):  # the scaler skips such steps
            raise GlimpseError(
                f"the loss is no number after {self.step} steps; lower the learning rate with --learning-rate"
            )
        return loss

    def _accumulate(self, source: Iterator[Batch], part: int) -> Tensor:
        batch = tuple(_placed(each, self.machine.device) for each in next(source))
        # What a method draws depends on the step alone, so that a resumed run draws the same.
        torch.manual_seed(hash((self.seed, self.step, part, rank())) & 0xFFFF_FFFF)
        with self._without_exchange(part):
            with self.machine.autocast():
                loss: Tensor = self.forward(batch)
            self.scaler.scale(loss / self.pace.accumulate).backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    def _without_exchange(self, part: int) -> AbstractContextManager[None]:
        """Gradients are exchanged once a step, with its last batch."""
        is_last = part == self.pace.accumulate - 1
        if isinstance(self.forward, DistributedDataParallel) and not is_last:
            return self.forward.no_sync()
        return nullcontext()

    def _report(self, loss: float, rate: float) -> Step:
        step = Step(
            self.step,
            self.seconds,
            self._share(),
            loss,
            rate,
            self.method.figures(),
            self.step * self.pace.accumulate * self.batches.batch,
            self.method.warning(),
        )
        self.rows.append(step.row())
        return step

    def _keep(self) -> None:
        """Keep the rows, then the state: resuming cuts off rows whose state was not kept."""
        if rank() == 0:
            self.run_.append(self.rows)
            self.run_.save_state(
                {
                    "method": self.method.state_dict(),
                    "optimizer": self.optimizer.state_dict(),
                    "scaler": self.scaler.state_dict(),
                    "step": self.step,
                    "seconds": self.seconds,
                }
            )
        self.rows = []


class _AsForward(nn.Module):
    """A method whose `forward` is its loss, since that is what DistributedDataParallel watches."""

    def __init__(self, method: Method) -> None:
        super().__init__()
        self.method = method

    def forward(self, batch: Batch) -> Tensor:
        return self.method.loss(batch)


def _require_numbers(method: Method) -> None:
    learned = [each for each in method.state_dict().values() if each.is_floating_point()]
    if not all(bool(each.isfinite().all()) for each in learned):
        raise GlimpseError(
            "training diverged: what was learned has weights that are no numbers; lower --learning-rate"
        )


def _forward(method: Method, device: str) -> nn.Module:
    method.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    if world_size() == 1:
        return _AsForward(method)
    wrapped: nn.Module = _AsForward(method)
    if method.shares_batch_norm and device == "cuda":  # there is none for processors
        wrapped = share_batch_norm(wrapped)
    return DistributedDataParallel(wrapped)


def share_batch_norm(module: nn.Module) -> nn.Module:
    """The same network, whose batch norms see the batches of all processes.

    By timm, whose own batch norms do an activation besides; torch's converter would leave that out.
    """
    return convert_sync_batchnorm(module)  # type: ignore[no-any-return]


def _placed(tensor: Tensor, device: str) -> Tensor:
    if tensor.ndim == 4:
        return tensor.to(device, non_blocking=True, memory_format=torch.channels_last)
    return tensor.to(device, non_blocking=True)


def _mean(value: Tensor) -> Tensor:
    """Over the processes."""
    if world_size() > 1:
        torch.distributed.all_reduce(value)
        value /= world_size()
    return value


def _agreed(seconds: float, device: str) -> float:
    """The leading process's clock, so that all end together."""
    if world_size() == 1:
        return seconds
    value = torch.tensor(seconds, dtype=torch.float64, device=device)
    torch.distributed.broadcast(value, src=0)
    return float(value)
