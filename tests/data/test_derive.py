import importlib.util
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from pix2pix_jax.core.config import default_config
from pix2pix_jax.core.errors import InputError
from pix2pix_jax.data.configured_format import format_of
from pix2pix_jax.data.derive import DERIVATIONS, Derivation

needs_opencv = pytest.mark.skipif(
    importlib.util.find_spec("cv2") is None, reason="OpenCV is an extra"
)
KINDS = [
    pytest.param(kind, marks=needs_opencv if kind in ("edges", "blur") else ())
    for kind in DERIVATIONS
]
DTYPES = (np.uint8, np.uint16, np.float32)


def noise(*shape, dtype=np.uint8, seed=0):
    values = np.random.default_rng(seed).random(shape, np.float32)
    if dtype != np.float32:
        values *= np.iinfo(dtype).max
    image = values.astype(dtype)
    image.setflags(write=False)  # every test then shows that inputs are left alone
    return image


def step(height):
    """An image of 16x16 pixels whose right half is brighter by this many levels."""
    image = np.full((16, 16, 3), 50, np.uint8)
    image[:, 8:] += np.uint8(height)
    return image


def hole_of(name="a.jpg", size=(40, 30), **settings):
    """Return top, bottom, left and right of the hole in a black image."""
    source, _ = Derivation("mask", **settings)(np.zeros((*size, 1), np.uint8), name)
    rows, columns = (np.flatnonzero(source[..., 0].any(axis)) for axis in (1, 0))
    assert source[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
    return rows[0], rows[-1] + 1, columns[0], columns[-1] + 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (7, 1), (33, 20)])
def test_both_sides_have_the_size_of_the_image_and_the_target_is_the_image(kind, size):
    image = noise(*size, 3)
    source, target = Derivation(kind)(image, "a.jpg")
    assert source.shape[:2] == target.shape[:2] == size
    assert (target is image) == (kind != "lab")


@pytest.mark.parametrize("kind", KINDS)
def test_threads_give_the_same_pairs_as_a_single_one(kind):
    names = [f"{number}.jpg" for number in range(16)]
    calls = ([noise(40, 30, 3, seed=seed) for seed in range(16)], names)
    with ThreadPoolExecutor(4) as pool:
        together = pool.map(Derivation(kind), *calls)
        for pair, alone in zip(together, map(Derivation(kind), *calls), strict=True):
            for side, expected in zip(pair, alone, strict=True):
                np.testing.assert_array_equal(side, expected)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", ["gray", pytest.param("blur", marks=needs_opencv), "downscale"])
def test_source_has_the_dtype_and_about_the_mean_of_the_image(kind, dtype):
    image = noise(32, 24, 3, dtype=dtype)
    source, _ = Derivation(kind)(image, "a.tif")
    assert source.dtype == dtype
    assert source.shape == image.shape
    assert not np.array_equal(source, image)
    assert source.mean(dtype=float) == pytest.approx(image.mean(dtype=float), rel=0.05)


@pytest.mark.parametrize(
    ("dtype", "full", "expected"),
    [
        (np.uint8, 255, [76, 150, 29]),
        (np.uint16, 65535, [19595, 38469, 7471]),
        (np.float32, 1, [0.299, 0.587, 0.114]),
    ],
)
def test_gray_has_the_weights_of_itu_r_601(dtype, full, expected):
    primaries = (np.eye(3) * full).astype(dtype)[None]
    source, _ = Derivation("gray", channels=1)(primaries, "a.png")
    np.testing.assert_allclose(source[0, :, 0], expected, rtol=1e-6)


@pytest.mark.parametrize("kind", ["gray", pytest.param("edges", marks=needs_opencv)])
def test_the_source_has_the_configured_number_of_equal_channels(kind):
    image = noise(16, 16, 3)
    one, three = (Derivation(kind, channels=n)(image, "a.jpg")[0] for n in (1, 3))
    assert one.shape == (16, 16, 1)
    np.testing.assert_array_equal(three, np.repeat(one, 3, axis=-1))


def test_lab_is_lightness_and_two_colour_channels():
    lightness, ab = Derivation("lab")(np.array([[(255, 0, 0)]], np.uint8), "a.jpg")
    assert (lightness.shape, ab.shape) == ((1, 1, 1), (1, 1, 2))
    assert lightness.dtype == ab.dtype == np.float32
    np.testing.assert_allclose(lightness[0, 0], [53.24], atol=0.02)
    np.testing.assert_allclose(ab[0, 0], [80.09, 67.20], atol=0.02)


