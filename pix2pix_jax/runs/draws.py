"""How sure a generator is: mean and deviation of its results over draws of dropout.

Isola et al. (2017), section 3.1, keep dropout on at test time as the only noise of the generator.
Gal and Ghahramani (2016), "Dropout as a Bayesian Approximation", read the spread of such draws as
the uncertainty of the network.
"""

import dataclasses
import functools
from collections.abc import Iterator, Sequence
from typing import Any

import flax.linen as nn
import jax
import numpy as np
from jaxtyping import Array, Float, PyTree, Shaped

from pix2pix_jax.core.choices import MOST_DRAWS
from pix2pix_jax.core.errors import InputError, shown
from pix2pix_jax.core.scales import scaled
from pix2pix_jax.images import pixels
from pix2pix_jax.models.initial import abstract_variables
from pix2pix_jax.runs.batch_sizes import choose_batch_size
from pix2pix_jax.runs.fitting import fit, fitted_size, unfit
from pix2pix_jax.runs.generator import Generator
from pix2pix_jax.runs.given_images import as_images, check_names
from pix2pix_jax.runs.translation import check_mode, translate_batch


@dataclasses.dataclass(frozen=True)
class Drawn:
    """What several draws of dropout say of one image.

    Attributes:
        mean: The mean of the draws, as `translate` returns a result.
        deviation: Standard deviation of the draws in each pixel, as the root of the mean square
            over the channels, in the units of stored targets: levels from 0 to 255 for 8 bits. For
            class indices it is that of the shares of the classes, from 0 to 1. The divisor is the
            number of draws less one. A result that was resized has the deviations of the network's
            pixels, interpolated.
    """

    mean: Shaped[np.ndarray, "h w c"]
    deviation: Float[np.ndarray, "h w 1"]


def check_draws(generator: Generator, draws: int, mode: str) -> None:
    """Raise InputError unless a generator can make a number of different draws.

    Args:
        generator: The generator; more than one draw needs a network with dropout.
        draws: Number of draws, from 1 to `MOST_DRAWS`.
        mode: `paper` or `deterministic`, which has no draws.
    """
    check_mode(mode)
    if not isinstance(draws, int) or not 1 <= draws <= MOST_DRAWS:
        raise InputError(f"draws={shown(draws)}: expected a whole number from 1 to {MOST_DRAWS}")
    if draws == 1:
        return
    if mode == "deterministic":
        raise InputError(f"draws={draws} with mode 'deterministic', which has none: choose paper")
    if generator.fit == "tile":
        raise InputError(f"draws={draws} with fit='tile': choose --fit resize or pad")
    if not has_dropout(generator):
        raise InputError(
            f"draws={draws}: this run's generator has no dropout, so that all draws would be the "
            "same; leave the draws out"
        )


def has_dropout(generator: Generator) -> bool:
    """Return whether a generator uses the keys of dropout in mode `paper`."""
    shape = (1, *generator.image_size, generator.form.source.depth)
    return _uses_keys(generator.module, shape)


@functools.cache
def _uses_keys(module: nn.Module, shape: tuple[int, ...]) -> bool:
    """Compare a network's traces with and without keys; each takes as long as a translation."""
    variables = dict(zip(("params", "batch_stats"), abstract_variables(module, shape), strict=True))

    def count(keys: Array | None) -> int:
        def apply(variables: PyTree, source: Array) -> Any:
            return module.apply(
                variables, source, train=True, dropout_keys=keys, mutable=["batch_stats"]
            )

        source = jax.ShapeDtypeStruct(shape, np.float32)
        return len(jax.make_jaxpr(apply)(variables, source).eqns)

    return count(jax.random.key(0)[None]) != count(None)


