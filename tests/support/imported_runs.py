"""A run that `import_torch` makes of the reference's networks; without PyTorch, tests skip."""

import functools

from support.scripts import run_script
from support.torch_twins import PatchTwin, UNetTwin, make_twin, torch

PATCH = functools.partial(PatchTwin, layers=1)  # small, as a run that starts from it is compiled
# What the twins in the folder are, for `make_twin`.
GENERATOR, DISCRIMINATOR = (UNetTwin, "batch"), (PATCH, "batch")


def import_twins(folder):
    """Write G.pth and D.pth into a folder, and the folder `run` made of them; return the output."""
    torch.save(make_twin(*GENERATOR).state_dict(), folder / "G.pth")
    torch.save(make_twin(*DISCRIMINATOR).state_dict(), folder / "D.pth")
    status, out, error = run_script(
        "import_torch",
        *("--weights", "G.pth", "--discriminator", "D.pth"),
        *("--workdir", "run", "--direction", "BtoA"),
        folder=folder,
    )
    assert status == 0, error
    return out
