"""A run with numbers beside its images, from its table to what comes out of it."""

import dataclasses
import shutil

import jax
import numpy as np
import pytest
from jax.tree_util import keystr
from support import tiny
from support.runs import assert_bit_equal, final_state
from support.scripts import refused, run_script

from pix2pix_jax import InputError, load_generator, train_and_evaluate, translate
from pix2pix_jax.core.validation import resolve
from pix2pix_jax.data.resident import place_pairs
from pix2pix_jax.deployment import torch_file
from pix2pix_jax.deployment.export import FORMATS, export
from pix2pix_jax.deployment.server.pictures import Options, Pictures
from pix2pix_jax.evaluation.metrics.table import choose_metrics
from pix2pix_jax.evaluation.scoring import evaluate
from pix2pix_jax.images import files as image_files
from pix2pix_jax.runs.folder import RunFolder
from pix2pix_jax.runs.image_folders import translate_folder, translate_split
from pix2pix_jax.training.combinations import refuse_impossible
from pix2pix_jax.training.run import prepare_run
from pix2pix_jax.training.start_numbers import adopt_numbers

pytestmark = pytest.mark.usefixtures("one_device")

SIDE, TRAINING = 16, 4
PHOTO = np.full((SIDE, SIDE, 3), 99, np.uint8)


def config_of(root, **changes):
    return tiny.tiny_config(
        {
            "data.source": "folders",
            "data.root": str(root),
            "data.image_size": SIDE,
            "data.condition": "numbers.csv",
            "lr.schedule": "constant",
            "optimizer.learning_rate": 0.02,
            "train.epochs": 2,
            "train.ema_decay": 0.5,
        }
        | {key.replace("__", "."): value for key, value in changes.items()}
    )


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Pairs whose targets are as bright as a number says; the other one is the same for all."""
    folder, lines = tmp_path_factory.mktemp("data"), ["name,shade,room"]
    for number in range(TRAINING + 2):
        split = "train" if number < TRAINING else "val"
        noise = np.random.default_rng(number).integers(0, 99, (SIDE, SIDE, 3)).astype(np.uint8)
        for side, pixels in (("A", noise), ("B", noise + np.uint8(30 * number))):
            path = folder / side / split / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            image_files.write(path, pixels)
        lines.append(f"{number},{2 * number},7")
    (folder / "numbers.csv").write_text("\n".join(lines))
    return folder


@pytest.fixture(scope="module")
def whole(root, tmp_path_factory):
    """The folder of a complete run. Tests must not change it."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    with pytest.MonkeyPatch.context() as patch:
        tiny.see_one_device(patch)
        train_and_evaluate(config_of(root), folder)
    return folder


def test_a_run_records_how_its_numbers_are_normalised(whole):
    data = RunFolder(whole).config.data
    assert data.condition_names == ("shade", "room")
    assert data.condition_mean == (3.0, 7.0)
    assert data.condition_deviation == (pytest.approx(20**0.5 / 2), 1.0)
    assert (data.condition_low, data.condition_high) == ((0.0, 7.0), (6.0, 7.0))


def learnt(params, place):
    """Return whether arrays that begin with zeros, at places that hold a name, are zero no more."""
    leaves = jax.tree_util.tree_leaves_with_path(params)
    found = [leaf for path, leaf in leaves if all(f"['{name}']" in keystr(path) for name in place)]
    return bool(found) and any(np.any(leaf) for leaf in found)


def test_both_networks_learn_what_to_do_with_the_numbers(whole):
    state = final_state(whole)
    assert learnt(state.g_params, ["film", "kernel"])
    assert learnt(state.g_params, ["condition", "bias"])
    assert learnt(state.d_params, ["condition", "bias"])  # through the projection


def test_an_output_depends_on_its_numbers(whole):
    generator = load_generator(whole, "latest")
    results = [
        generator.with_condition({"shade": shade, "room": 7})(PHOTO).astype(int)
        for shade in (0, 6, 6)
    ]
    assert np.abs(results[0] - results[1]).max() > 0
    np.testing.assert_array_equal(results[1], results[2])


