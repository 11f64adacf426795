"""The pairs of a run: training, validation, and those to score or show besides."""

import dataclasses
import logging
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from ml_collections import ConfigDict

from pix2pix_jax.core.errors import MissingDataError
from pix2pix_jax.core.own_code import NO_OWN_CODE, OwnCode
from pix2pix_jax.core.scales import TARGET_SCALES, scaled
from pix2pix_jax.data.build import build_source
from pix2pix_jax.data.loading import build_pairs
from pix2pix_jax.data.pair_format import PairFormat
from pix2pix_jax.data.pairs import Pairs
from pix2pix_jax.data.selection import Subset, spread_evenly
from pix2pix_jax.data.similarity import Hashes, perceptual_hash, warn_across_splits
from pix2pix_jax.data.sources import Source, images_of
from pix2pix_jax.data.values import say_values

logger = logging.getLogger(__name__)

NO_VALIDATION = (
    "no validation pairs: there are no scores of held-out pairs, so overfitting is not seen, the "
    "newest checkpoint counts as the best, and pictures show training pairs; "
    "data.split=0.8,0.1,0.1 holds some out"
)
_LEAST_OF_SCALE = 0.75  # of the size that data.target_scale needs, which targets should have
_COMPARED = 2000  # pairs of each split that are compared, to find leaks


@dataclasses.dataclass(frozen=True)
class Splits:
    """The pairs of a run.

    Attributes:
        train: Training pairs, ready for random crops.
        val: Validation pairs; None if the data set holds none out.
        shown: Pairs for the sample pictures: the validation pairs, or else some training pairs,
            without augmentation.
        scored_train: Training pairs to score, without augmentation; None if there are none.
        test: The few test pairs to show at the end; None if there are none.
        counts: Number of pairs of each split, by its name.
    """

    train: Pairs
    val: Pairs | None
    shown: Pairs
    scored_train: Pairs | None
    test: Pairs | None
    counts: Mapping[str, int]


def load_splits(
    data: ConfigDict,
    form: PairFormat,
    *,
    seed: int,
    scored_train: int,
    shown: int,
    code: OwnCode = NO_OWN_CODE,
) -> Splits:
    """Read the pairs of a run, and log what values the training pairs hold.

    Args:
        data: The section `data` of a resolved configuration.
        form: The format of the pairs.
        seed: Seed of the run.
        scored_train: Number of training pairs to score.
        shown: Number of test pairs to show at the end; and of training pairs, if none are held out.
        code: What may run of own code.

    Raises:
        InputError: The source is unknown, has no pairs, or one cannot be read.
    """
    left = data.cache_gigabytes

    def load(source: Source, split: str, label: str, *, training: bool = False) -> Pairs:
        nonlocal left
        pairs = build_pairs(
            data,
            source,
            form,
            split=split,
            training=training,
            cache_gigabytes=left,
            label=f"{split} pairs{label}",
        )
        left -= pairs.gigabytes
        return pairs

    train_source = build_source(data, form, "train", seed=seed, code=code)
    val_source, test_source = (
        build_held_out(data, form, split, seed=seed, code=code) for split in ("val", "test")
    )
    train = load(train_source, "train", "", training=True)
    val = None if val_source is None else load(val_source, "val", "")
    say_values(train, data.workers)
    _warn_of_scale(train)
    if val is None:
        logger.warning("%s", NO_VALIDATION)
    else:
        warn_of_leaks(train, val, data.workers)
    scored = _spread(train_source, scored_train)
    test = None if test_source is None else _spread(test_source, shown)
    return Splits(
        train,
        val,
        val or load(_spread(train_source, shown), "train", " to show"),
        load(scored, "train", " to score") if len(scored) else None,
        load(test, "test", " to show") if test is not None else None,
        {"train": len(train), "val": len(val or ()), "test": len(test_source or ())},
    )


def build_held_out(
    data: ConfigDict, form: PairFormat, split: str, *, seed: int, code: OwnCode = NO_OWN_CODE
) -> Source | None:
    """Build the source of a held-out split, once the training pairs were found.

    Args:
        data: As for `build_source`.
        form: As for `build_source`.
        split: `val` or `test`.
        seed: As for `build_source`.
        code: As for `build_source`.

    Returns:
        The pairs; None if the data set holds none out.

    Raises:
        InputError: As for `build_source`, except that there need not be any.
    """
    try:
        source = build_source(data, form, split, seed=seed, may_be_empty=True, code=code)
    except MissingDataError:
        return None
    return source if len(source) else None


def _warn_of_scale(pairs: Pairs) -> None:
    """Warn if files have another scale than the one that they are resized to."""
    scale = pairs.form.scale
    if scale == 1 or pairs.form.derivation is not None:  # derived sides have the scale
        return
    first = pairs.keep[0]
    name = pairs.source.names[first]
    source, *_, target = (image.shape[:2] for image in images_of(pairs.source[first]))
    wanted = scaled(pairs.shaping.scaled(source, name), scale)
    sizes = f"the source of {name} has {source[0]} x {source[1]} pixels (height, width), its target"
    sizes += f" {target[0]} x {target[1]}"
    larger = [each for each in TARGET_SCALES if each > scale > 1 and scaled(source, each) == target]
    if larger:
        logger.warning(
            "data.target_scale=%g: %s; data.target_scale=%g fits the files", scale, sizes, larger[0]
        )
    if max(target) < _LEAST_OF_SCALE * min(max(wanted), max(scaled(source, scale))):
        logger.warning(
            "data.target_scale=%g: %s; targets are enlarged, so results will be as blurred as they "
            "are",
            *(scale, sizes),
        )


def _spread(source: Source, count: int) -> Source:
    """Return a number of pairs, evenly spread over the source."""
    return Subset(source, spread_evenly(len(source), count))


def warn_of_leaks(train: Pairs, val: Pairs, workers: int) -> None:
    """Log a warning if validation pairs look like training pairs.

    Up to 2000 pairs of each split are compared, if both splits are in memory and 8-bit.
    """
    ours, theirs = (_hash_some(pairs, workers) for pairs in (train, val))
    if ours is None or theirs is None:
        return
    warning = warn_across_splits(ours[0], theirs[0], (ours[1], theirs[1]))
    if warning:
        logger.warning("%s", warning)


def _hash_some(pairs: Pairs, workers: int) -> tuple[Hashes, list[str]] | None:
    """Return hashes of both sides of some pairs, and their names.

    None if the pairs are not in memory, or not 8-bit.
    """
    in_memory = pairs.arrays is not None or pairs.cached is not None
    if not in_memory or any(side.dtype != np.uint8 for side in pairs[0]):
        return None
    chosen = spread_evenly(len(pairs), _COMPARED)
    with ThreadPoolExecutor(workers) as pool:
        hashes = list(pool.map(lambda i: _hash_pair(pairs, i), chosen))
    return np.array(hashes, np.uint64), [pairs.names[i] for i in chosen]


def _hash_pair(pairs: Pairs, index: int) -> list[np.uint64]:
    """Hash each source and the target of a pair."""
    source, target = pairs[index]
    return [
        perceptual_hash(side)
        for side in (*pairs.form.source.split(source), pairs.form.image_of(target))
    ]
