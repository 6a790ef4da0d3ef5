"""The fuzzer's targets over inputs made up at random, and over what the fuzzer has found before."""

import random

import pytest

from tests.fuzzing.targets import TARGETS, seeds

FOUND = {
    "queries": [
        b"2:./~po.go + ./poolhr",  # nobody's home: read as a user's name
        b"2:./po.r + ./~g\x01\x00/pool.jpg",  # a NUL in a path
        b"1:-  - \x01",  # the word "-", which was written as an operator
        b'2:"f2ne l - "f12 - httpt" + ph',  # a quote within quotes
    ],
    "filters": [
        b"max_size=" + b"8" * 400 + b"GB",  # more than a float holds
    ],
}
"""Inputs that once did what they must not."""


@pytest.mark.parametrize("name", TARGETS)
def test_good_inputs_and_broken_ones_end_well(name: str) -> None:
    rng = random.Random(0)
    for seed in seeds(name):
        TARGETS[name](seed)
        for _ in range(150):
            TARGETS[name](broken(seed, rng))


@pytest.mark.parametrize("name", FOUND)
def test_what_was_found_once_ends_well(name: str) -> None:
    for data in FOUND[name]:
        TARGETS[name](data)


def broken(data: bytes, rng: random.Random) -> bytes:
    """The same with some bytes changed, cut off, doubled or left out."""
    out = bytearray(data)
    for _ in range(rng.randint(1, 8)):
        at = rng.randrange(len(out) + 1)
        match rng.randrange(4):
            case 0 if at < len(out):
                out[at] = rng.randrange(256)
            case 1:
                del out[at : at + rng.randint(1, 16)]
            case 2:
                out[at:at] = out[at : at + rng.randint(1, 16)]
            case 3 if rng.random() < 0.1:
                del out[at:]
    return bytes(out)
