"""The table of a comparison, and what it warns of."""

import csv
import pathlib

import pytest
from support.made_entries import entry_of, with_config

from pix2pix_jax import InputError
from pix2pix_jax.evaluation.metrics.distribution import LEAST_FOR_FID
from pix2pix_jax.reports.comparison_runs import find_faults, label_runs
from pix2pix_jax.reports.comparison_table import (
    build_columns,
    differing_settings,
    to_markdown,
    write_csv,
)
from pix2pix_jax.reports.numbers import written


def cells(columns, title):
    (column,) = [column for column in columns if column.title.startswith(title)]
    return [(cell.text, cell.best) for cell in column.cells]


def test_the_best_of_each_column_depends_on_the_metrics_direction():
    runs = [
        entry_of("a", l1=0.5, psnr=20.0, fid=90.0, inception_score=2.0),
        entry_of("b", l1=0.25, psnr=10.0, fid=80.0, inception_score=3.0),
    ]
    columns = build_columns(runs, ["l1", "psnr", "fid", "inception_score"])
    assert cells(columns, "l1") == [("0.5000", False), ("0.2500", True)]
    assert cells(columns, "psnr") == [("20.00", True), ("10.00", False)]
    assert cells(columns, "fid") == [("90.00", False), ("80.00", True)]
    assert cells(columns, "inception_score") == [("2.000", False), ("3.000", True)]
    assert [column.title[-1] for column in columns[:4]] == ["↓", "↑", "↓", "↑"]
    assert columns[0].cells[0].spread == "0.050"


def test_equal_scores_are_all_best_and_a_run_alone_is_not():
    equal = [entry_of("a", l1=0.25), entry_of("b", l1=0.250001), entry_of("c", l1=0.5)]
    assert [best for _, best in cells(build_columns(equal, ["l1"]), "l1")] == [True, True, False]
    assert cells(build_columns(equal[:1], ["l1"]), "l1") == [("0.2500", False)]


def test_a_score_that_there_is_not_is_a_dash():
    columns = build_columns(
        [entry_of("a", class_iou=None), entry_of("b", class_iou=0.5)], ["class_iou"]
    )
    assert cells(columns, "class_iou") == [("-", False), ("0.5000", True)]


def test_seconds_are_best_only_on_the_same_hardware():
    one, other = ({"devices": count, "device": "cpu", "machine": "Linux"} for count in (1, 2))
    same = [entry_of("a", seconds=90.0, hardware=one), entry_of("b", seconds=80.0, hardware=one)]
    assert cells(build_columns(same, []), "seconds") == [("90.0", False), ("80.0", True)]
    assert find_faults(same, []) == []
    two = [same[0], entry_of("b", seconds=80.0, hardware=other)]
    assert cells(build_columns(two, []), "seconds") == [("90.0", False), ("80.0", False)]
    (fault,) = find_faults(two, [])
    assert fault.endswith("different hardware: a: 1 x cpu, Linux; b: 2 x cpu, Linux")


def test_columns_say_size_steps_and_number():
    columns = build_columns([entry_of(l1=0.5)], ["l1"])
    assert cells(columns, "parameters") == [("54,409,603", False)]  # as docs/models.md has it
    assert cells(columns, "step") == [("4 of 8", False)]
    assert cells(columns, "n") == [("2", False)]


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.21, "0.2100"), (17.0, "17.00"), (1234.4, "1234"), (123456.0, "123500"), (0.0, "0.000")],
)
def test_numbers_have_four_digits(value, text):
    assert written(value, 4) == text


def test_markdown_has_a_row_for_each_run():
    runs = [entry_of("a|b", l1=0.5), entry_of("c", l1=0.25)]
    lines = to_markdown(runs, build_columns(runs, ["l1"])[:1]).splitlines()
    assert lines == [
        "| run | l1\u00a0↓ (units of [-1, 1]) |",
        "| --- | --- |",
        r"| a\|b | 0.5000 ± 0.050 |",
        "| c | **0.2500** ± 0.025 |",
    ]


def test_csv_has_plain_numbers(tmp_path):
    runs = [entry_of("a", seconds=12.5, l1=0.5), entry_of("b", l1=None)]
    write_csv(runs, ["l1"], tmp_path / "c.csv")
    with (tmp_path / "c.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert rows[0] == {
        "run": "a",
        "workdir": str(pathlib.Path("runs", "a")),
        "step": "4",
        "steps": "8",
        "n": "2",
        "seconds_per_1000_steps": "12.5",
        "parameters": "54409603",
        "l1": "0.5",
        "l1_std": "0.05",
    }
    assert (rows[1]["l1"], rows[1]["seconds_per_1000_steps"]) == ("", "")


def test_settings_that_differ_are_listed_with_every_runs_value():
    first, second = entry_of("a"), with_config(entry_of("b"), model__norm="batch", data__workers=3)
    assert differing_settings([first, second]) == {"model.norm": ["'instance'", "'batch'"]}
    assert differing_settings([first]) == {}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"data__direction": "BtoA"}, "data.direction: 'AtoB' -> 'BtoA'"),
        ({"data__image_size": (64,)}, "data.image_size: (256, 256) -> (64,)"),
        ({"derive__kind": "gray"}, "derive.kind: '' -> 'gray'"),
        ({"data__root": "elsewhere"}, "data.root: '' -> 'elsewhere'"),
    ],
)
def test_runs_on_other_data_are_warned_of_by_name(change, named):
    assert find_faults([entry_of("a"), with_config(entry_of("b"), **change)], []) == [
        f"b: other data than a: {named}"
    ]


def test_runs_of_another_seed_have_other_data_only_where_the_seed_decides_it():
    def runs(source):
        pair = [with_config(entry_of(label), data__source=source) for label in "ab"]
        pair[1].config.seed = 7
        return pair

    assert find_faults(runs("folders"), []) == []
    assert find_faults(runs("synthetic"), []) == ["b: other data than a: seed: 0 -> 7"]


def test_runs_scored_on_other_images_are_warned_of_by_name():
    runs = [entry_of("a", names=("x", "y", "z")), entry_of("b", names=("y", "w"))]
    assert find_faults(runs, []) == ["b: scored on 2 images, a on 3; 1 are the same"]


def test_a_fid_of_few_images_is_warned_of():
    few, many = (tuple(map(str, range(n))) for n in (LEAST_FOR_FID - 1, LEAST_FOR_FID))
    (fault,) = find_faults([entry_of("a", names=few)], ["fid"])
    assert fault.startswith(f"fid of {LEAST_FOR_FID - 1} images: under {LEAST_FOR_FID}")
    assert find_faults([entry_of("a", names=few)], ["kid"]) == []
    assert find_faults([entry_of("a", names=many)], ["fid"]) == []


def test_labels_are_those_given_or_names_or_paths():
    assert label_runs(["runs/a", "runs/b/"], []) == ["a", "b"]
    assert label_runs(["x/run", "y/run"], []) == ["x/run", "y/run"]
    assert label_runs(["x/run", "y/run"], ["one", "two"]) == ["one", "two"]
    with pytest.raises(InputError, match="--labels names 1, there are 2 runs"):
        label_runs(["a", "b"], ["one"])
    with pytest.raises(InputError, match="'a' stands for two runs"):
        label_runs(["a", "a"], [])
    with pytest.raises(InputError, match="'one' stands for two runs"):
        label_runs(["a", "b"], ["one", "one"])
