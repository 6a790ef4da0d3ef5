"""Token ids: with the `tokenizers` package alone, and yet open_clip's own."""

import unicodedata
from functools import cache

import numpy as np
import open_clip
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from indexer.embedders import open_clip_tokenizer
from indexer.embedders.tokenization import TextEncoder, clean

HARD = [
    "",
    " ",
    "a photo of a dog",
    "It's the cat's, they'LL say; I'd've 'TIS",
    "naïve café, Ångström, Straße, ﬁne, İstanbul, \u017f'\u017f",
    "两只狗在海滩上 東京 서울",
    "👍🏽👨‍👩‍👧😀 and words",
    "1234 5½ ² ٣ x2y",
    "<end_of_text>",
    "a <START_OF_TEXT> b!!<end_of_text>s <end_of_text",
    "&amp;lt;b&amp;gt; &#65;&#x41; &eacute; a&b",
    "<b> &amp;amp;amp; &amp;lt; &#39;",
    "tab\tnew\nline\r\nand\x0bmore\x1f\x7f end",
    "schÃ¶n â€œquotedâ€\x9d",
    "word " * 200,
    "x" * 500,
    "!?!? ... --- ***",
    "_under_score_ [brackets] {and} more",
    "\u0345a\u0345b",
]


@cache
def simple_encoder(clean: str = "lower") -> TextEncoder:
    return TextEncoder(open_clip_tokenizer.simple(77, {"clean": clean}))


@pytest.mark.parametrize("text", HARD)
def test_clips_token_ids_are_open_clips(text: str) -> None:
    np.testing.assert_array_equal(simple_encoder().encode([text]), open_clip.tokenize([text]))


PIECES = st.sampled_from(
    ["<end_of_text>", "<start_of_text>", "'s", "'LL", "&amp;", "&#39;", " ", "\n", "\u017f", "İ"]
)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.lists(st.one_of(PIECES, st.text(max_size=12)), max_size=25).map("".join))
def test_clips_token_ids_are_open_clips_whatever_is_typed(text: str) -> None:
    # Which newly assigned characters are letters, the two libraries say by the year of their tables.
    assume("Cn" not in {unicodedata.category(character) for character in clean(text, "lower")})
    np.testing.assert_array_equal(simple_encoder().encode([text]), open_clip.tokenize([text]))


@pytest.mark.parametrize("how", ["lower", "whitespace", "canonicalize"])
def test_every_cleaning_is_open_clips(how: str) -> None:
    theirs = open_clip.SimpleTokenizer(clean=how)
    np.testing.assert_array_equal(simple_encoder(how).encode(HARD), theirs(HARD))


def test_a_text_is_cut_when_its_last_token_is_lost() -> None:
    assert not simple_encoder().cuts("dog " * 75)
    assert simple_encoder().cuts("dog " * 76)
    assert simple_encoder().cuts("a" * 10_000_000)


def test_a_text_that_no_encoding_has_is_read_all_the_same() -> None:
    assert simple_encoder().encode(["caf\udce9 \x00"]).shape == (1, 77)
