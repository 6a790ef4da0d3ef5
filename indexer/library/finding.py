"""Asking a library: searches, neighbours, and what is known of photos."""

from collections.abc import Sequence
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from indexer.embedders.base import Embedder, Notify
from indexer.errors import QueryError
from indexer.library.opened import Opened
from indexer.progress import silently
from indexer.query import Query
from indexer.results import Answer, Photo, Sort
from indexer.search.answering import SearchOptions, check_page
from indexer.search.asking import Asking
from indexer.search.ranking import Marks
from indexer.spaces import choose_space
from storage import lookup
from storage.filters import Filter
from storage.points import Point

__all__ = ["Finding"]

EVERYTHING = Filter()


class Finding(Opened):
    """What answers without changing anything."""

    def search(
        self,
        query: str | Query,
        k: int | None = None,
        *,
        where: Filter = EVERYTHING,
        space: str | None = None,
        offset: int = 0,
        threshold: float | None = None,
        relevant: bool = False,
        sort: Sort = "relevance",
        more: Sequence[int] = (),
        less: Sequence[int] = (),
        include_self: bool = False,
        notify: Notify = silently,
    ) -> Answer:
        """The k photos nearest to the query, best first, among those that pass the filter.

        A string is an expression as `Query.parse` reads it. `k` is the configuration's `top` by
        default; `offset` leaves out results at the start. Never fewer results than there are.

        `space` names one space, or several whose rankings are fused: "clip,2:dino", with weights; words are
        asked where they are read, pictures where only pictures are. `threshold` is the least score; `relevant`
        leaves out what is unlikely to be an answer, and so does `sort` by "newest" or "oldest". `more` and `less`
        are ids of photos that are right and wrong, from which the answer learns. The very pictures that were
        asked with are left out unless `include_self`.

        Raises QueryError, NoTextError where words are asked of a space without text, PictureError for a picture
        that cannot be read, UsageError for an unknown space.
        """
        parsed = Query.parse(query) if isinstance(query, str) else query
        top = self._config.search.top if k is None else k
        options = SearchOptions(top, offset, threshold, relevant, sort, include_self)
        marks = Marks(tuple(more), tuple(less))
        asking = self._asking(parsed)
        with self._turns.taken(), self._catalog().view() as view:
            if parsed.has_words:
                self._spaces.load_ahead(view, space, notify)
            return asking.answer(view, parsed, space, where, marks, options, notify)

    def seen(self, query: Query, *, space: str | None = None, notify: Notify = silently) -> Query:
        """The same query without the bytes of its pictures: their vectors in these spaces stand for them.

        Whoever asks it again, for the next page, has nothing decoded, and keeps a few kilobytes. What it is asked of
        is then `space` alone. Raises as `search` does.
        """
        asking = self._asking(query)
        with self._turns.taken(), self._catalog().view() as view:
            return asking.seen(view, query, space, notify)

    def neighbors(self, photo_id: int, k: int = 10, *, space: str | None = None) -> Answer:
        """The k photos nearest to one of the library, itself and its exact copies left out.

        Raises QueryError for a photo that the library does not have.
        """
        return self.search(Query.photo(photo_id), k, space=space)

    def vectors(self, space: str | None = None) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Ids (n,) of all present photos with a vector, ascending, and their vectors (n, dim).

        The vectors are float32 and L2-normalised; exact copies have equal rows.
        """
        with self._reading(space) as (view, _, index):
            pairs = lookup.photo_contents(view, EVERYTHING)
            living = pairs[index.has(pairs[:, 1])]
            return living[:, 0].copy(), index.vectors(living[:, 1])

    def embedder(self, space: str | None = None, *, notify: Notify = silently) -> Embedder:
        """A space's model, which embeds texts and pictures from outside the library.

        Its rows compare with those of `vectors`. Raises UsageError for an unknown space, and ModelError.
        """
        with self._catalog().view() as view:
            record = choose_space(view, space)
        return self._spaces.embedder(record, notify)

    def photo(self, photo_id: int) -> Photo:
        """What is known of a photo, whatever its state. Raises QueryError when there is none."""
        return Photo.from_record(self._record(photo_id))

    def photos(self, where: Filter = EVERYTHING) -> list[Photo]:
        """The photos that pass a filter, in order of their ids."""
        with self._catalog().view() as view:
            return [Photo.from_record(record) for record in lookup.all_photos(view, where)]

    def browse(
        self,
        k: int | None = None,
        *,
        where: Filter = EVERYTHING,
        order: lookup.Order = "newest",
        offset: int = 0,
    ) -> list[Photo]:
        """Photos that pass a filter, with no question asked: `k` of them, as in `search`, after the first `offset`.

        "newest" and "oldest" go by the date taken, else the file's; "added" by when a photo came into the
        library, the last first. Raises QueryError for another order, and for a page that there cannot be.
        """
        top = self._config.search.top if k is None else k
        check_page(top, offset)
        if order not in lookup.ORDERS:
            raise QueryError(f"order {order!r} is not known; there are: {', '.join(lookup.ORDERS)}")
        with self._catalog().view() as view:
            ids = self._orders.get(
                view.point(),
                (where, order),
                lambda: lookup.ids_in_order(view, where, order),
            )
            found = lookup.photos_by_id(view, ids[offset : offset + top].tolist())
        return [Photo.from_record(record) for record in found]

    def count(self, where: Filter = EVERYTHING) -> int:
        """How many photos pass a filter."""
        with self._catalog().view() as view:
            return self._counts.get(
                view.point(), ("photos", where), lambda: lookup.count_matching(view, where)
            )

    def moment(self) -> int:
        """A number that grows with every change of the library: while it is the same, so is what is answered."""
        with self._catalog().view() as view:
            return view.change_seq()

    def point(self) -> Point:
        """As `moment`, and told from the same number in a copy of the catalog that was put in its place."""
        with self._catalog().view() as view:
            return view.point()

    def digest(self, where: Filter = EVERYTHING) -> str:
        """What tells the photos that pass a filter, with their bytes, from any others; in hex."""
        with self._catalog().view() as view:
            return self._counts.get(
                view.point(),
                ("digest", where),
                lambda: sha256(lookup.photo_contents(view, where).tobytes()).hexdigest(),
            )

    def thumbnail(self, photo_id: int, edge: int = 320) -> bytes:
        """A photo as a JPEG that fits a square of `edge` pixels, upright, in sRGB, without metadata.

        Raises QueryError for an unknown photo and PictureError for a file that cannot be read now.
        """
        return self._thumbnail(self._record(photo_id), edge)

    def _asking(self, query: Query) -> Asking:
        return Asking(
            self._spaces,
            self._indexes,
            self._backgrounds,
            self._filtered,
            self._viewer,
            self._config.search.fusion,
            self._fetched.all(query.urls, self._config.search.url_rules()),
        )
