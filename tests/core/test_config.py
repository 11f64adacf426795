import copy
import json
import os
import pathlib
import pickle

import numpy as np
import pytest
from ml_collections import ConfigDict

from pix2pix_jax.core.config import default_config, flatten, get
from pix2pix_jax.core.config_files import (
    differences,
    from_values,
    load_config,
    load_json,
    override,
    save_json,
)
from pix2pix_jax.core.errors import InputError
from pix2pix_jax.core.validation import resolve

# How a config file starts.
HEAD = """from pix2pix_jax import default_config
def get_config():
    config = default_config()
"""
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


@pytest.mark.parametrize(
    ("name", "why"),
    [
        (".", r"no config\.json in it"),
        ("nowhere", "there is no such folder"),
        ("maps.onnx", "is a file, not a folder"),
    ],
)
def test_what_is_no_run_is_named_with_the_reason(tmp_path, name, why):
    (tmp_path / "maps.onnx").write_bytes(b"")
    with pytest.raises(InputError, match=rf"not the folder of a run \({why}\)$"):
        load_json(tmp_path / name / "config.json")


def test_config_file_is_run_and_locked(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(
        "from pix2pix_jax import default_config\n"
        "def get_config():\n"
        "    config = default_config().unlock()\n"
        "    config.train.epochs = 7\n"
        "    return config\n"
    )
    config = load_config(str(path))
    assert config.train.epochs == 7
    assert config.is_locked


def test_missing_config_file_lists_those_that_are_there(tmp_path):
    for name in ("maps.py", "facades.py", "notes.txt"):
        (tmp_path / name).write_text("")
    with pytest.raises(InputError) as error:
        load_config(str(tmp_path / "mapps.py"))
    there = f"choose {tmp_path / 'facades.py'}, {tmp_path / 'maps.py'}"
    assert str(error.value) == f"config {tmp_path / 'mapps.py'}: there is no such file; {there}"


def test_missing_config_file_in_an_empty_folder_lists_the_shipped_ones(tmp_path):
    with pytest.raises(InputError, match=r"such file; choose .*facades, .* or the path of a file$"):
        load_config(str(tmp_path / "maps.py"))


@pytest.mark.parametrize("name", ["demo", "demo.py", "configs/demo.py", "configs/demo"])
def test_a_config_of_the_package_is_found_by_its_name(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load_config(name).data.source == "synthetic"


def test_a_file_goes_before_a_config_of_the_package_of_the_same_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "demo.py").write_text("from pix2pix_jax import default_config as get_config\n")
    assert flatten(load_config("demo.py")) == flatten(default_config())


@pytest.mark.parametrize(
    ("name", "message"),
    [("mine.py", r"has no get_config\(\)"), ("mine.txt", r"is a Python file \(\.py\)")],
)
def test_file_that_is_no_config_is_refused(tmp_path, name, message):
    (tmp_path / name).write_text("epochs = 3\n")
    with pytest.raises(InputError, match=message):
        load_config(str(tmp_path / name))


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


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda config: setattr(config.model, "genrator", "unet"),
            "config.model.genrator: there is no such key. Did you mean config.model.generator?",
        ),
        (
            lambda config: config.model.genrator,
            "config.model.genrator: there is no such key. Did you mean config.model.generator?",
        ),
        (
            lambda config: setattr(config, "epochs", 3),
            "config.epochs: there is no such key. Did you mean config.train.epochs?",
        ),
        (
            lambda config: config.update({"train.epoch": 3}),
            "config.train.epoch: there is no such key. Did you mean config.train.epochs?",
        ),
    ],
)
@pytest.mark.parametrize(
    "copied",
    [
        lambda config: config,
        lambda config: config.copy_and_resolve_references(),
        copy.deepcopy,
        lambda config: pickle.loads(pickle.dumps(config)),
    ],
)
def test_a_misspelt_key_in_python_is_an_input_error(change, message, copied):
    with pytest.raises(InputError) as error:
        change(copied(default_config()))
    assert str(error.value) == message