@pytest.mark.parametrize(
    ("kind", "image", "message"),
    [
        ("lab", noise(8, 8, 1), "1 channels of uint8; .*needs RGB of 8 bits"),
        ("lab", noise(8, 8, 3, dtype=np.uint16), "3 channels of uint16; .*needs RGB of 8 bits"),
        ("edges", noise(8, 8, 3, dtype=np.uint16), "pixels of uint16; .*needs 8 bits"),
        ("edges", noise(8, 8, 1, dtype=np.float32), "pixels of float32; .*needs 8 bits"),
        ("gray", noise(8, 8, 5), "5 channels; .*needs gray or RGB"),
    ],
)
def test_an_image_that_does_not_suit_the_kind_is_an_error_that_gives_its_name(kind, image, message):
    with pytest.raises(InputError, match=f"^a.tif: {message}"):
        Derivation(kind)(image, "a.tif")


@needs_opencv
@pytest.mark.parametrize(("height", "found"), [(0, 0), (24, 0), (49, 0), (51, 1), (200, 1)])
def test_a_step_is_an_edge_if_four_times_its_height_exceeds_the_threshold(height, found):
    source, _ = Derivation("edges", edge_low=100.0, edge_high=200.0)(step(height), "a.jpg")
    black = (source == 0).all(axis=(0, 2))
    assert (source[:, ~black] == 255).all()
    assert source.dtype == np.uint8
    assert black.sum() == found
    assert not black[[*range(7), *range(9, 16)]].any()


@needs_opencv
def test_the_low_threshold_extends_strong_edges():
    image = step(60)
    image[8:, 8:] = 80  # the step's lower half is 30 levels high: too weak to stand alone
    counts = [
        (Derivation("edges", edge_low=low, channels=1)(image, "a.jpg")[0][10:, 6:10] == 0).sum()
        for low in (100.0, 180.0)
    ]
    assert counts == [6, 0]


@needs_opencv
def test_a_blur_before_canny_leaves_fewer_edges():
    sharp, soft = (
        (Derivation("edges", edge_blur=sigma)(noise(64, 64, 3), "a.jpg")[0] == 0).mean()
        for sigma in (0.0, 2.0)
    )
    assert sharp > 0.1
    assert soft < sharp / 5


@needs_opencv
@pytest.mark.parametrize("dtype", DTYPES)
def test_blur_leaves_a_constant_image_unchanged(dtype):
    image = np.full((20, 30, 3), 173, dtype)
    source, _ = Derivation("blur", blur_sigma=3.0)(image, "a.jpg")
    np.testing.assert_allclose(source, image, rtol=1e-6 if dtype == np.float32 else 0)


@needs_opencv
@pytest.mark.parametrize("channels", [1, 3, 200])
def test_blur_spreads_a_point_to_a_gaussian_in_each_channel(channels):
    image = np.zeros((15, 15, channels), np.float32)
    image[7, 7] = np.arange(1, channels + 1)
    weights = np.exp(-((np.arange(15) - 7) ** 2) / (2 * 1.5**2))
    weights /= weights.sum()
    expected = np.outer(weights, weights)[..., None] * image[7, 7]
    source, _ = Derivation("blur", blur_sigma=1.5)(image, "a.tif")
    np.testing.assert_allclose(source, expected, rtol=0, atol=1e-3 * expected.max())


@pytest.mark.parametrize(
    "identity", [Derivation("blur", blur_sigma=0.0), Derivation("downscale", downscale=1)]
)
def test_sigma_0_and_factor_1_leave_the_image_unchanged(identity):
    image = noise(9, 7, 3)
    np.testing.assert_array_equal(identity(image, "a.jpg")[0], image)


@pytest.mark.parametrize("kind", ["blur", "edges"])
def test_a_missing_opencv_is_an_error_that_gives_its_extra(monkeypatch, kind):
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(InputError, match=r"cv2 is missing: .*\[opencv\]"):
        Derivation(kind)(noise(8, 8, 3), "a.jpg")


