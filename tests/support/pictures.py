"""Pictures for the tests of metrics: drawn ones, and real ones if available."""

import os
import pathlib

import numpy as np
import pytest

from pix2pix_jax.images import files as image_files
from pix2pix_jax.images import pixels as images


def smooth(seed, n=2, height=64, width=48, channels=3, detail=8):
    """Draw smooth pictures in [-1, 1]."""
    coarse = np.random.default_rng(seed).uniform(-1, 1, (n, detail, detail, channels))
    grown = [images.resize(one.astype(np.float32), (height, width)) for one in coarse]
    return np.clip(np.stack(grown), -1, 1)


def spoiled(target, seed=99, share=0.3):
    """Mix pictures with others, like the answers of a mediocre generator."""
    return (1 - share) * target + np.float32(share) * smooth(seed, *target.shape)


def real(pattern, count=3):
    """Read both halves of some pairs, in [-1, 1].

    The environment variable PIX2PIX_TEST_DATA is a folder with data sets of side-by-side pairs,
    such as facades/test/*.jpg; without it the test is skipped.
    """
    root = os.environ.get("PIX2PIX_TEST_DATA")
    files = sorted(pathlib.Path(root).glob(pattern))[:count] if root else []
    if not files:
        pytest.skip(f"PIX2PIX_TEST_DATA={root!r} has no {pattern}")
    pairs = np.stack([image_files.read(file) for file in files]).astype(np.float32) / 127.5 - 1
    half = pairs.shape[2] // 2
    return pairs[:, :, :half], pairs[:, :, half:]
