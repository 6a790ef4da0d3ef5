"""Where the page may listen: at this machine alone, unless it has a password."""

import ipaddress

from indexer.errors import UsageError

__all__ = ["check_address", "is_loopback"]


def is_loopback(host: str) -> bool:
    """Whether an address is reached from this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def check_address(host: str, *, has_password: bool) -> None:
    """Raise UsageError for an address at which everybody could come in."""
    if not has_password and not is_loopback(host):
        raise UsageError(
            f"{host} can be reached from other machines, so the page needs a password first: "
            "glimpse ui --set-password"
        )