def test_a_number_that_no_float_holds_is_out_of_range():
    config = default_config()
    config.optimizer.b1 = 10**400
    with pytest.raises(InputError, match=r"^optimizer\.b1=inf: must be a number in \[0, 1\)$"):
        from_values(config)


@pytest.mark.parametrize(
    ("key", "given", "value"),
    [
        ("data.image_size", 512, (512,)),
        ("data.image_size", [512, np.int64(256)], (512, 256)),
        ("data.image_size", "512,256", (512, 256)),
        ("data.root", pathlib.Path("my/pairs"), "my/pairs"),
        ("train.epochs", "3", 3),
        ("eval.metrics", "l1,ssim", ("l1", "ssim")),
        ("log.report", "false", False),
        ("optimizer.learning_rate", 1, 1.0),
    ],
)
def test_python_sets_keys_as_the_command_line_does(key, given, value):
    section, _, name = key.partition(".")
    configs = [default_config() for _ in range(5)]
    configs[0][key] = given
    setattr(configs[1][section], name, given)
    configs[2].update({key: given})
    configs[3].update(**{section: {name: given}})
    configs[4].update({section: ConfigDict({name: given})})
    for config in configs:
        assert get(config, key) == value
        assert type(get(config, key)) is type(value)
        assert flatten(config) == flatten(default_config()) | {key: value}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train.epochs": "many"}, "config.train.epochs='many': must be a whole number from 1"),
        ({"train": {"epochs": 1.5}}, "config.train.epochs=1.5: must be a whole number from 1 to"),
        ({"train.epoch": 3}, "config.train.epoch: there is no such key. Did you mean config.trai"),
        ({"log": {"report": 1}}, "config.log.report=1: must be True or False"),
    ],
)
def test_update_refuses_what_a_key_cannot_be(change, message):
    config = default_config()
    with pytest.raises(InputError) as error:
        config.update(change)
    assert str(error.value).startswith(message)
    assert flatten(config) == flatten(default_config())


def test_a_section_that_is_set_keeps_its_other_keys_and_their_rules():
    config = default_config()
    config.train = {"epochs": 3}
    assert flatten(config) == flatten(default_config()) | {"train.epochs": 3}
    for wrong in ({"epoch": 3}, {"epochs": "many"}, 3, None, [("epochs", 3)]):
        with pytest.raises(InputError, match=r"config\.train"):
            config.train = wrong
    with pytest.raises(InputError, match=r"config\.train\.epochs\.x: there is no such key"):
        config["train.epochs.x"] = 3
    with pytest.raises(InputError, match=r"config=5: this is a section"):
        config.update(5)
    assert config.train.epochs == 3


def test_a_key_may_refer_to_another_one():
    config = default_config()
    config.model.discriminator_features = config.model.get_ref("base_features")
    config.model.base_features = 32
    assert from_values(config).model.discriminator_features == 32


def test_a_key_that_is_not_there_can_be_asked_for():
    config = default_config()
    assert not hasattr(config.model, "genrator")
    assert config.get("sead", 7) == 7
    assert config["train.epochs"] == 200
    config["train.epochs"] = 3
    assert config.train.epochs == 3


