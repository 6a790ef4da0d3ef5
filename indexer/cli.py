"""The command: reads arguments, asks a `Library`, prints.

Results go to standard output, progress and warnings to standard error; an error is one line.
"""

import functools
import inspect
import json
import logging
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from indexer import (
    Answer,
    BuildOptions,
    Config,
    Filter,
    Hit,
    Library,
    Query,
    all_names,
    console,
    known_models,
)
from indexer.errors import GlimpseError

__all__ = ["app", "main"]

USAGE = 2
SOME_SKIPPED = 3
INTERRUPTED = 130

app = typer.Typer(
    name="glimpse",
    help="Find pictures by meaning, in your own folders, on your own machine.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


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

    def open(self, *, create: bool = False) -> Library:
        """The library that these options name."""
        return Library.open(self.library, create=create, config=Config.load(self.config))


def verb(function: Callable[..., int | None]) -> Callable[..., None]:
    """Make a function a verb: it gets `Common` first, and its result is the exit code."""
    own = list(inspect.signature(function).parameters.values())[1:]
    shared = list(inspect.signature(Common).parameters.values())
    names = [parameter.name for parameter in shared]

    @functools.wraps(function)
    def run(**values: Any) -> None:
        common = Common(**{name: values.pop(name) for name in names})
        raise typer.Exit(_guarded(common, lambda: function(common, **values)))

    keyword = inspect.Parameter.KEYWORD_ONLY
    run.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [parameter.replace(kind=keyword) for parameter in (*own, *shared)]
    )
    return app.command()(run)


def _guarded(common: Common, action: Callable[[], int | None]) -> int:
    """Run a verb; whatever goes wrong is one line and an exit code."""
    level = logging.DEBUG if common.debug else logging.INFO if common.verbose else logging.WARNING
    logging.basicConfig(level=level, format="%(message)s", stream=sys.stderr)
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
        return code


def _failure(error: BaseException) -> tuple[int, str]:
    """Exit code and line."""
    match error:
        case GlimpseError():
            return error.exit_code, str(error)
        case KeyboardInterrupt():
            return INTERRUPTED, "stopped; what was finished is kept, and the next run goes on"
    named = f"{type(error).__name__}: {error}"
    return 1, f"{named}; this is a fault in Glimpse (--debug tells more)"


@verb
def build(
    common: Common,
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="PATH…", help="Folders; none stands for all that the library has."),
    ] = None,
    model: Annotated[str | None, typer.Option(help="The model; see `glimpse models`.")] = None,
    exclude: Annotated[
        list[str] | None, typer.Option(metavar="GLOB", help="Leave out, in gitignore's syntax.")
    ] = None,
    include_hidden: Annotated[bool, typer.Option("--include-hidden", help="Also .names.")] = False,
    verify: Annotated[bool, typer.Option("--verify", help="Read every file again.")] = False,
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Embed everything again.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count.")] = False,
    adopt: Annotated[bool, typer.Option("--adopt", help="Make the space the default.")] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="Forget files that are gone, unasked.")
    ] = False,
) -> int:
    """Find pictures in folders, embed and store them; only what is new or changed."""
    options = BuildOptions(
        model=model,
        space=common.space,
        exclude=tuple(exclude or ()),
        include_hidden=include_hidden,
        verify=verify,
        rebuild=rebuild,
        dry_run=dry_run,
        adopt=adopt,
    )
    with common.open(create=True) as library:
        bar = console.Bar()
        with bar.shown():
            report = library.build(
                paths or (),
                options,
                on_progress=bar.update,
                notify=bar.note,
                confirm=lambda question: yes or bar.ask(question),
            )
    if dry_run:
        print(f"{report.pending} files to read, {report.unchanged} unchanged")
        return 0
    for line in console.build_summary(report):
        console.note(line)
    return SOME_SKIPPED if report.failed else 0


