import os
import pathlib
import pickle
import resource
import sys
import zipfile

import numpy as np
import pytest

from pix2pix_jax import InputError
from pix2pix_jax.core import weight_files

SUFFIXES = [".npz", ".pt", ".pth", ".safetensors"]
PACKAGES = {".pt": "torch", ".pth": "torch", ".safetensors": "safetensors"}


def need(suffix):
    if suffix in PACKAGES:
        pytest.importorskip(PACKAGES[suffix], reason=f"{suffix} files need {PACKAGES[suffix]}")


def some_arrays():
    rng = np.random.default_rng(0)
    return {
        "model.0.weight": rng.standard_normal((3, 2, 4, 4), np.float32).transpose(1, 0, 3, 2),
        "model.0.bias": rng.standard_normal(3, np.float32)[::-1],
        "model.1.num_batches_tracked": np.array(7, np.int64),
    }


class Trap:
    """Pickled, it is a call that makes a file."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_is_written_is_read_back_bit_by_bit(tmp_path, suffix):
    need(suffix)
    arrays, path = some_arrays(), tmp_path / "new" / f"weights{suffix}"
    weight_files.write(path, arrays)
    back = weight_files.read(path)
    assert back.keys() == arrays.keys()
    for name, array in arrays.items():
        assert back[name].dtype == array.dtype
        np.testing.assert_array_equal(back[name], array)
    assert list(path.parent.iterdir()) == [path]


def test_pytorch_loads_what_is_written_as_a_state_dict(tmp_path):
    torch = pytest.importorskip("torch")
    layer = torch.nn.BatchNorm2d(3)
    weights = {name: value.numpy() for name, value in layer.state_dict().items()}
    weights["running_mean"] = np.arange(3, dtype=np.float32)
    weight_files.write(tmp_path / "norm.pth", weights)
    state_dict = torch.load(tmp_path / "norm.pth", weights_only=True)
    assert type(state_dict).__name__ == "OrderedDict"
    assert state_dict["num_batches_tracked"].dtype == torch.int64
    layer.load_state_dict(state_dict)
    assert layer.running_mean.tolist() == [0, 1, 2]


@pytest.mark.parametrize("new_form", [True, False])
def test_both_forms_of_pytorch_files_are_read(tmp_path, new_form):
    torch = pytest.importorskip("torch")
    path = tmp_path / "w.pth"
    content = {"a": torch.arange(3.0), "b": torch.ones(2, dtype=torch.bfloat16)}
    torch.save(content, path, _use_new_zipfile_serialization=new_form)
    back = weight_files.read(path)
    np.testing.assert_array_equal(back["a"], np.arange(3, dtype=np.float32))
    np.testing.assert_array_equal(back["b"], np.ones(2, np.float32))


def test_parameters_of_a_module_are_read_as_arrays(tmp_path):
    torch = pytest.importorskip("torch")
    torch.save({"a": torch.nn.Parameter(torch.ones(2))}, tmp_path / "w.pth")
    assert weight_files.read(tmp_path / "w.pth")["a"].tolist() == [1, 1]


def test_the_prefix_of_data_parallel_and_a_nesting_dict_are_taken_off(tmp_path):
    torch = pytest.importorskip("torch")
    nested = {"epoch": 3, "state_dict": {"module.a": torch.ones(1), "module.b": torch.ones(1)}}
    torch.save(nested, tmp_path / "w.pth")
    assert list(weight_files.read(tmp_path / "w.pth")) == ["a", "b"]
    weight_files.write(tmp_path / "w.npz", {"module.a": np.ones(1), "module.b": np.ones(1)})
    assert list(weight_files.read(tmp_path / "w.npz")) == ["a", "b"]


def test_a_prefix_that_not_all_names_have_is_a_name(tmp_path):
    weight_files.write(tmp_path / "w.npz", {"module.a": np.ones(1), "b": np.ones(1)})
    assert list(weight_files.read(tmp_path / "w.npz")) == ["module.a", "b"]


@pytest.mark.parametrize("form", ["pickle", "old pickle", "zip", "old"])
def test_code_in_a_pytorch_file_is_refused_and_never_run(tmp_path, form):
    torch = pytest.importorskip("torch")
    marker, path = tmp_path / "marker", tmp_path / "trap.pth"
    content = {"a": torch.ones(1), "b": Trap(marker)}
    if form.endswith("pickle"):
        path.write_bytes(pickle.dumps(content["b"], protocol=2 if form == "old pickle" else None))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=form == "zip")
    with pytest.raises(
        InputError, match=r"trap\.pth: refused: .*(run code|Python objects)"
    ) as caught:
        weight_files.read(path)
    assert "\n" not in str(caught.value)
    assert not marker.exists()


def test_the_trap_works_where_pickles_are_trusted(tmp_path):
    pickle.loads(pickle.dumps(Trap(tmp_path / "marker")))
    assert (tmp_path / "marker").exists()


def test_code_in_a_numpy_file_is_refused_and_never_run(tmp_path):
    marker, path = tmp_path / "marker", tmp_path / "trap.npz"
    with path.open("wb") as file:
        np.savez(file, a=np.array([Trap(marker)], dtype=object))
    with pytest.raises(InputError, match=r"trap\.npz: refused: .* run code"):
        weight_files.read(path)
    path.write_bytes(pickle.dumps(Trap(marker)))
    with pytest.raises(InputError, match=r"trap\.npz: refused: .* run code"):
        weight_files.read(path)
    assert not marker.exists()


def test_a_pytorch_whose_restricted_reader_is_not_safe_is_refused(tmp_path, monkeypatch):
    torch = pytest.importorskip("torch")
    weight_files.write(tmp_path / "w.pth", some_arrays())
    monkeypatch.setattr(torch, "__version__", "2.5.1+cpu")
    with pytest.raises(InputError, match=r"w\.pth: PyTorch 2\.5\.1\+cpu .* 'torch>=2\.10'"):
        weight_files.read(tmp_path / "w.pth")


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("share", [0.0, 0.3, 0.7, 0.99])
def test_a_truncated_file_is_one_line_that_names_it(tmp_path, suffix, share):
    need(suffix)
    path = tmp_path / f"cut{suffix}"
    weight_files.write(path, some_arrays())
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(InputError, match=rf"cut\{suffix}: ") as caught:
        weight_files.read(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("content", [b"hello\n" * 99, b"\x89PNG\r\n\x1a\n" + bytes(99), bytes(999)])
def test_a_foreign_file_is_one_line_that_names_it(tmp_path, suffix, content):
    need(suffix)
    path = tmp_path / f"foreign{suffix}"
    path.write_bytes(content)
    with pytest.raises(InputError, match=rf"foreign\{suffix}: ") as caught:
        weight_files.read(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1, 2], "expected arrays by name, found list"),
        ({}, "expected arrays by name, found dict"),
        ({"epoch": 3}, "'epoch' is not an array, but int"),
        ({5: 6}, "5 is not an array, but int"),
    ],
)
def test_anything_but_arrays_by_name_is_refused(tmp_path, content, message):
    torch = pytest.importorskip("torch")
    torch.save(content, tmp_path / "w.pth")
    with pytest.raises(InputError, match=message):
        weight_files.read(tmp_path / "w.pth")


def test_a_missing_file_and_an_unknown_suffix_are_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.npz: there is no such file"):
        weight_files.read(tmp_path / "none.npz")
    (tmp_path / "folder.npz").mkdir()
    with pytest.raises(InputError, match=r"folder\.npz: there is no such file"):
        weight_files.read(tmp_path / "folder.npz")
    for use in (weight_files.read, lambda path: weight_files.write(path, {})):
        with pytest.raises(
            InputError, match=r"w\.h5: expected a file ending in \.npz, \.pt, \.pth"
        ):
            use(tmp_path / "w.h5")


@pytest.mark.parametrize(
    ("suffix", "package"), [(".pth", "torch"), (".safetensors", "safetensors")]
)
def test_a_missing_package_is_named_with_the_extra_that_brings_it(
    tmp_path, monkeypatch, suffix, package
):
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, f"{package}.numpy", raising=False)
    path = pathlib.Path(tmp_path, f"w{suffix}")
    path.write_bytes(b"")
    for use in (weight_files.read, lambda path: weight_files.write(path, {"a": np.ones(1)})):
        with pytest.raises(InputError, match=rf"pip install 'pix2pix_jax\[{package}\]'"):
            use(path)
    assert path.read_bytes() == b""
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("suffix", [".npz", ".pth", ".safetensors"])
def test_a_file_that_cannot_be_written_is_one_line_and_leaves_nothing(tmp_path, suffix):
    if suffix == ".pth":
        pytest.importorskip("torch")
    if suffix == ".safetensors":
        pytest.importorskip("safetensors")
    weights = {"a": np.zeros(5000, np.float32)}
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"cannot be written \(File exists"):
        weight_files.write(tmp_path / "file" / f"w{suffix}", weights)
    old = tmp_path / f"w{suffix}"
    old.write_text("old")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))  # as on a full disk
    try:
        with pytest.raises(InputError, match=f"w{suffix}: cannot be written .File too large"):
            weight_files.write(old, weights)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert old.read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", f"w{suffix}"]


def test_a_small_file_that_claims_to_hold_much_is_refused_before_it_is_unpacked(tmp_path):
    with zipfile.ZipFile(tmp_path / "w.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", b"")
    # A list of contents that claims four gigabytes, as an honest archive of zeros would.
    content = bytearray((tmp_path / "w.npz").read_bytes())
    at = content.index(b"PK\x01\x02") + 24
    content[at : at + 4] = b"\xff\xff\xff\x7f"
    (tmp_path / "w.npz").write_bytes(content)
    with pytest.raises(InputError, match=r"claims 2,147,483,647 bytes of arrays in a file of"):
        weight_files.read(tmp_path / "w.npz")


def test_a_tensor_that_repeats_one_value_without_end_is_refused(tmp_path):
    torch = pytest.importorskip("torch")
    for dtype in (torch.float32, torch.bfloat16):
        torch.save({"a": torch.zeros(1, dtype=dtype).expand(2**40)}, tmp_path / "w.pth")
        with pytest.raises(InputError, match=r"w\.pth: refused: claims"):
            weight_files.read(tmp_path / "w.pth")
