"""Finding photos, on the terminal."""

import difflib
import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from indexer import Answer, Filter, Hit, Library, Query
from indexer.cli import answers, console
from indexer.cli.command import Common, JsonObject, from_here
from indexer.errors import QueryError
from indexer.grammar import PATH_PREFIXES
from indexer.standalone import check_writable

__all__ = ["search"]

LIKE_A_PATH = re.compile(r"[^\s:]+/[^\s/]+\.\w{2,5}")
"""A folder and a name with a suffix, such as words seldom are."""


def search(
    common: Common,
    where: Filter,
    query: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="QUERY…",
            help='Words, ./picture.jpg, a URL, photo:ID, or an expression: "2:golden retriever" + ./pool.jpg - fruit',
        ),
    ] = None,
    top: Annotated[int | None, typer.Option("-t", "--top", help="Results at most.")] = None,
    offset: Annotated[int, typer.Option(help="Results to leave out first, for paging.")] = 0,
    threshold: Annotated[float | None, typer.Option(help="The least score.")] = None,
    relevant: Annotated[
        bool, typer.Option("--relevant", help="Only what is likely or may be an answer.")
    ] = False,
    sort: Annotated[
        str,
        typer.Option(
            help="relevance; or newest or oldest, of what is relevant; without a query also added."
        ),
    ] = "relevance",
    more: Annotated[
        list[int] | None, typer.Option(metavar="ID", help="A photo that is right: find more so.")
    ] = None,
    less: Annotated[
        list[int] | None, typer.Option(metavar="ID", help="A photo that is wrong.")
    ] = None,
    as_json: JsonObject = False,
    filepath_only: Annotated[
        bool, typer.Option("-f", "--filepath-only", help="Print paths alone.")
    ] = False,
    null: Annotated[
        bool, typer.Option("-0", help="Print paths ended by NUL, for xargs -0.")
    ] = False,
    include_self: Annotated[
        bool, typer.Option("--include-self", help="Also the very pictures asked with.")
    ] = False,
    opens: Annotated[
        bool, typer.Option("--open", help="Show the results in the browser, as a contact sheet.")
    ] = False,
    sheet: Annotated[
        Path | None, typer.Option(metavar="FILE.html", help="Write the contact sheet there.")
    ] = None,
) -> None:
    """Find photos by words, by a picture, or by both; without a query, those that pass the filters, by date."""
    parsed = Query.parse(query) if query else Query()
    where = from_here(where)
    if sheet is not None:
        check_writable(sheet)
    with common.open() as library:
        if query or more:
            answer = library.search(
                parsed,
                top,
                where=where,
                space=common.space,
                offset=offset,
                threshold=threshold,
                relevant=relevant,
                sort=sort,  # type: ignore[arg-type]  # checked there
                more=more or (),
                less=less or (),
                include_self=include_self,
                notify=console.note,
            )
        else:
            _refuse_ranking(
                threshold=threshold,
                relevant=relevant or None,
                less=less or None,
                include_self=include_self or None,
                space=common.space,
            )
            answer = _unasked(library, where, top, offset, sort)
        if opens or sheet is not None:
            # Deferred for start-up time: few searches draw a sheet.
            from indexer.cli.sheets import show_sheet

            show_sheet(library, answer, sheet, opens=opens)
        hints = [*_unknown_tags(library, where), *_file_notices(query or [])]
        tags = library.tags_of_photos([hit.photo_id for hit in answer]) if as_json else {}
    for notice in (*answer.notices, *_relevance_notice(answer), *hints):
        console.note(notice)
    if as_json:
        print(json.dumps(answers.search_answer(answer, tags)))
    else:
        _write(answer, b"\0" if null else b"\n", scores=not (filepath_only or null))


def _write(answer: Answer, end: bytes, *, scores: bool) -> None:
    """A line for each photo; where nothing was asked there are no scores."""
    if scores and answer.query:
        console.write_lines(b"%.3f\t%s" % (hit.score, os.fsencode(hit.path)) for hit in answer)
    else:
        console.write_lines((os.fsencode(hit.path) for hit in answer), end)


def _refuse_ranking(**options: object) -> None:
    """What says how answers are ranked says nothing where nothing was asked."""
    for name, value in options.items():
        if value is not None:
            option = f"--{name.replace('_', '-')}"
            raise QueryError(f"{option} needs a query; leave it away, or say what to look for")


def _unasked(library: Library, where: Filter, top: int | None, offset: int, sort: str) -> Answer:
    """Photos that pass the filter, by date."""
    if where.is_empty() and sort == "relevance":
        raise QueryError(
            'say what to look for, as in: glimpse search "a dog on a beach"; or filter'
        )
    order = "newest" if sort == "relevance" else sort
    photos = library.browse(top, where=where, order=order, offset=offset)  # type: ignore[arg-type]  # checked there
    hits = (Hit(rank, 0.0, photo) for rank, photo in enumerate(photos, start=offset + 1))
    return Answer("", "", library.count(where), tuple(hits))


def _relevance_notice(answer: Answer) -> list[str]:
    """Where relevance ends, for somebody who looks at a list that does not."""
    if answer.relevant is None or answer.likely is None or not sys.stderr.isatty():
        return []
    maybe = answer.relevant - answer.likely
    counts = f"{answer.likely} likely, {maybe} maybe"
    if answer.may_go_on:
        return [f"at least {counts} (--relevant looks for all of them)"]
    return [f"{counts}; the rest is unlikely (--relevant leaves it out)"]


def _file_notices(query: list[str]) -> Iterator[str]:
    """Somebody who types the name of a picture means the picture."""
    for word in query:
        if word.startswith(PATH_PREFIXES) or not Path(word).suffix:
            continue
        if Path(word).is_file():
            yield f"{word} is also a file here; to search by it, write ./{word}"
        elif LIKE_A_PATH.fullmatch(word):
            yield f"{word} is no file here, and was taken for words; a picture is asked with by its path, ./…"


def _unknown_tags(library: Library, where: Filter) -> Iterator[str]:
    """A line for each tag that is asked for and that no photo has."""
    asked = (*where.tag, *where.without_tag)
    known = library.all_tags() if asked else {}
    by_lower = {label.casefold(): label for label in known}
    for label in asked:
        if label not in known:
            near = difflib.get_close_matches(label.casefold(), by_lower, n=1)
            remedy = f"did you mean {by_lower[near[0]]!r}?" if near else "see: glimpse tag --list"
            yield f"no photo has the tag {label!r}; {remedy}"
