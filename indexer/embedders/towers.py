"""What the families of PyTorch models share: measuring a tower, and saying why weights misfit."""

import torch
from torch import nn

from indexer.errors import ModelError

__all__ = ["misfit", "output_dim"]


@torch.inference_mode()
def output_dim(tower: nn.Module, size: int) -> int:
    """Width of the rows that an image tower gives; ModelError where it gives no rows."""
    shape = tuple(tower(torch.zeros(1, 3, size, size)).shape)
    if len(shape) != 2:
        raise ModelError(f"the model gives {shape} for one picture, not one row")
    return int(shape[1])


def misfit(error: Exception) -> str:
    """One line from what `load_state_dict` raises, which is a paragraph for each kind of fault."""
    lines = [line.strip() for line in str(error).splitlines()]
    faults = [line if len(line) <= 150 else f"{line[:149]}…" for line in lines[1:4]]
    more = f" (and {len(lines) - 4} more)" if len(lines) > 4 else ""
    return "; ".join(faults or lines or [type(error).__name__]) + more
