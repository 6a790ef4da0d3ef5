"""Glimpse: find pictures by meaning, in your own folders, on your own machine.

from indexer import Library, Query

library = Library.open()
library.build(["~/photos"], on_progress=print)
for hit in library.search("two dogs on a beach", k=20):
    print(hit.score, hit.path, hit.photo_id)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from indexer.atlas import AtlasOptions, Cluster, PhotoMap
    from indexer.build_options import BuildOptions
    from indexer.config import Config
    from indexer.duplicates import DuplicateGroup
    from indexer.embedders import KnownModel, all_names, known_models
    from indexer.errors import GlimpseError
    from indexer.evaluation import Evaluation, EvaluationOptions
    from indexer.exchange import ExportOptions, ExportReport, ImportOptions, ImportReport
    from indexer.learning import TrainOptions, TrainReport
    from indexer.library import Library
    from indexer.pipeline import BuildReport, Progress
    from indexer.query import Query
    from indexer.results import Answer, Hit, Photo, Status
    from indexer.tagging import TagReport
    from indexer.verification import VerifyReport
    from storage.facets import Facets
    from storage.filters import Filter
    from storage.records import State
    from storage.tagging import Tag

__all__ = [
    "Answer",
    "AtlasOptions",
    "BuildOptions",
    "BuildReport",
    "Cluster",
    "Config",
    "DuplicateGroup",
    "Evaluation",
    "EvaluationOptions",
    "ExportOptions",
    "ExportReport",
    "Facets",
    "Filter",
    "GlimpseError",
    "Hit",
    "ImportOptions",
    "ImportReport",
    "KnownModel",
    "Library",
    "Photo",
    "PhotoMap",
    "Progress",
    "Query",
    "State",
    "Status",
    "Tag",
    "TagReport",
    "TrainOptions",
    "TrainReport",
    "VerifyReport",
    "all_names",
    "known_models",
]

_HOME = {
    "Answer": "indexer.results",
    "AtlasOptions": "indexer.atlas",
    "BuildOptions": "indexer.build_options",
    "BuildReport": "indexer.pipeline",
    "Cluster": "indexer.atlas",
    "Config": "indexer.config",
    "DuplicateGroup": "indexer.duplicates",
    "Evaluation": "indexer.evaluation",
    "EvaluationOptions": "indexer.evaluation",
    "ExportOptions": "indexer.exchange",
    "ExportReport": "indexer.exchange",
    "Facets": "storage.facets",
    "Filter": "storage.filters",
    "GlimpseError": "indexer.errors",
    "Hit": "indexer.results",
    "ImportOptions": "indexer.exchange",
    "ImportReport": "indexer.exchange",
    "KnownModel": "indexer.embedders",
    "Library": "indexer.library",
    "Photo": "indexer.results",
    "PhotoMap": "indexer.atlas",
    "Progress": "indexer.pipeline",
    "Query": "indexer.query",
    "State": "storage.records",
    "Status": "indexer.results",
    "Tag": "storage.tagging",
    "TagReport": "indexer.tagging",
    "TrainOptions": "indexer.learning",
    "TrainReport": "indexer.learning",
    "VerifyReport": "indexer.verification",
    "all_names": "indexer.embedders",
    "known_models": "indexer.embedders",
}


def __getattr__(name: str) -> Any:
    # Deferred, since a process that decodes pictures imports this package and needs none of it.
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
