import numpy as np
import pytest

from pix2pix_jax import InputError
from pix2pix_jax.evaluation.folder_scores import find_file_pairs, refuse_output_among, score_folders
from pix2pix_jax.evaluation.metrics.table import Metric
from pix2pix_jax.evaluation.scorecard import Wanted, choose_wanted
from pix2pix_jax.images import files as image_files

RNG = np.random.default_rng(0)
L1 = choose_wanted(["l1"])


def put(folder, name, image):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npy":
        np.save(path, image)
    else:
        image_files.write(path, image)


def some_image(height=16, width=16, channels=3, dtype=np.uint8):
    return RNG.integers(0, np.iinfo(dtype).max, (height, width, channels), dtype, endpoint=True)


@pytest.fixture
def folders(tmp_path):
    """Two folders of five images each, of two sizes and in a sub-folder."""
    for number in range(5):
        name = f"{'deep/' * (number == 4)}{number}"
        size = (12, 20) if number == 2 else (16, 16)
        put(tmp_path / "ours", f"{name}.png", some_image(*size))
        put(tmp_path / "theirs", f"{name}.npy", some_image(*size))
    return tmp_path / "ours", tmp_path / "theirs"


def test_scores_are_those_of_each_image_alone(folders):
    pairs = find_file_pairs(*folders)
    assert pairs.names == ("0", "1", "2", "3", "deep/4")
    card = score_folders(pairs, choose_wanted(["l1", "ssim"]))
    assert card.evaluation.names == pairs.names
    for number, paths in enumerate(pairs.paths):
        ours, theirs = (image_files.read(path).astype(float) / 127.5 - 1 for path in paths)
        expected = np.abs(ours - theirs).mean()
        assert card.evaluation.values["l1"][number] == pytest.approx(expected, rel=1e-5)
    assert card.scores["l1"].mean == pytest.approx(card.evaluation.values["l1"].mean())
    assert card.about == {"images": str(folders[0]), "targets": str(folders[1])}


@pytest.mark.parametrize("batch_size", [1, 2, 3])
def test_scores_do_not_depend_on_the_batch(folders, batch_size):
    pairs = find_file_pairs(*folders)
    wanted = choose_wanted(["l1", "ssim", "psnr"])
    whole, parts = (score_folders(pairs, wanted, batch_size=size) for size in (8, batch_size))
    for name, values in whole.evaluation.values.items():
        np.testing.assert_allclose(parts.evaluation.values[name], values, rtol=1e-5)
    assert parts.evaluation.scores == pytest.approx(whole.evaluation.scores, rel=1e-5)


def test_no_batch_is_larger_than_wanted(folders):
    sizes = []

    def measure(fake, target):
        sizes.append(len(fake))
        return np.zeros(len(fake))

    wanted = Wanted({"zero": Metric("zero", "own", "low", "", measure)})
    score_folders(find_file_pairs(*folders), wanted, batch_size=8)
    score_folders(find_file_pairs(*folders), wanted, batch_size=1)
    assert sizes == [2, 1, 2, *[1] * 5]  # the third one has another size


def one_pair(tmp_path, ours, theirs, names=("x.png", "x.png")):
    put(tmp_path / "ours", names[0], ours)
    put(tmp_path / "theirs", names[1], theirs)
    return find_file_pairs(tmp_path / "ours", tmp_path / "theirs")


def test_equal_images_of_any_kind_have_no_difference(tmp_path):
    kinds = {
        "gray.png": some_image(channels=1),
        "deep.npy": some_image(dtype=np.uint16),
        "float.npy": RNG.random((16, 16, 3), np.float32),
        "bands.npy": some_image(channels=7),
        "alpha.png": some_image(channels=4),
    }
    for name, image in kinds.items():
        pairs = one_pair(tmp_path, image, image, (name, name))
    card = score_folders(pairs, L1)
    assert len(card.evaluation.names) == len(kinds)
    np.testing.assert_array_equal(card.evaluation.values["l1"], 0)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_black_against_white_is_two_whatever_the_bits(tmp_path, dtype):
    black, white = np.zeros((8, 8, 1), dtype), np.full((8, 8, 1), np.iinfo(dtype).max, dtype)
    card = score_folders(one_pair(tmp_path, black, white), L1)
    assert card.evaluation.scores["l1"] == pytest.approx(2)


