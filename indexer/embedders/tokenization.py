"""Words to token ids with the `tokenizers` package alone, so that a query needs no torch.

The cleaning is open_clip's, by its names, and so are the ids: see the tests.
"""

import html
import os
import re
import string
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from indexer.embedders.base import Tokenization

__all__ = ["TextEncoder", "clean"]

# A few words need no threads, and threads make the package warn when a process forks.
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
# What ftfy leaves as it is: printable ASCII and ordinary white space, with no HTML entity.
_PLAIN = re.compile(r"[\t\n\r -%'-~]*")
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)
# No model reads this much, and a pasted file must not cost seconds.
_MOST_CHARACTERS = 20_000
_BATCH = 64


class TextEncoder:
    """Turns texts into token ids as the model was trained to read them."""

    def __init__(self, tokenization: Tokenization) -> None:
        self._tokenization = tokenization
        self._tokenizer = Tokenizer.from_str(tokenization.tokenizer_json)
        self._set_lengths()

    def encode(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """Token ids (n, length) of at least one text, cut and padded."""
        how = self._tokenization
        encodings = self._tokenizer.encode_batch([self._prepared(text) for text in texts])
        ids = np.array([encoding.ids for encoding in encodings], dtype=np.int64)
        ids = ids.reshape(len(texts), -1)
        if how.zero_id is not None:
            ids[ids == how.zero_id] = 0
        if how.last_id is not None:
            ids = np.pad(ids, ((0, 0), (0, 1)), constant_values=how.last_id)
        return ids

    def batches(self, texts: Sequence[str]) -> Iterator[NDArray[np.int64]]:
        """The token ids of some texts at a time, so that a list of any length can be embedded."""
        for start in range(0, len(texts), _BATCH):
            yield self.encode(texts[start : start + _BATCH])

    def cuts(self, text: str) -> bool:
        """Whether the end of the text is left out of its ids."""
        if len(text) > _MOST_CHARACTERS:
            return True
        return bool(self._tokenizer.encode(self._prepared(text)).overflowing)

    def _prepared(self, text: str) -> str:
        # A lone surrogate, as from a file name that is not UTF-8, is no text for a tokenizer.
        sound = text[:_MOST_CHARACTERS].encode(errors="replace").decode()
        return clean(sound, self._tokenization.clean)

    def _set_lengths(self) -> None:
        how, tokenizer = self._tokenization, self._tokenizer
        truncation, padding = tokenizer.truncation or {}, tokenizer.padding or {}
        # The two dictionaries hold the side too, which some text towers set to the left.
        padding = padding | {"pad_id": how.pad_id, "length": None, "pad_to_multiple_of": None}
        if how.context_length:
            length = how.context_length - (how.last_id is not None)
            padding["length"] = length
            tokenizer.enable_truncation(length, direction=truncation.get("direction", "right"))
        tokenizer.enable_padding(**padding)


def clean(text: str, how: str) -> str:
    """Clean a text by one of open_clip's names: `none`, `whitespace`, `lower`, `canonicalize`."""
    return _CLEANERS[how](text)


def _whitespace(text: str) -> str:
    if not _PLAIN.fullmatch(text):
        import ftfy  # deferred: most queries are plain ASCII, which it would not change

        text = ftfy.fix_text(text)
    # Twice, as open_clip does: captions from the web are often escaped twice.
    return " ".join(html.unescape(html.unescape(text)).split())


def _lower(text: str) -> str:
    return _whitespace(text).lower()


def _canonicalize(text: str) -> str:
    bare = _whitespace(text).replace("_", " ").translate(_NO_PUNCTUATION)
    return " ".join(bare.lower().split())


_CLEANERS: dict[str, Callable[[str], str]] = {
    "none": lambda text: text,
    "whitespace": _whitespace,
    "lower": _lower,
    "canonicalize": _canonicalize,
}
