import json
import math
import resource
import shutil
import signal

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from pix2pix_jax import InputError
from pix2pix_jax.runs.checkpoint_files import DamagedError, by_rank, sealed, set_aside, superseded
from pix2pix_jax.runs.checkpoints import Checkpoints
from pix2pix_jax.training.state import TrainState


def make_state(step, value=None):
    tree = {"a": jnp.full((3, 2), float(step if value is None else value))}
    return TrainState(
        step=jnp.int32(step),
        rng=jax.random.key(step),
        g_params=tree,
        g_batch_stats={},
        g_opt_state=optax.adam(1e-3).init(tree),
        g_ema={},
        d_params=tree,
        d_batch_stats={"mean": jnp.zeros(2)},
        d_opt_state=tree,
    )


def abstract_items():
    return jax.eval_shape(lambda: make_state(0)).items()


def save_all(workdir, metrics, **options):
    with Checkpoints(workdir, **options) as checkpoints:
        for step, metric in metrics.items():
            checkpoints.save(step, make_state(step).items(), {"pairs": step}, metric)
        checkpoints.wait()
        return checkpoints.steps, checkpoints.best


def test_a_state_comes_back_bit_equal(tmp_path):
    state = make_state(7, value=np.pi)
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(7, state.items(), {"pairs": 3}, None)
        checkpoints.wait()
        restored = TrainState.from_items(checkpoints.restore(7, abstract_items()))
        assert checkpoints.restore_meta(7)["pairs"] == 3
    assert jax.tree.structure(restored) == jax.tree.structure(state)
    for ours, theirs in zip(jax.tree.leaves(restored), jax.tree.leaves(state), strict=True):
        if jnp.issubdtype(theirs.dtype, jax.dtypes.prng_key):
            ours, theirs = jax.random.key_data(ours), jax.random.key_data(theirs)
        np.testing.assert_array_equal(ours, theirs)


def test_items_can_be_restored_one_by_one(tmp_path):
    save_all(tmp_path, {1: None})
    with Checkpoints(tmp_path, read_only=True) as checkpoints:
        found = checkpoints.restore(1, {"discriminator": abstract_items()["discriminator"]})
    assert list(found) == ["discriminator"]
    np.testing.assert_array_equal(found["discriminator"]["d_params"]["a"], np.ones((3, 2)))


def test_a_save_is_not_touched_by_the_steps_that_follow(tmp_path):
    step = jax.jit(
        lambda s: s.replace(g_params=jax.tree.map(lambda x: x + 1, s.g_params)), donate_argnums=0
    )
    state = make_state(1, value=0)
    trees = {name: {"a": jnp.zeros((512, 512))} for name in ("g_params", "g_opt_state")}
    state = state.replace(**trees, d_params={}, d_opt_state={})
    abstract = jax.eval_shape(lambda: state).items()
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(1, state.items(), {}, None)
        for _ in range(20):
            state = step(state)
        checkpoints.wait()
        restored = checkpoints.restore(1, abstract)
    assert not np.any(restored["generator"]["g_params"]["a"])


def test_the_newest_the_best_and_the_period_are_kept(tmp_path):
    metrics = {step: {"score": abs(step - 3.2), "epoch": step, "part": 0} for step in range(1, 10)}
    steps, best = save_all(tmp_path, metrics, keep=2, keep_period=5)
    assert steps == [3, 5, 8, 9]
    assert best == 3


def test_saves_without_a_metric_do_not_count_as_best(tmp_path):
    metrics = {1: {"score": 0.5, "epoch": 1, "part": 0}, 2: None, 3: None, 4: None}
    steps, best = save_all(tmp_path, metrics, keep=2)
    assert steps == [1, 3, 4]
    assert best == 1


def test_without_any_metric_the_newest_is_the_best(tmp_path):
    assert save_all(tmp_path, {1: None, 2: None}) == ([1, 2], 2)


def test_a_step_that_was_saved_is_not_saved_again(tmp_path):
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(1, make_state(1).items(), {}, None)
        checkpoints.wait()
        checkpoints.save(1, make_state(1, value=9).items(), {}, None)
        checkpoints.wait()
        restored = checkpoints.restore(1, abstract_items())
    assert np.all(restored["generator"]["g_params"]["a"] == 1)


def test_a_missing_checkpoint_lists_those_that_exist(tmp_path):
    save_all(tmp_path, {10: None, 20: None})
    with Checkpoints(tmp_path, read_only=True) as checkpoints:
        assert checkpoints.choose("latest") == checkpoints.choose("20") == 20
        for wrong in ("15", "newest", "-1"):
            with pytest.raises(InputError, match=f"'{wrong}': choose from best, latest, 10, 20"):
                checkpoints.choose(wrong)


