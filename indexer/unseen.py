"""Spaces whose vectors came from elsewhere while their model was not on this machine."""

import hashlib

from indexer.errors import ModelError
from storage.records import SpaceRecord

__all__ = ["is_unseen", "needs_model", "unseen_fingerprint"]

MARK = "unseen-"


def unseen_fingerprint(model: str) -> str:
    """What stands for the fingerprint of a model that only its name is known of."""
    return MARK + hashlib.sha256(model.encode()).hexdigest()


def is_unseen(space: SpaceRecord) -> bool:
    """Whether the space's model was never looked at."""
    return space.fingerprint.startswith(MARK)


def needs_model(space: SpaceRecord) -> ModelError:
    """What to tell somebody who asks such a space for more than its vectors."""
    return ModelError(
        f"the vectors of space {space.name} were imported while {space.model} was not on this machine; ask by "
        f"its own photos (photo:ID), or fetch the model to ask for more: glimpse build --model {space.model}"
    )
