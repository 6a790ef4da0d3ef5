"""How the options of a verb are declared: as fields of a dataclass, each with what the command's help says of it."""

from dataclasses import field
from typing import Any

__all__ = ["option"]


def option(default: Any, help: str) -> Any:
    """A field that is an option of the command too, `--its-name`."""
    return field(default=default, metadata={"help": help})
