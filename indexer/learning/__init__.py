"""The verb `train`: finds the pictures, trains on them, keeps the result, and measures whether it helped."""

from indexer.learning.options import METHODS, TrainOptions, TrainReport

__all__ = ["METHODS", "TrainOptions", "TrainReport"]