def test_a_run_with_numbers_and_an_average_goes_on_to_the_bit(whole, root, tmp_path):
    parts = shutil.copytree(whole, tmp_path / "parts", copy_function=shutil.copy2)
    shutil.rmtree(parts / "checkpoints" / str(2 * TRAINING))
    (parts / "summary.json").unlink()
    assert train_and_evaluate(config_of(root), parts).step == 2 * TRAINING
    state = final_state(whole)
    assert_bit_equal(final_state(parts), state)
    assert jax.tree.leaves(state.g_ema)


LOW, HIGH = ({"shade": shade, "room": 7} for shade in (0, 6))


@pytest.fixture(scope="module")
def generator(whole):
    return load_generator(whole, "latest")


def test_each_image_has_numbers_of_its_own(generator):
    low, high = (generator.with_condition(numbers)(PHOTO) for numbers in (LOW, HIGH))
    photos = [PHOTO] * 3
    for fit in ("resize", "tile"):
        each = dataclasses.replace(generator.with_condition([HIGH, LOW, HIGH]), fit=fit)
        found = translate(each, photos, names=["0"] * 3, mode="paper")
        for ours, theirs in zip(found, (high, low, high), strict=True):
            np.testing.assert_array_equal(ours, theirs)
    assert translate(generator.with_condition([]), []) == []
    with pytest.raises(InputError, match="numbers for 2 images, and there are 3"):
        translate(generator.with_condition([HIGH, LOW]), photos)


def test_numbers_that_are_missing_are_refused_by_all_that_translates(generator):
    tiles = dataclasses.replace(generator, fit="tile")
    for call in (lambda: generator(PHOTO), lambda: tiles(PHOTO)):
        with pytest.raises(InputError, match=r"\(shade, room\): give them with --condition"):
            call()
    plain = dataclasses.replace(generator, numbers=None)
    with pytest.raises(InputError, match="this run takes no numbers beside the image"):
        plain.with_condition(LOW)


@pytest.fixture
def photos(tmp_path):
    """A folder of two photos, and a table of them."""
    for name in ("x.png", "in/y.png"):
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        image_files.write(tmp_path / "photos" / name, PHOTO)
    (tmp_path / "of_files.csv").write_text("name,room,shade\nx,7,0\nin/y,7,6\n")
    return tmp_path


def outputs(folder):
    return [image_files.read_picture(folder / name).pixels for name in ("x.png", "in/y.png")]


def test_files_have_the_numbers_of_their_rows(generator, whole, photos):
    for fit in ("resize", "tile"):
        fitted = dataclasses.replace(generator, fit=fit)
        options = {"same_dropout": True, "table": photos / "of_files.csv"}
        translate_folder(fitted, photos / "photos", photos / "out", **options)
        theirs = translate(fitted.with_condition([LOW, HIGH]), [PHOTO] * 2, names=["", ""])
        for ours, other in zip(outputs(photos / "out"), theirs, strict=True):
            np.testing.assert_array_equal(ours, other)
    flags = ("--workdir", whole, "--checkpoint", "latest", "--input", "photos", "--same_dropout")
    given = (*flags, "--condition", "shade=6,room=7", "--output", "same")
    assert run_script("sample", *given, folder=photos)[0] == 0
    for ours in outputs(photos / "same"):
        np.testing.assert_array_equal(ours, theirs[1])


def test_a_split_has_the_numbers_of_its_table_unless_others_are_given(generator, whole, tmp_path):
    ours, given = tmp_path / "ours", tmp_path / "given"
    translate_split(generator, RunFolder(whole), "val", ours)
    translate_split(generator.with_condition(LOW), RunFolder(whole), "val", given)
    pairs = RunFolder(whole).load_pairs("val")
    assert pairs.values.tolist() == [[8, 7], [10, 7]]
    for number, name in enumerate(pairs.names):
        shade, room = pairs.values[number]
        for folder, numbers in ((ours, {"shade": shade, "room": room}), (given, LOW)):
            expected = generator.with_condition(numbers)(pairs[number][0], name=name)
            np.testing.assert_array_equal(image_files.read_picture(folder / name).pixels, expected)


