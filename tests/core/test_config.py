import json

import pytest

from pix2pix_jax.core.config import default_config, flatten, get
from pix2pix_jax.core.config_files import differences, load_file, load_json, override, save_json
from pix2pix_jax.core.errors import InputError

KEYS = list(flatten(default_config()))


@pytest.mark.parametrize(
    ("misspelt", "meant"),
    [
        ("train.epoch", "train.epochs"),
        ("model.generatr", "model.generator"),
        ("learning_rate", "optimizer.learning_rate"),
        ("sead", "seed"),
    ],
)
def test_misspelt_key_names_the_nearest_one(misspelt, meant):
    message = f"config.{misspelt}: there is no such key. Did you mean config.{meant}"
    with pytest.raises(InputError) as get_error:
        get(default_config(), misspelt)
    with pytest.raises(InputError) as override_error:
        override(default_config(), misspelt, "1")
    assert message in str(get_error.value)
    assert message in str(override_error.value)


@pytest.mark.parametrize(
    ("key", "text", "wanted"),
    [
        ("train.epochs", "ten", "must be a whole number from 1 to"),
        ("train.epochs", "1.5", "must be a whole number from 1 to"),
        ("train.epochs", "True", "must be a whole number from 1 to"),
        ("train.epochs", "", "must be a whole number from 1 to"),
        ("optimizer.b1", "half", r"must be a number in \[0, 1\)"),
        ("optimizer.b1", "True", r"must be a number in \[0, 1\)"),
        ("optimizer.b1", "(0.5,)", r"must be a number in \[0, 1\)"),
        ("augment.flip", "yes", "must be True or False"),
        ("augment.flip", "2", "must be True or False"),
        ("data.image_size", "128,large", "give one side or"),
        ("data.image_size", "128,,64", "give one side or"),
        ("data.image_size", "", "give one side or"),
    ],
)
def test_text_of_another_type_is_refused_and_changes_nothing(key, text, wanted):
    config = default_config()
    with pytest.raises(InputError, match=f"config.{key}=.*: {wanted}"):
        override(config, key, text)
    assert flatten(config) == flatten(default_config())


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("train.epochs", "7", 7),
        ("seed", "3", 3),
        ("optimizer.learning_rate", "1e-3", 1e-3),
        ("optimizer.b1", "0", 0.0),
        ("loss.reconstruction_weight", "10", 10.0),
        ("augment.flip", "False", False),
        ("augment.flip", "true", True),
        ("augment.flip", "0", False),
        ("augment.flip", "1", True),
        ("data.root", "~/my pairs", "~/my pairs"),
        ("data.root", "7", "7"),
        ("compilation_cache", "", ""),
        ("data.image_size", "128", (128,)),
        ("data.image_size", "128,64", (128, 64)),
        ("data.image_size", "(128,64)", (128, 64)),
        ("data.image_size", "[128, 64]", (128, 64)),
        ("data.load_size", "()", ()),
        ("data.synthetic_pairs", "4,2,1", (4, 2, 1)),
        ("data.split", "0.7,0.15,0.15", (0.7, 0.15, 0.15)),
        ("data.split", "400,50,50", (400, 50, 50)),
        ("data.source_range", "0,1000", (0, 1000)),
        ("log.bands", "3,2,1", (3, 2, 1)),
        ("eval.metrics", "l1", ("l1",)),
        ("eval.metrics", "l1, psnr", ("l1", "psnr")),
    ],
)
def test_override_reads_text_as_the_type_of_its_key(key, text, value):
    config = default_config()
    override(config, key, text)
    assert get(config, key) == value
    assert type(get(config, key)) is type(value)
    assert differences(default_config(), config, [key]) == (
        []
        if get(default_config(), key) == value
        else [f"{key}: {get(default_config(), key)!r} -> {value!r}"]
    )


@pytest.mark.parametrize("key", KEYS)
def test_every_default_survives_the_way_through_text(key):
    config = default_config()
    value = get(config, key)
    assert type(value) in (int, float, bool, str, tuple)
    override(config, key, str(value))
    assert flatten(config) == flatten(default_config())
    assert type(get(config, key)) is type(value)


@pytest.mark.parametrize("section", ["", "train"])
def test_default_config_is_locked_against_new_keys(section):
    config = default_config()
    with pytest.raises(AttributeError, match="epoch"):
        (config[section] if section else config).epoch = 3


