"""benchmark.py, by its flags, its table and its file; with a stand-in for the reference."""

import contextlib
import importlib.util
import json
import sys

import pytest
from benchmarking import environments, suite
from benchmarking.cases import Case
from benchmarking.entries import Plan
from benchmarking.peers import start_peers
from support.scripts import run_script
from support.tiny import CACHE

TINY = ["--base_features", 4, "--steps", 2, "--repetitions", 2, "--pairs", 4]
TINY += ["--compilation_cache", CACHE]
HAS_TORCH = importlib.util.find_spec("torch") is not None

PROBED = {
    "hardware": {"platform": "cpu", "device": "cpu", "devices": 1, "machine": "Linux x86_64"}
    | {"processors": 2, "processor": "some processor"},
    "versions": {"jax": "1.2.3"},
    "measured_peaks": {"float32": 0.5},
    "known_peaks": {"float32": None},
}

# The reference's interface, with networks of one layer: nothing of the reference.
PEER = {
    "options/train_options.py": """
import argparse
import data

class TrainOptions:
    def initialize(self, parser):
        for name in ("dataroot", "checkpoints_dir", "name", "model", "netG", "norm"):
            parser.add_argument("--" + name)
        for name in ("ngf", "ndf", "batch_size", "crop_size", "load_size", "max_dataset_size"):
            parser.add_argument("--" + name, type=int)
        return parser

    def parse(self):
        options = self.initialize(argparse.ArgumentParser()).parse_args()
        print("noise on standard output", options)
        return options
""",
    "models/__init__.py": """
from models.pix2pix_model import Pix2PixModel

def create_model(options):
    return Pix2PixModel(options)
""",
    "models/pix2pix_model.py": """
import torch

class Pix2PixModel:
    def __init__(self, options):
        assert (options.netG, options.norm, options.model) == ("unet_128", "instance", "pix2pix")
        assert (options.ngf, options.crop_size, options.load_size) == (4, 128, 143)
        self.device = options.device
        self.netG = torch.nn.Conv2d(3, 3, 3, padding=1)
        self.netD = torch.nn.Conv2d(6, 1, 3)

    def setup(self, options):
        both = [*self.netG.parameters(), *self.netD.parameters()]
        self.optimizer = torch.optim.SGD(both, 1e-3)

    def set_input(self, batch):
        self.real_A, self.real_B = batch["A"].to(self.device), batch["B"].to(self.device)
        assert self.real_A.shape[1:] == (3, 128, 128) and len(batch["A_paths"]) == len(self.real_A)

    def forward(self):
        self.fake_B = self.netG(self.real_A)

    def optimize_parameters(self):
        self.forward()
        logits = self.netD(torch.cat([self.real_A, self.fake_B], 1))
        loss = (self.fake_B - self.real_B).abs().mean() + logits.mean()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
""",
    "data/__init__.py": """
import pathlib
import torch
import torchvision.transforms

def create_dataset(options):
    files = sorted(pathlib.Path(options.dataroot, "train").iterdir())
    assert len(files) == options.max_dataset_size
    batch = {name: torch.zeros(options.batch_size, 3, 128, 128) for name in "AB"}
    paths = [files[0]] * options.batch_size
    return [{**batch, "A_paths": paths, "B_paths": paths}] * (len(files) // options.batch_size)
""",
    "torchvision/__init__.py": "",
    "torchvision/transforms.py": "",
}


@pytest.fixture
def benchmark(monkeypatch):
    monkeypatch.delenv("XLA_FLAGS")  # the programs that it starts see one device

    def call(*arguments):
        return run_script("benchmark", *arguments)

    return call


@pytest.fixture
def peer(tmp_path):
    for name, text in PEER.items():
        path = tmp_path / "peer" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "peer"


def read_results(status, error, file):
    assert status == 0, error
    return json.loads(file.read_text())


def check_row(row, peaks):
    assert len(row["ms_values"]) == 2
    assert row["ms_min"] <= row["ms_quartiles"][0] <= row["ms"] <= row["ms_quartiles"][1]
    assert row["images_per_second"] == pytest.approx(1000 * row["batch_size"] / row["ms"])
    assert row["tflops"] == pytest.approx(row["gflop"] / row["ms"])
    assert row["share_of_measured_peak"] == pytest.approx(row["tflops"] / peaks["float32"])
    assert 0 <= row["waiting_share"] < 1
    assert row["first_step_seconds"] > 0
    assert row["peak_memory_gb"] >= row["training_memory_gb"] > 0.1


def test_a_run_is_measured_from_compiling_to_saving(benchmark, tmp_path):
    file = tmp_path / "results.json"
    status, out, error = benchmark(
        *("--image_size", 32, "--data", "cached", "--save", "--output", file, *TINY),
        *("--loop", "none", "--product_rows", 4, "--digest", "--kernels"),
        "--config.train.ema_decay=0.9",
    )
    results = read_results(status, error, file)
    assert results["settings"]["overrides"] == [["train.ema_decay", "0.9"]]
    assert (results["hardware"]["platform"], results["comparisons"]) == ("cpu", [])
    (row,) = results["measurements"]
    check_row(row, results["measured_peaks"])
    assert min(row["compile_seconds"], row["inference_images_per_second"]) > 0
    assert row["save_memory_gb"] > 0.1
    assert len(row["digest"]) == 64
    assert row["profile"]["busy_ms"] > 0
    assert "batch 1, float32, ours, cached: " in error
    assert "cached, none loop, products to 4 rows" in out
    assert f"written to {file}" in out