@pytest.mark.parametrize("on_device", [False, True])
def test_an_evaluation_gives_each_pair_its_own_numbers(on_device, generator, whole):
    pairs = RunFolder(whole).load_pairs("train")
    resident = place_pairs(pairs, TRAINING, flat=False) if on_device else None
    options = {"mode": "deterministic", "batch_size": 1, "workers": 1, "resident": resident}
    found = evaluate(generator, pairs, choose_metrics(["l1"]), **options)
    at = generator.with_values(pairs.values)
    sources, targets = pairs.arrays
    fakes = translate(at, list(sources), mode="deterministic")
    expected = np.abs(np.stack(fakes) - targets.astype(float)).mean(axis=(1, 2, 3)) / 127.5
    np.testing.assert_allclose(found.values["l1"], expected, atol=1 / 255)  # results are rounded
    others = translate(generator.with_values(pairs.values[::-1]), list(sources))
    assert np.abs(np.stack(others).astype(int) - np.stack(fakes)).max() > 2


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ((), "this run takes numbers beside the image (shade, room): give them with --condition"),
        (("--condition", "shade=1,age=2,room=7"), "condition: this run knows no age; its numbers"),
        (("--condition", "shade=1", "--condition", "shade=2"), "shade: is given twice"),
        (("--condition", "shade"), "--condition 'shade': expected name=value"),
        (("--condition", "none.csv"), "--condition 'none.csv': cannot be read (No such file"),
    ],
)
def test_bad_conditions_are_one_line_and_status_2(flags, message, whole, photos):
    given = ("--workdir", whole, "--input", "photos", "--output", "out", *flags)
    assert refused(run_script("sample", *given, folder=photos), message)
    assert not (photos / "out").exists()


def test_a_table_is_refused_for_a_split_and_without_a_row(generator, whole, photos):
    given = ("--workdir", whole, "--output", "out", "--condition", "of_files.csv")
    result = run_script("sample", *given, "--split", "val", folder=photos)
    assert refused(result, "a table goes with --input and image files; give name=value")
    (photos / "of_files.csv").write_text("name,room,shade\nx,7,0\n")
    result = run_script("sample", *given, "--input", "photos", folder=photos)
    assert refused(result, "has no row for 1 of the images: in/y.png; its rows are named x")


def refusal(config, folder):
    with pytest.raises(InputError) as caught:
        adopt_numbers(RunFolder(folder), config)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_other_columns_or_other_values_are_refused_when_a_run_goes_on(whole, root):
    config = config_of(root, data__condition_names=("shade",))
    assert "has shade, and the run in" in refusal(config, whole)
    config = config_of(root, data__condition_mean=(0.0, 7.0))
    assert "data.condition_mean=(0.0, 7.0): the run in" in refusal(config, whole)
    with pytest.raises(InputError, match=r"data.condition_names: \('shade', 'room'\) -> \(\)"):
        prepare_run(config_of(root, data__condition=""), whole)
    assert "data.condition='': the run in" in refusal(
        config_of(root, data__condition="", data__condition_names=("shade", "room")), whole
    )
    same = adopt_numbers(RunFolder(whole), config_of(root, data__condition_names=("room", "shade")))
    assert same.data.condition_names == ("shade", "room")  # in the order of the networks


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data__condition": "none.csv"}, "data.condition='none.csv': cannot be read (No such"),
        ({"data__condition_names": ("shade", "age")}, "has no column age; it has shade, room"),
        ({"data__condition_mean": (1.0,)}, "data.condition_mean=(1.0,): give a number for each"),
        (
            {"data__condition": "", "data__condition_names": ("age",)},
            "data.condition='' with data.condition_names=('age',): say where the table",
        ),
        (
            {"data__condition": "", "data__condition_mean": (1.0,)},
            "data.condition_mean=(1.0,) with data.condition='': there are no numbers; give their",
        ),
    ],
)
def test_numbers_that_cannot_be_used_are_refused_before_training(changes, message, root, tmp_path):
    assert message in refusal(config_of(root, **changes), tmp_path / "new")


def test_a_pair_without_a_row_is_refused_before_training(root, tmp_path):
    table = tmp_path / "other.csv"
    table.write_text("name,shade\n0,1\n1,2\n3,3\n4,4\n5,4\n")
    message = refusal(config_of(root, data__condition=str(table)), tmp_path / "new")
    assert "has no row for 1 of the train pairs: 2.png" in message


