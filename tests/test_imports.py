"""The house rules that a reader relies on, read from the source with ast."""

import ast
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parent.parent
PACKAGE = ROOT / "pix2pix_jax"
# A module imports only from layers above its own.
LAYERS = [
    {"errors"},
    {"atomic", "config", "images", "sheets", "devices", "interruption", "placement"},
    {"config_files", "distributed", "image_files", "torch_layers", "validation", "weight_files"},
    {"label_files", "wandb_writer"},
    {"encodings"},
    {"models", "losses", "optimizers", "augment", "data", "metrics", "writers"},
    {"preparation", "report"},
    {"train_state"},
    {"objectives"},
    {"train_step", "checkpoints"},
    {"accumulation", "run_pairs", "step_loop", "workdir"},
    {"progress", "warm_start"},
    {"inference", "run", "torch_weights"},
    {"evaluation", "feeding", "translate_files"},
    {"reporting", "scorecard"},
    {"curves", "score_files", "score_runs", "training"},
    {"benchmarking", "comparison"},
]
FLOOR = {name: floor for floor, names in enumerate(LAYERS) for name in names}


def modules():
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).with_suffix("").parts[0]
        if name != "__init__":
            yield name, path


def package_imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == PACKAGE.name:
            rest = node.module.split(".")[1:]
            yield from [rest[0]] if rest else [alias.name for alias in node.names]
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.startswith(f"{PACKAGE.name}."):
                    yield alias.name.split(".")[1]


@pytest.mark.parametrize(("name", "path"), list(modules()), ids=lambda value: str(value)[-40:])
def test_a_module_imports_only_from_the_layers_above(name, path):
    wrong = {
        other for other in package_imports(path) if other != name and FLOOR[other] >= FLOOR[name]
    }
    assert not wrong


def test_the_layers_name_every_module_and_no_other():
    assert {name for name, _ in modules()} == set(FLOOR)


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
        "InputError",
        "default_config",
        "load_generator",
        "train_and_evaluate",
        "translate",
    ]