def test_a_folder_without_checkpoints_is_named_and_not_made(tmp_path):
    with Checkpoints(tmp_path / "none", read_only=True) as checkpoints:
        assert checkpoints.latest is None
        with pytest.raises(InputError, match="there is no checkpoint; train until one is saved"):
            checkpoints.choose("best")
    assert not (tmp_path / "none").exists()


def test_a_save_that_was_cut_off_is_passed_over_and_cleared(tmp_path):
    save_all(tmp_path, {1: None})
    broken = tmp_path / "checkpoints" / "2.orbax-checkpoint-tmp"
    broken.mkdir()
    with Checkpoints(tmp_path) as checkpoints:
        assert checkpoints.latest == 1
        checkpoints.save(3, make_state(3).items(), {}, None)
    assert not broken.exists()


def test_after_a_change_the_best_is_of_the_newest_part(tmp_path):
    metrics = {
        step: {"score": l1, "epoch": step, "part": part}
        for step, l1, part in ((1, 0.1, 0), (2, 0.9, 1), (3, 0.8, 1), (4, 0.85, 1))
    }
    assert save_all(tmp_path, metrics, keep=1) == ([3, 4], 3)


@pytest.mark.parametrize("item", ["generator", "training", "meta"])
def test_a_damaged_checkpoint_is_named(tmp_path, item):
    save_all(tmp_path, {1: None})
    shutil.rmtree(tmp_path / "checkpoints" / "1" / item)

    def read(checkpoints):
        checkpoints.restore_meta(1)
        checkpoints.restore(1, abstract_items())

    with (
        Checkpoints(tmp_path, read_only=True) as checkpoints,
        pytest.raises(InputError, match=r"checkpoints/1.*: is damaged \("),
    ):
        read(checkpoints)


def test_a_file_that_is_cut_short_is_damage(tmp_path):
    save_all(tmp_path, {1: None})
    files = [f for f in (tmp_path / "checkpoints" / "1" / "generator").rglob("d/*") if f.is_file()]
    for file in files:
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with (
        Checkpoints(tmp_path, read_only=True) as checkpoints,
        pytest.raises(InputError, match=r"is damaged \("),
    ):
        checkpoints.restore(1, abstract_items())


def test_arrays_of_another_shape_are_not_called_damaged(tmp_path):
    save_all(tmp_path, {1: None})
    shapes = {"a": jax.ShapeDtypeStruct((3, 5), np.float32), "b": jax.ShapeDtypeStruct((), bool)}
    message = (
        r"checkpoints/1/discriminator: is not damaged, but holds another network than config.json "
        r"describes: d_params\.a has shape \(3, 2\) instead of \(3, 5\), d_params\.b is missing, "
        r"d_batch_stats\.mean is not expected\. Restore"
    )
    asked = {"d_params": shapes, "d_batch_stats": {}}
    with (
        Checkpoints(tmp_path, read_only=True) as checkpoints,
        pytest.raises(InputError, match=message),
    ):
        checkpoints.restore(1, {"discriminator": asked})


def files_of(checkpoint):
    return sorted(path for path in checkpoint.rglob("*") if path.is_file())


def cut(file):
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def flip(file):
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def change_a_number(file):
    content = json.loads(file.read_text())
    content["pairs"] += 1
    file.write_text(json.dumps(content))


@pytest.mark.parametrize("damage", [cut, flip, lambda file: file.unlink()])
def test_no_damage_of_any_file_changes_a_number_unnoticed(tmp_path, damage):
    save_all(tmp_path / "run", {1: None, 2: None})
    expected = jax.tree.leaves(make_state(2).items()["generator"])
    for number, file in enumerate(files_of(tmp_path / "run" / "checkpoints" / "2")):
        copy = tmp_path / str(number)
        shutil.copytree(tmp_path / "run", copy)
        damage(copy / file.relative_to(tmp_path / "run"))
        with Checkpoints(copy, read_only=True) as checkpoints:
            chosen = checkpoints.choose("latest")
            restored = checkpoints.restore(chosen, abstract_items())
        if chosen == 2:  # harmless
            ours = jax.tree.leaves(restored["generator"])
            assert all(map(np.array_equal, ours, expected)), file
        else:
            assert chosen == 1


