"""What every family of models hands over, and what every embedder answers."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Embedder", "Family", "Model", "Notify", "Preprocessing", "Tokenization"]

Notify = Callable[[str], None]
"""Receives one line for the user while a model loads ("downloading 605 MB …")."""


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """How an upright sRGB picture becomes the model's square input."""

    size: int
    """Edge of the square that the model sees, in pixels."""
    resize: Literal["shortest", "squash", "longest"] = "shortest"
    """`shortest`: shortest edge to `resize_to`, then the centre; `squash`: both edges to
    `resize_to`, then the centre; `longest`: longest edge to `size`, the rest filled."""
    resize_to: int = 0
    """Edge after the resize and before the centre crop, in pixels; 0 stands for `size`."""
    interpolation: Literal["bilinear", "bicubic", "lanczos", "nearest"] = "bicubic"
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    """Per channel, over values scaled to 0 to 1."""
    fill: int = 0
    """Value of the border that `longest` adds, 0 to 255."""
    plain_resize_to: int = 0
    """Longest edge, after the resize, of a picture whose outermost pixels are nearly of one colour, such as a drawing
    on white; it is centred on more of that colour. 0 treats it like any other picture."""

    def described(self) -> dict[str, Any]:
        """JSON types. What came later is left out where it is not used, so that fingerprints stay as they were."""
        described = asdict(self)
        if not self.plain_resize_to:
            del described["plain_resize_to"]
        return described


@dataclass(frozen=True, slots=True)
class Tokenization:
    """How words become token ids, without the library that trained the model."""

    tokenizer_json: str
    """A tokenizer in the format of the `tokenizers` package, special tokens included."""
    context_length: int
    """Ids a text is cut and padded to; 0 pads to the longest of the batch, and leaves the cut
    to the truncation that `tokenizer_json` asks for."""
    pad_id: int = 0
    clean: Literal["none", "whitespace", "lower", "canonicalize"] = "none"
    """Cleaning before tokenization, by open_clip's names."""
    zero_id: int | None = None
    """A token id replaced by 0 after tokenization (open_clip's `strip_sep_token`)."""
    last_id: int | None = None
    """A token id that follows the padding, as the last of `context_length` (CLIPS, 2024)."""


@dataclass(slots=True)
class Model:
    """A loaded model in PyTorch, as a family hands it over for export.

    The towers are in evaluation mode, on the CPU, in float32:

    - `image_tower`: float32 (n, 3, size, size), normalised by mean and std -> float32 (n, dim)
    - `text_tower`: int64 (n, length) token ids -> float32 (n, dim)

    Neither output is L2-normalised; whoever runs the tower does that.
    """

    name: str
    """The string that names the model everywhere, such as `open_clip:ViT-B-32/openai`."""
    dim: int
    preprocessing: Preprocessing
    image_tower: "nn.Module"
    licence: str
    text_tower: "nn.Module | None" = None
    tokenization: Tokenization | None = None
    details: dict[str, Any] = field(default_factory=dict)
    """What a user may want to see (architecture, layout, source file); JSON types only."""

    @property
    def reads_text(self) -> bool:
        """Whether it has a text tower."""
        return self.text_tower is not None

    def fingerprint(self) -> str:
        """Hex SHA-256 over every weight, the preprocessing and the tokenization.

        The name is left out: the same weights under two names are one model.
        """
        digest = hashlib.sha256()
        for tower in (self.image_tower, self.text_tower):
            for key, tensor in sorted((tower.state_dict() if tower else {}).items()):
                digest.update(f"{key}{tuple(tensor.shape)}{tensor.dtype}".encode())
                digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
        tokenization = asdict(self.tokenization) if self.tokenization else None
        described = [self.dim, self.preprocessing.described(), tokenization]
        digest.update(json.dumps(described, sort_keys=True).encode())
        return digest.hexdigest()


class Family(Protocol):
    """One way of naming and loading models: `PREFIX:REFERENCE`.

    Registered by an entry point in the group `glimpse.embedders`, whose name is the prefix.
    A module with these two functions will do.
    """

    def load(self, reference: str, notify: Notify) -> Model:
        """Load the model that `PREFIX:reference` names; `reference` is "" for a bare prefix.

        Raises UnknownModelError, ModelUnavailableError or CheckpointError.
        """

    def references(self) -> Sequence[str]:
        """The references that are known by name, for listing and for "did you mean"."""


class Embedder(Protocol):
    """A model that is ready to run."""

    fingerprint: str
    dim: int
    preprocessing: Preprocessing
    reads_text: bool

    def embed_images(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Embed RGB pictures (n, size, size, 3) as rows (n, dim), L2-normalised."""

    def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed texts as rows (n, dim), L2-normalised; NoTextError without a text tower."""

    def cuts(self, text: str) -> bool:
        """Whether the text is longer than the model's context, so that its end goes unread.

        Raises NoTextError without a text tower.
        """
