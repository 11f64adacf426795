"""Flags that a command does not have: what was meant is said, in one line."""

import re
import sys

import pytest

from pix2pix_jax.commands import cli, foreign_flags, sample, train, unknown_flags
from pix2pix_jax.core.keys import KEYS

# Of the reference's options/base_options.py and train_options.py.
OF_THE_REFERENCE = re.findall(
    r"\w+",
    """
    dataroot name gpu_ids checkpoints_dir model input_nc output_nc ngf ndf netD netG n_layers_D norm
    init_type init_gain no_dropout dataset_mode serial_batches num_threads batch_size
    load_size crop_size max_dataset_size preprocess no_flip display_winsize epoch load_iter verbose
    suffix use_wandb wandb_project_name display_freq display_ncols display_id update_html_freq
    print_freq no_html save_latest_freq save_epoch_freq save_by_iter continue_train epoch_count
    phase n_epochs n_epochs_decay beta1 lr gan_mode pool_size lr_policy lr_decay_iters lambda_L1
    """,
)


@pytest.fixture
def refusal(capsys):
    """Return what `train` says to arguments that it refuses."""

    def call(*arguments):
        with pytest.raises(SystemExit) as end:
            train.parse_arguments(list(arguments))
        assert end.value.code == 2
        out, error = capsys.readouterr()
        assert out == ""
        assert error.count("\n") == 1
        return error.removeprefix("error: unknown argument").removesuffix(" (see --help)\n")

    return call


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("--data.root=x", " --data.root: did you mean --config.data.root=x"),
        ("data.root=x", " data.root: did you mean --config.data.root=x"),
        ("--data.rot x", " --data.rot: did you mean --config.data.root=x"),
        ("--lr 0.0002", " --lr: did you mean --config.optimizer.learning_rate=0.0002"),
        ("--learning-rate 1", " --learning-rate: did you mean --config.optimizer.learning_rate=1"),
        ("--epoch=3", " --epoch: did you mean --config.train.epochs=3; a run that"),
        ("--epochs", " --epochs: did you mean --config.train.epochs=..."),
        ("--batch_size 4", " --batch_size: did you mean --config.train.batch_size=4"),
        ("--lambda_l1 10", " --lambda_l1: did you mean --config.loss.reconstruction_weight=10"),
        ("--netG unet_256", " --netG: did you mean --config.model.generator=unet --config.model."),
        ("--gpu_ids -1", " --gpu_ids: leave it out, as all devices are used"),
        ("--resume", " --resume: leave it out, as the same command goes on"),
        ("--every_epochs 2", "=2 or --config.eval.every_epochs=2"),
        ("--config maps --workdri x", " --workdri: did you mean --workdir=x"),
        ("--config maps --allow-chnge", " --allow-chnge: did you mean --allow_change"),
        ("maps", " maps: did you mean --config=maps"),
        ("--config maps --qqq 3", " --qqq"),
    ],
)
def test_a_flag_of_another_program_or_a_slip_is_answered_with_what_is_meant(refusal, line, meant):
    answer = refusal(*line.split())
    assert answer.startswith(meant) or (meant.startswith("=") and answer.endswith(meant))


def test_a_value_is_quoted_for_the_shell(refusal):
    assert refusal("--dataroot", "my pairs").endswith("--config.data.root='my pairs'")


def test_all_unknown_flags_are_answered_at_once_and_before_missing_ones(refusal):
    answer = refusal("--dataroot", "x", "--model", "pix2pix", "--ngf", "32", "--name", "y")
    assert answer == (
        "s --dataroot: did you mean --config.data.root=x; --model: leave it out, as every run is a "
        "pix2pix run; --ngf: did you mean --config.model.base_features=32; --name: did you mean "
        "--workdir=runs/y"
    )


@pytest.mark.parametrize("name", OF_THE_REFERENCE)
def test_every_option_of_the_reference_is_answered(refusal, name):
    assert name in foreign_flags.for_train()
    assert re.match(f" --{name}: (did you mean --|leave it out, as )", refusal(f"--{name}", "3"))


@pytest.mark.parametrize(
    ("flag", "meant"),
    [("--dataroot", "--input=x"), ("--results_dir", "--output=x"), ("--name", "--workdir=runs/x")],
)
def test_sample_answers_flags_of_the_references_test_program(capsys, monkeypatch, flag, meant):
    monkeypatch.setattr(sys, "argv", ["sample", flag, "x", "--netG", "unet_256", "--eval"])
    with pytest.raises(SystemExit):
        sample.parse_arguments()
    assert capsys.readouterr().err == (
        f"error: unknown arguments {flag}: did you mean {meant}; --netG: leave it out, as the "
        "folder of the run says it; --eval: did you mean --mode=deterministic (see --help)\n"
    )


def test_every_answer_has_keys_and_flags_that_exist():
    for name, text in foreign_flags.for_train().items():
        keys = re.findall(r"--config\.([\w.]+)=", text)
        assert set(keys) <= set(KEYS), name
        others = set(re.findall(r"--([a-z_]+)\b(?!\.)", text))
        assert others <= {"workdir", "config"}, name


def test_a_value_without_its_flag_is_not_taken_for_a_flag(refusal, tmp_path):
    folder = tmp_path / "pairs"
    folder.mkdir()
    said = f" {folder}: a value without a flag before it"
    assert refusal(str(folder)) == f"{said} (did you mean --data {folder}?)"
    folder.rmdir()
    assert refusal(str(folder)) == said
    assert "did you mean --config.train.epochs=3" in refusal("config.train.epochs=3")


@pytest.mark.parametrize("flag", ["--some_flag", "--some-flag"])
def test_a_flag_may_be_written_with_hyphens(flag):
    parser = cli.Parser()
    parser.add_argument("--some_flag")
    assert parser.parse_args([flag, "a-b"]).some_flag == "a-b"
    assert parser.parse_args([f"{flag}=--c-d"]).some_flag == "--c-d"


def test_a_flag_inside_a_command_of_a_command_is_answered_too(capsys):
    parser = cli.Parser()
    inner = parser.add_subparsers().add_parser("inner")
    inner.add_argument("root")
    inner.add_argument("--on_error")
    assert parser.parse_args(["inner", "--on-error", "x", "y"]).on_error == "x"
    with pytest.raises(SystemExit):
        parser.parse_args(["inner", "--on_eror", "x", "y"])
    assert "unknown argument --on_eror: did you mean --on_error=x (see" in capsys.readouterr().err


def test_a_word_after_two_dashes_is_no_flag():
    assert unknown_flags.find(["--", "--lr", "3"], {}) == []
