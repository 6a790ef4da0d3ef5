"""Whether there is a cluster to build with, found out before anything else is done or imported."""

import socket
from importlib.util import find_spec

from indexer.errors import GlimpseError, UsageError

__all__ = ["check"]

REACH_S = 5.0


def check(address: str | None) -> None:
    """Raise GlimpseError where Ray is not installed, or nothing answers at the address of a cluster."""
    if find_spec("ray") is None or find_spec("fsspec") is None:
        raise GlimpseError("Ray is not installed; pip install 'glimpse[ray]'")
    if address is None or address == "auto":
        return
    host, mark, port = address.rpartition(":")
    if "://" in address or not (mark and host and port.isdecimal()):
        raise UsageError(
            f"ray-address {address!r}: it is HOST:PORT of the cluster's head (6379 as a rule), or auto"
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=REACH_S).close()
    except (OSError, OverflowError) as error:
        raise GlimpseError(
            f"no cluster of Ray's answers at {address} ({error}); start one with: ray start --head"
        ) from error
