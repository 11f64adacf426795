import pytest

from pix2pix_jax.core.config import default_config, flatten, get
from pix2pix_jax.core.config_files import override
from pix2pix_jax.core.errors import InputError
from pix2pix_jax.core.validation import resolve, validate


def test_default_config_is_valid():
    validate(default_config())


@pytest.mark.parametrize(
    ("image_size", "load_size", "resolved"),
    [
        ((256, 256), (), ((256, 256), (286, 286))),  # the paper's
        ((256,), (), ((256, 256), (286, 286))),
        ((128, 64), (), ((128, 64), (143, 72))),
        ((256,), (300,), ((256, 256), (300, 300))),
        ((256,), (300, 260), ((256, 256), (300, 260))),
    ],
)
def test_sizes_are_resolved_to_height_and_width(image_size, load_size, resolved):
    config = default_config()
    config.data.image_size, config.data.load_size = image_size, load_size
    data = resolve(config).data
    assert (data.image_size, data.load_size) == resolved


@pytest.mark.parametrize(
    ("key", "text", "automatic", "value"),
    [
        ("data.patch_size", "8", (), (8, 8)),
        ("data.patch_size", "8,16", (), (8, 16)),
        ("model.discriminator_features", "7", 64, 7),
        ("model.discriminator_norm", "none", "instance", "none"),
        ("optimizer.discriminator_learning_rate", "1e-5", 2e-4, 1e-5),
    ],
)
def test_a_value_left_open_is_filled_in_and_a_given_one_is_kept(key, text, automatic, value):
    config = default_config()
    assert get(resolve(config), key) == automatic
    override(config, key, text)
    assert get(resolve(config), key) == value


def test_values_left_open_follow_the_ones_they_stand_for():
    config = default_config()
    config.model.base_features, config.model.norm = 5, "batch"
    config.optimizer.learning_rate = 0.25
    resolved = resolve(config)
    assert resolved.model.discriminator_features == 5
    assert resolved.model.discriminator_norm == "batch"
    assert resolved.optimizer.discriminator_learning_rate == 0.25


def test_to_resolve_twice_changes_nothing_and_leaves_the_users_config_as_it_is():
    config = default_config()
    config.data.image_size, config.data.patch_size = (64,), (32,)
    before = flatten(config)
    once = resolve(config)
    assert flatten(config) == before
    assert flatten(resolve(once)) == flatten(once) != before
    assert once.is_locked
    once.data.image_size = (1, 1)
    assert flatten(config) == before


def test_a_config_that_is_not_valid_is_not_resolved():
    config = default_config()
    config.train.epochs = 0
    with pytest.raises(InputError, match=r"train\.epochs=0: must be a whole number from 1 to"):
        resolve(config)


