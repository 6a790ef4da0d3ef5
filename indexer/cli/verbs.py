"""The program: its verbs, of which only the one that is asked for is loaded, and how it ends."""

import gc
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version
from keyword import iskeyword
from typing import Annotated

import typer

from indexer.cli import console
from indexer.cli.interrupting import end, leave, on_interruption

__all__ = ["VERBS", "main", "program"]

USAGE = 2
VERBS = {
    "build": "building",
    "watch": "watching",
    "search": "searching",
    "ui": "showing",
    "dedupe": "dedupe",
    "map": "mapping",
    "tag": "tagging",
    "train": "learning",
    "eval": "measuring",
    "export": "exchanging",
    "import": "exchanging",
    "models": "building",
    "status": "keeping",
    "errors": "keeping",
    "verify": "verifying",
    "remove": "keeping",
}
"""The module that each is in, in the order in which help lists them."""


def program(arguments: Sequence[str]) -> typer.Typer:
    """What reads these arguments: the verb that they begin with; all verbs where there is none, as for help."""
    from indexer.cli.command import Parsed, verb  # deferred with all that it imports: see `main`

    app = typer.Typer(
        name="glimpse",
        help="Find pictures by meaning, in your own folders, on your own machine.",
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_several)
    asked = [name for name in arguments[:1] if name in VERBS]
    for name in asked or VERBS:
        module = import_module(f"indexer.cli.{VERBS[name]}")
        function = getattr(module, f"{name}_" if iskeyword(name) else name)
        app.command(name, cls=Parsed)(verb(function))
    return app


def main() -> None:
    """Run the command."""
    on_interruption(leave)
    gc.disable()  # what is imported stays, and to look through it for garbage takes a tenth of the start
    try:
        app = program(sys.argv[1:])
        gc.freeze()
        gc.enable()
        code = app(standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):  # while a verb ends
        end()
        console.note(f"glimpse: {console.STOPPED}")
        code = console.INTERRUPTED
    except typer.TyperException as error:
        message = getattr(error, "format_message", error.__str__)().replace("Value error, ", "")
        hint = "" if "\n" in message else "; see: glimpse --help"  # more than a line is help itself
        console.note(f"glimpse: {message.rstrip('.')}{hint}" if hint else message)
        code = USAGE
    end()
    sys.exit(code)


def _tell_version(wanted: bool) -> None:
    if wanted:
        print(f"glimpse {version('glimpse')}")
        raise typer.Exit


def _several(
    tell: Annotated[
        bool,
        typer.Option(
            "--version", help="Say which one this is.", callback=_tell_version, is_eager=True
        ),
    ] = False,
) -> None:
    """With this, one verb alone is still called by its name."""
