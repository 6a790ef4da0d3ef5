"""What all verbs share: the options that each takes, and how it ends."""

import functools
import inspect
import logging
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import Field, dataclass, fields, is_dataclass, replace
from itertools import pairwise, takewhile
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer
from typer.core import TyperCommand, TyperOption

from indexer import Config, Filter, Library
from indexer.cli import console
from indexer.cli.interrupting import abort, is_news, on_interruption
from indexer.errors import GlimpseError
from indexer.printable import printable

__all__ = [
    "SOME_SKIPPED",
    "Common",
    "JsonList",
    "JsonObject",
    "Parsed",
    "from_here",
    "verb",
]

SOME_SKIPPED = 3

JsonObject = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
JsonList = Annotated[bool, typer.Option("--json", help="Print a JSON list.")]


@dataclass(frozen=True, slots=True)
class Common:
    """The options that every verb takes."""

    library: Annotated[Path | None, typer.Option(metavar="DIR", help="The library's folder.")] = (
        None
    )
    config: Annotated[Path | None, typer.Option(metavar="FILE", help="Settings, as TOML.")] = None
    space: Annotated[str | None, typer.Option(metavar="NAME", help="The embedding space.")] = None
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Say more.")] = False
    debug: Annotated[bool, typer.Option("--debug", help="Show where an error arose.")] = False

    def open(
        self, *, create: bool = False, deferred: bool = False, to_build: bool = False
    ) -> Library:
        """The library that these options name. `to_build`: this process and those that it starts now stand back."""
        config = Config.load(self.config)
        if to_build and hasattr(os, "nice"):  # Windows has none
            os.nice(config.build.nice)
        return Library.open(self.library, create=create, deferred=deferred, config=config)


class Parsed(TyperCommand):
    """A verb's arguments: an option that lacks its value is told, and does not take the next option for it."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As Typer's; `--name=--value` says a value that looks like an option."""
        options = [each for each in self.params if isinstance(each, TyperOption)]
        takes_value = {name: not each.is_flag for each in options for name in each.opts}
        for name, value in pairwise(takewhile("--".__ne__, args)):
            if takes_value.get(name) and value in takes_value:
                raise typer.TyperException(f"{name} needs a value, and {value} is an option")
        return super().parse_args(ctx, args)


def verb(function: Callable[..., int | None]) -> Callable[..., None]:
    """Make a function a verb: it gets `Common` first, and its result is the exit code.

    A parameter that is a dataclass stands for its fields, each an option.
    """
    parameters = list(inspect.signature(function).parameters.values())
    groups: dict[str, Any] = {
        p.name: p.annotation for p in parameters if is_dataclass(p.annotation)
    }
    ends = [*(p for p in parameters if p.name not in groups), *_options(groups)]

    @functools.wraps(function)
    def run(**values: Any) -> None:
        common = _take(values, Common)

        def action() -> int | None:  # what checks itself is made where an error becomes one line
            for name, group in groups.items():
                values[name] = common if group is Common else _take(values, group)
            return function(**values)

        # Each time anew: one that meets a destructor is lost, and the next must not be.
        on_interruption(signal.default_int_handler)
        try:
            code = _guarded(common, action)
        except KeyboardInterrupt:  # once more, as it ended
            raise typer.Abort from None
        finally:
            on_interruption(abort)
        raise typer.Exit(code)

    keyword = inspect.Parameter.KEYWORD_ONLY
    run.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [parameter.replace(kind=keyword) for parameter in ends]
    )
    return run


def from_here(where: Filter) -> Filter:
    """The filter with its folder as seen from where the command runs."""
    return replace(where, folder=str(Path(where.folder).resolve())) if where.folder else where


def _take(values: dict[str, Any], group: Any) -> Any:
    """A dataclass of its fields' values, which leave `values`."""
    chosen = {each.name: values.pop(each.name) for each in fields(group) if each.name in values}
    return group(**{k: tuple(v) if isinstance(v, list) else v for k, v in chosen.items()})


def _options(groups: Mapping[str, Any]) -> Iterator[inspect.Parameter]:
    """The fields of dataclasses that say what they are for, as options; those that all verbs take last."""
    for group in sorted(groups.values(), key=lambda group: group is Common):
        hints = get_type_hints(group, include_extras=True)
        for each in fields(group):
            hint = hints[each.name]
            if group is not Common:
                if "help" not in each.metadata:
                    continue  # for programs alone
                hint = _documented(each, hint)
            default = list(each.default) if isinstance(each.default, tuple) else each.default
            yield inspect.Parameter(
                each.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=hint
            )


def _documented(each: Field[Any], hint: Any) -> Any:
    """An option for a field; what is on or off has one name, and what is repeated is read as a list."""
    name = each.metadata.get("name") or f"--{each.name.replace('_', '-')}"
    help, metavar = each.metadata["help"], each.metadata.get("metavar")
    if hint is bool:
        name = f"{name}/--no-{name[2:]}" if each.default else name
    elif hint == tuple[str, ...]:
        hint, metavar = list[str], metavar or "TEXT"
    elif hint == str | Path | None:  # a path can be written as a text
        hint = str | None
    return Annotated[hint, typer.Option(name, help=help, metavar=metavar)]


def _guarded(common: Common, action: Callable[[], int | None]) -> int:
    """Run a verb; whatever goes wrong is one line and an exit code."""
    level = logging.DEBUG if common.debug else logging.INFO if common.verbose else logging.WARNING
    told = logging.StreamHandler()
    told.addFilter(is_news)
    logging.basicConfig(level=level, format="%(message)s", handlers=[told])
    try:
        return action() or 0
    except BrokenPipeError:  # whoever read our results has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (Exception, KeyboardInterrupt) as error:
        if common.debug:
            traceback.print_exc()
        code, line = _failure(error)
        console.note(f"glimpse: {line}")
        if code == console.INTERRUPTED:
            logging.disable()  # what falls apart as it ends is no news
        return code


def _failure(error: BaseException) -> tuple[int, str]:
    """Exit code and line."""
    if isinstance(error, GlimpseError):
        return error.exit_code, str(error)
    if _was_interrupted(error):
        return console.INTERRUPTED, console.STOPPED
    if isinstance(error, OSError) and error.strerror:
        where = f"{printable(error.filename)}: " if error.filename else ""
        return 1, f"{where}{error.strerror} (--debug tells more)"
    if isinstance(error, UnicodeEncodeError):
        return 2, f"{printable(error.object)} is not UTF-8, and cannot be used here"
    named = f"{type(error).__name__}: {error}"
    return 1, f"{named}; this is a fault in Glimpse (--debug tells more)"


def _was_interrupted(error: BaseException | None) -> bool:
    """Whether this is an interruption, or what came of one: locks of Python's own raise errors of theirs."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__context__
    return error is not None
