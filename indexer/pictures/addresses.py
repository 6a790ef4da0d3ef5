"""Which machines a URL may lead to: those on the public internet."""

import ipaddress
import socket
import threading
import time

from indexer.errors import PictureError, QueryError

__all__ = ["SocketAddress", "resolve"]

SocketAddress = tuple[str, int] | tuple[str, int, int, int]
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

NOT_FOR_US = frozenset({ipaddress.IPv4Address("168.63.129.16")})
"""Public by its number, yet a cloud's (Azure) own service for the machines in it."""
UNICAST = ipaddress.IPv6Network("2000::/3")
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
"""What a network without IPv4 makes of IPv4 addresses."""


def resolve(host: str, port: int, deadline: float, *, allow_private: bool) -> list[SocketAddress]:
    """The addresses of a host, to be connected to as they are: asked again, DNS may say something else.

    Raises QueryError where one of them is not public, and PictureError where there are none by the deadline
    (of `time.monotonic`).
    """
    found = _ask(host, port, deadline)
    if not allow_private:
        for address in found:
            if not is_public(address[0]):
                raise QueryError(
                    f"{host} is {address[0]}, which is no public address; private_urls = true in [search] allows it"
                )
    return found


def is_public(text: str) -> bool:
    """Whether an address is one of the public internet, whatever it is wrapped in."""
    return _is_public(ipaddress.ip_address(text))


def _is_public(address: Address) -> bool:
    if isinstance(address, ipaddress.IPv4Address):
        return address.is_global and not address.is_multicast and address not in NOT_FOR_US
    if address in NAT64:
        return _is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    wrapped = [address.sixtofour, *(address.teredo or ())]
    return (
        address in UNICAST
        and address.is_global
        and all(_is_public(each) for each in wrapped if each is not None)
    )


def _ask(host: str, port: int, deadline: float) -> list[SocketAddress]:
    """Ask DNS; in a thread of its own, since the system's resolver takes no time limit."""
    answer: list[SocketAddress] = []
    reason = "took too long to look up"

    def look_up() -> None:
        nonlocal reason
        try:
            entries = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            reason = f"is not known ({getattr(error, 'strerror', None) or error})"
        else:
            answer.extend(entry[4] for entry in entries)  # type: ignore[misc]

    thread = threading.Thread(target=look_up, name="glimpse-dns", daemon=True)
    thread.start()
    thread.join(max(0.0, deadline - time.monotonic()))
    if thread.is_alive() or not answer:
        raise PictureError(f"{host} {reason}")
    return answer
