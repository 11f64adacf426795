from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from support.tiny_tfds import COUNTS, build, decoded

from pix2pix_jax.core.errors import InputError


@pytest.mark.parametrize(
    ("split", "own"), [("train", "train"), ("val", "validation"), ("test", "test")]
)
def test_splits_are_found_by_their_usual_names(tmp_path, split, own):
    source = build(tmp_path, split=split)
    assert source.names == tuple(f"{own}_{number:06d}" for number in range(COUNTS[own]))


def test_all_splits_can_be_read_in_sequence(tmp_path):
    source = build(tmp_path, split="all")
    assert len(source) == len(set(source.names)) == sum(COUNTS.values())
    places = [source.names.index(f"{split}/{split}_000001") for split in COUNTS]
    for place in places:
        np.testing.assert_array_equal(source[place][0], decoded(1))


def test_a_missing_split_is_an_error_that_lists_the_others(tmp_path):
    with pytest.raises(
        InputError, match=r"tiny_train'.* val or validation or test, only train, ex"
    ):
        build(tmp_path, "tiny_train", "val")


def test_many_threads_read_the_same_as_one(tmp_path):
    build(tmp_path)
    expected = [build(tmp_path)[number] for number in range(7)]
    source = build(tmp_path)  # nothing is open yet: the threads open the files, too
    numbers = [number % 7 for number in range(400)]
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(source.__getitem__, numbers))
    for number, pair in zip(numbers, found, strict=True):
        for one, other in zip(pair, expected[number], strict=True):
            np.testing.assert_array_equal(one, other)


def test_a_format_without_random_access_is_an_error(tmp_path):
    build(tmp_path)
    for path in (tmp_path / "tiny_masks" / "1.2.0").iterdir():
        if path.name == "dataset_info.json":
            path.write_text(path.read_text().replace("array_record", "tfrecord"))
        path.rename(path.with_name(path.name.replace("array_record", "tfrecord")))
    with pytest.raises(
        InputError, match=r"1\.2\.0 holds tfrecord, which has no random access; del"
    ):
        build(tmp_path)


def test_broken_records_are_an_error_that_gives_their_folder(tmp_path):
    build(tmp_path)
    for path in (tmp_path / "tiny_masks" / "1.2.0").glob("*array_record*"):
        path.write_bytes(path.read_bytes()[:70])
    source = build(tmp_path)
    with pytest.raises(InputError, match=r"train_000002 \(photo\): cannot be read from .*1\.2\.0"):
        source[2]