def test_json_gives_back_every_key_value_and_type(tmp_path):
    config = default_config()
    config.data.image_size = (128, 64)
    config.data.root = "/data/größe"
    config.loss.reconstruction_weight = 0.1
    config.augment.flip = False
    save_json(config, tmp_path / "config.json")
    loaded = load_json(tmp_path / "config.json")
    assert flatten(loaded) == flatten(config)
    assert [type(v) for v in flatten(loaded).values()] == [
        type(v) for v in flatten(config).values()
    ]
    assert loaded.is_locked


def test_json_of_an_older_version_takes_defaults_for_keys_it_does_not_know(tmp_path):
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"train.epochs": 7}))
    expected = default_config()
    expected.train.epochs = 7
    assert flatten(load_json(path)) == flatten(expected)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            '{"train.epoch": 7}',
            r"config\.train\.epoch: there is no such key.*config\.train\.epochs",
        ),
        ('{"train.epochs": 7', r"config\.json: not valid JSON"),
        ("", r"config\.json: not valid JSON"),
    ],
)
def test_config_json_that_cannot_be_used_is_refused(tmp_path, text, message):
    path = tmp_path / "config.json"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        load_json(path)


def test_folder_without_config_json_is_named(tmp_path):
    with pytest.raises(InputError, match=r"nowhere: not the folder of a run.*config\.json"):
        load_json(tmp_path / "nowhere" / "config.json")


def test_config_file_is_run_and_locked(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(
        "from pix2pix_jax import default_config\n"
        "def get_config():\n"
        "    config = default_config().unlock()\n"
        "    config.train.epochs = 7\n"
        "    return config\n"
    )
    config = load_file(str(path))
    assert config.train.epochs == 7
    assert config.is_locked


def test_missing_config_file_lists_those_that_are_there(tmp_path):
    for name in ("maps.py", "facades.py", "notes.txt"):
        (tmp_path / name).write_text("")
    with pytest.raises(InputError) as error:
        load_file(str(tmp_path / "mapps.py"))
    there = f"choose {tmp_path / 'facades.py'}, {tmp_path / 'maps.py'}"
    assert str(error.value) == f"--config {tmp_path / 'mapps.py'}: there is no such file; {there}"


def test_missing_config_file_in_an_empty_folder_lists_the_shipped_ones(tmp_path):
    with pytest.raises(InputError, match=r"such file; choose .*facades, .* or the path of a file$"):
        load_file(str(tmp_path / "maps.py"))


@pytest.mark.parametrize("name", ["demo", "demo.py", "configs/demo.py", "configs/demo"])
def test_a_config_of_the_package_is_found_by_its_name(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load_file(name).data.source == "synthetic"


def test_a_file_goes_before_a_config_of_the_package_of_the_same_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "demo.py").write_text("from pix2pix_jax import default_config as get_config\n")
    assert flatten(load_file("demo.py")) == flatten(default_config())


@pytest.mark.parametrize(
    ("name", "message"),
    [("mine.py", r"has no get_config\(\)"), ("mine.txt", r"is a Python file \(\.py\)")],
)
def test_file_that_is_no_config_is_refused(tmp_path, name, message):
    (tmp_path / name).write_text("epochs = 3\n")
    with pytest.raises(InputError, match=message):
        load_file(str(tmp_path / name))


def test_differences_are_looked_for_in_the_wanted_keys_only():
    old, new = default_config(), default_config()
    new.seed = 1
    new.data.direction = "BtoA"
    new.data.max_pairs = 3
    new.train.epochs = 9
    assert differences(old, new, ["data.", "train.epochs", "model."]) == [
        "data.direction: 'AtoB' -> 'BtoA'",
        "data.max_pairs: 0 -> 3",
        "train.epochs: 200 -> 9",
    ]
    assert differences(old, new, ["train.steps", "dat", "see"]) == []


@pytest.mark.parametrize(
    "text",
    ['{"train.epochs": "x"}', '{"seed": null}', "[1]", '{"data.image_size": [[1]]}', "\udcff"],
)
def test_ill_typed_json_is_refused_by_name(tmp_path, text):
    (tmp_path / "config.json").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(InputError, match=r"config\.json: "):
        load_json(tmp_path / "config.json")


def test_quotes_around_a_string_may_be_given():
    config = default_config()
    override(config, "data.direction", "'BtoA'")
    assert config.data.direction == "BtoA"


def test_a_text_that_is_no_literal_at_all_is_refused():
    with pytest.raises(InputError, match="must be a whole number from 1"):
        override(default_config(), "train.epochs", "{[1]:2}")
