"""Ray, started here or found at an address, and quiet."""

import logging
import os
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType

from indexer.distributed.cluster import Cluster
from indexer.errors import GlimpseError

__all__ = ["connected"]

JOIN_S = 60.0
OURS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}
"""Unless the user has set them: nothing is sent home, and the terminal is the user's."""
HERE = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_worker_niceness": "0"}
"""The same for a cluster of this machine's own. As Ray does elsewhere than on Linux it then listens on 127.0.0.1 and
nowhere else; and its workers do not stand back behind whatever else runs, as a build without Ray does not."""


@contextmanager
def connected(address: str | None) -> Iterator[Cluster]:
    """A cluster, as long as it is needed: one that this process has joined, the one at the address, or one here."""
    with _environment(OURS if address else OURS | HERE):
        ray = _quiet_ray()
        if ray.is_initialized():
            yield Cluster(ray)
            return
        constants, worker = ray._private.ray_constants, ray._private.worker
        reaches_out = constants.ENABLE_RAY_CLUSTER
        if (
            not address
        ):  # as HERE says, which is read when Ray is imported: the caller may have done so before
            constants.ENABLE_RAY_CLUSTER = False
        # Whatever it is told, Ray prints on standard output that a worker died; there is no other way to stop that.
        printed, worker._worker_logs_enabled = worker._worker_logs_enabled, False
        try:
            with _standard_error_aside():
                _join(ray, address)
            yield Cluster(ray)
        finally:
            ray.shutdown()
            worker._worker_logs_enabled = printed
            constants.ENABLE_RAY_CLUSTER = reaches_out


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Values for what is started meanwhile, where the user has not set them."""
    ours = {name: value for name, value in values.items() if name not in os.environ}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name in ours:
            os.environ.pop(name, None)


def _join(ray: ModuleType, address: str | None) -> None:
    """Start Ray, or join a cluster, within bounds. Raises GlimpseError."""
    faults = list[Exception]()
    if address is None:
        # In this thread: with the one that starts them, Ray's processes end.
        with _sigterm_kept():
            _init(ray, None, faults)
    else:
        # In one of its own: at an address that is something else's, it waits for minutes.
        joining = threading.Thread(target=_init, args=(ray, address, faults), daemon=True)
        joining.start()
        joining.join(JOIN_S)
        if joining.is_alive():
            raise GlimpseError(
                f"the cluster at {address} cannot be joined within {JOIN_S:g} s; is it Ray {ray.__version__}, and "
                f"this machine in it?"
            )
    for fault in faults:
        where = f"the cluster at {address} cannot be joined" if address else "Ray does not start"
        raise GlimpseError(f"{where} ({' '.join(str(fault).split())[:200]})") from fault


def _init(ray: ModuleType, address: str | None, faults: list[Exception]) -> None:
    quiet = {"log_to_driver": False, "logging_level": logging.CRITICAL}
    try:
        if address:
            ray.init(address=address, **quiet)
        else:
            cores = os.cpu_count() or 2
            ray.init(address="local", num_cpus=max(cores, 2), include_dashboard=False, **quiet)
    except Exception as error:  # whatever goes wrong in a program of its own
        faults.append(error)


@contextmanager
def _sigterm_kept() -> Iterator[None]:
    """What being told to end does is the caller's to say, and not Ray's."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _quiet_ray() -> ModuleType:
    import ray  # deferred: nothing but such a build imports it
    import ray.data

    for name in ("ray", "ray.data"):
        logger = logging.getLogger(name)
        logger.setLevel(logging.CRITICAL)
        for handler in set(logger.handlers).difference(
            logging.getLogger().handlers
        ):  # not the program's
            handler.setLevel(logging.CRITICAL)
    return ray


@contextmanager
def _standard_error_aside() -> Iterator[None]:
    """What Ray's own programs write while they start goes nowhere; errors are raised."""
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
