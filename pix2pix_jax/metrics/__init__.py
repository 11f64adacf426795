"""Metrics of image quality, by name."""

from pix2pix_jax.metrics.pixel import l1, psnr

PIXEL_METRICS = {"l1": l1, "psnr": psnr}
