"""Formats and sources as a run builds them, from a whole configuration."""

from pix2pix_jax.core.validation import resolve
from pix2pix_jax.data.build import build_source
from pix2pix_jax.data.configured_format import build_format


def format_of(config):
    """Build the format of a config's pairs."""
    settings = resolve(config)
    options = {"bands": settings.log.bands, "seed": settings.seed}
    return build_format(settings.data, settings.derive, **options)


def source_of(config, split):
    """Build the source of one of a config's splits."""
    settings = resolve(config)
    return build_source(settings.data, format_of(config), split, seed=settings.seed)
