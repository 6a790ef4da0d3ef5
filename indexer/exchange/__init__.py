"""Vectors and what is known of photos, to other programs and from them."""

from indexer.exchange.options import ExportOptions, ExportReport, ImportOptions, ImportReport

__all__ = ["ExportOptions", "ExportReport", "ImportOptions", "ImportReport"]
