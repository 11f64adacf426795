from functools import partial

import jax
import numpy as np
import pytest
from support.fidelity import fidelity

from pix2pix_jax import InputError
from pix2pix_jax.evaluation.metrics import inception
from pix2pix_jax.evaluation.metrics.distribution import InceptionMetrics


def some_images(count=3, height=40, width=57):
    """Draw smooth colours: to the network, all noise looks the same."""
    coarse = np.random.default_rng(1).integers(0, 256, (count, 4, 4, 3)).astype(np.float32)
    smooth = jax.image.resize(coarse, (count, height, width, 3), "linear")
    return np.asarray(smooth).astype(np.uint8)


def assert_same(ours, theirs, tolerance=1e-4):
    """Compare in units of how much images differ from each other."""
    scale = np.abs(theirs - theirs.mean(axis=0)).max()
    assert scale > 0
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance * scale)


def test_activations_are_those_of_torch_fidelity(file, variables):
    torch = pytest.importorskip("torch")
    module = fidelity("feature_extractor_inceptionv3")
    names = ["2048", "logits_unbiased", "logits"]
    extractor = module.FeatureExtractorInceptionV3(
        "twin", names, feature_extractor_weights_path=str(file)
    )
    images = some_images(2)
    theirs = extractor(torch.from_numpy(images.transpose(0, 3, 1, 2).copy()))
    ours = jax.jit(inception.InceptionV3().apply)(variables, inception.resize(images))
    assert [activation.shape for activation in ours] == [(2, 2048), (2, 1008), (2, 1008)]
    for ours_one, theirs_one in zip(ours, theirs, strict=True):
        assert_same(ours_one, theirs_one.numpy())


def test_names_and_shapes_are_those_of_torch_fidelity(file, weights):
    module = fidelity("feature_extractor_inceptionv3")
    extractor = module.FeatureExtractorInceptionV3(
        "twin", ["2048"], feature_extractor_weights_path=str(file)
    )
    theirs = {name: tuple(value.shape) for name, value in extractor.state_dict().items()}
    counters = {name for name in theirs if name.endswith("num_batches_tracked")}
    # 94 convolutions, each with four arrays of its norm and a counter, and the last layer.
    assert (len(theirs), len(counters)) == (94 * 6 + 2, 94)
    assert {name: theirs[name] for name in theirs.keys() - counters} == {
        name: array.shape for name, array in weights.items()
    }


@pytest.mark.parametrize("size", [(1, 1), (40, 57), (299, 299), (512, 310)])
def test_resize_is_that_of_torch_fidelity(size):
    module = fidelity("interpolate_compat_tensorflow")
    torch = pytest.importorskip("torch")
    image = np.random.default_rng(2).integers(0, 256, (1, *size, 2), np.uint8)
    theirs = module.interpolate_bilinear_2d_like_tensorflow1x(
        torch.from_numpy(image.transpose(0, 3, 1, 2)).float(), (299, 299), align_corners=False
    )
    ours = np.asarray(inception.resize(image)).transpose(0, 3, 1, 2)
    np.testing.assert_allclose(ours, theirs.numpy(), atol=2e-4)


def test_resize_by_hand():
    places = np.arange(299)
    ramp = np.array([0, 100], np.uint8).reshape(1, 1, 2, 1)
    wide = np.asarray(inception.resize(ramp))[0, :, :, 0]
    expected = 100 * np.minimum(places * 2 / 299, 1)  # no half-pixel centres, the end repeated
    np.testing.assert_allclose(wide, np.broadcast_to(expected, (299, 299)), atol=1e-4)
    tall = (np.arange(598) // 4).astype(np.uint8).reshape(1, 598, 1, 1)
    picked = np.asarray(inception.resize(tall))[0, :, 0, 0]
    np.testing.assert_allclose(picked, 2 * places // 4, atol=1e-4)  # not antialiased


def test_features_do_not_depend_on_the_batch(variables):
    images = some_images(3)
    pool3, logits = inception.features(variables, images, batch_size=2)
    assert (pool3.shape, logits.shape) == ((3, 2048), (3, 1008))
    backwards, logits_backwards = inception.features(variables, images[::-1], batch_size=2)
    assert_same(backwards[::-1], pool3, 1e-5)
    assert_same(logits_backwards[::-1], logits, 1e-5)


def test_no_images_have_no_features(variables):
    pool3, logits = inception.features(variables, np.zeros((0, 8, 8, 3), np.uint8))
    assert (pool3.shape, logits.shape) == ((0, 2048), (0, 1008))


@pytest.mark.parametrize(
    ("images", "found"),
    [
        (np.zeros((1, 8, 8, 1), np.uint8), "1 channels and dtype uint8"),
        (np.zeros((1, 8, 8, 3), np.float32), "3 channels and dtype float32"),
    ],
)
def test_images_that_are_not_8_bit_rgb_are_refused(variables, images, found):
    with pytest.raises(InputError, match=found):
        inception.features(variables, images)


def test_the_network_tells_equal_sets_from_others(variables):
    metrics = InceptionMetrics(partial(inception.features, variables, batch_size=2))
    images = some_images(4)
    metrics.update_real(images[:2])
    metrics.update_fake(images[:2])
    same = metrics.compute(["fid"])["fid"]
    metrics.update_fake(images[2:])
    other = metrics.compute(["fid"])["fid"]
    assert same.value < 1e-6 * other.value
