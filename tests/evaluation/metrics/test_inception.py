import functools
import hashlib
import http.server
import sys
import threading
from unittest import mock

import flax
import jax
import numpy as np
import pytest
from support.fidelity import fidelity

from pix2pix_jax import InputError
from pix2pix_jax.core import weight_files
from pix2pix_jax.evaluation.metrics import inception, inception_weights
from pix2pix_jax.evaluation.metrics.distribution import InceptionMetrics


@pytest.fixture(scope="module")
def weights():
    """Random weights under which activations neither vanish nor grow (He et al., 2015)."""
    rng = np.random.default_rng(0)
    arrays = {}
    for name, shape in inception_weights.published_shapes().items():
        array = rng.standard_normal(shape, np.float32)
        if len(shape) > 1:
            array *= np.float32(np.sqrt(2 / np.prod(shape[1:])))
        elif name.endswith(("bn.weight", "bn.running_var")):
            array = rng.uniform(0.5, 1.5, shape).astype(np.float32)
        else:
            array *= np.float32(0.1)
        arrays[name] = array
    return arrays


@pytest.fixture(scope="module")
def variables(weights):
    return inception_weights.to_variables(weights, "here")


@pytest.fixture(scope="module")
def file(weights, tmp_path_factory):
    pytest.importorskip("torch", reason=".pth files need PyTorch")
    path = tmp_path_factory.mktemp("published") / "weights.pth"
    weight_files.write(path, weights)
    return path


@pytest.fixture
def server(file, monkeypatch):
    """Serve the file in place of the published one; yields the list of requests."""
    requests = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            requests.append(self.path)

    handler = functools.partial(Handler, directory=str(file.parent))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{running.server_address[1]}/{file.name}"
        monkeypatch.setattr(inception_weights, "URL", url)
        monkeypatch.setattr(inception_weights, "SHA256", sha256(file))
        yield requests
        running.shutdown()


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def some_images(count=3, height=40, width=57):
    """Draw smooth colours: noise would look alike to the network."""
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
    metrics = InceptionMetrics(variables, batch_size=2)
    images = some_images(4)
    metrics.update_real(images[:2])
    metrics.update_fake(images[:2])
    with pytest.warns(UserWarning, match="FID of 2 fake and 2 real images"):
        same = metrics.compute()
    metrics.update_fake(images[2:])
    with pytest.warns(UserWarning, match="FID of 4 fake and 2 real images"):
        other = metrics.compute()
    assert same["fid"] < 1e-6 * other["fid"]


def test_variables_keep_every_value(weights, variables):
    flat = flax.traverse_util.flatten_dict(variables, sep="/")
    assert len(flat) == len(weights)
    name = "Mixed_6b.branch7x7_2"
    np.testing.assert_array_equal(
        flat[f"params/{name.replace('.', '/')}/conv/kernel"],
        weights[f"{name}.conv.weight"].transpose(2, 3, 1, 0),
    )
    np.testing.assert_array_equal(
        flat[f"batch_stats/{name.replace('.', '/')}/bn/var"], weights[f"{name}.bn.running_var"]
    )
    np.testing.assert_array_equal(flat["params/fc/kernel"], weights["fc.weight"].T)


def test_counters_of_batches_are_left_out(weights, variables):
    counted = {**weights, "Conv2d_1a_3x3.bn.num_batches_tracked": np.array(7)}
    again = inception_weights.to_variables(counted, "here")
    assert jax.tree.structure(again) == jax.tree.structure(variables)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"fc.bias": None}, r"x\.npz: .*: 1 names missing or unknown \(fc\.bias\)"),
        ({"AuxLogits.fc.bias": np.zeros(3)}, r"1 names .* \(AuxLogits\.fc\.bias\)"),
        ({"fc.weight": np.zeros((1000, 2048))}, r"fc\.weight has shape \(1000, 2048\)"),
    ],
)
def test_weights_of_another_network_are_refused(weights, changes, match):
    changed = {**weights, **changes}
    left = {name: array for name, array in changed.items() if array is not None}
    with pytest.raises(InputError, match=match) as error:
        inception_weights.to_variables(left, "x.npz")
    assert "\n" not in str(error.value)


def test_weights_are_fetched_once_and_kept_as_arrays(server, variables, tmp_path, monkeypatch):
    cache = tmp_path / "new" / "cache"
    first = inception_weights.load_inception(cache=cache)
    jax.tree.map(np.testing.assert_array_equal, first, variables)
    assert len(server) == 1
    assert len(list(cache.iterdir())) == 2
    monkeypatch.setitem(sys.modules, "torch", None)  # from now on it is not needed
    second = inception_weights.load_inception(cache=cache)
    jax.tree.map(np.testing.assert_array_equal, second, variables)
    assert len(server) == 1


def test_a_file_of_pytorch_fid_in_the_cache_is_taken(server, file, tmp_path):
    (tmp_path / "pt_inception-2015-12-05-6726825d.pth").symlink_to(file)
    assert inception_weights.load_inception(cache=tmp_path).keys() == {"params", "batch_stats"}
    assert server == []


def test_another_file_than_the_published_one_is_refused(server, tmp_path, monkeypatch):
    monkeypatch.setattr(inception_weights, "SHA256", "0123456789abcdef")
    with pytest.raises(InputError, match="that of the weights with 01234567: cut short"):
        inception_weights.load_inception(cache=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_without_a_connection_the_error_says_where_the_file_goes(tmp_path, monkeypatch):
    pytest.importorskip("torch", reason=".pth files need PyTorch")
    monkeypatch.setattr(inception_weights, "URL", "http://127.0.0.1:9/weights.pth")
    with pytest.raises(InputError, match="cannot be fetched") as error:
        inception_weights.load_inception(cache=tmp_path)
    assert str(tmp_path / "weights-inception-2015-12-05-6726825d.pth") in str(error.value)
    assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_without_pytorch_nothing_is_fetched(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    fetch = mock.Mock(side_effect=AssertionError("fetched"))
    monkeypatch.setattr(inception_weights.urllib.request, "urlopen", fetch)
    with pytest.raises(InputError, match="torch"):
        inception_weights.load_inception(cache=tmp_path)


def test_a_file_of_weights_is_read_by_its_name(weights, variables, tmp_path):
    path = tmp_path / "weights.npz"
    weight_files.write(path, weights)
    loaded = inception_weights.load_inception(path, cache=tmp_path / "unused")
    jax.tree.map(np.testing.assert_array_equal, loaded, variables)
    assert not (tmp_path / "unused").exists()
