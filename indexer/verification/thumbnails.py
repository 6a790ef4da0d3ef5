"""Thumbnails: one of each size of every photo, each as it was written; made again from the photos that are there."""

import os
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import batched
from pathlib import Path

from indexer.config import BuildConfig
from indexer.embedders.base import Preprocessing
from indexer.errors import PictureError
from indexer.pictures.decoding import Decoded
from indexer.pictures.jpegs import EDGES, NAME, fault, thumbnail_path
from indexer.pictures.pool import DecodePool
from indexer.pictures.thumbnails import THUMBNAILS, Thumbnails
from indexer.progress import OnStep, Watch
from indexer.verification.findings import Ledger
from indexer.verification.folders import entries, is_abandoned, reason_of, take_away
from storage import lookup
from storage.catalog import Catalog
from storage.filters import Filter
from storage.records import PhotoRecord

__all__ = ["check_thumbnails"]