def test_values_from_outside_get_the_types_of_their_keys():
    config = from_values(
        {
            "seed": np.int64(3),
            "train.epochs": 7,
            "data": {"image_size": 32, "root": pathlib.Path("pairs")},
            "model": ConfigDict({"norm": "batch"}),
        }
    )
    expected = default_config()
    expected.seed, expected.train.epochs = 3, 7
    expected.data.image_size, expected.data.root = (32,), "pairs"
    expected.model.norm = "batch"
    assert flatten(config) == flatten(expected)
    assert type(config.seed) is int
    assert config.is_locked


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"sead": 1}, "config.sead: there is no such key. Did you mean config.seed?"),
        ({"train": 3}, "config.train=3: this is a section; set one of its keys, as in config.tra"),
        ({"train": {"epoch": 3}}, "config.train.epoch: there is no such key. Did you mean config."),
        ({"train": {"epochs": {"a": 1}}}, "config.train.epochs={'a': 1}: must be a whole number"),
        ({"seed": {"a": 1}}, "config.seed={'a': 1}: must be a whole number from 0 to"),
        ({3: 1}, "config.3: there is no such key"),
        ({"x" * 100_000: 1}, "config.xxx"),
        ({"a\nb": 1}, r"config.a\nb: there is no such key"),
    ],
)
def test_values_from_outside_that_do_not_fit_are_one_line(values, message):
    with pytest.raises(InputError) as error:
        from_values(values, "here")
    assert str(error.value).startswith(f"here: {message}")
    assert len(str(error.value)) < 400


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"config\.json: not valid JSON \(it is empty\)"),
        (b"{", r"config\.json: not valid JSON \(Exp"),
        (b'{"seed": "\xff"}', r"config\.json: not valid JSON \("),
        (b"\x00\x00\x00", r"config\.json: not valid JSON \("),
        (b"[" * 100_000, r"config\.json: not valid JSON of a configuration \(nested too deep\)"),
        (b'{"seed":' * 100_000, r"config\.json: not valid JSON of a configuration \(nested too"),
        (b'{"seed": %s}' % (b"9" * 400), r"config\.json: seed=9+\.\.\.9+: must be a wh"),
        (b'{"seed": %s}' % (b"9" * 5000), r"config\.json: not valid JSON \("),
        (b'{"seed": 1e400}', r"config\.json: config\.seed=inf: must be a whole number"),
        (b'{"seed": NaN}', r"config\.json: config\.seed=nan: must be a whole number"),
        (b'{"seed": 1, "seed": 2}', r"config\.json: not valid JSON \(the key 'seed' is there tw"),
        (b'{"train": {"epochs": 1, "epochs": 2}}', r"\(the key 'epochs' is there twice"),
        (b'{"train": 3}', r"config\.json: config\.train=3: this is a section"),
        (
            b'{"data.root": "%s"}' % (b"x" * 10**6),
            r"config\.json: data\.root='x+\.\.\.x+': must be",
        ),
        (b'"text"', r"config\.json: expected an object of keys and values, not 'text'"),
    ],
    ids=range(15),
)
def test_a_damaged_config_json_is_one_line(tmp_path, content, message):
    path = tmp_path / "config.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as error:
        load_json(path)
    assert len(str(error.value)) < 400 + len(str(path))


def test_a_folder_or_a_pipe_is_no_config_json(tmp_path):
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for name in ("folder", "pipe"):
        with pytest.raises(InputError, match="not the folder of a run"):
            load_json(tmp_path / name)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\n1 / 0\n", "FILE, line 2: ZeroDivisionError: division by zero"),
        ("x = 1\nx = = 2\n", "FILE, line 2: SyntaxError: invalid syntax"),
        ("import sys\nsys.exit(3)\n", "FILE, line 2: SystemExit: 3"),
        ("import nothing_of_this_name\n", "FILE, line 1: ModuleNotFoundError: No module named"),
        ("\0", "FILE: "),
        (b"\x7fELF\xff\xfe", "FILE"),
        (
            "def get_config():\n    return f()\ndef f():\n    raise KeyError('a\\nb')\n",
            "FILE, line 4",
        ),
        ("get_config = 3\n", "FILE: TypeError: 'int' object is not callable"),
        ("def get_config(size): ...\n", "FILE: TypeError: get_config() missing 1 required"),
        ("def get_config(): ...\n", "PATH: has no get_config() that returns a configuration"),
        ("def get_config():\n    return {'train.epochs': 3}\n", "PATH: has no get_config() that"),
        (
            f"{HEAD}    config.model.genrator = 'unet'\n    return config\n",
            "FILE, line 4: config.model.genrator: there is no such key. Did you mean config.model.",
        ),
        (
            f"{HEAD}    config.unlock().model.genrator = 'unet'\n    return config\n",
            "PATH: config.model.genrator: there is no such key. Did you mean config.model.gen",
        ),
        (
            f"{HEAD}    config.train.epochs = 'many'\n    return config\n",
            "FILE, line 4: config.train.epochs='many': must be a whole number from 1 to",
        ),
        (f"{HEAD}    config.train = 3\n    return config\n", "FILE, line 4: config.train=3: this"),
    ],
    ids=range(15),
)
def test_a_config_file_that_is_wrong_is_one_line_with_file_and_line(tmp_path, text, message):
    path = tmp_path / "mine.py"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError) as error:
        load_config(str(path))
    expected = message.replace("FILE", str(path)).replace("PATH", str(path))
    assert str(error.value).startswith(f"config {expected}")


