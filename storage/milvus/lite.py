"""A file of Milvus Lite, which serves it from within a process, and one process at a time.

So a file is let go shortly after the last question: the page and a build take turns.
"""

import logging
import threading
import time
from functools import cache
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from storage.discarding import discard
from storage.errors import StorageError
from storage.milvus.address import Address

__all__ = ["QUIET", "LiteFile", "UnreachableError", "lite_file"]

log = logging.getLogger(__name__)

REST_S = 1.0
"""After so long without a question a file is let go."""
WAITS_S = 10.0
"""How long one waits for a file that another process has open."""
LOCK = "LOCK"
"""In the folder that is Milvus Lite's `file`: held by who has it open."""
QUIET = {"grpc.keepalive_time_ms": 310_000}
"""pymilvus pings every ten seconds, and Milvus Lite hangs up on who pings before five minutes are over."""


class UnreachableError(StorageError):
    """No answer comes from Milvus."""


class LiteFile:
    """A file of Milvus Lite, which this process has open while somebody asks, and a moment longer."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock, self._loading = threading.Lock(), threading.Lock()
        self._loaded = set[str]()
        self._client: Any = None
        self._askers = 0
        self._rest: threading.Timer | None = None

    def take(self, address: Address) -> Any:
        """The client, until `give_back`. Raises UnreachableError while another process has the file open."""
        with self._lock:
            if self._rest is not None:
                self._rest.cancel()
            if self._client is None:
                self._client = self._open(is_own=address.is_own)
            self._askers += 1
            return self._client

    def load(self, client: Any, name: str) -> None:
        """Load a collection, once each time that the file is opened."""
        with self._loading:
            if name and name not in self._loaded:
                client.load_collection(name)
                self._loaded.add(name)

    def give_back(self) -> None:
        """Who took the client is done."""
        with self._lock:
            self._askers -= 1
            if self._askers:
                return
            self._rest = threading.Timer(REST_S, self.let_go)
            self._rest.daemon = True
            self._rest.start()

    def let_go(self) -> None:
        """Close the file, unless somebody asks."""
        with self._lock:
            if self._askers or self._client is None:
                return
            from milvus_lite.server_manager import server_manager_instance

            self._client.close()
            server_manager_instance.release_server(str(self._file))
            self._client = None
            self._loaded.clear()

    def _open(self, *, is_own: bool) -> Any:
        if not self._file.parent.is_dir():
            raise StorageError(f"{self._file.parent} is no folder; mend `uri` under [milvus]")
        from pymilvus import MilvusClient
        from pymilvus.exceptions import MilvusException

        end = time.monotonic() + WAITS_S
        while True:
            if not self._is_held():
                try:
                    return MilvusClient(str(self._file), timeout=WAITS_S, grpc_options=QUIET)
                except MilvusException as error:
                    if not self._is_held():  # nobody was quicker
                        self._give_up(error, is_own)
            if time.monotonic() >= end:
                raise UnreachableError(
                    f"{self._file} is held by another process, and Milvus Lite serves one at a time; wait for that, "
                    f"or serve it to all: milvus-lite server --host 127.0.0.1 --data-dir {self._file}"
                )
            time.sleep(0.1)

    def _give_up(self, error: Exception, is_own: bool) -> None:
        """A file that cannot be opened is made anew where it is ours alone. Raises StorageError."""
        if not is_own or not self._file.exists():
            raise StorageError(
                f"{self._file} cannot be opened by Milvus Lite; delete it, and build again"
            ) from error
        log.warning("%s cannot be opened by Milvus Lite; it is made anew", self._file)
        discard(self._file)

    def _is_held(self) -> bool:
        """Whether another process has the file open."""
        lock = self._file / LOCK
        if not lock.exists():
            return False
        try:
            with FileLock(lock, timeout=0):
                return False
        except Timeout:
            return True


@cache
def lite_file(file: Path) -> LiteFile:
    """The one that all who ask share."""
    return LiteFile(file)
