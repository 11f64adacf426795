import pytest

from pix2pix_jax.data.preparation.sizes import choose_size, middle_size
from pix2pix_jax.models.sizes import unet_levels


@pytest.mark.parametrize(
    ("sizes", "chosen"),
    [
        ([(256, 256)], (256, 256)),
        ([(600, 600)], (256, 256)),
        ([(230, 240)], (256, 256)),  # hardly enlarged
        ([(178, 218)], (128, 128)),  # less than 1.25 to 1
        ([(200, 300)], (128, 192)),
        ([(1024, 2048)], (256, 512)),
        ([(3000, 1000)], (768, 256)),
        ([(100, 900)], (64, 256)),  # no more than four to one
        ([(30, 30)], (32, 32)),
        ([(20, 40)], (16, 32)),
        ([(3, 3)], (16, 16)),
        ([(200, 400), (400, 200), (300, 300)], (256, 256)),  # no common proportions
        ([(64, 128)] * 19 + [(64, 32)], (64, 128)),  # one of twenty decides nothing
    ],
)
def test_networks_see_a_size_that_they_take(sizes, chosen):
    assert choose_size(sizes) == chosen
    assert unet_levels(0, chosen) >= 4


def test_the_middle_size_is_one_that_occurs_on_each_axis():
    assert middle_size([(1, 10), (3, 20), (2, 40)]) == (2, 20)
