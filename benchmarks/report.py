"""What every benchmark does with its figures: says how they came about, prints them, keeps them."""

import json
import os
import platform
import sys
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

__all__ = ["publish"]


def publish(figures: Mapping[str, Any], out: Path | None, accelerator: str | None = None) -> None:
    """Print one JSON object, with command, machine and date, and write it to `out` where that is named."""
    program = f"python -m benchmarks.{Path(sys.argv[0]).stem}"
    result = {
        **figures,
        "command": " ".join([program, *map(_shown, sys.argv[1:])]),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {accelerator or 'no accelerator used'}",
        "date": date.today().isoformat(),
    }
    text = json.dumps(result, indent=2)
    print(text)
    if out is not None:
        out.write_text(text + "\n")


def _shown(argument: str) -> str:
    """Without this machine's folders."""
    return Path(argument).name if os.sep in argument else argument
