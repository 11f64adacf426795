"""Runs on pairs of which some pixels do not count: without data, or masked."""

import shutil

import numpy as np
import pytest
from support import tiny
from support.runs import assert_bit_equal, assert_same_but_for_sums, final_state
from support.sources import format_of, source_of

from pix2pix_jax import InputError, load_generator, train_and_evaluate, translate
from pix2pix_jax.core.validation import resolve
from pix2pix_jax.data.augment import build_augment
from pix2pix_jax.data.loading import build_pairs
from pix2pix_jax.deployment.about import describe
from pix2pix_jax.deployment.export import export
from pix2pix_jax.deployment.model_card import model_card
from pix2pix_jax.images import files as image_files
from pix2pix_jax.runs.folder import RunFolder

SIDE = 16
NAN = np.nan


def write_heights(root, fill=0.25, count=10):
    """Write heights: sources lack their left quarter, targets their top; a corner is masked.

    `fill` is what targets hold where the source has nothing, and under the mask.
    """
    for number in range(count):
        source, target = np.random.default_rng(number).random((2, SIDE, SIDE, 1), np.float32)
        mask = np.full((SIDE, SIDE, 1), 255, np.uint8)
        mask[8:12], mask[12:, 12:] = 128, 0
        source[:, :4], target[:, :4], target[:4] = NAN, fill, NAN
        target[12:, 12:] = fill
        for folder, image in (("A", source), ("B", target), ("mask", mask)):
            path = root / folder / f"{number}.tif"
            path.parent.mkdir(parents=True, exist_ok=True)
            image_files.write(path, image)
    return root


def config_of(root, **changes):
    both = ("source", "target")
    return tiny.tiny_config(
        {
            "data.source": "folders",
            "data.root": str(root),
            "data.split": (8, 2, 0),
            "data.mask": "mask",
            "data.image_size": SIDE,
            "data.load_size": SIDE,  # or values beside the border would be mixed
            "augment.affine": (10.0, 0.1, 0.0, 0.1),
            "augment.elastic": (1.0, 4.0),
            "loss.shift_tolerance": 1,
            "train.ema_decay": 0.5,
            "train.global_batch_size": 8,
            **{f"data.{side}_channels": 1 for side in both},
            **{f"data.{side}_dtype": "float32" for side in both},
            **{f"data.{side}_no_data": "nan" for side in both},
            **changes,
        }
    )


