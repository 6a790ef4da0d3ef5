"""What the catalog knows, read in one transaction."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from sqlalchemy import Connection, exists, or_, select, true

from storage import statements
from storage.points import Point
from storage.records import KnownFile, RootRecord, SpaceRecord, State
from storage.tables import contents, embeddings, photos, roots, spaces

__all__ = ["CHUNK", "Moment", "Remembered", "View", "chunked"]

CHUNK = 500  # ids in one IN (…), well below the least limit on variables that SQLite has had (999)
DAY_S = 86_400
STATES = {state.value: state for state in State}


def chunked(ids: Sequence[int]) -> Iterator[list[int]]:
    """The ids in lists that fit one statement, as plain ints: SQLite stores a numpy integer as a blob."""
    for start in range(0, len(ids), CHUNK):
        yield [int(i) for i in ids[start : start + CHUNK]]


class View:
    """What can be read in one transaction."""

    def __init__(self, connection: Connection, home: str = "") -> None:
        self.connection = connection
        self.home = home
        """The library's folder among those that share its catalog; empty for the one that holds it."""

    @property
    def dialect(self) -> str:
        """The name of the dialect that the database speaks."""
        return self.connection.dialect.name

    def get_meta(self, key: str) -> str | None:
        """A value of the library itself, such as `default_space`."""
        return self.connection.scalar(statements.META, {"key": key})

    def library_id(self) -> str:
        """What tells the library from any other, and stays when its folder moves."""
        return self.get_meta("library_id") or ""

    def change_seq(self) -> int:
        """The number of the newest batch."""
        return self.point().seq

    def point(self) -> Point:
        """The newest batch, told from any other that has its number."""
        rows = self.connection.execute(statements.POINT)
        return Point.of({row.key: row.value for row in rows})

    def roots(self) -> list[RootRecord]:
        """Every root, in the order of their paths."""
        return [
            RootRecord(*row)
            for row in self.connection.execute(select(roots).order_by(roots.c.path))
        ]

    def spaces(self) -> list[SpaceRecord]:
        """Every embedding space, oldest first."""
        return [
            SpaceRecord(*row)
            for row in self.connection.execute(select(spaces).order_by(spaces.c.id))
        ]

    def folders(self, root_id: int) -> set[bytes]:
        """The folders of a root that hold a known file, relative to it."""
        query = select(photos.c.folder).where(photos.c.root_id == root_id).distinct()
        return set(self.connection.scalars(query))

    def known_files(
        self, root_id: int, folder: bytes, space_id: int | None
    ) -> dict[bytes, KnownFile]:
        """What is known of the files directly in a folder, by name.

        `embedded` tells whether the space has an answer for the content, a vector or a reason.
        """
        done = exists().where(
            embeddings.c.space_id == (space_id or 0), embeddings.c.content_id == photos.c.content_id
        )
        columns = photos.c["name", "state", *KnownFile._fields[:-2]]
        query = select(*columns, done).where(photos.c.root_id == root_id, photos.c.folder == folder)
        return {
            name: KnownFile._make((*known, STATES[state], is_done))
            for name, state, *known, is_done in self.connection.execute(query).all()
        }

    def content_sizes(self) -> set[int]:
        """Sizes in bytes of all known contents: only a file of such a size can be a copy of one."""
        return set(self.connection.scalars(select(contents.c.size).distinct()))

    def orphans(self, older_than_s: float) -> list[tuple[int, bytes]]:
        """Ids and hashes of contents that no photo has had for that long; all of them with 0."""
        now, since = time.time(), contents.c.orphaned_at
        # A clock was wrong where that lies ahead, by more than those of several machines differ.
        due = or_(since <= now - older_than_s, since > now + DAY_S) if older_than_s else true()
        found = select(contents.c.id, contents.c.sha256).where(since.is_not(None), due)
        return [(id, sha256) for id, sha256 in self.connection.execute(found)]

    def content_id(self, sha256: bytes) -> int | None:
        """The content with these bytes."""
        return self.connection.scalar(statements.CONTENT_ID, {"sha256": sha256})

    def content_ids(self, hashes: Sequence[bytes]) -> dict[bytes, int]:
        """The contents with these bytes, by hash; those that are not known are left out."""
        found = dict[bytes, int]()
        for start in range(0, len(hashes), CHUNK):
            chosen = contents.c.sha256.in_(hashes[start : start + CHUNK])
            rows = self.connection.execute(select(contents.c.sha256, contents.c.id).where(chosen))
            found.update((row[0], row[1]) for row in rows)
        return found

    def with_vector(self, content_ids: Sequence[int], space_id: int) -> set[int]:
        """Those of the contents that the space has a vector for."""
        has = (embeddings.c.space_id == space_id) & embeddings.c.vector.is_not(None)
        query = select(embeddings.c.content_id).where(has)
        return {
            id
            for ids in chunked(content_ids)
            for id in self.connection.scalars(query.where(embeddings.c.content_id.in_(ids)))
        }


@dataclass
class Known:
    """What was read of the catalog as it is after one of its batches; the next one changes it."""

    point: Point | None
    meta: dict[str, str | None] = field(default_factory=dict)
    spaces: list[SpaceRecord] | None = None


class Remembered:
    """What the moments of a catalog know, from one to the next. Safe for many threads."""

    def __init__(self) -> None:
        self._last = Known(None)

    def at(self, point: Point) -> Known:
        """What is known after that batch."""
        last = self._last
        if last.point != point:
            self._last = last = Known(point)
        return last


class Moment(View):
    """A view of a transaction that only reads: what every search asks is read once, until a batch is committed."""

    def __init__(self, connection: Connection, home: str, remembered: Remembered) -> None:
        super().__init__(connection, home)
        self._remembered = remembered

    @cached_property
    def _point(self) -> Point:
        return super().point()

    @cached_property
    def _known(self) -> Known:
        return self._remembered.at(self._point)

    def point(self) -> Point:
        """As `View`."""
        return self._point

    def get_meta(self, key: str) -> str | None:
        """As `View`."""
        meta = self._known.meta
        if key not in meta:
            meta[key] = super().get_meta(key)
        return meta[key]

    def spaces(self) -> list[SpaceRecord]:
        """As `View`."""
        if self._known.spaces is None:
            self._known.spaces = super().spaces()
        return list(self._known.spaces)
