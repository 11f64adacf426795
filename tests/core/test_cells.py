import pytest

from pix2pix_jax.core.cells import guard, unguard


@pytest.mark.parametrize("text", ["", "a.png", "=1+1", "+a", "-a", "@a", "\ta", "\ra", "'a", "''="])
def test_a_cell_is_read_back_and_is_never_a_formula(text):
    assert unguard(guard(text)) == text
    assert not guard(text).startswith(("=", "+", "-", "@", "\t", "\r"))


def test_plain_names_stay_as_they_are():
    assert guard("sub/a-1=2.png") == "sub/a-1=2.png"
