"""Train the PyTorch reference from your clone of it, and let it translate pairs it has not seen.

    python scripts/benchmarking/train_reference.py --clone DIR --data data/facades \
        --direction BtoA --split val --image_size 128 --features 32 --levels 7 \
        --steps 20000 --decay_epochs 33 --output runs/reference
    python scripts/evaluate.py --images runs/reference/fakes \
        --targets runs/reference/targets --output scores/

It runs in an environment with PyTorch and torchvision, without this package and JAX. Nothing but
the clone is trained: its options, its data loader, its model's `optimize_parameters`, its schedule
of the learning rate. The same command goes on where a stopped run has saved its state; the order of
the pairs is then another one, as the reference does not save it.
"""

import argparse
import dataclasses
import itertools
import pathlib
import sys
import time
from typing import Any, NoReturn

# Beside this file, whose folder comes first on Python's path.
from clones import Clone

NETWORKS = ("netG", "netD")


@dataclasses.dataclass
class Training:
    """A model of the reference, and how far it is.

    Attributes:
        model: The reference's model.
        file: Where its state is saved.
        step: Steps taken.
        epoch: Epochs done.
        seconds: Time spent in steps, over all starts.
    """

    model: Any
    file: pathlib.Path
    step: int = 0
    epoch: int = 0
    seconds: float = 0.0

    def load(self) -> None:
        """Go on from the saved state, if there is one."""
        import torch

        if not self.file.exists():
            return
        state = torch.load(self.file, weights_only=True)
        for name in NETWORKS:
            getattr(self.model, name).load_state_dict(state[name])
        parts = zip(self._parts(), state["optimizers"] + state["schedulers"], strict=True)
        for part, saved in parts:
            part.load_state_dict(saved)
        self.step, self.epoch, self.seconds = state["step"], state["epoch"], state["seconds"]
        print(f"goes on from step {self.step}", flush=True)

    def save(self) -> None:
        """Replace the saved state as a whole."""
        import torch

        count = len(self.model.optimizers)
        states = [part.state_dict() for part in self._parts()]
        state = {name: getattr(self.model, name).state_dict() for name in NETWORKS} | {
            "optimizers": states[:count],
            "schedulers": states[count:],
            "step": self.step,
            "epoch": self.epoch,
            "seconds": self.seconds,
        }
        new = self.file.with_suffix(".new")
        torch.save(state, new)
        new.replace(self.file)

    def _parts(self) -> list[Any]:
        return [*self.model.optimizers, *self.model.schedulers]

    def train(self, data: Any, steps: int, save_every: int) -> None:
        """Take the remaining steps, epoch after epoch, as the reference's training script does."""
        saved = self.step
        while self.step < steps:
            begun = time.monotonic()
            for batch in itertools.islice(data, steps - self.step):
                self.model.set_input(batch)
                self.model.optimize_parameters()
                self.step += 1
            self.epoch += 1
            self.model.update_learning_rate()
            self.seconds += time.monotonic() - begun
            losses = {
                name: round(each, 4) for name, each in self.model.get_current_losses().items()
            }
            print(
                f"epoch {self.epoch}, step {self.step}, {self.seconds:.0f} s: {losses}", flush=True
            )
            if self.step - saved >= save_every or self.step >= steps:
                self.save()
                saved = self.step

    def translate(self, data: Any, folder: pathlib.Path) -> int:
        """Write sources, fakes and targets of data into folders; return how many there are.

        Dropout and norms work as in training, as in the paper.
        """
        import torch
        from util.util import save_image, tensor2im

        count = 0
        for batch in data:
            self.model.set_input(batch)
            with torch.no_grad():
                self.model.forward()
            name = pathlib.Path(batch["A_paths"][0]).stem
            images = {
                "sources": self.model.real_A,
                "fakes": self.model.fake_B,
                "targets": self.model.real_B,
            }
            for kind, image in images.items():
                (folder / kind).mkdir(exist_ok=True)
                save_image(tensor2im(image), str(folder / kind / f"{name}.png"))
            count += 1
        return count


