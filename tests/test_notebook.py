"""The notebook of the documentation does what it says, on smaller pairs."""

import os
import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).parent.parent
NOTEBOOK = ROOT / "docs" / "quickstart.ipynb"
# In place of the demo's own settings, which take two minutes.
_SMALLER = """
config.update({"data.image_size": 32, "data.synthetic_pairs": (12, 4, 4), "train.epochs": 2})
config.update({"model.base_features": 4, "model.levels": 3, "log.report": False})
"""


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    """The executed cells of code."""
    nbformat = pytest.importorskip("nbformat")
    client = pytest.importorskip("nbclient")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(not cell.outputs for cell in code), "clear the outputs before a commit"
    chosen = next(cell for cell in code if "load_config" in cell.source)
    chosen.source += _SMALLER
    path = os.pathsep.join([str(pathlib.Path(sys.executable).parent), os.environ["PATH"]])
    folder = tmp_path_factory.mktemp("notebook")
    runner = client.NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    )
    # Without the virtual devices of the tests.
    inherited = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
    runner.execute(env={**inherited, "PATH": path, "PYTHONPATH": str(ROOT)})
    return code


def outputs(cells, start):
    """Return the outputs of the cell that contains a text."""
    (cell,) = (cell for cell in cells if start in cell.source)
    return cell.outputs


def shown(cells, start, kind):
    """Return what a cell shows as one of the kinds of data."""
    found = [output["data"] for output in outputs(cells, start) if "data" in output]
    return [data[kind] for data in found if kind in data]


def test_the_notebook_trains_and_shows_its_messages_a_bar_and_the_samples(cells):
    text = "".join(output.get("text", "") for output in outputs(cells, "train_and_evaluate("))
    assert "compiled in" in text
    assert "epoch 2/2, step 24" in text
    assert shown(cells, "train_and_evaluate(", "image/png")
    (history,) = shown(cells, 'values["val_l1"]', "text/plain")
    assert history.startswith("[(1.0, 0.")


def test_its_images_show_themselves(cells):
    assert shown(cells, "generator(source)", "image/png")
    assert shown(cells, "Image.fromarray(target)", "image/png")


def test_it_scores_the_run(cells):
    (scores,) = shown(cells, "result.scores", "text/plain")
    assert "'l1': 0." in scores
    text = "".join(output["text"] for output in outputs(cells, "pix2pix-jax evaluate"))
    assert "ssim" in text
