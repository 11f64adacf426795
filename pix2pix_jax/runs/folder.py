"""A run's folder: its files, its configuration, and the record of its starts."""

import datetime
import functools
import hashlib
import json
import logging
import pathlib
from collections.abc import Collection, Mapping, Sequence

from ml_collections import ConfigDict

from pix2pix_jax.core import config_files, devices
from pix2pix_jax.core.config import flatten
from pix2pix_jax.core.errors import InputError, MissingDataError, some_of
from pix2pix_jax.core.files import (
    expand,
    is_temporary_of,
    read_json,
    refuse_inside,
    refuse_no_folder,
    write_json,
)
from pix2pix_jax.core.own_code import OwnCode
from pix2pix_jax.core.validation import resolve
from pix2pix_jax.data.build import build_source
from pix2pix_jax.data.configured_format import format_of
from pix2pix_jax.data.loading import build_pairs
from pix2pix_jax.data.pair_format import PairFormat
from pix2pix_jax.data.pairs import Pairs
from pix2pix_jax.data.selection import Subset
from pix2pix_jax.models.build import Networks, build_networks
from pix2pix_jax.runs import data_paths
from pix2pix_jax.runs.checkpoint_files import newest_config

logger = logging.getLogger(__name__)


class RunFolder:
    """The folder of a run; nothing is read before it is needed.

    Attributes:
        path: The folder.
        data_root: Folder of the data to read in place of the run's own; '': the run's own.
        code: What may run of the own code that the run refers to.
        config_file: The configuration as the user gave it, every key.
        record_file: Command, versions, hardware and changed keys of every start.
        metrics_file: Table of losses and scores over the steps.
        summary_file: Result of a complete run.
        report_file: The page that shows the run.
        training_pairs_file: The first training pairs as the networks see them.
        checkpoints: Folder of the checkpoints.
        damaged: Folder of damaged checkpoints, which are kept aside.
        samples: Folder of the sample pictures.
        tensorboard: Folder of the TensorBoard event files.
        profile: Folder of the trace that `--profile` writes.
        evaluations: Folder of the evaluations.
        wandb_file: Id of the run at Weights & Biases.
        lock_file: Held by the process that trains, see `runs.lock`.
    """

    def __init__(
        self,
        path: str | pathlib.Path,
        *,
        given: Mapping[str, Collection[str]] | None = None,
        trust_code: bool = False,
        data_root: str = "",
        max_pixels: int = 0,
    ) -> None:
        """Describe a folder; it need not exist.

        Args:
            path: The folder.
            given: References to own code that the user gave now, by key; see `OwnCode`.
            trust_code: Whether own code that the folder keeps may run if its original is missing or
                has changed.
            data_root: Folder of the data to read in place of the run's own; '': the run's own.
            max_pixels: Value of `data.max_pixels` in place of the run's own; 0: the run's own.
        """
        self.path = pathlib.Path(expand(path))
        self.data_root = data_root
        self._max_pixels = max_pixels
        self.code = OwnCode(self.path, given=given, trust=trust_code)
        self.config_file = self.path / "config.json"
        self.record_file = self.path / "run.json"
        self.metrics_file = self.path / "metrics.csv"
        self.summary_file = self.path / "summary.json"
        self.report_file = self.path / "report.html"
        self.training_pairs_file = self.path / "training_pairs.png"
        self.checkpoints = self.path / "checkpoints"
        self.damaged = self.path / "damaged_checkpoints"
        self.samples = self.path / "samples"
        self.tensorboard = self.path / "tensorboard"
        self.profile = self.path / "profile"
        self.evaluations = self.path / "evaluation"
        self.wandb_file = self.path / "wandb_id.txt"
        self.lock_file = self.path / ".lock"

    def __str__(self) -> str:
        return str(self.path)

    @functools.cached_property
    def config(self) -> ConfigDict:
        """The configuration as the user gave it: of `config.json`, or of the newest checkpoint.

        Raises:
            InputError: The folder does not hold a run; the message has the runs in its sub-folders.
        """
        if not self.config_file.exists():
            _refuse_folder_of_runs(self.path)
        try:
            return config_files.load_json(self.config_file)
        except InputError as error:
            saved = newest_config(self.checkpoints)
            if saved is None:
                raise
            step, values = saved
            logger.warning("%s; the configuration in checkpoint %d is used", error, step)
            return config_files.from_values(values, f"{self.checkpoints / str(step)}")

    @functools.cached_property
    def settings(self) -> ConfigDict:
        """The resolved configuration, see `core.validation.resolve`."""
        settings = resolve(self.config)
        if self._max_pixels:
            with settings.unlocked():
                settings.data.max_pixels = self._max_pixels
        return settings

    @property
    def hash(self) -> str:
        """Twelve hexadecimal digits of a hash of the whole configuration."""
        if self.config_file.is_file():
            content = self.config_file.read_bytes()
        else:
            content = json.dumps(flatten(self.config)).encode()
        return hashlib.sha256(content).hexdigest()[:12]

    @functools.cached_property
    def networks(self) -> Networks:
        """The run's networks, built for inference."""
        settings = self.settings
        adversarial = settings.loss.gan != "none"
        return build_networks(
            settings.model, settings.data, adversarial=adversarial, code=self.code
        )

    @functools.cached_property
    def form(self) -> PairFormat:
        """How the run's pairs are stored."""
        return format_of(self.settings)

    def load_pairs(
        self, split: str, names: Sequence[str] | None = None, *, cache: bool = True
    ) -> Pairs:
        """Load the pairs of a split of the run's own data, at the size of its training.

        Args:
            split: `train`, `val` or `test`.
            names: Names of the pairs to load, in this order; None: all.
            cache: Whether decoded pairs are kept in memory if they fit.

        Returns:
            The pairs.

        Raises:
            InputError: The folder does not hold a run, the split does not exist or is empty, or it
                has no pair of a name.
        """
        data = self._located_data(required=True)
        try:
            source = build_source(data, self.form, split, seed=self.settings.seed, code=self.code)
        except MissingDataError as error:
            # A bundle's config has no paths.
            problem = error.problem if data.root else "it does not say where its data is"
            raise InputError(f"{self}: {problem}; say where with --data_root") from None
        if names is not None:
            numbers = {name: number for number, name in enumerate(source.names)}
            missing = [name for name in names if name not in numbers]
            if missing:
                raise InputError(
                    f"{self}: the {split} pairs were others when they were scored: now there is no "
                    f"{some_of(missing)}; evaluate the run again"
                )
            source = Subset(source, [numbers[name] for name in names])
        return build_pairs(
            data,
            source,
            self.form,
            split=split,
            training=False,
            cache_gigabytes=data.cache_gigabytes if cache else 0.0,
            label=f"{split} pairs",
        )

    def _located_data(self, *, required: bool) -> ConfigDict:
        """Return the section `data` of the settings, with the data's paths where they are now."""
        if self.data_root:
            refuse_no_folder(self.data_root, flag="--data_root")
        required = required and not self.data_root
        data = data_paths.locate(self.settings, self.path, self.record_file, required=required)
        if self.data_root:
            data.condition = data_paths.table_in(self.data_root, data)
            data.root = self.data_root
        return data

    def evaluation(self, split: str, step: int, mode: str) -> pathlib.Path:
        """Return the folder of a checkpoint's evaluation.

        Args:
            split: `train`, `val` or `test`.
            step: Step of the checkpoint.
            mode: `paper` or `deterministic`.
        """
        suffix = "" if mode == "paper" else f"_{mode}"
        return self.evaluations / f"{split}_{step}{suffix}"

    def refuse_output_in_data(self, output: str | pathlib.Path) -> None:
        """Raise InputError if results would be written into the run's data set, where it is now."""
        root = self._located_data(required=False).root
        if root:
            refuse_inside(output, root, "the run's data set", flag="--output")

    def record_start(self, config: ConfigDict, *, first_step: int, command: str) -> None:
        """Write the configuration and add this start to the record.

        Args:
            config: The configuration as the user gave it.
            first_step: Step that the run starts or continues from.
            command: Command line.

        Raises:
            InputError: The record of earlier starts is damaged.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        starts = self._read_starts()
        changed = self._changes(config) if self.config_file.exists() else []
        if changed:
            logger.info("%s: changed since the last start: %s", self, "; ".join(changed))
        config_files.save_json(config, self.config_file)
        self.code.keep(config)
        for name in ("config", "settings", "networks", "form"):  # cached from the file before
            vars(self).pop(name, None)
        starts.append(
            {
                "time": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
                "first_step": first_step,
                "command": command,
                "changed": changed,
                "paths": data_paths.describe_paths(config, self.path),
                "versions": devices.describe_versions(),
                "hardware": devices.describe_hardware(),
            }
        )
        write_json(self.record_file, {"starts": starts})

    def _changes(self, config: ConfigDict) -> list[str]:
        """List where a configuration differs from the one of the start before."""
        try:
            old = self.config
        except InputError as error:  # there is no checkpoint either: nothing goes on from it
            logger.warning("%s; it is replaced", error)
            return []
        return config_files.differences(old, config, flatten(config))

    def _read_starts(self) -> list[dict[str, object]]:
        try:
            found = read_json(self.record_file)
        except FileNotFoundError:
            return []
        except InputError as error:
            raise InputError(f"{error}; move it away to continue") from None
        starts = found.get("starts") if isinstance(found, dict) else None
        if not isinstance(starts, list) or not all(isinstance(start, dict) for start in starts):
            raise InputError(
                f"{self.record_file}: is not the record of a run; move it away to continue"
            )
        return starts

    def sweep(self) -> None:
        """Delete the temporary files that a killed process of this run left behind."""
        own = [path.name for path in vars(self).values() if isinstance(path, pathlib.Path)]
        for path in self.path.iterdir():
            if path.is_file() and any(is_temporary_of(path.name, name) for name in own):
                path.unlink()
        for path in self.samples.iterdir() if self.samples.is_dir() else []:
            if is_temporary_of(path.name, ".".join(path.name.split(".")[1:-1])):
                path.unlink()


def _refuse_folder_of_runs(folder: pathlib.Path) -> None:
    """Raise InputError if not the folder, but sub-folders of it hold runs."""
    entries = sorted(folder.iterdir()) if folder.is_dir() else []
    runs = [entry.name for entry in entries if (entry / "config.json").is_file()]
    if runs:
        raise InputError(
            f"{folder}: holds no run, but {len(runs)} of its folders do: {some_of(runs, 5)}; give "
            "one of them"
        )