def test_gray_is_compared_with_colour_as_rgb(tmp_path):
    gray = some_image(channels=1)
    card = score_folders(one_pair(tmp_path, gray, gray.repeat(3, axis=-1)), L1)
    assert card.evaluation.scores["l1"] == 0


def test_pictures_are_those_of_the_files(folders):
    pairs = find_file_pairs(*folders)
    ((ours, theirs),) = pairs.pictures([2])
    np.testing.assert_array_equal(ours, image_files.read(folders[0] / "2.png"))
    np.testing.assert_array_equal(theirs, image_files.read(folders[1] / "2.npy"))


def test_folders_of_different_count_are_named_with_the_images_alone(folders):
    put(folders[0], "more.png", some_image())
    (folders[1] / "0.npy").unlink()
    (folders[1] / "3.npy").unlink()
    message = (
        r"ours has 6 images, --targets .*theirs 3; without a partner .*0\.png, .*3\.png, .*more"
    )
    with pytest.raises(InputError, match=message):
        find_file_pairs(*folders)
    (folders[1] / "1.npy").unlink()
    with pytest.raises(InputError, match=r"3\.png and 1 more"):
        find_file_pairs(*folders)


def test_folders_that_are_missing_or_empty_are_named(folders, tmp_path):
    with pytest.raises(InputError, match=r"--images .*none: there is no such folder"):
        find_file_pairs(tmp_path / "none", folders[1])
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"--targets .*empty: no images \(\.jpg, "):
        find_file_pairs(folders[0], tmp_path / "empty")


def float_image(low, high):
    image = np.full((16, 16, 3), low, np.float32)
    image[3, 4, 1] = high
    return image


@pytest.mark.parametrize(
    ("ours", "theirs", "message"),
    [
        (some_image(8, 16), some_image(16, 8), r"x\.npy: 8 x 16 pixels .*x\.npy has 16 x 8"),
        (some_image(), float_image(0, 1), "holds uint8 values, its target .* float32"),
        (some_image(channels=5), some_image(), "5 channels, its target .* has 3; give both"),
        (float_image(0, 1), float_image(-1, 1), r"theirs.x\.npy: holds values from -1 to 1; in fl"),
        (float_image(0, np.nan), float_image(0, 1), r"ours.x\.npy: holds values that are not fin"),
        (float_image(0, 1), float_image(0, np.inf), r"theirs.x\.npy: holds values that are not f"),
    ],
)
def test_images_that_cannot_be_compared_are_named(tmp_path, ours, theirs, message):
    pairs = one_pair(tmp_path, ours, theirs, ("x.npy", "x.npy"))
    with pytest.raises(InputError, match=message):
        score_folders(pairs, L1)


def test_a_metric_that_images_are_too_small_for_says_how_large_they_must_be(tmp_path):
    pairs = one_pair(tmp_path, some_image(10, 30), some_image(10, 30))
    with pytest.raises(InputError, match="ssim: images of 10x30 pixels; it needs at least 11x11"):
        score_folders(pairs, choose_wanted(["ssim"]))


@pytest.mark.parametrize("place", ["ours", "theirs", "ours/deep", "theirs/new/folder"])
def test_results_are_not_written_among_the_images(folders, place):
    pairs = find_file_pairs(*folders)
    with pytest.raises(InputError, match="is inside the folder of scored images"):
        refuse_output_among(folders[0].parent / place, pairs)
    refuse_output_among(folders[0].parent / "ours2", pairs)
