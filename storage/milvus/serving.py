"""One Milvus, opened when it is first asked; its errors as ours, in one line.

Milvus Lite serves a file from within a process, and one process at a time. So a file is let go shortly after the
last question: the page and a build take turns.
"""

import logging
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import getproxies

from filelock import FileLock, Timeout

from storage.discarding import discard
from storage.errors import StorageError
from storage.milvus.address import Address

if TYPE_CHECKING:
    from pymilvus import MilvusClient

__all__ = ["Server", "UnreachableError"]

log = logging.getLogger(__name__)

REST_S = 1.0
"""After so long without a question a file is let go."""
WAITS_S = 10.0
"""How long one waits for a file that another process has open."""
PORT = 19530
"""Where Milvus listens, if a URI does not say."""
LOCK = "LOCK"
"""In the folder that is Milvus Lite's `file`: held by who has it open."""
QUIET = {"grpc.keepalive_time_ms": 310_000}
"""pymilvus pings every ten seconds, and Milvus Lite hangs up on who pings before five minutes are over."""


class UnreachableError(StorageError):
    """No answer comes from Milvus."""


class Server:
    """A Milvus that many threads may ask."""

    def __init__(self, address: Address) -> None:
        self.address = address

    def __str__(self) -> str:
        return f"Milvus at {self.address.uri}"

    @contextmanager
    def client(self, loaded: str = "") -> Iterator["MilvusClient"]:
        """What asks it, with that collection loaded. Raises UnreachableError, or StorageError for a refusal."""
        _require(is_file=self.address.file is not None)
        try:
            with self._held(loaded) as client:
                yield client
        except Exception as error:
            ours = self._as_ours(error)
            if ours is None:
                raise
            raise ours from error

    @contextmanager
    def _held(self, loaded: str) -> Iterator["MilvusClient"]:
        file = self.address.file
        if file is None:  # a server keeps loaded what once was
            yield _connected(self.address)
            return
        lite = _lite(file)
        client = lite.take(self.address)
        try:
            lite.load(client, loaded)
            yield client
        finally:
            lite.give_back()

    def reach(self) -> None:
        """Make sure that it answers. Raises UnreachableError."""
        file = self.address.file
        if file and self.address.is_own and not file.exists():
            _require(is_file=True)
            return
        with self.client() as client:
            client.has_collection("glimpse", timeout=self.address.timeout_s)

    def _as_ours(self, error: Exception) -> StorageError | None:
        import grpc
        from pymilvus.exceptions import MilvusException

        if not isinstance(error, MilvusException | grpc.RpcError):
            return None
        said = " ".join(str(getattr(error, "message", None) or error).split())
        code = error.code() if isinstance(error, grpc.RpcError) else error.code
        if "auth" in said.lower() or "unauthenticated" in str(code).lower():
            return StorageError(
                f"{self} refuses the token; give one as `token` under [milvus], or in $GLIMPSE_MILVUS_TOKEN"
            )
        if _is_silence(code, said):
            return UnreachableError(
                f"{self} cannot be reached within {self.address.timeout_s:g} s; start it, or mend `uri` in [milvus]"
            )
        return StorageError(f"{self} says: {said[:200]}")


def _is_silence(code: object, said: str) -> bool:
    words = f"{code} {said}".lower()
    return any(
        word in words for word in ("unavailable", "deadline", "fail connecting", "retry", "timeout")
    )


@cache
def _require(*, is_file: bool) -> None:
    """Import what is optional, and takes most of a second."""
    for package in ("pymilvus", *(("milvus_lite",) if is_file else ())):
        try:
            import_module(package)
        except ImportError as error:
            raise StorageError(
                f"vectors in Milvus need the package {package}; install it with: pip install 'glimpse[milvus]'"
            ) from error
    for name in ("pymilvus", "pymilvus.milvus_client", "milvus_lite", "grpc._server"):
        # What goes wrong is raised as well; these print it with its traceback.
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)


@cache
def _connected(address: Address) -> Any:
    _knock(address)
    from pymilvus import MilvusClient

    return MilvusClient(
        address.uri, token=address.token, timeout=address.timeout_s, grpc_options=QUIET
    )


def _knock(address: Address) -> None:
    """Say at once where nobody listens: pymilvus tries again and again until the time is over."""
    if getproxies():
        return
    place = urlsplit(address.uri)
    port = place.port or (443 if place.scheme == "https" else PORT)
    try:
        socket.create_connection((place.hostname, port), timeout=address.timeout_s).close()
    except OSError as error:
        reason = error.strerror or str(error) or "no answer"
        raise UnreachableError(
            f"Milvus at {address.uri} cannot be reached ({reason.lower()}); start it, or mend `uri` in [milvus]"
        ) from error


class _Lite:
    """A file of Milvus Lite, which this process has open while somebody asks, and a moment longer."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock, self._loading = threading.Lock(), threading.Lock()
        self._loaded = set[str]()
        self._client: Any = None
        self._askers = 0
        self._rest: threading.Timer | None = None

    def take(self, address: Address) -> Any:
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
        with self._lock:
            self._askers -= 1
            if self._askers:
                return
            self._rest = threading.Timer(REST_S, self._let_go)
            self._rest.daemon = True
            self._rest.start()

    def _let_go(self) -> None:
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
def _lite(file: Path) -> _Lite:
    return _Lite(file)
