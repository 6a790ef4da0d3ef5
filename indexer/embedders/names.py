"""What a user may have meant by a model name that nothing answers to."""

import difflib
from collections.abc import Iterable

__all__ = ["did_you_mean"]


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of an error message: up to three known names that are near, or nothing.

    A name may be given without its prefix or its tag: "ViT-B-32" is near every
    "open_clip:ViT-B-32/TAG".
    """
    full = list(known)
    asked = name.lower()[:100]
    spellings: dict[str, list[str]] = {}
    for candidate in full:
        reference = candidate.partition(":")[2]
        for spelling in {candidate, reference, reference.partition("/")[0].partition(".")[0]}:
            spellings.setdefault(spelling.lower(), []).append(candidate)
    near = difflib.get_close_matches(asked, [key for key in spellings if key], n=3, cutoff=0.6)
    found = list(dict.fromkeys(candidate for key in near for candidate in spellings[key]))[:3]
    return f"; did you mean {' or '.join(found)}?" if found else ""