def test_a_config_file_may_hold_what_python_has(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(
        f"import pathlib\nimport numpy as np\n{HEAD}"
        "    config.data.image_size = 32\n    config.data.root = pathlib.Path('pairs')\n"
        "    config.train.epochs = np.int64(3)\n    return config\n"
    )
    config = load_config(str(path))
    assert (config.data.image_size, config.data.root) == ((32,), "pairs")
    assert type(config.train.epochs) is int


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("FOLDER", "FOLDER: this is a folder; choose FOLDER/a.py"),
        ("x" * 5000, "'xxx"),
        ("a\nb.py", r"a\nb.py: there is no such file; choose best"),
        ("a\0b", r"a\x00b: there is no such file"),
    ],
    ids=range(4),
)
def test_a_path_that_leads_to_no_config_is_one_line(tmp_path, name, message):
    (tmp_path / "a.py").write_text("")
    with pytest.raises(InputError) as error:
        load_config(name.replace("FOLDER", str(tmp_path)))
    assert str(error.value).startswith(f"config {message.replace('FOLDER', str(tmp_path))}")
    assert len(str(error.value)) < 600


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("seed", "٣٠"),
        ("seed", "\uff13\uff10"),
        ("seed", "²"),
        ("seed", "9" * 400),
        ("seed", "9" * 5000),
        ("seed", "(" * 100_000),
        ("seed", "-" * 100_000 + "1"),
        ("seed", "None"),
        ("seed", "nan"),
        ("optimizer.learning_rate", "\uff11e-3"),
        ("optimizer.learning_rate", "9" * 400),
        ("optimizer.learning_rate", "1e400"),
        ("optimizer.learning_rate", "1+1j"),
        ("data.image_size", "\uff13\uff12"),
        ("data.image_size", "9" * 100_000),
        ("data.root", "x" * 100_000),
        ("data.root", "'open"),
        ("augment.flip", ""),
        ("eval.metrics", ",".join(["l1"] * 100_000) + ",none"),
        ("model.norm", ""),
        ("model.norm", "\n" * 1000),
    ],
    ids=range(21),
)
def test_a_hostile_text_is_refused_in_one_short_line(key, text):
    def judge():
        config = default_config()
        override(config, key, text)
        resolve(config)

    with pytest.raises(InputError) as error:
        judge()
    message = str(error.value)
    assert message.removeprefix("config.").startswith(f"{key}=")
    assert message.isprintable()
    assert len(message) < 600


def test_a_number_of_a_config_has_pythons_syntax():
    config = default_config()
    override(config, "train.epochs", "1_000")
    assert config.train.epochs == 1000


def test_a_config_that_fails_is_named_with_its_line_however_its_path_is_given(
    tmp_path, monkeypatch
):
    (tmp_path / "mine.py").write_text("def get_config():\n    raise ValueError('boom')\n")
    monkeypatch.chdir(tmp_path)
    for path in ("mine.py", "./mine.py", str(tmp_path / "mine.py")):
        with pytest.raises(InputError, match=r"mine\.py, line 2: ValueError: boom"):
            load_config(path)