def test_a_damaged_checkpoint_gives_way_to_the_next_newer_or_better_one(tmp_path, caplog):
    scores = {1: 0.3, 2: 0.1, 3: 0.2, 4: 0.4}
    metrics = {step: {"score": score, "epoch": step, "part": 0} for step, score in scores.items()}
    save_all(tmp_path, metrics, keep=4)
    for step in (2, 4):
        change_a_number(tmp_path / "checkpoints" / str(step) / "meta" / "metadata")
    before = files_of(tmp_path)
    with Checkpoints(tmp_path, read_only=True) as checkpoints:
        assert (checkpoints.choose("latest"), checkpoints.choose("best")) == (3, 3)
        with pytest.raises(DamagedError, match="checkpoints/4/meta/metadata: is damaged"):
            checkpoints.choose("4")
    assert "/4/meta/metadata: is damaged (its content has changed since it was" in caplog.text
    assert caplog.text.count("checkpoint 3 is used instead") == 1
    assert files_of(tmp_path) == before


def test_only_the_items_that_are_needed_must_be_whole(tmp_path):
    save_all(tmp_path, {1: None, 2: None})
    shutil.rmtree(tmp_path / "checkpoints" / "2" / "training")
    with Checkpoints(tmp_path, read_only=True) as checkpoints:
        assert checkpoints.choose("latest", ["generator"]) == 2
        assert checkpoints.choose("latest") == 1


def test_without_a_whole_checkpoint_the_reasons_are_given(tmp_path):
    save_all(tmp_path, {1: None, 2: None})
    for step in (1, 2):
        shutil.rmtree(tmp_path / "checkpoints" / str(step) / "generator")
    message = r"no checkpoint is whole: .*/2/generator: is damaged \(.*\), .*/1/generator: is"
    with (
        Checkpoints(tmp_path, read_only=True) as checkpoints,
        pytest.raises(InputError, match=message),
    ):
        checkpoints.choose("latest")


def test_damaged_checkpoints_are_kept_aside_under_names_of_their_own(tmp_path, caplog):
    save_all(tmp_path, {1: None, 2: None, 3: None})
    aside = tmp_path / "damaged"
    (aside / "3").mkdir(parents=True)
    set_aside(tmp_path / "checkpoints", 1, aside)
    with Checkpoints(tmp_path) as checkpoints:
        assert checkpoints.steps == [1]
    assert sorted(path.name for path in aside.iterdir()) == ["2", "3", "3_1"]
    assert (aside / "3_1" / "generator").is_dir()
    assert f"the damaged checkpoint 2 is kept in {aside / '2'}" in caplog.text


def test_a_stop_between_planned_saves_does_not_change_what_is_kept(tmp_path):
    with Checkpoints(tmp_path, keep=2) as checkpoints:
        kept = []
        for step in (10, 15, 20, 30, 33):
            state = make_state(step).items()
            checkpoints.save(step, state, {"pairs": 1}, None, planned=step % 10 == 0)
            checkpoints.wait()
            kept.append(checkpoints.steps)
    assert kept == [[10], [10, 15], [10, 20], [20, 30], [20, 30, 33]]


def test_a_planned_save_takes_over_the_checkpoint_of_a_stop_at_its_step(tmp_path):
    metrics = {"score": 0.5, "epoch": 1, "part": 0}
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(1, make_state(1).items(), {"unfinished": 1}, None, planned=False)
        checkpoints.save(1, make_state(1, value=9).items(), {"unfinished": 0}, metrics)
        checkpoints.save(1, make_state(1).items(), {"unfinished": 2}, None, planned=False)
    with Checkpoints(tmp_path, read_only=True) as checkpoints:
        meta = checkpoints.restore_meta(checkpoints.choose("best"))
        restored = checkpoints.restore(1, abstract_items())
    assert (meta["unfinished"], meta["metrics"], meta["planned"]) == (0, metrics, True)
    assert np.all(restored["generator"]["g_params"]["a"] == 1)


def test_what_a_kill_left_too_many_is_deleted_at_the_next_start(tmp_path):
    save_all(tmp_path, {1: None, 2: None, 3: None}, keep=3)
    half = tmp_path / "checkpoints" / "4.orbax-checkpoint-tmp-deleted"
    half.mkdir()
    with Checkpoints(tmp_path, keep=2) as checkpoints:
        assert checkpoints.steps == [2, 3]
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == ["2", "3"]


def test_a_file_in_the_place_of_the_folder_is_named(tmp_path):
    (tmp_path / "checkpoints").touch()
    with pytest.raises(InputError, match="checkpoints: is a file, not the folder"):
        Checkpoints(tmp_path, read_only=True)


def save_a_large_one(workdir):
    big = {"generator": {"a": np.random.default_rng(0).random((100, 100))}}
    with Checkpoints(workdir) as checkpoints:
        checkpoints.save(2, big, {}, None)


