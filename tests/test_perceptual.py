"""Perceptual hashes, and finding what is near by them or by vectors."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from indexer.pictures.perceptual import SYMMETRIES, perceptual_hash, turned
from indexer.pictures.registration import overlay, small
from storage.perceptual import EXACT_BELOW, alike_by_hash, alike_by_vector
from tests.pictures import encoded

CAT = Path(__file__).parent.parent / "examples" / "photos" / "animals" / "grey-cat.jpg"


def scene(width: int, height: int) -> Image.Image:
    with Image.open(CAT) as image:
        return image.convert("RGB").resize((width, height))


def hash_of(image: Image.Image) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    return np.frombuffer(perceptual_hash(image), np.uint8)


def differing(image: Image.Image, other: Image.Image) -> int:
    return int(np.bitwise_count(hash_of(image) ^ hash_of(other)).sum())


@pytest.mark.parametrize("number", range(len(SYMMETRIES)))
def test_the_hash_of_a_turned_picture_follows_from_its_own(number: int) -> None:
    turns, mirrored = SYMMETRIES[number]
    image = scene(300, 200)
    other = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if mirrored else image
    expected = hash_of(other.rotate(90 * turns, expand=True))
    found = turned(hash_of(image)[None])[number, 0]
    assert np.bitwise_count(expected ^ found).sum() <= 4


def test_a_hash_stays_nearly_the_same_when_the_picture_is_encoded_and_scaled_anew() -> None:
    image = scene(600, 400)
    jpeg = Image.open(io.BytesIO(encoded(image.resize((150, 100)), "JPEG", quality=50)))
    assert differing(image, jpeg) <= 3
    assert differing(image, image.transpose(Image.Transpose.ROTATE_180)) > 15


def test_a_picture_without_shape_has_the_hash_0() -> None:
    assert perceptual_hash(Image.new("RGB", (50, 40), (200, 30, 20))) == bytes(8)


def test_a_rotation_and_a_scale_are_found_again() -> None:
    image = scene(400, 300)
    laid = overlay(
        small(image), small(image.rotate(3, Image.Resampling.BICUBIC).crop((40, 30, 360, 270)))
    )
    assert laid is not None
    assert abs(laid.angle) == pytest.approx(3, abs=0.2)
    assert laid.scale == pytest.approx(1.25, abs=0.02)
    assert laid.shown == pytest.approx(0.64, abs=0.03)


def test_every_pair_within_the_radius_is_found() -> None:
    hashes = np.zeros((3, 8), np.uint8)
    hashes[1, 0], hashes[2, 0] = 0b111, 0b1111
    ((rows, found),) = alike_by_hash(hashes[:1], hashes, radius=3)
    assert (rows.tolist(), sorted(found.tolist())) == ([0, 0], [0, 1])


@pytest.mark.parametrize("count", [200, EXACT_BELOW + 100])
def test_near_vectors_are_found_among_few_and_among_many(count: int) -> None:
    vectors = np.random.default_rng(0).standard_normal((count, 16)).astype(np.float32)
    vectors[1::2] = vectors[::2] + 0.05 * vectors[1::2]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    pairs = {
        (int(a), int(b))
        for rows, found in alike_by_vector(vectors, 8, 0.99)
        for a, b in zip(rows, found, strict=True)
    }
    hit = sum((i, i + 1) in pairs for i in range(0, count, 2))
    assert hit >= 0.99 * count / 2
    assert all((vectors[a] @ vectors[b]) >= 0.989 for a, b in list(pairs)[:500])
