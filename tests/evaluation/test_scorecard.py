import csv
import json
import sys

import numpy as np
import pytest

from pix2pix_jax import InputError
from pix2pix_jax.evaluation import scorecard
from pix2pix_jax.evaluation.metrics import distribution
from pix2pix_jax.evaluation.metrics.table import METRICS, best_of, names_per
from pix2pix_jax.evaluation.pictures import write_contact_sheet
from pix2pix_jax.evaluation.scorecard import (
    Scorecard,
    choose_wanted,
    compute_distributions,
    observe_with,
    write_scorecard,
)
from pix2pix_jax.evaluation.scoring import Evaluation, tally
from pix2pix_jax.images import files as image_files


def card_of(distributions=None, about=None, **values):
    """Make a scorecard of given values per image."""
    names = tuple(f"{number}.png" for number in range(len(next(iter(values.values())))))
    arrays = {name: np.array(column, float) for name, column in values.items()}
    scores = {name: float(np.nanmean(column)) for name, column in arrays.items()}
    return Scorecard(about or {}, Evaluation(names, arrays, scores), distributions or {})


def test_the_table_has_mean_deviation_and_number():
    table = card_of(l1=[0.1, 0.2, 0.6], psnr=[1, 1, 1]).table
    assert table["l1"] == pytest.approx({"mean": 0.3, "std": np.sqrt(0.14 / 3), "n": 3})
    assert table["psnr"] == {"mean": 1, "std": 0, "n": 3}


def test_images_without_a_value_are_not_counted():
    table = card_of(class_iou=[0.5, np.nan, 0.7]).table
    assert table["class_iou"] == pytest.approx({"mean": 0.6, "std": 0.1, "n": 2})


def test_a_score_that_there_is_not_is_null_in_json(tmp_path):
    nothing = Evaluation(("a",), {"class_iou": np.array([np.nan])}, {"class_iou": float("nan")})
    write_scorecard(Scorecard({}, nothing, {}), tmp_path)
    text = (tmp_path / "metrics.json").read_text()
    assert "NaN" not in text
    assert json.loads(text)["metrics"]["class_iou"] == {"mean": None, "std": None, "n": 0}


def test_scores_of_sets_stand_beside_those_of_images():
    found = {"fid": 12.5, "kid": 0.25, "kid_std": 0.5}
    table = card_of(found, l1=[0, 1]).table
    assert list(table) == ["l1", "fid", "kid"]
    assert table["fid"] == {"mean": 12.5, "n": 2}
    assert table["kid"] == {"mean": 0.25, "n": 2, "std": 0.5}


def test_files_say_what_was_found(tmp_path):
    card = card_of(about={"split": "test"}, l1=[0.125, 0.25], psnr=[10, 20])
    write_scorecard(card, tmp_path / "new" / "folder")
    written = json.loads((tmp_path / "new" / "folder" / "metrics.json").read_text())
    assert (written["split"], written["n"]) == ("test", 2)
    assert written["metrics"]["psnr"] == {"mean": 15, "std": 5, "n": 2}
    with (tmp_path / "new" / "folder" / "per_image.csv").open() as file:
        assert list(csv.reader(file)) == [
            ["name", "l1", "psnr"],
            ["0.png", "0.125", "10"],
            ["1.png", "0.25", "20"],
        ]


@pytest.mark.parametrize(("metric", "order"), [("l1", [0, 2, 4, 1, 3]), ("ssim", [3, 1, 4, 2, 0])])
def test_the_contact_sheet_has_best_median_and_worst(tmp_path, metric, order):
    card = card_of(**{metric: [0.1, 0.8, 0.2, 0.9, 0.5]})
    asked = []

    def draw(numbers):
        asked.extend(numbers)
        return [(np.full((8, 8, 3), 40 * number, np.uint8),) for number in numbers]

    write_contact_sheet(card, metric, tmp_path, ["ours"], draw, most=1)
    assert asked == [order[0], order[2], order[4]]
    sheet = image_files.read(tmp_path / "contact_sheet.png")
    middles = [sheet[26 + 22 + 80 + row * 186, 80].tolist() for row in range(3)]
    assert middles == [[40 * number] * 3 for number in asked]


def test_images_without_a_value_are_not_on_the_contact_sheet(tmp_path):
    asked = []

    def draw(numbers):
        asked.extend(numbers)
        return [(np.zeros((8, 8, 3), np.uint8),) for _ in numbers]

    card = card_of(class_iou=[np.nan, 0.5, 0.25])
    write_contact_sheet(card, "class_iou", tmp_path, ["ours"], draw)
    assert asked == [1, 1, 2]
    nothing = Evaluation(("a",), {"class_iou": np.array([np.nan])}, {"class_iou": float("nan")})
    write_contact_sheet(Scorecard({}, nothing, {}), "class_iou", tmp_path / "b", ["ours"], draw)
    assert not (tmp_path / "b").exists()


