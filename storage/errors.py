"""What can go wrong, as one small tree.

GlimpseError                 anything a user can be told in one line
├── StorageError             the catalog or a snapshot
│   ├── LibraryNotFoundError     no library at that folder
│   ├── LibraryLockedError       another process is writing
│   ├── LibraryVersionError      written by another version of Glimpse
│   └── CatalogDamagedError      SQLite says that the catalog is damaged
├── UsageError               the request makes no sense: exit code 2
└── …                        what needs a model or a picture: see indexer.errors
"""

__all__ = [
    "CatalogDamagedError",
    "GlimpseError",
    "LibraryLockedError",
    "LibraryNotFoundError",
    "LibraryVersionError",
    "StorageError",
    "UsageError",
]


class GlimpseError(Exception):
    """Base of every error that Glimpse raises on purpose.

    The message is one line: what went wrong, with which value, and what to do next.
    """

    exit_code = 1


class UsageError(GlimpseError):
    """The request itself is wrong; asking again unchanged cannot succeed."""

    exit_code = 2


class StorageError(GlimpseError):
    """The catalog or a snapshot cannot be used."""


class LibraryNotFoundError(StorageError):
    """No library lies at the folder that was named."""

    exit_code = 4


class LibraryLockedError(StorageError):
    """Another process is writing to this library."""


class LibraryVersionError(StorageError):
    """The catalog has a schema that this version of Glimpse does not know."""


class CatalogDamagedError(StorageError):
    """SQLite found the catalog damaged; nothing is written to it."""
