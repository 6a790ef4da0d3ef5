"""open_clip's tokenizers as JSON for the `tokenizers` package, id for id."""

import json
from pathlib import Path
from typing import Any

from open_clip.tokenizer import HFTokenizer, SimpleTokenizer
from tokenizers.processors import TemplateProcessing

from indexer.embedders.base import Tokenization
from indexer.errors import ModelError

__all__ = ["from_folder", "simple"]

_START, _END = "<start_of_text>", "<end_of_text>"
# SimpleTokenizer's own pattern; it ignores case, as the words of its special tokens need.
_WORDS = rf"(?i){_START}|{_END}|'s|'t|'re|'ve|'m|'ll|'d|[\p{{L}}]+|[\p{{N}}]|[^\s\p{{L}}\p{{N}}]+"


def simple(context_length: int, options: dict[str, Any]) -> Tokenization:
    """The byte-pair encoding of CLIP (Radford et al., 2021), as `SimpleTokenizer` does it.

    Options are open_clip's `tokenizer_kwargs`. Raises ModelError for one that has no counterpart.
    """
    options = dict(options)
    clean = options.pop("clean", "lower")
    _refuse(options)
    return Tokenization(
        tokenizer_json=json.dumps(_simple_json(SimpleTokenizer()), ensure_ascii=False),
        context_length=context_length,
        clean=clean,
    )


def from_folder(
    folder: Path, context_length: int, options: dict[str, Any], mode: str | None = None
) -> Tokenization:
    """The tokenizer whose Hugging Face files lie in a folder, as `HFTokenizer` reads it."""
    options = dict(options)
    known = {key: options.pop(key) for key in _HF_OPTIONS if key in options}
    _refuse(options)
    try:
        # Remote code is refused, and nothing beside the folder is read.
        read = HFTokenizer(
            str(folder), context_length, **known, local_files_only=True, trust_remote_code=False
        )
    except (OSError, ValueError, TypeError, AttributeError, ImportError) as error:
        reason = str(error).splitlines()[0]
        raise ModelError(f"{folder}: its tokenizer cannot be read: {reason}") from error
    return _converted(read, folder, known, mode)


_HF_OPTIONS = ("clean", "strip_sep_token", "language")


def _refuse(options: dict[str, Any]) -> None:
    if options:
        raise ModelError(f"the tokenizer option {next(iter(options))!r} is not supported")


def _converted(
    read: HFTokenizer, folder: Path, options: dict[str, Any], mode: str | None
) -> Tokenization:
    tokenizer = read.tokenizer
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise ModelError(f"{folder}: its tokenizer has no form that the tokenizers package reads")
    if mode == "clips":
        backend.post_processor = TemplateProcessing(
            single="bos $A eos",
            special_tokens=[("bos", tokenizer.bos_token_id), ("eos", tokenizer.eos_token_id)],
        )
    elif mode:
        raise ModelError(f"{folder}: the tokenizer mode {mode!r} is not supported")
    # The sides are kept in the JSON; the lengths are set again when it is loaded.
    backend.enable_truncation(read.context_length, direction=tokenizer.truncation_side)
    backend.enable_padding(direction=tokenizer.padding_side, pad_id=tokenizer.pad_token_id)
    return Tokenization(
        tokenizer_json=backend.to_str(),
        context_length=read.context_length,
        pad_id=tokenizer.pad_token_id,
        clean=options.get("clean", "whitespace"),
        zero_id=tokenizer.sep_token_id if options.get("strip_sep_token") else None,
        last_id=tokenizer.cls_token_id if mode == "clips" else None,
    )


def _simple_json(tokenizer: SimpleTokenizer) -> dict[str, Any]:
    vocabulary: dict[str, int] = dict(tokenizer.encoder)
    merges = [list(pair) for pair in tokenizer.bpe_ranks]
    for special in (_START, _END):
        _spell(special, vocabulary, merges, tokenizer)
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        # The one character that the pattern, ignoring case, takes neither as a letter nor as none.
        "normalizer": {"type": "Replace", "pattern": {"String": "\u0345"}, "content": " "},
        "pre_tokenizer": _PRE_TOKENIZER,
        "post_processor": _around(tokenizer),
        "decoder": None,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": "",
            "end_of_word_suffix": "</w>",
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": vocabulary,
            "merges": merges,
        },
    }


_PRE_TOKENIZER = {
    "type": "Sequence",
    "pretokenizers": [
        {"type": "Split", "pattern": {"Regex": _WORDS}, "behavior": "Removed", "invert": True},
        {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False},
    ],
}


def _spell(
    special: str, vocabulary: dict[str, int], merges: list[list[str]], tokenizer: SimpleTokenizer
) -> None:
    """Let merges that come after all others spell a special token, as a user may type one.

    An added token would not do: it is found anywhere, where open_clip's pattern finds "!!<" first.
    """
    id_ = vocabulary.pop(special)
    left, *rest = _pieces(special, tokenizer)
    for right in rest:
        merges.append([left, right])
        left += right
        vocabulary.setdefault(left, max(vocabulary.values()) + 1)
    vocabulary[left] = id_


def _pieces(word: str, tokenizer: SimpleTokenizer) -> list[str]:
    # In a tokenizer's own cache a special token stands for itself; here its merges are wanted.
    whole = tokenizer.cache.pop(word)
    pieces: list[str] = tokenizer.bpe(word).split(" ")
    tokenizer.cache[word] = whole
    return pieces


def _around(tokenizer: SimpleTokenizer) -> dict[str, Any]:
    def special(name: str) -> dict[str, Any]:
        return {"SpecialToken": {"id": name, "type_id": 0}}

    return {
        "type": "TemplateProcessing",
        "single": [special(_START), {"Sequence": {"id": "A", "type_id": 0}}, special(_END)],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {
            name: {"id": name, "ids": [tokenizer.encoder[name]], "tokens": [name]}
            for name in (_START, _END)
        },
    }
