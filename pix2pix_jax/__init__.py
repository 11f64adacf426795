"""pix2pix in JAX: paired image-to-image translation."""

from pix2pix_jax.config import default_config
from pix2pix_jax.errors import InputError
from pix2pix_jax.inference import load_generator, translate
from pix2pix_jax.training import train_and_evaluate

__all__ = ["InputError", "default_config", "load_generator", "train_and_evaluate", "translate"]
