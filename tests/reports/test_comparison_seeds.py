import csv
import dataclasses

import pytest
from support.compared_runs import compared_run, with_config

from pix2pix_jax import InputError
from pix2pix_jax.evaluation.run_scores import ScoringOptions
from pix2pix_jax.reports.comparison_differences import explain_differences, find_differences
from pix2pix_jax.reports.comparison_page import write_comparison
from pix2pix_jax.reports.comparison_seeds import (
    expand_pattern,
    find_seed_faults,
    pool_seeds,
    seed_rows,
)


def seeded(label, seed, *values, metric="l1"):
    """Make a run with a seed, whose images have these values."""
    mean = sum(values) / len(values)
    run = compared_run(label, images=tuple(map(str, range(len(values)))), **{metric: mean})
    run = with_config(run, data__source="folders")
    run.config.seed = seed
    each = {str(number): {metric: value} for number, value in enumerate(values)}
    return dataclasses.replace(run, values=each)


@pytest.fixture
def pooled():
    """Two entries of two seeds."""
    return [
        pool_seeds("a", [seeded("a_0", 0, 0.25, 0.5), seeded("a_1", 1, 0.75, 1.0)]),
        pool_seeds("b", [seeded("b_0", 0, 0.25, 0.25), seeded("b_1", 1, 0.25, 0.25)]),
    ]


def test_a_pooled_entry_is_the_mean_of_its_runs(pooled):
    first = pooled[0]
    assert first.values == {"0": {"l1": 0.5}, "1": {"l1": 0.75}}
    assert first.scores.metrics["l1"].mean == 0.625
    assert first.scores.metrics["l1"].deviation == 0.125
    assert seed_rows(pooled, ["l1"]) == [
        ["run", "seeds", "l1"],
        ["a", "2", "0.3750 to 0.8750, ± 0.35"],
        ["b", "2", "0.2500 to 0.2500, ± 0.0"],
    ]
    assert seed_rows([compared_run("a")], ["l1"]) == []


def test_seeds_are_drawn_from_the_runs_of_an_entry(pooled):
    (found,) = find_differences(pooled, ["l1"])
    assert (found.found.mean, found.found.won) == (-0.375, 2)
    assert found.cells[2] == "no difference seen"
    single = [dataclasses.replace(run, seeds=()) for run in pooled]
    (images_alone,) = find_differences(single, ["l1"])
    assert images_alone.found.low > found.found.low


def test_sets_of_images_have_no_pairs():
    runs = [compared_run("a", fid=9.0), compared_run("b", fid=1.0)]
    assert find_differences(runs, ["fid"]) == []


def test_one_image_is_too_few_for_an_interval():
    runs = [seeded("a", 0, 0.5), seeded("b", 0, 0.25)]
    (found,) = find_differences(runs, ["l1"])
    assert found.cells == ["b", "l1", "fewer than two images in common", "-", "-", "-"]


def test_the_words_tell_whether_seeds_are_allowed_for(pooled):
    def words(runs):
        return " ".join(explain_differences(runs, find_differences(runs, ["l1"])))

    alone = [seeded("c", 0, 0.5, 0.5), seeded("d", 0, 0.25, 0.25)]
    assert "allow for both: other images, and other seeds" in words(pooled)
    assert "do not allow for the luck of a seed: " in words(alone)
    assert "luck of a seed in d, of which there is one run" in words([pooled[0], alone[1]])


def test_scores_of_counts_are_told_apart_from_means_over_images():
    runs = [seeded(label, 0, 0.5, 0.25, metric="class_iou") for label in "ab"]
    notes = explain_differences(runs, find_differences(runs, ["class_iou"]))
    assert notes[-1].startswith("class_iou: the score of a run is that of the counts of all images")


def test_what_is_no_seed_of_one_setting_is_a_fault(pooled):
    assert find_seed_faults([*pooled, compared_run("single")]) == []
    first, second = seeded("a_0", 0, 0.5, 0.5), seeded("a_1", 0, 0.5, 0.5, 0.5)
    other = with_config(second, model__norm="batch", data__root="elsewhere", data__source="folders")
    assert find_seed_faults([pool_seeds("a", [first, other])]) == [
        "a: its runs differ in more than the seed: model.norm",
        "a: a_1: other data than a_0: data.root: '' -> 'elsewhere'",
        "a: a_1: scored on 3 images, a_0 on 2; they share 2, and only these are compared one by "
        "one",
        "a: two of its runs have the seed 0, so their spread says little about other seeds",
    ]


def test_the_files_have_differences_and_seeds(pooled, tmp_path):
    assert write_comparison(pooled, ["l1"], [], ScoringOptions(), tmp_path) == []
    with (tmp_path / "comparison.csv").open() as file:
        first, second = csv.DictReader(file)
    assert (first["seeds"], second["seeds"]) == ("2", "2")
    assert float(first["l1_seed_std"]) == pytest.approx(0.35355, rel=1e-4)
    assert (first["l1_difference"], second["l1_difference"]) == ("", "-0.375")
    assert (second["l1_won"], second["l1_equal"], second["l1_compared"]) == ("2", "0", "2")
    assert second["l1_verdict"] == "no difference seen"
    assert float(second["l1_difference_low"]) < -0.375 < float(second["l1_difference_high"])
    for name in ("comparison.md", "comparison.html"):
        text = (tmp_path / name).read_text()
        assert "Differences from a" in text
        assert "no difference seen" in text
        assert "0.3750 to 0.8750, ± 0.35" in text


def test_a_pattern_stands_for_the_folders_that_match(tmp_path):
    for name in ("a_seed1", "a_seed0", "b", "odd[1]"):
        (tmp_path / name).mkdir()
    (tmp_path / "a_seed.log").touch()
    found = expand_pattern(str(tmp_path / "a_seed*"))
    assert found == [str(tmp_path / "a_seed0"), str(tmp_path / "a_seed1")]
    for path in ("b", "odd[1]", "nowhere"):
        assert expand_pattern(str(tmp_path / path)) == [str(tmp_path / path)]
    with pytest.raises(InputError, match=r"c_\*': no folder matches this pattern"):
        expand_pattern(str(tmp_path / "c_*"))
