"""What `check` says of the values that files hold."""

import numpy as np

from pix2pix_jax.data.preparation.check import check
from pix2pix_jax.data.preparation.table import format_result
from pix2pix_jax.images import files as image_files

NO_PIXEL = "no pixel counts: all have NaN, or are masked; remove it"


def save(path, image):
    path.parent.mkdir(parents=True, exist_ok=True)
    image_files.write(path, image)


def photo(seed):
    return np.random.default_rng(seed).integers(0, 256, (32, 32, 3), np.uint8)


def unfitting(report):
    return [one for one in report.findings if one.title.startswith("values that do not fit")]


def test_values_are_listed_by_side_and_band_and_keys_that_fit_are_proposed(tmp_path):
    for seed in range(3):
        values = np.random.default_rng(seed).uniform(-19.6, 44.2, (32, 32, 1)).astype(np.float32)
        values[0, :2, 0] = -19.6, 44.2
        save(tmp_path / "A" / "train" / f"{seed}.png", photo(seed))
        save(tmp_path / "B" / "train" / f"{seed}.tif", values)
    report = check(str(tmp_path))
    lines = format_result(report, 3).splitlines()
    assert lines[0] == "data.source=folders data.target_dtype=float32 data.target_range=-20,45"
    assert any(line.startswith("B        0  -19.6     44.2") for line in lines), lines
    (finding,) = unfitting(report)
    assert not finding.wrong
    assert finding.cases == (
        "side B: values from -19.6 to 44.2, beyond the range 0 to 1; set data.target_range=-20,45",
    )


def test_images_of_12_bits_in_16_are_not_taken_for_black_ones(tmp_path):
    values = np.random.default_rng(0).integers(0, 4096, (32, 32, 20), np.uint16)
    values[0, 0, 0], values[0, 0, 1] = 4095, 0
    save(tmp_path / "train" / "0.tif", values)
    report = check(str(tmp_path), "single")
    lines = format_result(report, 3).splitlines()
    assert lines[0] == (
        "data.source=single data.source_channels=20 data.source_dtype=uint16 "
        "data.source_range=0,4095"
    )
    assert any(line.split()[:6] == ["image", "0", "to", "19", "0", "4095"] for line in lines)
    assert "of the range 0 to 65535; set data.source_range=0,4095" in unfitting(report)[0].cases[0]


def test_photos_of_8_bits_need_no_key_and_no_word_about_their_values(tmp_path):
    save(tmp_path / "train" / "0.png", photo(0))
    report = check(str(tmp_path), "single")
    assert format_result(report, 3).startswith("data.source=single\n")
    assert not unfitting(report)


def test_nan_may_mark_pixels_without_data_and_the_key_is_proposed(tmp_path):
    for seed in range(3):
        values = np.random.default_rng(seed).uniform(0, 1, (32, 32, 1)).astype(np.float32)
        values[0, :2, 0] = 0, 1
        save(tmp_path / "A" / "train" / f"{seed}.tif", values)
        values[24:] = np.nan
        save(tmp_path / "B" / "train" / f"{seed}.tif", values)
    report = check(str(tmp_path))
    assert report.good
    assert (
        format_result(report, 3).splitlines()[0].endswith("_dtype=float32 data.target_no_data=nan")
    )
    (finding,) = [one for one in report.findings if one.title == "pixels without data"]
    assert finding.cases == (
        "side B: 3 of 3 images have NaN, 25.00% of their values; training takes them with "
        "data.target_no_data=nan",
    )
    for seed in range(3):
        mask = np.full((32, 32, 1), 255, np.uint8)
        mask[24 + seed // 2 :] = 0
        save(tmp_path / "mask" / "train" / f"{seed}.png", mask)
    (finding,) = [one for one in check(str(tmp_path)).findings if one.title.startswith("pixels w")]
    assert finding.cases[0].startswith("side B: 1 of 3 images have NaN, 3.12% of their values")


def test_an_image_without_any_data_is_wrong_as_training_refuses_it(tmp_path):
    save(tmp_path / "train" / "0.tif", np.full((32, 32, 1), np.nan, np.float32))
    (finding,) = check(str(tmp_path), "single").findings
    assert finding.wrong
    assert finding.cases[0].endswith(f"0.tif: {NO_PIXEL}")


def test_what_a_target_holds_under_black_does_not_matter(tmp_path):
    for number in range(2):
        values = np.random.default_rng(number).uniform(0, 1, (32, 32, 1)).astype(np.float32)
        save(tmp_path / "A" / "train" / f"{number}.tif", values)
        if number:
            values[:16] = np.nan  # all that counts
        else:
            values[0, 0], values[16:24], values[24:] = np.nan, np.inf, np.nan
        save(tmp_path / "B" / "train" / f"{number}.tif", values)
        mask = np.full((32, 32, 1), 255, np.uint8)
        mask[16:] = 0
        save(tmp_path / "mask" / "train" / f"{number}.png", mask)
    wrong, without, *_ = check(str(tmp_path)).findings
    assert wrong.cases == (f"{tmp_path}/B/train/1.tif: {NO_PIXEL}",)
    assert without.cases[0].startswith("side B: 1 of 1 images have NaN, 0.10% of their values")


def test_single_images_with_nan_are_wrong_as_no_source_can_be_derived(tmp_path):
    for number in range(2):
        values = np.random.default_rng(number).uniform(0, 1, (32, 32, 1)).astype(np.float32)
        values[:8] = np.nan
        save(tmp_path / "train" / f"{number}.tif", values)
    report = check(str(tmp_path), "single")
    assert not report.good
    assert "no_data" not in format_result(report, 3).splitlines()[0]
    assert report.findings[0].cases == (
        "2 of 2 images have NaN, 25.00% of their values; no source can be derived of them: "
        "replace NaN",
    )


def test_infinite_values_are_counted_by_file(tmp_path):
    image = np.zeros((4, 4, 1), np.float32)
    image[0, :3] = np.inf
    save(tmp_path / "train" / "0.tif", image)
    (finding,) = check(str(tmp_path), "single").findings
    assert finding.wrong
    assert "not finite (3 of 16)" in finding.cases[0]
