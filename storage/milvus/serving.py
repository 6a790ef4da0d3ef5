"""One Milvus, opened when it is first asked; its errors as ours, in one line."""

import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import getproxies

from storage.errors import StorageError
from storage.milvus.address import Address
from storage.milvus.lite import QUIET, UnreachableError, lite_file

if TYPE_CHECKING:
    from pymilvus import MilvusClient

__all__ = ["Server", "UnreachableError"]

log = logging.getLogger(__name__)

PORT = 19530
"""Where Milvus listens, if a URI does not say."""


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
        lite = lite_file(file)
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
