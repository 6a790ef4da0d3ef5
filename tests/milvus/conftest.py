"""A Milvus at a port and one in a file, from a size that a test can make."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage import snapshots
from storage.catalog import Catalog
from storage.milvus import catalog_rows, proposals
from storage.milvus.address import Address
from storage.milvus.store import MilvusStore
from storage.records import SpaceRecord
from tests import spaces


@pytest.fixture(autouse=True)
def _small_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Milvus is asked from a size that a test can make, and reaches its limits there."""
    monkeypatch.setattr(catalog_rows, "FEW", 5)
    monkeypatch.setattr(proposals, "IDS", 100)
    monkeypatch.setattr(proposals, "MOST", 400)
    monkeypatch.setattr(snapshots, "LEAST_TAIL", 0)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Milvus at a port, as a cluster is: Milvus Lite in a process of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    folder = tmp_path_factory.mktemp("server") / "data"
    command = [sys.executable, "-c", "from milvus_lite.cmdline import main; main()", "server"]
    command += ["--host", "127.0.0.1", "--port", port, "--data-dir", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        process.stdout.readline()  # it listens
        yield f"http://127.0.0.1:{port}"
        process.terminate()


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    opened = Catalog.open(tmp_path / "library", create=True)
    yield opened
    opened.close()


@pytest.fixture
def space(catalog: Catalog) -> SpaceRecord:
    return spaces.empty(catalog)


@pytest.fixture(params=["file", "server"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> Address:
    if request.param == "file":
        return Address(str(tmp_path / "milvus.db"))
    return Address(request.getfixturevalue("server"))


@pytest.fixture
def store(server: str) -> MilvusStore:
    return MilvusStore(Address(server))
