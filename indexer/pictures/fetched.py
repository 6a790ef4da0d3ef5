"""Pictures from the web that a query names, kept for some minutes: whoever turns the page asks the same again."""

import threading
import time
from collections import OrderedDict
from collections.abc import Iterable

from indexer.errors import QueryError
from indexer.pictures.limits import UrlRules

__all__ = ["Fetched"]

KEPT = 4
KEPT_S = 300.0


class Fetched:
    """The latest pictures, in memory alone. Safe to ask from several threads."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, tuple[float, bytes]] = OrderedDict()
        self._keeping = threading.Lock()

    def all(self, urls: Iterable[str], rules: UrlRules) -> dict[str, bytes]:
        """What lies at these URLs, each asked once. Raises QueryError and PictureError as `fetch` does."""
        wanted = dict.fromkeys(urls)
        if wanted and not rules.are_allowed:
            raise QueryError("URLs are not fetched here; urls = true in [search] allows it")
        return {url: self._one(url, rules) for url in wanted}

    def _one(self, url: str, rules: UrlRules) -> bytes:
        with self._keeping:
            at, data = self._kept.get(url, (0.0, b""))
        if not data or time.monotonic() - at > KEPT_S:
            # Deferred for start-up time: few queries lead to the web.
            from indexer.pictures.fetching import fetch

            data = fetch(url, allow_private=rules.may_be_private)
            self._keep(url, data)
        return data

    def _keep(self, url: str, data: bytes) -> None:
        with self._keeping:
            self._kept[url] = time.monotonic(), data
            self._kept.move_to_end(url)
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