@pytest.mark.parametrize(
    ("key", "text", "wanted"),
    [
        ("seed", "-1", "must be a whole number from 0 to "),
        ("data.max_pairs", "-1", "must be a whole number from 0 to "),
        ("data.cache_gigabytes", "-0.1", r"must be a number in \[0, "),
        ("data.workers", "0", "must be a whole number from 1 to "),
        ("model.base_features", "0", "must be a whole number from 1 to "),
        ("model.levels", "-1", "must be a whole number from 0 to "),
        ("model.discriminator_layers", "0", "must be a whole number from 1 to "),
        ("loss.reconstruction_weight", "-0.1", r"must be a number in \[0, "),
        ("loss.discriminator_weight", "-0.1", r"must be a number in \[0, "),
        ("optimizer.learning_rate", "-1e-9", r"must be a number in \[0, "),
        ("lr.decay_epochs", "-1", "must be a whole number from 0 to "),
        ("train.batch_size", "0", "must be a whole number from 1 to "),
        ("train.global_batch_size", "-1", "must be a whole number from 0 to "),
        ("train.epochs", "0", "must be a whole number from 1 to "),
        ("train.steps", "-1", "must be a whole number from 0 to "),
        ("checkpoint.every_epochs", "0", "must be a whole number from 1 to "),
        ("checkpoint.keep", "0", "must be a whole number from 1 to "),
        ("checkpoint.keep_period_epochs", "-1", "must be a whole number from 0 to "),
        ("eval.batch_size", "-1", "must be a whole number from 0 to "),
        ("eval.max_images", "-1", "must be a whole number from 0 to "),
        ("log.every_steps", "0", "must be a whole number from 1 to "),
        ("log.grid_images", "0", "must be a whole number from 1 to "),
        ("data.direction", "AtoC", "choose from AtoB, BtoA"),
        ("data.source_channels", "0", "must be a whole number from 1 to "),
        ("data.target_channels", "-1", "must be a whole number from 1 to "),
        ("data.target_channels", "1025", "must be a whole number from . to 1024"),
        ("data.source_classes", "-1", "must be a whole number from 0 to "),
        ("data.source_classes", "1025", "must be a whole number from . to 1024"),
        ("data.source_dtype", "int16", "choose from float32, uint16, uint8"),
        ("data.target_dtype", "float64", "choose from float32, uint16, uint8"),
        ("data.resize", "crop_and_resize", "choose from crop, none, resize, resize_and_crop, sc"),
        ("data.unpaired", "ignore", "choose from fail, skip"),
        ("data.source_range", "5", "give the values that become -1 and 1"),
        ("data.source_range", "0,1,2", "give the values that become -1 and 1"),
        ("data.target_range", "1,1", "give the values that become -1 and 1"),
        ("data.target_range", "255,0", "give the values that become -1 and 1"),
        ("data.target_range", "0,1e999", "give the values that become -1 and 1"),
        ("data.split", "0.7,0.3", "give shares of train, val and test that add up to 1"),
        ("data.split", "0.7,0.2,0.2", "give shares of train, val and test that add up to 1"),
        ("data.split", "1.2,-0.1,-0.1", "give shares of train, val and test"),
        ("data.split", "400,50,-50", "give shares of train, val and test"),
        ("data.split", "400,50.5,50", "give shares of train, val and test"),
        ("data.split", "0,0,0", "give shares of train, val and test"),
        ("data.patch_size", "0", "give one side or"),
        ("data.patch_size", "8,8,8", "give one side or"),
        ("augment.mosaic", "-0.1", r"must be a number in \[0, "),
        ("augment.mosaic", "1.1", r"must be a number in \[0, 1\]$"),
        ("eval.train_images", "-1", "must be a whole number from 0 to "),
        ("eval.every_epochs", "-1", "must be a whole number from 0 to "),
        ("eval.every_steps", "-1", "must be a whole number from 0 to "),
        ("log.bands", "1,2", "one or three channels"),
        ("log.bands", "-1", "one or three channels"),
        ("log.bands", "0.5", "one or three channels"),
        ("data.on_error", "ignore", "choose from fail, skip"),
        ("model.dtype", "float16", "choose from bfloat16, float32"),
        ("eval.mode", "test", "choose from deterministic, paper"),
        ("data.image_size", "()", "give one side or"),
        ("data.image_size", "0", "give one side or"),
        ("data.image_size", "large", "give one side or"),
        ("data.image_size", "8.5", "give one side or"),
        ("data.image_size", "8,8,3", "give one side or"),
        ("data.load_size", "-1", "give one side or"),
        ("data.load_size", "300,300,3", "give one side or"),
        ("model.dropout", "1", r"must be a number in \[0, 1\)"),
        ("model.dropout", "-0.1", r"must be a number in \[0, 1\)"),
        ("optimizer.b1", "1", r"must be a number in \[0, 1\)"),
        ("optimizer.b2", "-0.1", r"must be a number in \[0, 1\)"),
        ("data.synthetic_pairs", "4,2", "train, val and test"),
        ("data.synthetic_pairs", "4,2,-1", "train, val and test"),
        ("data.synthetic_pairs", "4,2,1.0", "train, val and test"),
    ],
)
def test_value_out_of_range_is_refused_by_name(key, text, wanted):
    def judge():
        config = default_config()
        override(config, key, text)
        validate(config)

    with pytest.raises(InputError, match=wanted) as error:
        judge()
    assert str(error.value).removeprefix("config.").startswith(f"{key}=")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("seed", "0"),
        ("data.image_size", "1"),
        ("data.load_size", "256"),
        ("data.cache_gigabytes", "0"),
        ("data.workers", "1"),
        ("loss.reconstruction_weight", "0"),
        ("model.dropout", "0"),
        ("optimizer.b1", "0"),
        ("train.epochs", "1"),
        ("data.direction", "BtoA"),
        ("data.source_channels", "1"),
        ("data.target_channels", "1024"),
        ("data.source_classes", "1024"),
        ("data.source_range", "-5,0.5"),
        ("data.split", "1,0,0"),
        ("data.split", "0.7,0.15,0.15"),
        ("data.split", "400,50,50"),
        ("data.split", "0,2,0"),
        ("data.patch_size", "1"),
        ("augment.mosaic", "1"),
        ("eval.every_epochs", "0"),
        ("log.bands", "9"),
        ("data.synthetic_pairs", "0,0,0"),
    ],
)
def test_value_at_the_edge_of_its_range_is_accepted(key, text):
    config = default_config()
    override(config, key, text)
    validate(config)


@pytest.mark.parametrize("loaded", [(255,), (300, 255), (255, 300)])
def test_load_size_smaller_than_the_crop_is_refused(loaded):
    config = default_config()
    config.data.load_size = loaded
    with pytest.raises(InputError, match=r"data\.load_size=.*not be smaller.*data\.image_size="):
        validate(config)


@pytest.mark.parametrize("resize", ["resize", "crop", "scale_width", "none"])
def test_load_size_is_not_looked_at_where_it_is_not_used(resize):
    config = default_config()
    config.data.load_size, config.data.resize = (255,), resize
    validate(config)


@pytest.mark.parametrize(("loaded", "good"), [((200, 256), True), ((300, 255), False)])
def test_only_the_width_is_loaded_with_scale_width_and_crop(loaded, good):
    config = default_config()
    config.data.load_size, config.data.resize = loaded, "scale_width_and_crop"
    if good:
        validate(config)
        return
    with pytest.raises(InputError, match=r"data\.load_size=.*not be smaller"):
        validate(config)


@pytest.mark.parametrize("seed", [2**32, 2**63, 2**70])
def test_a_seed_beyond_jax_keys_is_refused(seed):
    config = default_config()
    config.seed = seed
    with pytest.raises(InputError, match=f"seed={seed}: must be a whole number from 0 to "):
        validate(config)


def test_an_infinite_rate_is_refused():
    config = default_config()
    override(config, "optimizer.learning_rate", "1e999")
    with pytest.raises(InputError, match=r"learning_rate=inf: must be a number in \[0, "):
        validate(config)


@pytest.mark.parametrize("key", ["data.root", "data.archive", "train.init_from", "eval.palette"])
def test_a_path_may_begin_with_the_home_folder(monkeypatch, key):
    monkeypatch.setenv("HOME", "/home/me")
    config = default_config()
    override(config, key, "~/here")
    assert get(resolve(config), key) == "/home/me/here"
    override(config, key, "~nobody-of-this-name/here")
    with pytest.raises(InputError, match=f"^{key}=~nobody-of-this-name/here: the home folder"):
        resolve(config)
