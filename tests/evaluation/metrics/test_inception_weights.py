import functools
import hashlib
import http.server
import sys
import threading

import flax
import jax
import numpy as np
import pytest

from pix2pix_jax import InputError
from pix2pix_jax.core import weight_files
from pix2pix_jax.evaluation.metrics import inception_weights


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


def test_weights_are_downloaded_once_and_kept_as_arrays(server, variables, tmp_path, monkeypatch):
    cache = tmp_path / "new" / "cache"
    first = inception_weights.load_inception(cache=cache)
    jax.tree.map(np.testing.assert_array_equal, first, variables)
    assert len(server) == 1
    monkeypatch.setitem(sys.modules, "torch", None)  # from now on it is not needed
    second = inception_weights.load_inception(cache=cache)
    jax.tree.map(np.testing.assert_array_equal, second, variables)
    assert len(server) == 1


def test_a_file_of_pytorch_fid_in_the_cache_is_taken(server, file, tmp_path):
    (tmp_path / "pt_inception-2015-12-05-6726825d.pth").symlink_to(file)
    assert inception_weights.load_inception(cache=tmp_path).keys() == {"params", "batch_stats"}
    assert server == []


def test_another_file_in_the_cache_is_refused(server, file, tmp_path, monkeypatch):
    monkeypatch.setattr(inception_weights, "SHA256", "0123456789abcdef")
    (tmp_path / "pt_inception-2015-12-05-6726825d.pth").symlink_to(file)
    with pytest.raises(InputError, match=r"pt_inception.*delete it, and download it again from "):
        inception_weights.load_inception(cache=tmp_path)
    assert server == []


def test_another_file_than_the_published_one_is_not_kept(server, tmp_path, monkeypatch):
    monkeypatch.setattr(inception_weights, "SHA256", "0123456789abcdef")
    message = r"has the SHA-256 \w{64}, expected 0123456789abcdef; nothing was kept"
    with pytest.raises(InputError, match=message):
        inception_weights.load_inception(cache=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_without_a_connection_the_error_says_where_the_file_goes(tmp_path, monkeypatch):
    pytest.importorskip("torch", reason=".pth files need PyTorch")
    monkeypatch.setattr(inception_weights, "URL", "http://127.0.0.1:9/weights.pth")
    message = r"weights\.pth: cannot be downloaded \(.*\); put that file at "
    with pytest.raises(InputError, match=message) as error:
        inception_weights.load_inception(cache=tmp_path)
    assert str(tmp_path / "weights-inception-2015-12-05-6726825d.pth") in str(error.value)
    assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_without_pytorch_nothing_is_downloaded(server, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(InputError, match="torch"):
        inception_weights.load_inception(cache=tmp_path)
    assert server == []


def test_a_file_of_weights_is_read_by_its_name(weights, variables, tmp_path):
    path = tmp_path / "weights.npz"
    weight_files.write(path, weights)
    loaded = inception_weights.load_inception(path, cache=tmp_path / "unused")
    jax.tree.map(np.testing.assert_array_equal, loaded, variables)
    assert not (tmp_path / "unused").exists()
