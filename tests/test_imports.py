"""The house rules that a reader relies on, read from the source with ast."""

import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).parent.parent
PACKAGE = ROOT / "pix2pix_jax"


def test_importing_the_package_brings_no_heavy_optional_package():
    code = (
        "import sys, pix2pix_jax;"
        "heavy = {'torch', 'wandb', 'gradio', 'onnx', 'cv2', 'skimage', 'matplotlib',"
        "         'tensorflow', 'tensorflow_datasets', 'tensorboardX', 'tifffile', 'jinja2'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"


def test_the_public_names_are_those_of_all():
    import pix2pix_jax

    assert sorted(pix2pix_jax.__all__) == [
        "Generator",
        "InputError",
        "__version__",
        "default_config",
        "load_generator",
        "train_and_evaluate",
        "translate",
    ]
