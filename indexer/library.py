"""The façade: everything that the command, the page and a user's own program do with a library."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from indexer.build import BuildListener, BuildOptions, build
from indexer.config import Config
from indexer.embedders.base import Embedder, Notify
from indexer.errors import GlimpseError, QueryError
from indexer.evaluation import Evaluation, EvaluationOptions
from indexer.forgetting import forget_root
from indexer.indexes import Indexes
from indexer.learning import TrainOptions, TrainReport
from indexer.pictures.thumbnails import THUMBNAILS, Thumbnails
from indexer.pipeline import BuildReport, Progress
from indexer.progress import OnStep, silently
from indexer.query import Query
from indexer.results import Answer, Photo, SpaceStatus, Status
from indexer.roots import Confirm
from indexer.search import Searcher, SearchOptions
from indexer.spaces import DEFAULT, RUNS, Spaces, choose_space
from indexer.status import library_status, sizes, space_status
from storage import lookup
from storage.catalog import Catalog, View
from storage.filters import Filter
from storage.records import PhotoRecord, SpaceRecord
from storage.vectors import VectorIndex

if TYPE_CHECKING:
    from indexer.train.loop import Step

__all__ = ["Library"]

EVERYTHING = Filter()
DEFAULTS = BuildOptions()
USUAL = TrainOptions()
FINISHED_RUNS = f"{RUNS}/*/run.json"
NOTHING_KNOWN = EvaluationOptions()


def _training() -> Callable[..., TrainReport]:
    """What trains; deferred, since it imports PyTorch and optional packages."""
    try:
        from indexer.learning.training import learn
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        raise GlimpseError(
            f"training needs the package {package}; install it with: pip install 'glimpse[train]'"
        ) from error
    return learn


class Library:
    """A folder of photos' names, vectors and models, which can be built and asked.

    Any number of threads and processes may read; one at a time may build. Use it as a context manager, or
    close it.
    """

    def __init__(self, folder: Path, config: Config, catalog: Catalog | None) -> None:
        """Use `Library.open`."""
        self.folder = folder
        self._config = config
        self._opened = catalog
        self._spaces = Spaces(folder, config.runtime)
        self._indexes = Indexes(folder)

    @classmethod
    def open(
        cls,
        folder: str | Path | None = None,
        *,
        create: bool = False,
        config: Config | None = None,
    ) -> "Library":
        """Open the library in `folder`, else in the one that the configuration names.

        With `create` a library that is missing is made by the first `build`. Raises
        LibraryNotFoundError, LibraryVersionError, CatalogDamagedError or StorageError.
        """
        config = config or Config.load()
        path = Path(folder).expanduser() if folder is not None else config.library.folder()
        if create and not Catalog.exists(path):
            return cls(path, config, None)
        return cls(path, config, Catalog.open(path, busy_timeout_s=config.library.busy_timeout_s))

    def close(self) -> None:
        """Let go of the catalog."""
        if self._opened is not None:
            self._opened.close()

    def __enter__(self) -> "Library":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def build(
        self,
        paths: Sequence[str | Path] = (),
        options: BuildOptions = DEFAULTS,
        *,
        on_progress: Callable[[Progress], object] = silently,
        notify: Notify = silently,
        confirm: Confirm = lambda question: False,
    ) -> BuildReport:
        """Bring these folders, or all that the library has, up to date.

        `on_progress` is told after each committed batch, `notify` gets a line when something takes
        long, `confirm` is asked before more than half of a root is forgotten (by default such photos are kept,
        as offline). Raises UsageError, ModelError, LibraryLockedError or StorageError; what was committed stays.
        """
        listener = BuildListener(on_progress, notify, confirm)
        return build(self.folder, self._config, self._spaces, paths, options, listener)

    def train(
        self,
        method: str,
        paths: Sequence[str | Path],
        options: TrainOptions = USUAL,
        *,
        space: str | None = None,
        on_step: OnStep = silently,
        on_train: Callable[["Step"], object] = silently,
        notify: Notify = silently,
    ) -> TrainReport:
        """Learn from pictures by `simclr`, `moco`, `byol` or `clip`; the result is a model for `build`.

        `on_step` is told how far all but training itself is, `on_train` hears of each step of training. With
        `heads_only`, `space` says whose vectors to learn from. Raises UsageError, ModelError, or GlimpseError where
        packages are missing or training diverges; what was kept goes on with `resume`.
        """
        learn = _training()
        return learn(self, self._config, method, paths, options, space, on_step, on_train, notify)

    def runs(self) -> list[str]:
        """The models that `train` made here, by name: `run:NAME`, in order of names."""
        return [f"run:{path.parent.name}" for path in sorted(self.folder.glob(FINISHED_RUNS))]

    def search(
        self,
        query: str | Query,
        k: int | None = None,
        *,
        where: Filter = EVERYTHING,
        space: str | None = None,
        offset: int = 0,
        threshold: float | None = None,
        include_self: bool = False,
        notify: Notify = silently,
    ) -> Answer:
        """The k photos nearest to the query, best first, among those that pass the filter.

        A string is an expression as `Query.parse` reads it. `k` is the configuration's `top` by
        default; `offset` leaves out results at the start; `threshold` is the least cosine. The very pictures that
        were asked with are left out unless `include_self`. Never fewer results than there are.

        Raises QueryError, NoTextError where words are asked of a space without text, PictureError for a picture
        that cannot be read, UsageError for an unknown space.
        """
        parsed = Query.parse(query) if isinstance(query, str) else query
        options = SearchOptions(
            self._config.search.top if k is None else k, offset, threshold, include_self
        )
        with self._reading(space) as (view, record, index):
            searcher = Searcher(
                view,
                record,
                index,
                lambda: self._spaces.embedder(record, notify),
                self._config.build.limits(),
            )
            return searcher.answer(parsed, where, options)

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
            living = pairs[np.isin(pairs[:, 1], index.ids())]
            return living[:, 0].copy(), index.vectors(living[:, 1])

    def embedder(self, space: str | None = None, *, notify: Notify = silently) -> Embedder:
        """A space's model, which embeds texts and pictures from outside the library.

        Its rows compare with those of `vectors`. Raises UsageError for an unknown space, and ModelError.
        """
        with self._catalog().view() as view:
            record = choose_space(view, space)
        return self._spaces.embedder(record, notify)

    def evaluate(
        self,
        options: EvaluationOptions = NOTHING_KNOWN,
        *,
        space: str | None = None,
        on_step: OnStep = silently,
        notify: Notify = silently,
    ) -> Evaluation:
        """Retrieval quality and speed on the library's own photos, by what the user knows of them.

        `on_step` is told how far each measurement is, `notify` gets a line on what was left out. Raises UsageError
        for files that cannot be read or fit no photo, and NoTextError where words are asked of a space without text.
        """
        # Deferred for start-up time: no search needs it.
        from indexer.evaluation.run import evaluate

        return evaluate(self, space, options, on_step, notify)

    def photo(self, photo_id: int) -> Photo:
        """What is known of a photo, whatever its state. Raises QueryError when there is none."""
        return Photo.from_record(self._record(photo_id))

    def photos(self, where: Filter = EVERYTHING) -> list[Photo]:
        """The photos that pass a filter, in order of their ids."""
        with self._catalog().view() as view:
            return [Photo.from_record(record) for record in lookup.all_photos(view, where)]

    def newest(self, k: int, where: Filter = EVERYTHING) -> list[Photo]:
        """The k photos that came into the library last, among those that pass a filter."""
        with self._catalog().view() as view:
            ids = lookup.photo_contents(view, where)[::-1][:k, 0]
        return [self.photo(id) for id in ids]

    def thumbnail(self, photo_id: int, edge: int = 320) -> bytes:
        """A photo as a JPEG that fits a square of `edge` pixels, upright, in sRGB, without metadata.

        Raises QueryError for an unknown photo and PictureError for a file that cannot be read now.
        """
        return self._thumbnails().get(self._record(photo_id), edge)

    def errors(self) -> list[Photo]:
        """Every file that was skipped, with its reason."""
        with self._catalog().view() as view:
            return [Photo.from_record(record) for record in lookup.failures(view)]

    def status(self) -> Status:
        """Roots and spaces."""
        with self._catalog().view() as view:
            return library_status(view, self.folder)

    def space(self, name: str | None = None) -> SpaceStatus:
        """A space by its name, or the default one. Raises UsageError."""
        with self._catalog().view() as view:
            return space_status(view, choose_space(view, name))

    def sizes(self) -> dict[str, int]:
        """Bytes on disk by part; looks at every file of the library."""
        return sizes(self.folder)

    def use(self, space: str) -> None:
        """Make a space the default, in which queries are asked. Raises UsageError."""
        with self._catalog().writer(), self._catalog().batch() as batch:
            batch.set_meta(DEFAULT, choose_space(batch, space).name)

    def remove(self, root: str | Path) -> int:
        """Forget a root: its photos, and the vectors that no other photo needs; how many photos.

        The files themselves stay where they are. Raises UsageError.
        """
        return forget_root(self._catalog(), root, self._thumbnails())

    @contextmanager
    def _reading(self, space: str | None) -> Iterator[tuple[View, SpaceRecord, VectorIndex]]:
        """One moment of the library: a view, a space, and its vectors as of that view."""
        with self._catalog().view() as view:
            record = choose_space(view, space)
            yield view, record, self._indexes.at(view, record)

    def _record(self, photo_id: int) -> PhotoRecord:
        with self._catalog().view() as view:
            record = lookup.get_photo(view, photo_id)
        if record is None:
            raise QueryError(f"no photo {photo_id} in this library")
        return record

    def _thumbnails(self) -> Thumbnails:
        return Thumbnails(self.folder / THUMBNAILS, self._config.build.limits())

    def _catalog(self) -> Catalog:
        """The catalog; a library that was to be made may have been made by now."""
        if self._opened is None:
            self._opened = Catalog.open(
                self.folder, busy_timeout_s=self._config.library.busy_timeout_s
            )
        return self._opened
