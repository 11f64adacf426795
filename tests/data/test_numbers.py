"""Numbers beside the images: how they are normalised, and which ones a pair gets."""

import numpy as np
import pytest
from support import tiny
from support.image_files import save_pair
from support.made_sources import MadeSource

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.core.validation import resolve
from pix2pix_jax.data.batches import train_batches
from pix2pix_jax.data.build import build_source
from pix2pix_jax.data.loading import build_pairs
from pix2pix_jax.data.numbers import Numbers, numbers_of, read_numbers, values_of
from pix2pix_jax.data.order import Timeline, TrainingOrder
from pix2pix_jax.data.pair_format import PHOTOS
from pix2pix_jax.data.selection import Patches, Subset, names_of_whole

NUMBERS = Numbers.measured(("age", "dose"), np.array([[1.0, 5.0], [3.0, 5.0], [5.0, 5.0]]))


def test_numbers_get_mean_0_and_deviation_1_over_the_training_pairs():
    # The deviation of 1, 3 and 5 is the root of 8 / 3; a number that never changes becomes 0.
    assert NUMBERS.mean == (3.0, 5.0)
    assert NUMBERS.deviation == (pytest.approx(1.6329931618554518), 1.0)
    assert (NUMBERS.low, NUMBERS.high) == ((1.0, 5.0), (5.0, 5.0))
    found = NUMBERS.normalised(np.array([[1.0, 5.0], [3.0, 5.0], [6.0, 7.0]]))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, [[-1.2247449, 0], [0, 0], [1.8371173, 2]], rtol=1e-6)


def test_equal_numbers_that_rounding_moves_stay_equal():
    # The mean of three times 0.1 is not 0.1 in float64, nor is their deviation 0.
    numbers = Numbers.measured(("x",), np.full((3, 1), 0.1))
    assert (numbers.mean, numbers.deviation) == ((0.1,), (1.0,))


def test_numbers_are_given_by_name():
    np.testing.assert_array_equal(NUMBERS.row({"dose": 2, "age": "1e1"}), [10, 2])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"age": 1}, "dose is missing; give age=3,dose=5"),
        ({}, "condition: age, dose are missing; give age=3,dose=5"),
        ({"age": 1, "dose": 2, "weight": 3}, "knows no weight; its numbers are age, dose"),
        ({"age": 1, "dose": "much"}, "dose: 'much' is not a finite number"),
        ({"age": float("nan"), "dose": 1}, "age: nan is not a finite number"),
        ({"age": 1e31, "dose": 1}, "age: 1e+31 is not a number from -1e30 to 1e30"),
        ({"age": True, "dose": 1}, "age: True is not a finite number"),
        (3, "condition=3: expected a number for each name"),
    ],
)
def test_what_is_no_number_for_each_name_is_one_line(given, message):
    with pytest.raises(InputError) as caught:
        NUMBERS.row(given)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_number_that_float32_cannot_hold_is_one_line():
    numbers = Numbers(("x",), (0.0,), (1e-20,), (0.0,), (1e-20,))
    with pytest.raises(InputError, match=r"condition 'x': 1e\+30 is too far from 0 to 1e-20"):
        numbers.normalised(np.array([[1e30]]))


def test_numbers_outside_the_range_of_the_training_are_a_warning(caplog):
    NUMBERS.warn_outside(np.array([[1.0, 5.0], [7.0, 5.0], [0.0, 5.0]]))
    (record,) = caplog.records
    assert record.getMessage() == (
        "condition age=7: outside the range of the training pairs, 1 to 5 (2 of 3 images)"
    )


def test_keys_that_contradict_each_other_are_refused(tiny_config):
    tiny_config.data.condition_names = ("age", "dose")
    tiny_config.data.condition_mean = (1.0,)
    with pytest.raises(InputError, match=r"data.condition_mean=\(1.0,\): give a number for each"):
        numbers_of(resolve(tiny_config).data)


def test_names_that_are_there_twice_and_a_range_turned_round_are_refused(data):
    data.condition_names = ("age", "age")
    config = tiny.tiny_config()
    config.data = data
    with pytest.raises(InputError, match=r"data.condition_names=\('age', 'age'\): has age twice"):
        read_numbers(resolve(config).data)
    data.condition_names, data.condition_mean, data.condition_deviation = ("age",), (0.0,), (1.0,)
    data.condition_low, data.condition_high = (3.0,), (1.0,)
    config.data = data
    with pytest.raises(InputError, match=r"condition_low=3 of age: is above data"):
        numbers_of(resolve(config).data)


