"""How well a library answers: measured on the user's own photos, against answers that the user knows."""

from indexer.evaluation.results import Evaluation, EvaluationOptions

__all__ = ["Evaluation", "EvaluationOptions"]