def main() -> None:
    """Train and translate."""
    asked = _parse()
    pairs = _count_pairs(asked)
    epochs = -(-asked.steps // (pairs // asked.batch_size))
    if asked.decay_epochs > epochs:
        _refuse(f"--decay_epochs {asked.decay_epochs}: {asked.steps} steps are {epochs} epochs")
    clone = Clone(str(asked.clone.resolve()))
    if not clone.has_loader:
        _refuse("the reference's data loader needs torchvision: pip install torchvision")
    import torch

    torch.manual_seed(asked.seed)
    asked.output.mkdir(parents=True, exist_ok=True)
    flags = _flags(asked) | {
        "--load_size": asked.image_size * 286 // 256,
        "--batch_size": asked.batch_size,
        "--n_epochs": epochs - asked.decay_epochs,
        "--n_epochs_decay": asked.decay_epochs,
    }
    options = clone.parse(flags, gpu=asked.gpu)
    training = Training(clone.build_model(options), asked.output / "state.pt")
    training.load()
    training.train(clone.open_data(options), asked.steps, asked.save_every)

    flags = _flags(asked) | {
        "--load_size": asked.image_size,
        "--batch_size": 1,
        "--phase": asked.split,
        "--no_flip": None,
        "--serial_batches": None,
    }
    held_out = clone.open_data(clone.parse(flags, gpu=asked.gpu))
    count = training.translate(held_out, asked.output)
    print(
        f"{training.step} steps in {training.seconds:.0f} s; {count} translations in", asked.output
    )


def _refuse(message: str) -> NoReturn:
    print(f"error: {message}", file=sys.stderr)
    sys.exit(2)


def _count_pairs(asked: argparse.Namespace) -> int:
    """Return the number of training pairs, or end with one line if a folder is not there."""
    for folder in (asked.clone / "models", asked.data / "train", asked.data / asked.split):
        if not folder.is_dir():
            _refuse(f"{folder}: there is no such folder")
    pairs = sum(1 for _ in (asked.data / "train").iterdir())
    if pairs < asked.batch_size:
        _refuse(f"{asked.data / 'train'}: {pairs} pairs, fewer than a batch")
    return pairs


def _flags(asked: argparse.Namespace) -> dict[str, object]:
    """Return the reference's flags for training and for translating."""
    return {
        "--dataroot": asked.data,
        "--name": "reference",
        "--checkpoints_dir": asked.output / "options",
        "--model": "pix2pix",
        "--dataset_mode": "aligned",
        "--direction": asked.direction,
        "--netG": f"unet_{2**asked.levels}",
        "--norm": asked.norm,
        "--ngf": asked.features,
        "--ndf": asked.features,
        "--crop_size": asked.image_size,
        "--num_threads": asked.workers,
    }


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--clone", type=pathlib.Path, required=True, help="folder of your clone of the reference")
    add(
        "--data", type=pathlib.Path, required=True, help="folder with train/ and the held-out split"
    )
    add("--output", type=pathlib.Path, required=True, help="folder for state and translations")
    add("--steps", type=int, required=True, help="training steps")
    add("--direction", default="AtoB", choices=("AtoB", "BtoA"))
    add("--split", default="test", help="folder of the held-out pairs, inside --data")
    add(
        "--image_size",
        type=int,
        default=256,
        help="side of the images; loaded 286/256 times larger",
    )
    add("--features", type=int, default=64, help="features of the outermost layers")
    add("--levels", type=int, default=8, help="7 or 8: halvings of the U-Net")
    add("--norm", default="instance", help="instance or batch")
    add("--batch_size", type=int, default=1)
    add("--decay_epochs", type=int, required=True, help="epochs of linear decay, the last ones")
    add("--seed", type=int, default=0)
    add("--workers", type=int, default=2, help="processes that read images")
    add("--save_every", type=int, default=1000, help="steps, rounded up to epochs")
    add("--gpu", action="store_true", help="use the first GPU")
    return parser.parse_args()


if __name__ == "__main__":
    main()
