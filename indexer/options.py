"""How the options of a verb are declared: as fields of a dataclass, each with what the command's help says of it."""

from dataclasses import field
from typing import Any

__all__ = ["option"]


def option(default: Any, help: str, *, name: str = "", metavar: str | None = None) -> Any:
    """A field that is an option of the command too.

    It is called `--its-name` there unless a `name` is given, and what is on by default has a `--no-…` besides.
    `metavar` stands in the help for the value.
    """
    return field(default=default, metadata={"help": help, "name": name, "metavar": metavar})
