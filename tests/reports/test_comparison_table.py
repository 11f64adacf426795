import csv
import pathlib

import pytest
from support.compared_runs import compared_run, with_config

from pix2pix_jax.reports.comparison_table import (
    DifferingSetting,
    build_columns,
    code_in_markdown,
    find_differing_settings,
    to_markdown,
    write_csv,
)


def cells(columns, title):
    (column,) = [column for column in columns if column.title.startswith(title)]
    return [(cell.text, cell.best) for cell in column.cells]


def test_the_best_of_each_column_depends_on_the_metrics_direction():
    runs = [
        compared_run("a", l1=0.5, psnr=20.0, fid=90.0, inception_score=2.0),
        compared_run("b", l1=0.25, psnr=10.0, fid=80.0, inception_score=3.0),
    ]
    columns = build_columns(runs, ["l1", "psnr", "fid", "inception_score"])
    assert cells(columns, "l1") == [("0.5000", False), ("0.2500", True)]
    assert cells(columns, "psnr") == [("20.00", True), ("10.00", False)]
    assert cells(columns, "fid") == [("90.00", False), ("80.00", True)]
    assert cells(columns, "inception_score") == [("2.000", False), ("3.000", True)]
    assert [column.title[-1] for column in columns[:4]] == ["↓", "↑", "↓", "↑"]
    assert columns[0].cells[0].spread == "0.050"


def test_equal_scores_are_all_best_and_a_single_run_is_not():
    equal = [compared_run("a", l1=0.25), compared_run("b", l1=0.250001), compared_run("c", l1=0.5)]
    assert [best for _, best in cells(build_columns(equal, ["l1"]), "l1")] == [True, True, False]
    assert cells(build_columns(equal[:1], ["l1"]), "l1") == [("0.2500", False)]


def test_a_missing_score_is_a_dash():
    runs = [compared_run("a", class_iou=None), compared_run("b", class_iou=0.5)]
    columns = build_columns(runs, ["class_iou"])
    assert cells(columns, "class_iou") == [("-", False), ("0.5000", True)]


def test_seconds_are_best_only_on_the_same_hardware():
    one, other = ({"devices": count, "device": "cpu", "machine": "Linux"} for count in ("1", "2"))
    runs = [
        compared_run("a", seconds=90.0, hardware=one),
        compared_run("b", seconds=80.0, hardware=one),
    ]
    assert cells(build_columns(runs, []), "seconds") == [("90.0", False), ("80.0", True)]
    runs[1] = compared_run("b", seconds=80.0, hardware=other)
    assert cells(build_columns(runs, []), "seconds") == [("90.0", False), ("80.0", False)]


def test_columns_give_size_steps_and_number_of_images():
    columns = build_columns([compared_run(l1=0.5)], ["l1"])
    assert cells(columns, "parameters") == [("54,409,603", False)]
    assert cells(columns, "step") == [("4 of 8", False)]
    assert cells(columns, "n") == [("2", False)]


def test_a_bundle_has_a_step_but_no_steps_taken(tmp_path):
    run = compared_run(steps=0, l1=0.5)
    assert cells(build_columns([run], ["l1"]), "step") == [("4", False)]
    write_csv([run], ["l1"], tmp_path / "c.csv")
    with (tmp_path / "c.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert (row["step"], row["steps"]) == ("4", "")


def test_markdown_has_a_row_for_each_run():
    runs = [compared_run("a|b", l1=0.5), compared_run("c", l1=0.25)]
    lines = to_markdown(runs, build_columns(runs, ["l1"])[:1]).splitlines()
    assert lines == [
        "| run | l1\u00a0↓ (units of [-1, 1]) |",
        "| --- | --- |",
        r"| a\|b | 0.5000 ± 0.050 |",
        "| c | **0.2500** ± 0.025 |",
    ]


def test_csv_has_plain_numbers(tmp_path):
    runs = [compared_run("a", seconds=12.5, l1=0.5), compared_run("b", l1=None)]
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


def test_a_label_is_text_in_every_file(tmp_path):
    label = r"=1+1 <b>[a](http://x) `b` *c*|\d"
    runs = [compared_run(label, l1=0.5)]
    row = to_markdown(runs, build_columns(runs, ["l1"])[:1]).splitlines()[2]
    expected = r"| =1+1 &lt;b>\[a\](http://x) \`b\` \*c\*\|\\d | "
    assert row.startswith(expected)
    write_csv(runs, ["l1"], tmp_path / "c.csv")
    with (tmp_path / "c.csv").open() as file:
        (found,) = csv.DictReader(file)
    assert found["run"] == f"'{label}"  # a spreadsheet takes it for text


@pytest.mark.parametrize(
    ("text", "cell"), [("'a'", "`'a'`"), ("a|b", r"`a\|b`"), ("a`b", "`` a`b ``")]
)
def test_code_in_a_table_stays_in_its_cell(text, cell):
    assert code_in_markdown(text) == cell


def test_settings_that_differ_are_listed_with_the_value_of_every_run():
    first = compared_run("a")
    second = with_config(compared_run("b"), model__norm="batch", data__workers=3)
    assert find_differing_settings([first, second]) == [
        DifferingSetting("model.norm", ["'instance'", "'batch'"])
    ]
    assert find_differing_settings([first]) == []
