"""A picture from a URL: so much at most, so long at most, and only from where the user may be led.

What comes is bytes and nothing more: whether it is a picture the decoder finds out.
"""

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from urllib.parse import SplitResult, quote, urljoin, urlsplit

from indexer.errors import PictureError, QueryError
from indexer.pictures.addresses import SocketAddress, resolve

__all__ = ["fetch"]

MAX_BYTES = 50_000_000
TIMEOUT_S = 20.0
MAX_REDIRECTS = 3
MAX_URL = 2048
CHUNK = 1 << 16
PORTS = {"http": 80, "https": 443}
REDIRECTS = frozenset({301, 302, 303, 307, 308})
SAFE = "!$%&'()*+,-./:;=?@_~[]"
"""What a path and a query may hold as it is; "%" too, since what is quoted stays so."""


@dataclass(slots=True)
class _Clock:
    """When all must be over, and what was asked for."""

    url: str
    seconds: float
    deadline: float

    def left(self) -> float:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise PictureError(f"{self.url} took longer than {self.seconds:g} s")
        return left


def fetch(
    url: str,
    *,
    max_bytes: int = MAX_BYTES,
    timeout_s: float = TIMEOUT_S,
    allow_private: bool = False,
) -> bytes:
    """What lies at an http or https URL, after three redirects at most, each checked as the first.

    `timeout_s` bounds all of it. Proxies are not used. Raises QueryError for a URL that is not asked, such as one
    that leads to a private address, and PictureError when nothing comes of asking.
    """
    shown = url if len(url) <= 100 else f"{url[:100]}…"
    clock = _Clock(shown, timeout_s, time.monotonic() + timeout_s)
    parts = _checked(url)
    for _ in range(MAX_REDIRECTS + 1):
        found = _ask(parts, clock, max_bytes, allow_private)
        if isinstance(found, bytes):
            return found
        target = _checked(urljoin(parts.geturl(), found))
        if (parts.scheme, target.scheme) == ("https", "http"):
            raise QueryError(f"{shown} leads from https to http")
        parts = target
    raise PictureError(f"{shown} leads on more than {MAX_REDIRECTS} times")


def _checked(url: str) -> SplitResult:
    """The parts of a URL that may be asked for. Raises QueryError."""
    shown = f"{url[:100]!r}"
    if len(url) > MAX_URL:
        raise QueryError(f"{shown} has {len(url)} characters; the limit is {MAX_URL}")
    if not url.isprintable() or " " in url:
        raise QueryError(f"{shown} is no URL: it has spaces or control characters in it")
    try:
        parts = urlsplit(url)
        port = parts.port
        host = (parts.hostname or "").encode("idna").decode()
    except ValueError as error:  # UnicodeError too
        raise QueryError(f"{shown} is no URL: {error}") from error
    if parts.scheme not in PORTS or not host:
        raise QueryError(f"{shown} is not fetched; a URL begins with http:// or https://")
    if "@" in parts.netloc:
        raise QueryError(f"{parts.scheme}://…@{host} holds a user's name; take it out")
    host = f"[{host}]" if ":" in host else host
    netloc = host if port in (None, PORTS[parts.scheme]) else f"{host}:{port}"
    return SplitResult(
        parts.scheme, netloc, quote(parts.path, SAFE) or "/", quote(parts.query, SAFE), ""
    )


def _ask(parts: SplitResult, clock: _Clock, max_bytes: int, allow_private: bool) -> bytes | str:
    """The body of one answer, or where it says to go instead."""
    host, port = parts.hostname or "", parts.port or PORTS[parts.scheme]
    addresses = resolve(host, port, clock.deadline, allow_private=allow_private)
    try:
        with _connected(addresses, clock) as plain:
            channel = plain
            if parts.scheme == "https":
                channel = _tls().wrap_socket(plain, server_hostname=host)
            return _converse(channel, parts, clock, max_bytes)
    except (OSError, http.client.HTTPException) as error:
        clock.left()  # when time is up the connection is cut, which shows as any error
        raise PictureError(f"{clock.url} cannot be fetched: {_reason(error)}") from error


def _converse(
    channel: socket.socket, parts: SplitResult, clock: _Clock, max_bytes: int
) -> bytes | str:
    connection = http.client.HTTPConnection(parts.netloc)
    connection.sock = channel  # to the address that was checked; it must find none by itself
    connection.auto_open = 0
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    headers = {"Host": parts.netloc, "User-Agent": "glimpse", "Accept": "image/*"}
    with closing(connection):
        connection.request("GET", target, headers=headers | {"Accept-Encoding": "identity"})
        response = connection.getresponse()
        if response.status in REDIRECTS and (location := response.headers["Location"]):
            return str(location)
        if response.status != 200:
            raise PictureError(
                f"{clock.url} answers {response.status} {response.reason[:60]}".rstrip()
            )
        return _body(response, clock, max_bytes)


def _body(response: http.client.HTTPResponse, clock: _Clock, max_bytes: int) -> bytes:
    promised = response.length
    body = bytearray()
    while len(body) <= max_bytes and (promised or 0) <= max_bytes:
        chunk = response.read(CHUNK)
        clock.left()
        if not chunk:
            if promised is not None and len(body) < promised:
                raise PictureError(f"{clock.url} broke off after {len(body)} of {promised} bytes")
            return bytes(body)
        body += chunk
    raise PictureError(f"{clock.url} is larger than {max_bytes / 1e6:g} MB")


@contextmanager
def _connected(addresses: list[SocketAddress], clock: _Clock) -> Iterator[socket.socket]:
    """A connection to the first address that takes one; it is cut when time is up, whatever it does."""
    plain = _connect(addresses, clock)
    # A second handle on the connection: TLS takes the first one away.
    handle = plain.dup()
    timer = threading.Timer(clock.left(), _cut, [handle])
    timer.daemon = True
    timer.start()
    try:
        with plain:
            yield plain
    finally:
        timer.cancel()
        timer.join()  # so that it cuts nothing that is opened later under the same number
        _cut(handle)
        handle.close()


def _connect(addresses: list[SocketAddress], clock: _Clock) -> socket.socket:
    failed: OSError | None = None
    for address in addresses:
        try:
            return socket.create_connection(address[:2], timeout=clock.left())
        except OSError as error:
            failed = error
    raise failed or OSError("there is no address")


def _cut(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()


def _reason(error: Exception) -> str:
    match error:
        case ssl.SSLCertVerificationError():
            return f"its certificate is not valid ({error.verify_message})"
        case OSError() if error.strerror:
            return error.strerror
    return f"no proper answer ({type(error).__name__})"
