"""The page that goes with a bundle: a model card, as the Hugging Face hub shows it."""

import shlex
from collections.abc import Iterable, Mapping
from typing import Any

from pix2pix_jax.core.config import default_config, flatten
from pix2pix_jax.core.errors import counted, one_line
from pix2pix_jax.core.files import read_json_object
from pix2pix_jax.runs.folder import RunFolder
from pix2pix_jax.runs.generator import Generator
from pix2pix_jax.runs.record import read_record

# Sections of the configuration that say what the network is and how it was trained.
_ALWAYS = ("data.source", "data.image_size", "model.generator", "model.norm")
_SHOWN = ("augment.", "data.", "derive.", "loss.", "lr.", "model.", "optimizer.", "train.")


def model_card(
    folder: RunFolder, generator: Generator, about: Mapping[str, Any], public: Mapping[str, Any]
) -> str:
    """Write the model card of a run's generator.

    It has what the run's folder says: how to use the generator, its data, settings and scores. The
    licence is left to whoever publishes it.

    Args:
        folder: The run's folder.
        generator: Its generator.
        about: What is said about the generator, see `about.describe`.
        public: The configuration that goes with the bundle, by key.

    Returns:
        Markdown with a YAML header.
    """
    parts = [
        _header(about),
        _introduction(generator, about),
        _use(about),
        _settings(public),
        _scores(folder, generator.step),
        _origin(about),
    ]
    return "\n\n".join(parts) + "\n"


def _header(about: Mapping[str, Any]) -> str:
    tags = ["pix2pix", "jax", "flax", "gan", about["network"].lower()]
    lines = [
        "---",
        "library_name: pix2pix_jax",
        "pipeline_tag: image-to-image",
        "tags:",
        *(f"- {tag}" for tag in tags),
        "# license: add one; whoever publishes the weights has to choose it",
        "---",
    ]
    return "\n".join(lines)


def _introduction(generator: Generator, about: Mapping[str, Any]) -> str:
    height, width = generator.image_size
    sides = _side(about["source"]), _side(about["target"])
    scale = about.get("target_scale", 1)
    larger = "" if scale == 1 else f" Results are {scale:g} times as large as their sources."
    return (
        "# pix2pix generator\n\n"
        f"A {about['network']} with {about['norm']} norm, trained on pairs of images of "
        f"{height} x {width} pixels (height, width) by [pix2pix](https://arxiv.org/abs/1611.07004) "
        f"in JAX. It translates images of {sides[0]} to images of {sides[1]}.{larger}"
    )


def _side(side: Mapping[str, Any]) -> str:
    if "parts" in side:
        parts = "; ".join(f"{part['name']}: {_side(part)}" for part in side["parts"])
        return (
            f"{len(side['parts'])} sources, whose channels are stacked in {side['dtype']} in this "
            f"order: {parts};"
        )
    if "classes" in side:
        return f"{side['classes']} classes ({side['dtype']})"
    low, high = side["range"]
    channels = counted(side["channels"], "channel")
    missing = f"; {side['no_data']} marks pixels without data" if "no_data" in side else ""
    return f"{channels} ({side['dtype']}, {low:g} to {high:g}{missing})"


def _use(about: Mapping[str, Any]) -> str:
    condition, loaded = "", 'load_generator("bundle")'
    if numbers := about.get("condition"):
        means = {name: float(f"{row['mean']:.4g}") for name, row in numbers.items()}
        given = ",".join(f"{name}={mean:g}" for name, mean in means.items())
        condition = f" --condition {shlex.quote(given)}"
        loaded += f".with_condition({means!r})"
    return f"""## Use

With the package pix2pix_jax {about["pix2pix_jax"]} or newer, and this folder as `bundle`:

```sh
pix2pix-jax sample --workdir bundle --input photos/ --output out/{condition}
```

```python
from pix2pix_jax import load_generator, translate

results = translate({loaded}, ["photo.jpg"])
```

The weights in `generator.safetensors` are plain arrays, which other programs can read too."""


def _settings(public: Mapping[str, Any]) -> str:
    default = flatten(default_config())
    changed = [
        (key, value)
        for key, value in public.items()
        if key in _ALWAYS or (key.startswith(_SHOWN) and value != default[key])
    ]
    rows = [(f"`{key}`", f"`{value!r}`") for key, value in changed]
    table = _table(("setting", "value"), rows)
    return f"## Data and settings\n\nOther settings have their defaults.\n\n{table}"


def _scores(folder: RunFolder, step: int) -> str:
    parts = ["## Scores"]
    row = next((each for each in read_record(folder.path).rows if each.get("step") == step), {})
    validation = {name.removeprefix("val_"): v for name, v in row.items() if name[:4] == "val_"}
    if validation:
        rows = [(name, f"{value:.6g}") for name, value in validation.items()]
        parts += ["Of the validation pairs, during training:", _table(("metric", "value"), rows)]
    for file in sorted(folder.evaluations.glob("*/metrics.json")):
        parts += _evaluation(read_json_object(file), step)
    if len(parts) == 1:
        parts.append("The run's folder has no scores of these weights.")
    return "\n\n".join(parts)


def _evaluation(found: Mapping[str, Any], step: int) -> list[str]:
    """Describe an evaluation, if it is of these weights."""
    metrics = found.get("metrics")
    if found.get("checkpoint") != step or not isinstance(metrics, dict):
        return []
    rows = [
        (name, f"{score['mean']:.6g}")
        for name, score in metrics.items()
        if isinstance(score, dict) and isinstance(score.get("mean"), int | float)
    ]
    title = f"Of {found.get('n')} {found.get('split')} pairs, mode {found.get('mode')}:"
    return [one_line(title), _table(("metric", "mean"), rows)] if rows else []


def _origin(about: Mapping[str, Any]) -> str:
    return (
        "## Origin\n\n"
        f"Step {about['step']} of the run with the configuration {about['run']}. SHA-256 of the "
        f"weights: `{about['weights_sha256']}`.\n\n"
        "## Licence\n\nNot stated. Add one here, and as `license` in the header of this file."
    )


def _table(head: tuple[str, str], rows: Iterable[tuple[str, str]]) -> str:
    lines = [head, ("---", "---"), *rows]
    return "\n".join(f"| {_cell(left)} | {_cell(right)} |" for left, right in lines)


def _cell(text: str) -> str:
    return one_line(text).replace("|", "\\|")