def test_mosaics_have_no_numbers(root):
    config = resolve(config_of(root, augment__mosaic=0.5, data__condition_names=("shade",)))
    with pytest.raises(InputError, match=r"augment.mosaic=0.5 with data.condition: a mosaic shows"):
        refuse_impossible(config, 1)


def test_a_run_takes_the_meaning_of_its_numbers_from_the_networks_it_starts_with(
    whole, root, tmp_path
):
    table = tmp_path / "other.csv"
    table.write_text("name,room,shade\n" + "".join(f"{n},8,{n}\n" for n in range(6)))
    config = config_of(root, data__condition=str(table), train__init_from=str(whole))
    data = adopt_numbers(RunFolder(tmp_path / "new"), config).data
    theirs = RunFolder(whole).settings.data
    for key in ("names", "mean", "deviation"):
        assert data[f"condition_{key}"] == theirs[f"condition_{key}"]
    assert (data.condition_low, data.condition_high) == ((0.0, 8.0), (3.0, 8.0))


@pytest.mark.parametrize("kind", ["onnx", "stablehlo", "bundle"])
def test_what_is_exported_takes_the_numbers_too(kind, generator, whole, tmp_path):
    output = tmp_path / f"generator.{kind}"
    found = export(RunFolder(whole), load_generator(whole, "latest"), output, kind)
    assert found.difference <= 1
    file = FORMATS[kind].load(output)
    results = [file(PHOTO[None], np.array([[shade, 7.0]]))[0].astype(int) for shade in (0, 6)]
    for ours, numbers in zip(results, (LOW, HIGH), strict=True):
        at = generator.with_condition(numbers)
        (theirs,) = translate(at, [PHOTO], mode="deterministic")
        assert np.abs(ours - theirs).max() <= 1  # one level: rounded in another order
    assert np.abs(results[0] - results[1]).max() > 1


def test_a_server_takes_the_numbers_of_each_request(generator):
    pictures, content = Pictures(generator), image_files.to_bytes(PHOTO)
    sources = [
        pictures.open(content, Options(name="a", condition=f"shade={shade},room=7"))
        for shade in (0, 6)
    ]
    key = pictures.key(sources[0], Options())
    fakes = [pictures.translate(key, [source])[0] for source in sources]
    for source, fake, numbers in zip(sources, fakes, (LOW, HIGH), strict=True):
        expected = generator.with_condition(numbers)(PHOTO, name="a")
        assert pictures.close(source, fake) == image_files.to_bytes(expected)
    assert pictures.warnings(Options(condition="shade=1,room=7")) == []
    (line,) = pictures.warnings(Options(condition="shade=99,room=7"))
    assert line.startswith("condition shade=99: outside the range of the training pairs")
    for condition, message in (("", "shade, room are missing"), ("shade", "expected name=value")):
        with pytest.raises(InputError, match=message):
            pictures.open(content, Options(condition=condition))
    assert pictures.translate(key, [pictures.example()])[0].shape == PHOTO.shape


@pytest.mark.parametrize("network", ["generator", "discriminator"])
def test_a_file_for_pytorch_refuses_networks_with_numbers(network, whole, tmp_path):
    with pytest.raises(InputError, match="the reference's networks take no numbers beside"):
        torch_file.write(RunFolder(whole), "latest", network, tmp_path / "net.npz")


def test_numbers_that_nothing_was_trained_with_are_measured_again(root, tmp_path):
    """A first start that ended before its first checkpoint leaves its configuration."""
    data = tmp_path / "data"
    shutil.copytree(root, data)
    folder, config = RunFolder(tmp_path / "run"), config_of(data)
    table = (data / "numbers.csv").read_text()
    first, *rows = table.splitlines()
    (data / "numbers.csv").write_text("\n".join([first, "0,-99999,7", *rows[1:]]))
    wrong = adopt_numbers(folder, config)
    folder.path.mkdir()
    folder.record_start(wrong, first_step=0, command="")
    (data / "numbers.csv").write_text(table)
    again = adopt_numbers(folder, config)
    assert again.data.condition_low[0] == 0 > wrong.data.condition_low[0]