@pytest.mark.parametrize("source", ["side_by_side", "folders"])
def test_validation_pairs_that_serve_as_test_pairs_keep_their_rows(source, tmp_path):
    root = tmp_path / "data"
    for split in ("train", "val"):
        folders = (
            [root / split] if source == "side_by_side" else [root / "A" / split, root / "B" / split]
        )
        for folder in folders:
            save_pair(folder / "1.png")
    (root / "n.csv").write_text("name,x\ntrain/1,3\nval/1,4\n")
    config = tiny.tiny_config(
        {"data.root": str(root), "data.condition": "n.csv", "data.source": source}
    )
    settings = resolve(config)
    table = read_numbers(settings.data)

    def values(split):
        pairs = build_source(settings.data, PHOTOS, split, seed=0)
        return values_of(table, pairs, split, settings.data).tolist()

    assert [values(split) for split in ("train", "val", "test")] == [[[3]], [[4]], [[4]]]
    # A test set of its own does not take the rows of other pairs that are called the same.
    for folder in (root / "test", root / "A" / "test", root / "B" / "test"):
        save_pair(folder / "1.png")
    with pytest.raises(InputError, match="has no row for 1 of the test pairs"):
        values("test")


def source_of(count):
    pairs = [np.full((8, 16, 3), number, np.uint8) for number in range(count)]
    return MadeSource([(one, one) for one in pairs], tuple(f"{n}.png" for n in range(count)))


def test_patches_and_some_of_them_have_the_names_of_whole_pairs():
    patches = Patches(source_of(2), (8, 8), workers=1)
    assert patches.names == ("0_0_0.png", "0_0_8.png", "1_0_0.png", "1_0_8.png")
    assert names_of_whole(Subset(patches, [3, 0])) == ("1.png", "0.png")


@pytest.fixture
def data(tmp_path):
    (tmp_path / "numbers.csv").write_text(
        "name,age,dose\n" + "".join(f"{n},{n},{n * n}\n" for n in range(6))
    )
    config = tiny.tiny_config({"data.root": str(tmp_path), "data.condition": "numbers.csv"})
    config.data.image_size = 8
    config.data.resize = "none"
    config.data.patch_size = 8
    return config.data


@pytest.mark.parametrize("cache", [1.0, 0.0])
def test_a_batch_has_the_numbers_of_its_pairs(cache, data):
    data.condition_names, data.condition_mean = ("dose", "age"), (0.0, 1.0)
    data.condition_deviation, data.condition_low, data.condition_high = (1.0, 2.0), (0, 0), (9, 9)
    source = Patches(source_of(6), (8, 8), workers=1)
    shown = {"training": True, "cache_gigabytes": cache, "label": "", "split": "train"}
    config = tiny.tiny_config()
    config.data = data
    pairs = build_pairs(resolve(config).data, source, PHOTOS, **shown)
    assert (pairs.arrays is not None) == bool(cache)
    order = TrainingOrder(pairs, Timeline(len(pairs), 4, seed=0), range(4))
    for batch in train_batches(order, 0, 3, workers=1):
        number = batch["source"][:, 0, 0, 0].astype(np.float32)
        expected = np.stack([number**2, (number - 1) / 2], axis=1)
        np.testing.assert_array_equal(batch["condition"], expected)


def test_a_table_is_found_in_the_data_where_the_key_says_or_by_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    config = tiny.tiny_config({"data.root": "data", "data.condition": "sub/n.csv"})
    for number, place in enumerate(("data/n.csv", "sub/n.csv", "data/sub/n.csv")):
        path = tmp_path / place
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"name,x\na,{number}\n")
        assert read_numbers(resolve(config).data).rows == {"a": (float(number),)}
    # As in a bundle, which does not say where it was.
    config.data.condition, config.data.condition_names = "", ("x",)
    with pytest.raises(InputError, match=r"data.condition='' with .*or call it conditions.csv in"):
        read_numbers(resolve(config).data)
    (tmp_path / "data" / "conditions.csv").write_text("name,x\na,7\n")
    assert read_numbers(resolve(config).data).rows == {"a": (7.0,)}