@verb
def search(
    common: Common,
    query: Annotated[
        list[str],
        typer.Argument(
            metavar="QUERY…",
            help='Words, ./picture.jpg, photo:ID, or an expression: "2:golden retriever" + ./pool.jpg - fruit',
        ),
    ],
    top: Annotated[int | None, typer.Option("-t", "--top", help="Results at most.")] = None,
    threshold: Annotated[float | None, typer.Option(help="The least score.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    filepath_only: Annotated[
        bool, typer.Option("-f", "--filepath-only", help="Print paths alone.")
    ] = False,
    null: Annotated[
        bool, typer.Option("-0", help="Print paths ended by NUL, for xargs -0.")
    ] = False,
    include_self: Annotated[
        bool, typer.Option("--include-self", help="Also the very pictures asked with.")
    ] = False,
    after: Annotated[str | None, typer.Option(metavar="DATE", help="Taken at or after.")] = None,
    before: Annotated[str | None, typer.Option(metavar="DATE", help="Taken before.")] = None,
    folder: Annotated[Path | None, typer.Option(metavar="DIR", help="In this folder.")] = None,
    camera: Annotated[str | None, typer.Option(help="Part of the camera's name.")] = None,
) -> None:
    """Find photos by words, by a picture, or by both."""
    parsed = Query.parse(query)
    where = Filter(after, before, str(folder.resolve()) if folder else None, camera)
    with common.open() as library:
        answer = library.search(
            parsed,
            top,
            where=where,
            space=common.space,
            threshold=threshold,
            include_self=include_self,
            notify=console.note,
        )
    for notice in (*answer.notices, *_file_notice(query)):
        console.note(notice)
    if as_json:
        print(json.dumps(_answer_as_json(answer)))
    elif filepath_only or null:
        console.write_lines((os.fsencode(hit.path) for hit in answer), b"\0" if null else b"\n")
    else:
        console.write_lines(b"%.3f\t%s" % (hit.score, os.fsencode(hit.path)) for hit in answer)


def _file_notice(query: list[str]) -> list[str]:
    """Somebody who types the name of a picture means the picture."""
    return [
        f"{word} is also a file here; to search by it, write ./{word}"
        for word in query
        if "/" not in word and Path(word).suffix and Path(word).is_file()
    ]


def _answer_as_json(answer: Answer) -> dict[str, Any]:
    return {
        "query": answer.query,
        "space": answer.space,
        "total": answer.total,
        "results": [_hit_as_json(hit) for hit in answer],
    }


def _hit_as_json(hit: Hit) -> dict[str, Any]:
    photo = asdict(hit.photo)
    photo_id, path = photo.pop("id"), str(photo.pop("path"))
    known = {key: value for key, value in photo.items() if value is not None}
    return {"rank": hit.rank, "score": hit.score, "path": path, "photo_id": photo_id, **known}


@verb
def ui(
    common: Common,
    port: Annotated[int | None, typer.Option(help="The port on 127.0.0.1.")] = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Open no browser.")] = False,
) -> int:
    """Open the page, on this machine alone."""
    config = Config.load(common.config)
    command = [sys.executable, "-m", "search_ui", "--port", str(port or config.ui.port)]
    command += ["--library", str(common.library)] if common.library else []
    command += ["--config", str(common.config)] if common.config else []
    command += ["--no-browser"] if no_browser else []
    try:
        return subprocess.call(command)
    except KeyboardInterrupt:  # the page has ended by the same key
        return INTERRUPTED


@verb
def models(
    common: Common,
    every: Annotated[bool, typer.Option("--all", help="Every name that is known.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list.")] = False,
) -> None:
    """List the models that can be used, with size and licence, and which are on disk."""
    if every:
        names = all_names()
        console.write_lines(
            [json.dumps(names).encode()] if as_json else (n.encode() for n in names)
        )
        return
    known = known_models()
    if as_json:
        print(json.dumps([asdict(model) for model in known]))
        return
    console.show([console.models_table(known)])
    console.note(
        "besides: ssl:CHECKPOINT, timm:NAME@FILE, open_clip:ARCH@FILE, open_clip:local-dir:FOLDER; "
        "--all lists every name"
    )


@verb
def status(
    common: Common,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show roots, photos by state, spaces, and sizes on disk."""
    with common.open() as library:
        found, sizes = library.status(), library.sizes()
    if as_json:
        print(json.dumps(asdict(found) | {"sizes": sizes}, default=str))
        return
    console.show(console.status_tables(found, sizes))


@verb
def errors(
    common: Common,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list.")] = False,
) -> None:
    """List every file that was skipped, with the reason."""
    with common.open() as library:
        failed = library.errors()
    if as_json:
        rows = [{"path": str(photo.path), "reason": photo.reason} for photo in failed]
        print(json.dumps(rows))
        return
    console.write_lines(
        os.fsencode(photo.path) + b"\t" + (photo.reason or "").encode() for photo in failed
    )
    if failed:
        console.note("to try them again: glimpse build --verify")


@verb
def remove(
    common: Common,
    root: Annotated[Path, typer.Argument(help="A root, as `glimpse status` shows it.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> int:
    """Forget a root with its photos; the files themselves stay where they are."""
    with common.open() as library:
        if not yes and not console.confirm(f"Forget {root} and what is known of its photos?"):
            console.note(f"glimpse: {root} was kept; confirm with --yes")
            return 1
        console.note(f"{library.remove(root)} photos forgotten")
    return 0


def main() -> None:
    """Run the command."""
    # Not the handler of SIGINT, which a shell sets to ignore for what it starts in the background.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        code = app(standalone_mode=False)
    except typer.TyperException as error:
        message = getattr(error, "format_message", error.__str__)()
        hint = "" if "\n" in message else "; see: glimpse --help"  # more than a line is help itself
        console.note(f"glimpse: {message.rstrip('.')}{hint}" if hint else message)
        code = USAGE
    sys.exit(code)