def read(config):
    """Build what a run is built from, and read its training pairs."""
    settings, form = resolve(config), format_of(config)
    build_augment(settings.augment, form, settings.data.image_size)
    options = {"split": "train", "training": True, "cache_gigabytes": 1.0, "label": "pairs"}
    return build_pairs(settings.data, source_of(config, "train"), form, **options)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_heights(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def run(root, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    return folder, train_and_evaluate(config_of(root), folder).summary


def test_a_resumed_run_is_equal_to_the_bit_whatever_is_where_pixels_do_not_count(run, tmp_path):
    folder, summary = run
    parts = shutil.copytree(folder, tmp_path / "parts")
    shutil.rmtree(parts / "checkpoints" / "2")
    (parts / "summary.json").unlink()
    other = write_heights(tmp_path / "data", fill=0.75)
    result = train_and_evaluate(config_of(other), parts, allow_change=True)
    assert_bit_equal(final_state(parts), final_state(folder))
    assert np.isfinite(summary["val"]["l1"])
    assert result.summary["val"]["l1"] == summary["val"]["l1"]


def test_one_device_sees_what_eight_see(root, run, tmp_path, monkeypatch):
    eight = final_state(run[0])
    tiny.see_one_device(monkeypatch)
    train_and_evaluate(config_of(root), tmp_path)
    assert_same_but_for_sums(final_state(tmp_path), eight)


def test_baselines_are_finite(run):
    assert np.isfinite([*run[1]["baseline"].values()]).all()


def test_pictures_are_hatched(run):
    shown = image_files.read(run[0] / "training_pairs.png", 3)
    assert shown.shape[1] == 2 * SIDE + 4
    target = shown[:SIDE, -SIDE:]
    assert {64, 192} <= set(np.unique(target))
    grid = image_files.read(next(run[0].glob("samples/*.png")), 3)
    source, fake, target = (grid[:SIDE, at : at + SIDE] for at in (0, SIDE + 4, 2 * SIDE + 8))
    for picture in (source[:, :4], fake[:, :4], target[:4], target[12:, 12:]):
        assert set(np.unique(picture)) == {64, 192}


@pytest.mark.parametrize("fit", ["resize", "tile"])
def test_results_have_no_data_where_the_source_has_none(run, fit):
    generator = load_generator(run[0], fit=fit)
    source = np.random.default_rng(0).random((SIDE, SIDE, 1), np.float32)
    source[3:6, 2:9] = NAN
    (fake,) = translate(generator, [source])
    np.testing.assert_array_equal(np.isnan(fake), np.isnan(source))


def test_an_exported_file_does_what_the_run_does(run, tmp_path):
    folder, generator = RunFolder(run[0]), load_generator(run[0])
    found = export(folder, generator, tmp_path / "a.onnx", "onnx")
    assert found.difference < 1e-4
    about = describe(folder, generator)
    assert about["source"]["no_data"] == about["target"]["no_data"] == "nan"
    card = model_card(folder, generator, about, {})
    assert "images of 1 channel (float32, 0 to 1; nan marks pixels without data) to" in card


def test_without_a_mark_nan_is_refused_in_one_line(root):
    message = (
        r"0\.tif: holds values that are not finite \(64 of 256 are nan\); .*source_no_data=nan"
    )
    with pytest.raises(InputError, match=message):
        read(config_of(root, **{"data.source_no_data": ""}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"data.source_dtype": "uint8"},
            r"_no_data=nan with data\.source_dtype=uint8: .* 0 to 255",
        ),
        (
            {"data.target_dtype": "uint16", "data.target_no_data": "-9999"},
            r"data\.target_no_data=-9999 with .*uint16",
        ),
        ({"data.target_classes": 4}, r"target_no_data=nan with .*classes=4: .* by 255"),
        ({"data.source": "single", "derive.kind": "gray"}, r"source_no_data=nan with derive\.kind"),
        ({"data.source": "side_by_side"}, r"data\.mask='mask' with data\.source='side_by_side': "),
        ({"data.pair_by": ("_A", "_B")}, r"data\.mask='mask' with data\.pair_by=_A,_B: masks"),
        (
            {"data.mask": "weights"},
            r"data\.mask='weights': there is no folder of masks for .*A and",
        ),
        ({"augment.extra": ("x.py:f",)}, r"augment\.extra=x\.py:f with pixels that do not count"),
    ],
)
def test_what_does_not_go_together_is_refused(root, changes, message):
    with pytest.raises(InputError, match=message) as error:
        read(config_of(root, **changes))
    assert "\n" not in str(error.value)


def test_a_pair_of_which_no_pixel_counts_is_refused_or_left_out(root, tmp_path):
    data = shutil.copytree(root, tmp_path / "data")
    image_files.write(data / "mask" / "3.tif", np.zeros((SIDE, SIDE, 1), np.uint8))
    with pytest.raises(
        InputError, match=r"3\.tif: a mask that is black in all pixels; .*on_error=skip leaves"
    ):
        read(config_of(data))


def test_each_pair_needs_its_mask(root, tmp_path):
    data = shutil.copytree(root, tmp_path / "data")
    (data / "mask" / "3.tif").unlink()
    with pytest.raises(InputError, match=r"no file 3\.\* in .*mask, but in .*data\.unpaired=skip"):
        read(config_of(data))
    image_files.write(data / "mask" / "3.tif", np.full((8, 8, 1), 255, np.uint8))
    with pytest.raises(InputError, match=r"3\.tif: a mask of 8 x 8 .* its target has 16 x 16"):
        read(config_of(data))