def test_every_metric_has_a_best_side():
    assert {best_of(name) for name in METRICS} == {"high", "low"}
    assert [best_of(name) for name in ("fid", "kid", "inception_score", "l1", "ssim")] == [
        *("low", "low", "high"),
        *("low", "high"),
    ]


def test_unknown_metrics_are_refused_with_all_choices():
    with pytest.raises(InputError, match=r"'lpips': choose from .*fid.*inception_score.*ssim"):
        choose_wanted(["l1", "lpips"])
    with pytest.raises(InputError, match="--metrics is empty; choose from class_accuracy"):
        choose_wanted([])


def test_wanted_metrics_name_the_files_they_depend_on(tmp_path):
    assert choose_wanted(["l1"]).about == {}
    assert choose_wanted(["class_iou"]).about == {"palette": "cityscapes"}
    wanted = choose_wanted(["kid", "l1", "fid"], weights="w.npz")
    assert (wanted.names, wanted.about) == (("l1", "fid", "kid"), {"inception_weights": "w.npz"})
    with pytest.raises(InputError, match="cannot be read as a palette"):
        choose_wanted(["class_iou"], palette=str(tmp_path / "none.json"))


def test_missing_weights_are_named(tmp_path):
    wanted = choose_wanted(["fid"], weights=str(tmp_path / "none.npz"))
    with pytest.raises(InputError, match=r"none\.npz"):
        wanted.gather(4)
    assert choose_wanted(["l1"]).gather(4) is None


@pytest.fixture
def network(monkeypatch):
    """Put a cheap projection in the place of the network; yields the sizes of its batches."""
    sizes = []
    project = np.random.default_rng(0).standard_normal((48, 2048 + 1008)).astype(np.float32)

    def features(variables, images, *, batch_size):
        assert images.dtype == np.uint8
        assert images.shape[-1] == 3
        sizes.append(batch_size)
        values = images.reshape(len(images), -1).astype(np.float32) @ project / 500
        return values[:, :2048], values[:, 2048:]

    monkeypatch.setattr(distribution, "features", features)
    monkeypatch.setattr(scorecard, "load_inception", lambda path: {"weights": path})
    return sizes


def some_images(seed, n=6, channels=3):
    return np.random.default_rng(seed).uniform(-1, 1, (n, 4, 4, channels)).astype(np.float32)


def score(wanted, fake, target, batch_size):
    inception = wanted.gather(batch_size)
    observe = observe_with(inception)
    for start in range(0, len(fake), batch_size):
        observe((fake[start:][:batch_size], target[start:][:batch_size]))
    return compute_distributions(wanted, inception)


def test_scores_of_sets_are_those_of_the_images_seen(network, capsys):
    fake, target = some_images(1), some_images(2)
    wanted = choose_wanted(names_per("set"))
    found = score(wanted, fake, target, 4)
    assert list(found) == ["fid", "kid", "kid_std", "inception_score", "inception_score_std"]
    assert network == [4] * 4
    assert found["fid"] > 1
    assert "warning: FID of 6 fake and 6 real images: under 2048" in capsys.readouterr().out
    assert score(wanted, fake, target, 1) == pytest.approx(found, rel=1e-4)
    same = score(choose_wanted(["fid"]), target, target, 4)
    assert list(same) == ["fid"]
    assert same["fid"] == pytest.approx(0, abs=1e-3)


def test_only_fid_is_warned_of(network, capsys):
    score(choose_wanted(["kid"]), some_images(1), some_images(2), 6)
    assert capsys.readouterr().out == ""


def test_gray_images_are_scored_as_rgb(network):
    gray = some_images(1, channels=1), some_images(2, channels=1)
    wanted = choose_wanted(["fid"])
    as_rgb = score(wanted, *(side.repeat(3, axis=-1) for side in gray), 6)
    assert score(wanted, *gray, 6) == as_rgb
    assert as_rgb["fid"] > 1


def test_sets_of_one_image_or_many_bands_are_refused(network):
    with pytest.raises(InputError, match="two images or more on each side, not 1"):
        score(choose_wanted(["fid"]), some_images(1, 1), some_images(2, 1), 4)
    bands = some_images(1, channels=5)
    with pytest.raises(InputError, match="images of 5 channels; they need gray or RGB"):
        score(choose_wanted(["fid"]), bands, bands, 4)


def test_a_missing_package_names_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    pairs = iter([((some_images(1, 1), some_images(2, 1)), ("a",))])
    with pytest.raises(InputError, match=r"cv2 is missing: pip install 'pix2pix_jax\[opencv\]'"):
        tally(pairs, choose_wanted(["keypoint_ratio"]).metrics)
