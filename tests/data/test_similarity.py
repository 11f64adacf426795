import io

import numpy as np
import pytest
from PIL import Image
from support.pictures import smooth

from pix2pix_jax.data.similarity import NEAR, near_duplicates, perceptual_hash, warn_across_splits
from pix2pix_jax.images import pixels as images


def photos(count=8, side=96, detail=12):
    """Pictures of 8 bits, none like another."""
    return images.to_uint8(smooth(3, count, side, side, detail=detail))


def differ(first, second):
    return int(np.bitwise_count(perceptual_hash(first) ^ perceptual_hash(second)))


def jpeg(image):
    memory = io.BytesIO()
    Image.fromarray(image).save(memory, "JPEG", quality=30)
    return np.array(Image.open(memory))


def test_bits_are_the_signs_of_low_frequencies_against_their_median():
    gray = photos(1, 32, 16)[0, ..., :1]
    centres = (np.arange(32) + 0.5) * np.pi / 32
    amplitudes = np.array(
        [
            [
                sum(
                    gray[y, x, 0] * np.cos(v * centres[y]) * np.cos(u * centres[x])
                    for y in range(32)
                    for x in range(32)
                )
                for u in range(1, 9)
            ]
            for v in range(1, 9)
        ]
    )
    bits = int(perceptual_hash(gray))
    levels = amplitudes * (2 / 32) ** 2
    expected = (levels - np.median(levels) > 0.1).ravel()
    assert [bits >> (63 - place) & 1 for place in range(64)] == expected.tolist()


@pytest.mark.parametrize(
    "change",
    [
        jpeg,
        lambda image: images.resize(image, (48, 60)),
        lambda image: (image * 0.7).astype(np.uint8),
        lambda image: images.as_channels(image, 1, "image"),
        lambda image: image.astype(np.uint16) * 257,
        lambda image: image.astype(np.float32) * 3 - 100,
        lambda image: image[1:, 1:],
    ],
    ids=["jpeg", "smaller", "darker", "gray", "16 bits", "float", "moved by a pixel"],
)
def test_a_copy_has_nearly_the_same_hash(change):
    for image in photos():
        assert differ(image, change(image)) <= NEAR


def test_different_and_mirrored_images_have_different_hashes():
    pictures = photos(16)
    others = [differ(a, b) for i, a in enumerate(pictures) for b in pictures[:i]]
    assert min(others) > NEAR
    assert 28 < np.mean(others) < 36
    assert min(differ(image, image[:, ::-1]) for image in pictures) > NEAR


def test_images_without_structure_have_hash_0_despite_noise():
    noise = np.random.default_rng(0).integers(-1, 2, (2, 64, 64, 3))
    for image in (*(200 + noise), *(np.zeros_like(noise))):
        assert perceptual_hash(image.astype(np.uint8)) == 0
    assert perceptual_hash(np.full((9, 9, 1), 7, np.float32)) == 0


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5])
def test_any_number_of_channels_has_a_hash(channels):
    gray = photos(1)[0, ..., :1]
    alike = np.repeat(gray, channels, axis=-1)
    if channels in (2, 4):
        alike[..., -1] = 255  # opaque
    assert differ(alike, gray) <= 2


def hashes(*values):
    return np.array(values, np.uint64)


def test_near_duplicates_by_hand():
    first = hashes(0b0, 0b1, 0b111, 2**63)
    assert near_duplicates(first, distance=0) == []
    assert near_duplicates(first, distance=1) == [(0, 1, 1), (0, 3, 1)]
    assert near_duplicates(first, distance=2) == [(0, 1, 1), (0, 3, 1), (1, 2, 2), (1, 3, 2)]
    assert near_duplicates(first, hashes(0b110, 0b0), distance=1) == [
        (0, 1, 0),
        (1, 1, 1),
        (2, 0, 1),
        (3, 1, 1),
    ]


def test_the_distance_of_pairs_is_that_of_the_side_that_differs_more():
    pairs = hashes([0b0, 0b0], [0b1, 0b11], [0b1, 0b0])
    assert near_duplicates(pairs, distance=1) == [(0, 2, 1)]
    assert near_duplicates(pairs, distance=2) == [(0, 2, 1), (0, 1, 2), (1, 2, 2)]


@pytest.mark.parametrize("count", [60, 1100])  # more than a million comparisons are divided
def test_near_duplicates_agree_with_counting_bit_by_bit(count):
    rng = np.random.default_rng(0)
    first, second = (rng.integers(0, 2**63, count).astype(np.uint64) for _ in range(2))
    distance = {60: 26, 1100: 18}[count]
    expected = set()
    for i, a in enumerate(first.tolist()):
        for j, b in enumerate(second.tolist()):
            bits = (a ^ b).bit_count()
            if bits <= distance:
                expected.add((i, j, bits))
    assert len(expected) > 20
    found = near_duplicates(first, second, distance)
    assert set(found) == expected
    assert [bits for *_, bits in found] == sorted(bits for *_, bits in found)
    inside = near_duplicates(np.concatenate([first, second]), distance=distance, most=10**6)
    assert {(i, j - count, bits) for i, j, bits in inside if i < count <= j} == expected


def test_only_the_nearest_are_kept_if_there_are_too_many():
    blank = np.zeros(300, np.uint64)
    blank[7] = 1
    found = near_duplicates(blank, most=50)
    assert len(found) == 50
    assert {bits for *_, bits in found} == {0}


@pytest.mark.parametrize("sides", [(), (2,)])
def test_no_hashes_have_no_duplicates(sides):
    none, some = np.zeros((0, *sides), np.uint64), np.zeros((3, *sides), np.uint64)
    assert near_duplicates(none) == near_duplicates(none, some) == near_duplicates(some, none) == []


def test_the_warning_lists_three_held_out_images_and_counts_each_once():
    train, val = hashes(0, 1, 2**40 - 1), hashes(3, 2**64 - 1, 0, 1, 5)
    names = ("a.png", "b.png", "c.png"), ("r.png", "s.png", "t.png", "u.png", "v.png")
    line = warn_across_splits(train, val, names)
    assert line.startswith("4 of 5 held-out images")
    assert "t.png ~ a.png (0 of 64 bits differ), u.png ~ b.png (0 of" in line
    assert line.count("~") == 3
    assert "\n" not in line


def test_there_is_no_warning_if_nothing_looks_alike():
    assert warn_across_splits(hashes(0), hashes(2**9 - 1), (("a",), ("b",))) is None
    assert "b ~ a" in warn_across_splits(hashes(0), hashes(2**8 - 1), (("a",), ("b",)))
