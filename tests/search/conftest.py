"""A library of the example photos, built once with the starter model."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from indexer import BuildOptions, Config, Library

EXAMPLES = Path(__file__).parents[2] / "examples" / "photos"


@pytest.fixture(scope="session")
def examples_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("examples") / "library"
    with Library.open(folder, create=True, config=Config()) as library:
        library.build([EXAMPLES], BuildOptions(model="starter"))
    return folder


@pytest.fixture(scope="session")
def examples(examples_folder: Path) -> Iterator[Library]:
    """For reading only: all tests share it."""
    with Library.open(examples_folder, config=Config()) as library:
        yield library
