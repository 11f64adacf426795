"""Settings that do not go together, each of which is valid alone."""

import logging

from ml_collections import ConfigDict

from pix2pix_jax.core.config import get
from pix2pix_jax.core.errors import InputError
from pix2pix_jax.core.scales import scaled

logger = logging.getLogger(__name__)

# Keys that do nothing without a discriminator, and how each is switched off.
_OF_DISCRIMINATOR = {
    "loss.feature_matching_weight": "0",
    "loss.r1_weight": "0",
    "loss.diffaugment": "()",
}


def refuse_impossible(config: ConfigDict, device_batch: int) -> None:
    """Raise InputError if settings do not go together, each of which is valid alone.

    Args:
        config: A resolved configuration.
        device_batch: Pairs per device in a step.
    """
    d_norm = config.model.discriminator_norm
    if config.loss.gan == "wgangp" and d_norm == "batch":
        logger.warning(
            "loss.gan='wgangp' with batch norm in the discriminator: the gradient penalty assumes "
            "that examples are judged independently; set model.discriminator_norm=instance"
        )
    _refuse_without_discriminator(config)
    _refuse_entropy(config)
    tolerance = config.loss.shift_tolerance
    size = scaled(config.data.image_size, config.data.target_scale)
    if tolerance >= min(size):
        raise InputError(
            f"loss.shift_tolerance={tolerance}: must be smaller than the target's sides, {size}: "
            "these are data.image_size times data.target_scale; a few pixels are usual"
        )
    if config.augment.mosaic and config.data.condition_names:
        raise InputError(
            f"augment.mosaic={config.augment.mosaic} with data.condition: a mosaic shows four "
            "pairs, and has numbers for one; set augment.mosaic=0"
        )
    if config.loss.gan == "wgangp" and config.loss.diffaugment_target:
        raise InputError(
            f"loss.diffaugment_target={config.loss.diffaugment_target:g} with loss.gan='wgangp': "
            "it goes by whether targets are judged real, and a critic judges only differences; set "
            "loss.diffaugment_target=0, or choose another loss.gan"
        )
    parts = config.train.accumulate
    if parts == 1:
        return
    if "batch" in (config.model.norm, d_norm):
        raise InputError(
            f"train.accumulate={parts} with batch norm (model.norm, model.discriminator_norm): it "
            "would normalise each part instead of the batch; choose another norm, or 1"
        )
    if config.loss.gan == "none":
        raise InputError(f"train.accumulate={parts} with loss.gan='none': not supported; choose 1")
    if device_batch % parts:
        raise InputError(
            f"train.accumulate={parts}: does not divide the {device_batch} pairs of a device "
            "(train.batch_size)"
        )


def _refuse_entropy(config: ConfigDict) -> None:
    """Refuse a cross-entropy of what are no classes, or twice the same."""
    loss, beside = config.loss, config.loss.cross_entropy_weight
    instead = loss.reconstruction == "cross_entropy"
    given = (
        f"loss.cross_entropy_weight={beside:g}" if beside else "loss.reconstruction='cross_entropy'"
    )
    if (instead or beside) and not config.data.target_classes:
        raise InputError(
            f"{given} with data.target_classes=0: it compares classes; set data.target_classes to "
            "their number, or choose another loss"
        )
    if beside and loss.shift_tolerance:
        raise InputError(
            f"{given} with loss.shift_tolerance={loss.shift_tolerance}: each loss would choose "
            "another shift of the target; set one of them to 0"
        )
    if instead and beside:
        raise InputError(
            f"{given} with loss.reconstruction='cross_entropy': that is the same loss twice; set "
            "loss.cross_entropy_weight=0, or loss.reconstruction=l1"
        )


def _refuse_without_discriminator(config: ConfigDict) -> None:
    """Refuse what only a discriminator can use: it would be ignored."""
    if config.loss.gan != "none":
        return
    for key, nothing in _OF_DISCRIMINATOR.items():
        if value := get(config, key):
            raise InputError(
                f"{key}={value!r} with loss.gan='none': there is no discriminator; set "
                f"{key}={nothing}, or choose another loss.gan"
            )


def refuse_plateaus_without_scores(config: ConfigDict, validation_pairs: int) -> None:
    """Raise InputError if a run is to act on scores that it does not have.

    Args:
        config: A resolved configuration.
        validation_pairs: Number of validation pairs.
    """
    for key in ("train.stop_when", "lr.schedule"):
        if get(config, key) == "plateau" and not validation_pairs:
            raise InputError(
                f"{key}='plateau': there are no validation pairs, and so no scores; hold some out "
                "with data.split=0.8,0.1,0.1, or choose another value"
            )


def choose_global_batch(train: ConfigDict, device_count: int) -> int:
    """Return the number of pairs in a step over all devices.

    Raises:
        InputError: It is not a multiple of the number of devices.
    """
    total = train.global_batch_size or train.batch_size * device_count
    if total % device_count:
        near = max(total // device_count, 1) * device_count
        raise InputError(
            f"train.global_batch_size={total}: not divisible by the {device_count} devices; "
            f"choose {near} or {near + device_count}, or use fewer devices, as with "
            "CUDA_VISIBLE_DEVICES=0"
        )
    return total