@pytest.mark.skipif(not HAS_TORCH, reason="the peer is a PyTorch program")
def test_a_peer_takes_turns_with_ours(benchmark, peer, tmp_path, monkeypatch):
    monkeypatch.setattr(suite, "probe", lambda *_, **__: PROBED)
    monkeypatch.setattr(environments, "malloc_can_be_set", lambda: False)
    file = tmp_path / "results.json"
    status, out, error = benchmark(
        *("--image_size", 128, "--data", "streamed,resident", "--batch_sizes", 2),
        *("--peer", peer, "--output", file, *TINY),
    )
    results = read_results(status, error, file)
    ours, resident, step, loop = results["measurements"]
    for row in (ours, step, loop):
        check_row(row, results["measured_peaks"])
    # XLA counts all operations, by hand only products are.
    assert ours["xla_gflop"] == pytest.approx(ours["gflop"], rel=0.3)
    assert [(row["program"], row["name"], row["data"]) for row in (ours, step, loop)] == [
        ("ours", "streamed", "streamed"),
        ("peer", "as it comes", "in memory"),
        ("peer", "as it comes", "its own loader"),
    ]
    found = results["comparisons"]
    assert [(one["ours_ms"], one["peer_ms"], one["ratio"]) for one in found] == [
        (ours["ms"], row["ms"], ours["ms"] / row["ms"]) for row in (step, loop)
    ]
    keys = ("batch_size", "image_size", "dtype", "device")
    assert [found[0][key] for key in keys] == [2, 128, "float32", "cpu"]
    assert [one["inference"]["ours_ms"] for one in found[:1]] == [ours["inference_ms"]]
    assert "inference" not in found[1]  # its own loader: the same program
    assert "translating" in out
    assert "ours/peer" in out
    assert "noise" not in out
    assert "inside a loop its convolutions are some 50 times slower" in resident["failed"]
    assert f"2, float32, ours, resident: {resident['failed']}" in out


@pytest.mark.skipif(not HAS_TORCH, reason="the peer is a PyTorch program")
def test_a_peer_that_cannot_run_says_why(peer, tmp_path):
    (peer / "models" / "pix2pix_model.py").write_text("raise ImportError('no such thing')")
    plan = Plan(tmp_path, 4, 1, 1, malloc=False, extras=(), cache="", clone=peer)
    with contextlib.ExitStack() as stack:
        entry, loop, *_ = start_peers(stack, Case(image_size=128), plan, gpu=False)
    assert entry.row["failed"] == loop.row["failed"] == "ImportError: no such thing"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--batch_sizes", "1,0"], "--batch_sizes '0': expected a whole number from 1"),
        (["--batch_sizes", ","], "nothing to measure"),
        (["--dtype", "float16"], "--dtype 'float16': choose from float32, bfloat16"),
        (["--loop", "endless"], "--loop 'endless': choose from fixed, runtime, none"),
        (["--product_rows", "8,-1"], "--product_rows '-1': expected a whole number from 0"),
        (["--data", "remote"], "--data 'remote': choose from resident, cached, streamed"),
        (["--image_size", "100"], "data.image_size=(100, 100)"),
        (["--image_size", "0"], "--image_size: '0': expected a whole number from 1"),
        (["--steps", "0"], "--steps: '0': expected"),
        (["--batch_sizes", "9", "--pairs", "8"], "--pairs 8: fewer than a batch of 9"),
        (
            ["--accumulate", "3", "--batch_sizes", "4"],
            "train.accumulate=3: does not divide the 4 pairs",
        ),
        (["--output", "NOWHERE/results.json"], "expected a file in a folder that exists"),
        (["--peer", "NOWHERE"], "it has no models/pix2pix_model.py"),
        (["--peer_options"], "--peer_options needs --peer"),
        (["--peer", "PEER", "--image_size", "64"], "U-Nets take multiples of 128 or 256"),
        (["--peer", "PEER", "--config.model.norm=batch"], "--config.model.norm with --peer"),
        (["--config.model.nrom=batch"], "Did you mean config.model.norm?"),
        (["--config.model.dtype=bfloat16"], "--config.model.dtype: set by --dtype"),
        (["--config.model.norm"], "--config.model.norm: a value is missing"),
        (["--speed"], "unknown argument --speed"),
    ],
)
def test_mistakes_are_one_line(benchmark, tmp_path, peer, arguments, message):
    places = {"NOWHERE": tmp_path / "nowhere", "PEER": peer}
    words = [
        str(places.get(one, one)).replace("NOWHERE", str(places["NOWHERE"])) for one in arguments
    ]
    if "PEER" in arguments and not HAS_TORCH:
        pytest.skip("the peer is a PyTorch program")
    status, _, error = benchmark(*words)
    assert status == 2
    assert message in error
    assert error.startswith("error: ")
    assert error.count("\n") == 1


def test_a_peer_without_pytorch_names_the_extra(benchmark, peer, monkeypatch):
    find = importlib.util.find_spec
    hidden = lambda name, *rest: None if name == "torch" else find(name, *rest)  # noqa: E731
    monkeypatch.setattr(importlib.util, "find_spec", hidden)
    monkeypatch.setitem(sys.modules, "torch", None)  # to import it raises ModuleNotFoundError
    status, _, error = benchmark("--peer", peer)
    assert (status, error.count("\n")) == (2, 1)
    assert "pix2pix_jax[torch]" in error
