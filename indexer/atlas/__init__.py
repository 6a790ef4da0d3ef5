"""The map of a library: photos that look alike lie close together, and groups of them have names."""

from indexer.atlas.records import AtlasOptions, Cluster, PhotoMap

__all__ = ["AtlasOptions", "Cluster", "PhotoMap"]
