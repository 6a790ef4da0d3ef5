"""Which device a model runs on, found out without importing PyTorch where there is none."""

import logging
import platform
import sys
from pathlib import Path
from typing import Literal

from indexer.errors import ModelError

__all__ = ["Device", "Wanted", "pick_device"]

Device = Literal["cpu", "cuda", "mps"]
Wanted = Literal["auto", "cpu", "cuda", "mps"]

logger = logging.getLogger(__name__)

# What the drivers of NVIDIA, of AMD and of Windows' Linux put into /dev.
_NODES = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")


def pick_device(wanted: Wanted = "auto") -> Device:
    """The device to compute on: the one that is wanted, or the best that works here.

    Raises ModelError where one is wanted by name and does not work.
    """
    if wanted == "cpu" or (wanted == "auto" and not _may_have_accelerator()):
        return "cpu"
    candidates: tuple[Device, ...] = ("cuda", "mps") if wanted == "auto" else (wanted,)
    for device in candidates:
        fault = _fault(device)
        if fault is None:
            return device
        if wanted != "auto":
            raise ModelError(f"the device {device} cannot be used here ({fault}); use cpu or auto")
        logger.info("%s is not used: %s", device, fault)
    return "cpu"


def _may_have_accelerator() -> bool:
    if sys.platform == "linux":
        return any(Path(node).exists() for node in _NODES)
    return sys.platform == "win32" or platform.machine() == "arm64"


def _fault(device: Device) -> str | None:
    """Why PyTorch cannot compute on a device; None where it can.

    A card can be listed and still fail everything, when this PyTorch is not built for it.
    """
    import torch  # deferred: 3 s, which a machine without an accelerator need not spend

    there = torch.cuda.is_available() if device == "cuda" else torch.backends.mps.is_available()
    if not there:
        return "PyTorch sees none"
    try:
        ones = torch.ones(8, 8, device=device, dtype=torch.float16)
        return None if (ones @ ones)[0, 0].item() == 8 else "it computes wrongly"
    except RuntimeError as error:
        return str(error).strip().splitlines()[0]
