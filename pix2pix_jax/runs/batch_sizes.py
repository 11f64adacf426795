"""How many images a program translates at once, and which."""

import itertools
from collections.abc import Iterator, Sequence

import jax

from pix2pix_jax.core.devices import on_cpu
from pix2pix_jax.core.errors import InputError, shown

_MOST = 128  # images of a device, if their number is left open
_PIXELS = 32 * 256 * 256


def choose_batch_size(wanted: int, image_size: tuple[int, int]) -> int:
    """Return how many images a program translates at once.

    The number of images that are given plays no part: an image is always translated by the same
    program, so its result does not depend on the others, to the bit.

    Args:
        wanted: The number that was asked for, which the CPU ignores; 0: choose one.
        image_size: Height and width of the images.

    Returns:
        1 for each device on the CPU, where more would take as long per image, and more memory.
        Elsewhere the wanted number, or for each device as many as have the pixels of 32 images of
        256x256, from 1 to 128.

    Raises:
        InputError: The wanted number is negative, or not a whole number.
    """
    if not isinstance(wanted, int) or wanted < 0:
        raise InputError(f"batch_size={shown(wanted)}: expected a whole number from 0 on")
    if on_cpu():
        return jax.local_device_count()
    fitting = _PIXELS // (image_size[0] * image_size[1])
    return wanted or jax.local_device_count() * min(max(fitting, 1), _MOST)


def batches_of_one_size(
    sizes: Sequence[tuple[int, int]], batch_size: int, *, in_order: bool = False
) -> Iterator[list[int]]:
    """Divide images into batches for one program each.

    Images of one size follow each other, so that their program is needed once.

    Args:
        sizes: Height and width at which the network sees each image, see `fitting.fitted_size`.
        batch_size: The number of images that was asked for, see `choose_batch_size`.
        in_order: Whether no image may come before one that was given before it.

    Yields:
        Numbers of the images of a batch, in order.
    """
    places = {size: place for place, size in enumerate(dict.fromkeys(sizes))}
    ordered = [*range(len(sizes))]
    if not in_order:
        ordered.sort(key=lambda number: places[sizes[number]])
    for size, group in itertools.groupby(ordered, key=sizes.__getitem__):
        numbers, rows = [*group], choose_batch_size(batch_size, size)
        for start in range(0, len(numbers), rows):
            yield numbers[start : start + rows]
