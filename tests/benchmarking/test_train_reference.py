"""The reference's own training, with a stand-in for the reference."""

import importlib.util
import subprocess
import sys

import pytest
from support.scripts import SCRIPTS

HAS_TORCH = importlib.util.find_spec("torch") is not None
PROGRAM = SCRIPTS / "benchmarking" / "train_reference.py"

# The reference's interface, with a network of one number that grows by the rate: nothing of it.
CLONE = {
    "options/train_options.py": """
import argparse

class TrainOptions:
    def initialize(self, parser):
        for name in ("dataroot", "phase", "direction", "netG"):
            parser.add_argument("--" + name)
        for name in ("n_epochs", "n_epochs_decay", "load_size", "crop_size"):
            parser.add_argument("--" + name, type=int)
        parser.add_argument("--no_flip", action="store_true")
        return parser

    def parse(self):
        options = self.initialize(argparse.ArgumentParser()).parse_args()
        assert options.phase or (options.n_epochs, options.n_epochs_decay) == (1, 1)
        assert options.no_flip == bool(options.phase)
        assert (options.load_size, options.crop_size) == ((32, 32) if options.phase else (35, 32))
        return options
""",
    "models/__init__.py": """
import torch

class Network(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.value = torch.nn.Parameter(torch.zeros(()))

class Model:
    def __init__(self, options):
        assert (options.netG, options.direction) == ("unet_128", "BtoA")
        self.netG, self.netD = Network(), Network()

    def setup(self, options):
        self.optimizers = [torch.optim.SGD(self.netG.parameters(), 1.0)]
        rates = lambda epoch: 1 - epoch / 10
        self.schedulers = [torch.optim.lr_scheduler.LambdaLR(self.optimizers[0], rates)]

    def set_input(self, batch):
        self.real_A, self.real_B = batch["A"], batch["B"]

    def forward(self):
        self.fake_B = self.real_A + self.netG.value

    def optimize_parameters(self):
        self.netG.value.grad = -torch.ones(())
        self.optimizers[0].step()

    def update_learning_rate(self):
        self.schedulers[0].step()

    def get_current_losses(self):
        return {"G": float(self.netG.value)}

def create_model(options):
    return Model(options)
""",
    "data/__init__.py": """
import pathlib
import torch
import torchvision.transforms

def create_dataset(options):
    files = sorted(pathlib.Path(options.dataroot, options.phase or "train").iterdir())
    zeros = torch.zeros(1)
    return [{"A": zeros, "B": zeros, "A_paths": [str(file)]} for file in files]
""",
    "util/util.py": """
def tensor2im(image):
    return float(image)

def save_image(value, path):
    open(path, "w").write(f"{value:g}")
""",
    "torchvision/__init__.py": "",
    "torchvision/transforms.py": "",
}


@pytest.fixture
def asked(tmp_path):
    """The arguments of a training on three pairs, whose held-out pair is `seen.png`."""
    for name, text in CLONE.items():
        path = tmp_path / "clone" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for name in ("train/1.png", "train/2.png", "train/3.png", "test/seen.png"):
        path = tmp_path / "pairs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return [
        *("--clone", tmp_path / "clone", "--data", tmp_path / "pairs"),
        *("--output", tmp_path / "out", "--direction", "BtoA", "--levels", "7"),
        *("--image_size", "32", "--decay_epochs", "1"),
    ]


def run(asked, *more):
    return subprocess.run(
        [sys.executable, PROGRAM, *asked, *more], capture_output=True, text=True, check=False
    )


@pytest.mark.skipif(not HAS_TORCH, reason="the reference is a PyTorch program")
def test_it_takes_the_steps_goes_on_and_writes_translations(asked, tmp_path):
    fake = tmp_path / "out" / "fakes" / "seen.png"
    first = run(asked, "--steps", "4")
    assert first.returncode == 0, first.stderr
    # Three steps at rate 1 and, an epoch later, one at 0.9.
    assert fake.read_text() == "3.9"
    assert (tmp_path / "out" / "targets" / "seen.png").read_text() == "0"
    second = run(asked, "--steps", "6")
    assert "goes on from step 4" in second.stdout
    assert fake.read_text() == "5.5"  # two more, at 0.8
    assert "6 steps in" in second.stdout


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--clone", "nowhere"), "nowhere/models: there is no such folder"),
        (("--split", "val"), "val: there is no such folder"),
        (("--decay_epochs", "9"), "--decay_epochs 9: 6 steps are 2 epochs"),
        (("--batch_size", "4"), "3 pairs, fewer than a batch"),
    ],
)
def test_mistakes_are_one_line(asked, more, message):
    answer = run(asked, "--steps", "6", *more)
    assert answer.returncode == 2
    assert answer.stderr.startswith("error: ")
    assert answer.stderr.count("\n") == 1
    assert message in answer.stderr
