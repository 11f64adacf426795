"""The weights that a folder keeps, to be read: the checkpoints of a run, or those of a bundle."""

from pix2pix_jax.runs.bundle import Bundle, is_bundle
from pix2pix_jax.runs.checkpoints import Checkpoints
from pix2pix_jax.runs.folder import RunFolder

Kept = Checkpoints | Bundle


def open_kept(folder: RunFolder) -> Kept:
    """Open what a folder keeps, for a `with` statement; nothing in the folder is changed.

    Args:
        folder: The folder of a run, or a bundle.

    Raises:
        InputError: The folder holds neither, or a file is in the place of the checkpoints.
    """
    folder.settings  # noqa: B018 - refuses a folder without a run
    if is_bundle(folder):
        return Bundle(folder)
    return Checkpoints(folder.path, read_only=True)