def test_a_full_disk_is_one_line_and_leaves_what_was_saved_before(tmp_path, capfd):
    save_all(tmp_path, {1: None})
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    old = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        with pytest.raises(
            InputError, match=r"a checkpoint could not be written \(File too large\)"
        ):
            save_a_large_one(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, old)
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["1"]
    assert capfd.readouterr().err.count("\n") <= 1


def test_a_checkpoint_under_the_number_of_another_is_not_taken_for_it(tmp_path, caplog):
    save_all(tmp_path, {1: None, 2: None})
    folder = tmp_path / "checkpoints"
    shutil.copytree(folder / "1", folder / "3")
    with Checkpoints(tmp_path, read_only=True) as checkpoints:
        assert checkpoints.choose("latest") == 2
        with pytest.raises(DamagedError, match="it belongs to step 1, so its folder was renamed"):
            checkpoints.choose("3")
    assert "checkpoint 2 is used instead" in caplog.text


@pytest.mark.parametrize(
    "change",
    [
        lambda meta: meta.clear(),
        lambda meta: meta.pop("digest"),
        lambda meta: meta.update(sealed({**meta, "metrics": {}})),
        lambda meta: meta.update(sealed({**meta, "metrics": {"score": 10**400}})),
        lambda meta: meta.update(sealed({**meta, "digests": []})),
    ],
)
def test_a_meta_that_cannot_be_one_is_damage(tmp_path, change):
    save_all(tmp_path, {1: None})
    file = tmp_path / "checkpoints" / "1" / "meta" / "metadata"
    meta = json.loads(file.read_text())
    change(meta)
    file.write_text(json.dumps(meta))
    message = r"no checkpoint is whole: .*/1/meta/metadata: is damaged"
    with (
        Checkpoints(tmp_path, read_only=True) as checkpoints,
        pytest.raises(InputError, match=message),
    ):
        checkpoints.choose("best")


def test_of_a_checkpoint_that_is_a_link_only_the_link_is_deleted(tmp_path):
    save_all(tmp_path, {1: None, 2: None, 3: None})
    kept = (tmp_path / "checkpoints" / "1").rename(tmp_path / "elsewhere")
    (tmp_path / "checkpoints" / "1").symlink_to(kept)
    assert save_all(tmp_path, {4: None}) == ([2, 3, 4], 4)
    assert (kept / "generator").is_dir()
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == ["2", "3", "4"]


def test_damaged_checkpoints_do_not_take_the_place_of_a_dead_link(tmp_path):
    save_all(tmp_path, {1: None})
    aside = tmp_path / "aside"
    aside.mkdir()
    (aside / "1").symlink_to("nowhere")
    set_aside(tmp_path / "checkpoints", 0, aside)
    assert sorted(path.name for path in aside.iterdir()) == ["1", "1_1"]


@pytest.mark.parametrize("make", [lambda path: path.touch(), lambda path: path.symlink_to("none")])
def test_what_has_the_name_of_a_coming_checkpoint_is_named_at_the_start(tmp_path, make):
    save_all(tmp_path, {1: None})
    make(tmp_path / "checkpoints" / "9")
    with pytest.raises(InputError, match="checkpoints/9: is not a checkpoint, but has the name"):
        Checkpoints(tmp_path)
    assert Checkpoints(tmp_path, read_only=True).steps == [1]


def test_a_score_that_is_nan_is_never_the_best():
    scores = {1: -0.3, 2: math.nan, 3: -0.9, 4: -0.5, 5: -0.4}
    metas = {
        step: {"metrics": {"part": 0.0, "score": score, "epoch": float(step)}}
        for step, score in scores.items()
    }
    assert by_rank(metas) == [3, 4, 5, 1, 2]
    assert superseded(metas, keep=1, keep_period=0) == [1, 2, 4]


def test_an_optimizer_state_that_was_a_level_deeper_is_read(tmp_path):
    state = {"g_opt_state": ({}, ({"mu": jnp.ones(2)}, {"count": jnp.int32(3)}))}
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(1, {"training": state}, {"pairs": 1}, None)
    wanted = {"g_opt_state": ({"mu": jnp.zeros(2)}, {"count": jnp.int32(0)})}
    with Checkpoints(tmp_path, read_only=True) as checkpoints:
        found = checkpoints.restore(1, {"training": jax.eval_shape(lambda: wanted)})
    first, second = found["training"]["g_opt_state"]
    assert (first["mu"].tolist(), int(second["count"])) == ([1, 1], 3)
