"""Photos that a library has more than once: the same bytes, and copies that look the same."""

from indexer.duplicates.groups import DuplicateGroup

__all__ = ["DuplicateGroup"]
