import pytest

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.runs.lock import RunLock


def test_a_lock_that_is_a_link_does_not_overwrite_what_it_leads_to(tmp_path):
    (tmp_path / "letter.txt").write_text("precious")
    (tmp_path / ".lock").symlink_to(tmp_path / "letter.txt")
    with RunLock(tmp_path / ".lock") as lock, pytest.raises(InputError, match="is a link; delete"):
        lock.take()
    assert (tmp_path / "letter.txt").read_text() == "precious"
