import numpy as np
import pytest
from support.compared_runs import compared_run
from support.runs import tiny_run

from pix2pix_jax.evaluation.run_scores import ScoringOptions
from pix2pix_jax.evaluation.scorecard import choose_wanted
from pix2pix_jax.reports.comparison_pictures import (
    choose_images,
    draw_image_sheet,
    translate_images,
)
from pix2pix_jax.reports.comparison_runs import collect
from pix2pix_jax.runs.folder import RunFolder


def test_images_are_those_that_all_runs_have():
    two = [compared_run("a", images=tuple("abcdef")), compared_run("b", images=tuple("fdbxa"))]
    assert choose_images(two, 2) == ["a", "f"]
    assert choose_images(two, 9) == ["a", "b", "d", "f"]
    assert choose_images(two, 0) == []
    assert choose_images([two[0], compared_run("b", images=("q",))], 3) == []


def test_every_run_translates_the_same_images(tmp_path):
    folders = [
        RunFolder(tiny_run(tmp_path / "one")),
        RunFolder(tiny_run(tmp_path / "two", model__norm="batch")),
    ]
    wanted, options = choose_wanted(["l1"]), ScoringOptions()
    runs = collect(folders, ["one", "two"], "best", wanted, options, tmp_path / "out")
    names = list(runs[0].values)
    images = translate_images(runs, choose_images(runs, 2), options)
    assert [image.name for image in images] == [names[0], names[4]]
    for image in images:
        assert [picture.shape for picture in image.pictures] == [(32, 32, 3)] * 4
        assert np.any(image.translations[0] != image.translations[1])
        for run, translation in zip(runs, image.translations, strict=True):
            found = np.abs(translation / 127.5 - image.target / 127.5).mean()
            # Pictures have eight bits.
            assert found == pytest.approx(run.values[image.name]["l1"], abs=2e-3)
    sheet = draw_image_sheet(runs, images)
    assert sheet.shape == (6 + 22 + 2 * (160 + 6), 6 + 4 * (160 + 6), 3)
