"""The error tree that users catch; its root and the storage branch come from `storage.errors`.

GlimpseError
├── StorageError …           see storage.errors
├── UsageError               the request makes no sense: exit code 2
│   ├── ConfigError              a key or value in config.toml
│   ├── QueryError               a query that cannot be asked
│   └── UnknownModelError        no model of that name
├── PictureError             one picture cannot be read
├── ModelError               a model cannot be loaded
│   ├── ModelUnavailableError    its files are not here and cannot be fetched
│   └── CheckpointError          a weights file is damaged, unsafe, or of an unknown layout
└── NoTextError              words were asked of a space that reads only pictures
"""

from storage.errors import (
    CatalogDamagedError,
    GlimpseError,
    LibraryLockedError,
    LibraryNotFoundError,
    LibraryVersionError,
    StorageError,
    UsageError,
)

__all__ = [
    "CatalogDamagedError",
    "CheckpointError",
    "ConfigError",
    "GlimpseError",
    "LibraryLockedError",
    "LibraryNotFoundError",
    "LibraryVersionError",
    "ModelError",
    "ModelUnavailableError",
    "NoTextError",
    "PictureError",
    "QueryError",
    "StorageError",
    "UnknownModelError",
    "UsageError",
]


class ConfigError(UsageError):
    """A key or a value in config.toml is not understood."""


class QueryError(UsageError):
    """A query that cannot be asked: empty, cancelling itself out, or naming an unknown photo."""


class UnknownModelError(UsageError):
    """No model has that name."""


class PictureError(GlimpseError):
    """A picture cannot be read; the message is the reason that `errors` lists."""


class ModelError(GlimpseError):
    """A model cannot be loaded."""


class ModelUnavailableError(ModelError):
    """A model's files are not on this machine and could not be fetched."""


class CheckpointError(ModelError):
    """A weights file is damaged, unsafe to read, or in a layout that is not known."""


class NoTextError(GlimpseError):
    """Words were asked of an embedding space whose model reads only pictures."""
