"""Damage to bytes: single ones, numbers, and whole parts."""

import numpy as np

# Numbers at the ends of their types, of which sizes and counts in headers are made.
_NUMBERS = (0, 1, 2, 3, 7, 16, 127, 128, 255, 256, 32767, 32768, 65535, 65536, 2**24, 2**31 - 1)
_NUMBERS += (2**31, 2**32 - 1)


def mutate(data: bytes, rng: np.random.Generator, head: int = 256) -> bytes:
    """Damage data in one to six places, half of them in its first bytes."""
    result = bytearray(data)
    for _ in range(rng.integers(1, 7)):
        if result:
            near = min(head, len(result)) if rng.random() < 0.5 else len(result)
            _CHANGES[rng.integers(len(_CHANGES))](result, int(rng.integers(near)), rng)
    return bytes(result)


def _flip(data: bytearray, place: int, rng: np.random.Generator) -> None:
    data[place] ^= 1 << int(rng.integers(8))


def _replace(data: bytearray, place: int, rng: np.random.Generator) -> None:
    data[place] = int(rng.integers(256))


def _write_number(data: bytearray, place: int, rng: np.random.Generator) -> None:
    size = int(rng.choice([1, 2, 4]))
    number = _NUMBERS[rng.integers(len(_NUMBERS))] % 256**size
    order = "little" if rng.random() < 0.5 else "big"
    place = min(place, max(len(data) - size, 0))
    data[place : place + size] = number.to_bytes(size, order)


def _cut_end(data: bytearray, place: int, rng: np.random.Generator) -> None:
    if rng.random() < 0.3:
        del data[place:]


def _remove(data: bytearray, place: int, rng: np.random.Generator) -> None:
    del data[place : place + int(rng.integers(1, 33))]


def _insert(data: bytearray, place: int, rng: np.random.Generator) -> None:
    data[place:place] = rng.bytes(int(rng.integers(1, 33)))


def _repeat(data: bytearray, place: int, rng: np.random.Generator) -> None:
    data[place:place] = data[place : place + int(rng.integers(1, 65))]


def _blank(data: bytearray, place: int, rng: np.random.Generator) -> None:
    size = min(int(rng.integers(1, 33)), len(data) - place)
    data[place : place + size] = bytes([int(rng.choice([0, 255]))]) * size


_CHANGES = (_flip, _replace, _write_number, _cut_end, _remove, _insert, _repeat, _blank)
_CHANGES += (_flip, _replace, _write_number, _write_number)
