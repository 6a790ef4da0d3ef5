"""What must hold in a catalog, in whatever database: each check tells what is wrong, in words. Writes nothing."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import func, select

from storage import auditing
from storage.errors import LibraryVersionError
from storage.migrations import NEWEST, schema_version
from storage.records import VECTOR_DTYPE, SpaceRecord
from storage.rules import rules
from storage.tables import embeddings, meta
from storage.view import View

__all__ = [
    "CHECKS",
    "Look",
    "OnStep",
    "by_rows",
    "by_snapshots",
    "by_tables",
    "by_vectors",
    "findings",
]

OnStep = Callable[[str, int, int], object]
"""Gets what is looked at, how much of it is done, and of how much."""

EXAMPLES = 3
AT_ONCE = 4096
LENGTH_OFF = 2e-3
"""How far from 1 a vector's length may be: float16 rounds it off by at most half a thousandth."""


@dataclass(frozen=True, slots=True)
class Look:
    """A look at a catalog."""

    view: View
    name: str
    """Of the catalog, for messages."""
    folder: Path
    """The library's."""
    on_step: OnStep
    is_copy: bool = False
    """Whether it is a copy, so that it does not matter that the library has come further since."""


def findings(look: Look, checks: Sequence["Check"]) -> list[str]:
    """What the first check finds that finds anything: what comes after counts on it."""
    return next((found for check in checks if (found := list(check(look)))), [])


def by_tables(look: Look) -> Iterator[str]:
    """Whether its schema is this program's, and it tells of itself. Raises LibraryVersionError."""
    view = look.view
    if not view.connection.dialect.has_table(view.connection, meta.name):
        yield "it is empty"
        return
    version = schema_version(view.connection)
    if not version:
        yield "it does not say which schema it has"
        return
    if version > NEWEST or (version < NEWEST and not look.is_copy):
        raise LibraryVersionError(
            f"{look.name} has schema {version}, and this Glimpse checks {NEWEST}; "
            + ("install the Glimpse that wrote it" if version > NEWEST else OLDER)
        )
    if version < NEWEST:
        return
    if not view.library_id() or not (view.get_meta("change_seq") or "").isdecimal():
        yield "it does not say which library it is, or how far it has come"


OLDER = "let another verb bring it up to date first, such as: glimpse status"


def by_rows(look: Look) -> Iterator[str]:
    """What must not be between rows."""
    look.on_step("rows of the catalog", 0, 0)
    view = look.view
    if schema_version(view.connection) < NEWEST:  # a copy made before a migration
        return
    for what, query in rules(view.change_seq()):
        rows = query.subquery()
        count = view.connection.scalar(select(func.count()).select_from(rows))
        if count:
            ids = view.connection.scalars(query.limit(EXAMPLES))
            yield f"{what}: {count} ({', '.join(map(str, ids))}{', …' if count > EXAMPLES else ''})"


def by_vectors(look: Look) -> Iterator[str]:
    """What cannot be a vector."""
    view = look.view
    for space in view.spaces():
        bad = list[int]()
        for done, (ids, vectors) in enumerate(_vectors(view, space)):
            look.on_step("vectors", done * AT_ONCE, 0)
            lengths = np.linalg.norm(vectors, axis=1)
            sound = np.isfinite(lengths) & (np.abs(lengths - 1) <= LENGTH_OFF)
            bad += ids[~sound].tolist()
        if bad:
            some = ", ".join(map(str, bad[:EXAMPLES]))
            more = ", …" if len(bad) > EXAMPLES else ""
            yield f"vectors of space {space.name} have not the length 1: {len(bad)} (content {some}{more})"


def _vectors(view: View, space: SpaceRecord) -> Iterator[tuple[Any, Any]]:
    """All vectors of a space, also of contents that no photo has: ids (n,) and float32 (n, dim), in parts."""
    query = select(embeddings.c.content_id, embeddings.c.vector).where(
        embeddings.c.space_id == space.id, embeddings.c.vector.is_not(None)
    )
    with view.connection.execute(query, execution_options={"yield_per": AT_ONCE}) as found:
        for part in found.partitions():
            joined = b"".join(row[1] for row in part)
            vectors = np.frombuffer(joined, VECTOR_DTYPE).reshape(-1, space.dim)
            yield np.array([row[0] for row in part]), vectors.astype(np.float32)


def by_snapshots(look: Look) -> Iterator[str]:
    """What is not as the sound snapshots of the folder have it."""
    look.on_step("vectors beside the snapshots", 0, 0)
    view = look.view
    for space in view.spaces():
        yield from auditing.disagreements(view, look.folder, space)
    for path in () if look.is_copy else auditing.ahead(view, look.folder):
        yield (
            f"{path} was written later than all that it knows, so what came between is lost; if you put an older "
            f"catalog there yourself, delete that file"
        )


Check = Callable[[Look], Iterator[str]]

CHECKS: tuple[Check, ...] = (by_tables, by_rows, by_vectors, by_snapshots)
"""In order."""