def test_downscale_is_pillows_bicubic_down_and_up_with_sides_rounded_up():
    image = noise(18, 13, 3)
    small = Image.fromarray(image).resize((4, 5), Image.Resampling.BICUBIC)
    expected = small.resize((13, 18), Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(Derivation("downscale")(image, "a.jpg")[0], np.array(expected))


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_hole_is_gray_or_the_mean_of_the_rest_which_is_unchanged(dtype):
    image = noise(40, 30, 3, dtype=dtype)
    source, _ = Derivation("mask")(image, "a.jpg")
    assert source.dtype == dtype
    top, bottom, left, right = hole_of("a.jpg")
    rest = np.ones((40, 30), bool)
    rest[top:bottom, left:right] = False
    np.testing.assert_array_equal(source[rest], image[rest])
    fill = {np.uint8: 128, np.uint16: 32768, np.float32: image[rest].mean(axis=0)}[dtype]
    assert np.ptp(image[rest].mean(axis=0)) > 1e-3  # the channels differ
    np.testing.assert_allclose(source[~rest] / fill, 1, rtol=1e-6)


def test_the_hole_has_the_middle_of_the_range_that_networks_see():
    config = default_config()
    config.derive.kind = "mask"
    for side in ("source", "target"):
        config.data[f"{side}_dtype"], config.data[f"{side}_range"] = "uint16", (0.0, 4095.0)
    form = format_of(config)
    source, _ = form.derivation(np.zeros((40, 30, 3), np.uint16), "a.png")
    assert np.unique(source).tolist() == [0, 2048]
    assert abs(form.source.to_network(source)).max() <= 1


@pytest.mark.parametrize("share", [0.01, 0.25, 0.6, 0.9])
@pytest.mark.parametrize("size", [(64, 64), (50, 200), (400, 30)])
def test_the_hole_has_its_share_of_the_image_and_a_similar_aspect_ratio(share, size):
    for number in range(50):
        top, bottom, left, right = hole_of(str(number), size, mask_share=share)
        height, width = bottom - top, right - left
        assert abs(height * width - share * size[0] * size[1]) <= max(size)
        stretch = (height / size[0]) / (width / size[1])
        slack = (1 + 1 / height) * (1 + 1 / width)
        assert 1 / 2 / slack <= stretch <= 2 * slack


def test_holes_reach_every_side_and_are_wide_or_high():
    tops, bottoms, lefts, rights = np.transpose(
        [hole_of(str(number), (12, 12)) for number in range(200)]
    )
    assert (tops.min(), bottoms.max(), lefts.min(), rights.max()) == (0, 12, 0, 12)
    assert set(bottoms - tops) == set(range(4, 9))  # 6 / sqrt(2) to 6 * sqrt(2)


def test_a_hole_depends_only_on_the_seed_and_the_name():
    assert hole_of("a.jpg") == hole_of("a.jpg") == (15, 34, 14, 30)
    others = [hole_of("b.jpg"), hole_of("sub/a.jpg"), hole_of("a.jpg", seed=1)]
    assert hole_of("a.jpg") not in others
    assert len(set(others)) == 3
    assert hole_of("caf\udce9.jpg") != hole_of("a.jpg")  # a name that is no UTF-8


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (5, 1), (4, 4)])
def test_a_hole_never_takes_the_whole_image(size):
    image = 1 + noise(*size, 1, dtype=np.float32)
    for number in range(20):
        source, _ = Derivation("mask", mask_share=0.99)(image, str(number))
        assert (source == image).any()
        assert np.isfinite(source).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": "sketch"}, "derive.kind='sketch': choose from gray, lab, edges, blur, .*, mask"),
        ({"edge_low": -1.0}, "derive.edge_low=-1.0: must be from 0 to 2040"),
        ({"edge_high": 3e3}, "derive.edge_high=3000.0: must be from 0 to 2040"),
        ({"edge_low": 300.0}, "derive.edge_low=300.0: must not be above derive.edge_high=200.0"),
        ({"edge_blur": float("nan")}, "derive.edge_blur=nan: must be from 0 to 100"),
        ({"blur_sigma": float("inf")}, "derive.blur_sigma=inf: must be from 0 to 100"),
        ({"downscale": 0}, "derive.downscale=0: must be from 1 "),
        ({"mask_share": 1.0}, "derive.mask_share=1.0: must be between 0 and 1"),
        ({"mask_share": float("nan")}, "derive.mask_share=nan: must be between 0 and 1"),
        ({"seed": 2**32}, "derive.seed=4294967296: must be from 0 to 4294967295"),
        ({"channels": 2}, "derive.kind='gray' gives 1 or 3 channels, not 2: set data.source_cha"),
    ],
)
def test_a_wrong_value_is_an_error_that_gives_its_key(settings, message):
    with pytest.raises(InputError, match=f"^{message}"):
        Derivation(**{"kind": "gray", **settings})


@pytest.mark.parametrize("kind", ["gray", "edges"])
@pytest.mark.parametrize("channels", [2, 4, 5])
def test_brightness_is_only_made_of_gray_and_rgb(kind, channels):
    image = np.zeros((4, 5, channels), np.uint8)
    message = rf"^a\.tif: {channels} channels; derive\.kind='{kind}' needs gray or RGB: set data"
    with pytest.raises(InputError, match=message):
        Derivation(kind)(image, "a.tif")
