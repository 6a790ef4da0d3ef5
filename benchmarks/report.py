"""What every benchmark does with its figures: says how they came about, prints them, keeps them."""

import argparse
import json
import os
import platform
import sys
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

__all__ = ["over_photos", "publish"]


def over_photos(description: str | None, *files: str) -> argparse.ArgumentParser:
    """What a benchmark over a folder of pictures is told: the folder, files beside it, model, library, result."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawTextHelpFormatter
    )
    for name in ("photos", *files):
        parser.add_argument(name, type=Path)
    parser.add_argument("--model", default="starter")
    parser.add_argument("--library", type=Path)
    parser.add_argument("--out", type=Path)
    return parser


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