def translate_draws(
    generator: Generator,
    sources: Any,
    *,
    draws: int = 8,
    names: Sequence[Any] | None = None,
    mode: str = "paper",
    batch_size: int = 0,
) -> list[Drawn]:
    """Translate images several times, each time with other dropout.

    Args:
        generator: From `load_generator`, of a run with dropout.
        sources: As for `translate`.
        draws: How often; the first draw is the result of `translate`.
        names: As for `translate`; with the seed, they decide all draws.
        mode: `paper`.
        batch_size: As for `translate`.

    Returns:
        Mean and deviation for each source, of the size of the results of `translate`.

    Raises:
        InputError: As for `translate`; there are fewer than two draws, or the run has no dropout.
    """
    check_draws(generator, draws, mode)
    if draws < 2:
        raise InputError(f"draws={draws}: a deviation needs at least 2; `translate` makes one")
    images = as_images(sources, generator.form.source)
    rows = generator.rows(len(images))
    generators = [generator] * len(images) if rows is None else map(generator.at, rows)
    given = zip(generators, images, check_names(names, len(images)), strict=True)
    return [_translate_one(*each, draws, batch_size) for each in given]


def draw_names(name: str, draws: int) -> list[str]:
    """Return the names that decide the dropout of an image's draws; the first is its own."""
    return [name, *(f"{name} (draw {number})" for number in range(2, draws + 1))]


def mean_and_deviation(
    draws: Iterator[Float[np.ndarray, "h w c"]],
) -> tuple[Float[np.ndarray, "h w c"], Float[np.ndarray, "h w c"]]:
    """Return mean and standard deviation of two or more draws, of which one is held at a time.

    By Welford's recurrence (1962), in float64: nothing is lost by cancellation.
    """
    mean = np.asarray(next(draws), np.float64)
    squares, count = np.zeros_like(mean), 1
    for draw in draws:
        count += 1
        change = draw - mean
        mean += change / count
        squares += change * (draw - mean)
    return mean.astype(np.float32), np.sqrt(squares / (count - 1)).astype(np.float32)


def iterate_draws(
    generator: Generator, source: Shaped[np.ndarray, "h w c"], name: str, draws: int, rows: int
) -> Iterator[Float[np.ndarray, "h w d"]]:
    """Yield the draws of an image whose size the network takes, in [-1, 1].

    Args:
        generator: The generator.
        source: The source as stored.
        name: The name that decides the draws.
        draws: Their number.
        rows: How many a program makes at once, from `choose_batch_size`.
    """
    names = draw_names(name, draws)
    for start in range(0, draws, rows):
        some = names[start : start + rows]
        same = np.broadcast_to(source, (len(some), *source.shape))
        yield from translate_batch(generator, same, some, mode="paper", batch_size=rows)


def _translate_one(
    generator: Generator, image: Shaped[np.ndarray, "h w c"], name: str, draws: int, batch_size: int
) -> Drawn:
    size = fitted_size(generator, image.shape[:2])
    height, width = scaled(image.shape[:2], generator.form.scale)
    rows = choose_batch_size(batch_size, size)
    drawn = iterate_draws(generator, fit(generator, image), name, draws, rows)
    mean, deviation = mean_and_deviation(drawn)
    target = generator.form.target
    spread = over_channels(deviation) * np.float32(0.5 if target.classes else target.half)
    if generator.fit == "resize":
        spread = resize_deviation(spread, (height, width))
    return Drawn(unfit(generator, image, mean), spread[:height, :width].copy())


def over_channels(deviation: Float[np.ndarray, "h w c"]) -> Float[np.ndarray, "h w 1"]:
    """Return the root of the mean square over the channels."""
    return np.sqrt(np.square(deviation).mean(axis=-1, keepdims=True))


def resize_deviation(
    deviation: Float[np.ndarray, "h w 1"], size: tuple[int, int]
) -> Float[np.ndarray, "h2 w2 1"]:
    """Resize a deviation to (height, width); what the bicubic filter makes negative becomes 0."""
    return np.maximum(pixels.resize(deviation, size), 0)
