"""Targets, the compilers they need, and what is estimated for them."""

from importlib import metadata

import pytest
from compiling.counts import StepCounts
from compiling.estimate import estimate, fit
from compiling.plugins import find_compiler
from compiling.targets import load_target, target_names

from pix2pix_jax.core.errors import InputError


@pytest.fixture
def installed(monkeypatch):
    """Decide which packages are installed; what JAX asks for is fixed."""

    def install(**versions):
        def version(name):
            if name.replace("-", "_") not in versions:
                raise metadata.PackageNotFoundError(name)
            return versions[name.replace("-", "_")]

        monkeypatch.setattr(metadata, "version", version)
        wanted = ["jaxlib<=0.10.2,>=0.10.2", 'libtpu==0.0.42.*; extra == "tpu"']
        monkeypatch.setattr(metadata, "requires", lambda _: wanted)

    return install


@pytest.mark.parametrize("name", target_names())
def test_every_target_says_what_is_estimated_from_it(name):
    target = load_target(name)
    assert 10e9 < target.usable_bytes <= target.memory_bytes < 200e9
    assert 5e11 < target.bytes_per_second < 1e13
    assert target.peak("bfloat16") > 1e14
    if target.is_gpu:
        assert target.peak("float32") > 1e14  # TF32
        assert target.link_bytes_per_second > 1e11
        text = target.description(12)
        assert text.count("{") == text.count("}") == 4
        assert f"device_memory_size: {target.memory_bytes}\n" in text
        assert f'device_description_str: "{target.device}"' in text
        assert "runtime_version { major: 12 minor: 9 }" in text
        assert target.topology(8) == "1x1x8"
    else:
        assert target.clock_hertz > 1e9
        assert {"1", "8"} <= set(target.topologies)


def test_a_target_that_is_not_there_names_the_nearest():
    with pytest.raises(InputError, match=r"--target 'H100': did you mean h100\? choose from a100"):
        load_target("H100")
    with pytest.raises(InputError, match=r"--devices 3 with --target v5e: choose from 1, 4, 8"):
        load_target("v5e").topology(3)


def test_a_compiler_is_found_if_it_belongs_to_this_jax(installed):
    installed(jax="0.10.2", jax_cuda12_plugin="0.10.2.1", libtpu="0.0.42.1")
    assert find_compiler("cuda", "h100") == ("jax-cuda12-plugin", "0.10.2.1")
    assert find_compiler("tpu", "v5e") == ("libtpu", "0.0.42.1")


@pytest.mark.parametrize(
    ("platform", "versions", "message"),
    [
        ("cuda", {}, r"its compiler \(jax-cuda12-plugin or jax-cuda13-plugin\) is not installed"),
        ("tpu", {}, r"its compiler \(libtpu\) is not installed"),
        ("cuda", {"jax_cuda13_plugin": "0.11.2"}, "0.11.2 does not belong to jax 0.10.2"),
        ("tpu", {"libtpu": "0.0.51"}, r"0.0.51 does not belong to jax 0.10.2, which needs 0.0.42"),
    ],
)
def test_a_compiler_that_is_missing_or_of_another_jax_names_the_extra(
    installed, platform, versions, message
):
    installed(jax="0.10.2", **versions)
    with pytest.raises(InputError, match=message) as caught:
        find_compiler(platform, "that")
    assert "pip install -e '.[aot]'" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_estimate_says_what_it_was_computed_from():
    h100, counts = load_target("h100"), StepCounts(kernels=300, bytes=int(3.35e9))
    one = estimate(counts, h100, flop=98.9e9, dtype="bfloat16", devices=1)
    # 1 ms of bytes, 0.1 ms of arithmetic and 0.6 ms of launches.
    assert one["seconds_least"] == pytest.approx(1e-3)
    assert one["seconds"] == pytest.approx(1e-3 / 0.8 + 0.1e-3 / 0.5 + 0.6e-3)
    assert one["parts"] == pytest.approx(
        {"bytes at 3.35 TB/s": 1e-3, "arithmetic at 989 TFLOP/s": 1e-4, "2 us a kernel": 6e-4}
    )
    assert "at 80% of that bandwidth and 50% of that arithmetic" in one["model"]
    reduced = StepCounts(kernels=1, all_reduce_bytes=450 * 10**6)
    eight = estimate(reduced, h100, flop=None, dtype="bfloat16", devices=8)
    assert eight["seconds_least"] == pytest.approx(2 * 7 / 8 * 1e-3)
    assert "all-reduces over links of 450 GB/s" in eight["parts"]
    cycles = StepCounts(cycles=3_000_000)
    tpu = estimate(cycles, load_target("v5e"), flop=1.0, dtype="float32", devices=1)
    assert tpu["seconds"] == tpu["seconds_least"] == pytest.approx(2e-3)
    assert list(tpu["parts"]) == ["3.0 million cycles at 1.50 GHz"]


def test_a_call_fits_if_all_of_it_does_into_what_jax_takes():
    h100 = load_target("h100")
    assert fit({"arguments": 60 * 10**9, "temporaries": 3 * 10**9, "results": 0}, h100)["fits"]
    too_much = fit({"arguments": 60 * 10**9, "temporaries": 4 * 10**9, "results": 0}, h100)
    assert not too_much["fits"]
    assert too_much["needed_bytes"] == 64 * 10**9 > h100.usable_bytes
    assert fit({}, h100)["needed_bytes"] is None
