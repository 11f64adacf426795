"""Runs of three steps with combinations of options: trained, continued and used.

Where batch norm or other options make "equal" mean something special: nothing does. On one device a
run that goes on computes the same program on the same values as one that was never interrupted, so
all of its state is equal to the last bit, whatever the options are. (With several devices this
holds for the same number of devices.)
"""

import csv
import shutil

import numpy as np
from PIL import Image
from support import tiny
from support.pairwise import cover
from support.runs import assert_bit_equal, final_state

from pix2pix_jax import InputError, load_generator, train_and_evaluate, translate
from pix2pix_jax.core.scales import scaled
from pix2pix_jax.images import files as image_files

SIDE = 32
FACTORS = {
    "model.generator": ("unet", "resnet", "hybrid"),
    "model.norm": ("instance", "instance_affine", "batch", "group", "none"),
    "model.discriminator": ("patch", "pixel", "multiscale"),
    "model.activation": ("relu", "leaky_relu", "swish", "mish", "gelu"),
    "model.upsample": ("transposed", "nearest", "pixel_shuffle"),
    "model.dtype": ("float32", "bfloat16"),
    "model.remat": (False, True),
    "model.unet_skips": (True, False),
    "model.dropout_placement": ("reference", "paper"),
    "model.conditional": (True, False),
    "model.spectral_norm": (False, True),
    "model.initializer": ("normal", "xavier", "kaiming", "orthogonal"),
    "loss.gan": ("vanilla", "lsgan", "hinge", "wgangp", "none"),
    "loss.reconstruction": ("l1", "l2", "charbonnier"),
    "loss.feature_matching_weight": (0.0, 10.0),
    "loss.r1_weight": (0.0, 1.0),
    "loss.shift_tolerance": (0, 2),
    "changes": ("none", "fixed", "adaptive"),
    "optimizer.clip_norm": (0.0, 1.0),
    "train.accumulate": (1, 2),
    "train.ema_decay": (0.0, 0.9),
    "lr.schedule": ("linear", "constant", "cosine", "step"),
    "length": ("steps", "epochs"),
    "augment": ("none", "flips", "turns", "warps", "jitter", "cutout", "mosaic"),
    "source": ("side_by_side", "folders", "single", "synthetic", "pix2pix", "classes", "several"),
    "channels": ("3-3", "1-3", "5-2"),
    "bits": ("uint8", "uint16", "float32"),
    "pixels": ("all", "no_data", "mask"),
    "data.direction": ("AtoB", "BtoA"),
    "data.target_scale": (1.0, 2.0, 0.5),
    "numbers": (False, True),
    "data.resize": (
        *("resize_and_crop", "resize", "crop", "scale_width", "scale_width_and_crop", "none"),
    ),
    "eval.mode": ("paper", "deterministic"),
}
# Choices that are refused together, in one line.
REFUSED = (
    (("train.accumulate", 2), ("model.norm", "batch")),
    (("train.accumulate", 2), ("loss.gan", "none")),
    (("loss.feature_matching_weight", 10.0), ("loss.gan", "none")),
    (("loss.r1_weight", 1.0), ("loss.gan", "none")),
    (("changes", "fixed"), ("loss.gan", "none")),
    (("changes", "adaptive"), ("loss.gan", "none")),
    (("source", "classes"), ("augment", "jitter")),
    (("numbers", True), ("augment", "mosaic")),
    (("source", "synthetic"), ("channels", "1-3")),
    (("source", "synthetic"), ("channels", "5-2")),
    (("source", "synthetic"), ("bits", "uint16")),
    (("source", "synthetic"), ("bits", "float32")),
    (("source", "synthetic"), ("pixels", "no_data")),
    (("source", "single"), ("pixels", "no_data")),
    *(
        (("source", source), ("pixels", "mask"))
        for source in ("side_by_side", "single", "synthetic", "pix2pix")
    ),
)
# What the files of these sources cannot hold; the readers' tests say how such files are refused.
_NO_FILES = tuple(
    (("source", source), ("channels", "5-2"))
    for source in ("side_by_side", "single", "pix2pix", "classes")
)
# Both sides of drawn pairs have one size: with another scale they must be resized.
_NO_SCALE = tuple((("source", "synthetic"), ("data.target_scale", scale)) for scale in (2.0, 0.5))
_AUGMENTATIONS = {
    "none": {"augment.flip": False},
    "flips": {"augment.vertical_flip": True},
    "turns": {"augment.rotate": True},
    "warps": {"augment.affine": (20.0, 0.2, 5.0, 0.1), "augment.elastic": (1.0, 8.0)},
    "jitter": {"augment.color_jitter": (0.2, 0.2, 0.2), "augment.jitter_side": "both"},
    "cutout": {"augment.cutout": 0.3},
    "mosaic": {"augment.mosaic": 0.5},
}
# Of what the discriminator sees.
_ALL_CHANGES = {"loss.diffaugment": ("color", "translation", "cutout")}
_CHANGES = {
    "none": {},
    "fixed": _ALL_CHANGES,
    "adaptive": _ALL_CHANGES | {"loss.diffaugment_target": 0.6, "loss.diffaugment_images": 20},
}
_SMALLEST = {
    "model.base_features": 4,
    "model.levels": 2,
    "model.blocks": 1,
    "model.downsamplings": 1,
    "model.discriminator_layers": 1,
    "train.batch_size": 4,  # one step is an epoch
    "data.synthetic_pairs": (4, 2, 2),
    "checkpoint.every_epochs": 1,
    "eval.batch_size": 2,
    "log.grid_images": 1,
}


def draw_rows():
    """Return the combinations, always the same."""
    return cover(FACTORS, (*REFUSED, *_NO_FILES, *_NO_SCALE), seed=0)


def few_rows():
    """Return two of the combinations, with as many different choices as such have.

    The others, and those that take longest to compile, are left to `python -m tests.options`.
    """
    slow = {
        ("loss.gan", "wgangp"),
        ("loss.r1_weight", 1.0),
        ("train.accumulate", 2),
        ("model.generator", "hybrid"),
        ("model.remat", True),
    }
    rows = [row for row in draw_rows() if not slow & row.items()]
    left, few = {(name, choice) for name in FACTORS for choice in FACTORS[name]}, []
    while len(few) < 2:
        few.append(max(rows, key=lambda row: len(left & row.items())))
        left -= few[-1].items()
    return few


def refused_rows():
    """Return one combination for each pair of choices that is refused."""
    first = {name: choices[0] for name, choices in FACTORS.items()}
    return [first | dict(pair) for pair in REFUSED]


def build_config(row, root):
    """Write a row's data, and return its configuration."""
    source, channels = row["source"], tuple(map(int, row["channels"].split("-")))
    changes = _SMALLEST | _AUGMENTATIONS[row["augment"]]
    changes |= _CHANGES[row["changes"]]
    changes |= {key: choice for key, choice in row.items() if "." in key}
    changes["data.root"] = str(root)
    changes["train.steps" if row["length"] == "steps" else "train.epochs"] = 3
    if source == "classes":
        changes |= {"data.source": "folders", "data.source_classes": 5}
    elif source == "several":
        changes["data.source"] = "folders"
    elif source == "single":
        changes |= {"data.source": "single", "derive.kind": "gray"}
    else:
        changes["data.source"] = "pix2pix:maps" if source == "pix2pix" else source
    for side, count in zip(("source", "target"), channels, strict=True):
        changes[f"data.{side}_channels"] = count
        if not (source == "classes" and side == "source"):
            changes[f"data.{side}_dtype"] = row["bits"]
    if source == "several":
        changes["data.source_channels"] = (channels[0], 1)
        changes["data.source_dtype"] = (row["bits"], "uint8")
    if row["pixels"] == "no_data":
        for side in ("target",) if source == "classes" else ("source", "target"):
            changes[f"data.{side}_no_data"] = _mark(row)
    elif row["pixels"] == "mask":
        changes["data.mask"] = "mask"
    if source != "synthetic":
        _write_data(root, row, channels)
    if row["numbers"]:
        _write_table(root)
        changes["data.condition"] = "numbers.csv"
    return tiny.tiny_config(changes)


def _mark(row):
    return "nan" if row["bits"] == "float32" else "0"


def _write_data(root, row, channels):
    """Write the files of a row: four pairs to train, two to validate, two to test."""
    side, scale = SIDE if row["data.resize"] == "none" else SIDE + 8, row["data.target_scale"]
    if row["source"] in ("side_by_side", "pix2pix", "single"):  # the larger side of a pair
        side *= max(int(scale), 1)
    width = 2 * side if row["source"] in ("side_by_side", "pix2pix") else side
    names = "AB" if row["data.direction"] == "AtoB" else "BA"  # folders of source and target
    sides = {".": max(channels)}
    if row["source"] in ("folders", "classes"):
        sides = dict(zip(names, channels, strict=True))
    if row["source"] == "several":
        sides = {f"{names[0]}1": channels[0], f"{names[0]}2": 1, names[1]: channels[1]}
    if row["pixels"] == "mask":
        sides["mask"] = 1
    for number, split in enumerate(("train", "train", "train", "train", "val", "val", "test")):
        for place, count in sides.items():
            folder = root / place / split
            folder.mkdir(parents=True, exist_ok=True)
            factor = scale if place in (names[1], "mask") else 1
            size = int(side * factor), int(width * factor)
            if row["source"] == "classes" and place == names[0]:
                pixels = _noise(number, *size, 1, "uint8") % 5
            else:
                bits = "uint8" if place.endswith("2") else row["bits"]
                pixels = _noise(number, *size, count, bits)
            if row["pixels"] == "no_data" and (pixels.dtype != "uint8" or row["bits"] == "uint8"):
                pixels[: SIDE // 4] = float(_mark(row))
            suffix = image_files.suffix_of(str(pixels.dtype), pixels.shape[-1])
            image_files.write(folder / f"{number}{suffix}", pixels)


def _write_table(root):
    """Write numbers for the names of all sources."""
    names = [f"{number}" for number in range(7)]
    names += [f"{split}_{number:05}" for split in ("train", "val", "test") for number in range(4)]
    lines = ["name,age,dose", *(f"{name},{len(name)},{row % 3}" for row, name in enumerate(names))]
    root.mkdir(parents=True, exist_ok=True)
    (root / "numbers.csv").write_text("\n".join(lines))


def _noise(seed, height, width, channels, dtype):
    values = np.random.default_rng(seed).random((height, width, channels), np.float32)
    return values if dtype == "float32" else (values * np.iinfo(dtype).max).astype(dtype)


def try_row(row, folder):
    """Train, go on and translate with a combination; raise if anything is not as it should be.

    Returns:
        The line by which the combination was refused; '' if it was not.
    """
    config, whole = build_config(row, folder / "data"), folder / "whole"
    try:
        result = train_and_evaluate(config, whole)
    except InputError as error:
        return str(error)
    assert result.step == 3
    assert np.isfinite(result.summary["val"]["l1"])
    with (whole / "metrics.csv").open(newline="") as file:
        losses = [float(line["g_loss"]) for line in csv.DictReader(file)]
    assert len(losses) == 3
    assert np.isfinite(losses).all()
    _go_on(config, whole, folder / "parts")
    _translate(row, whole)
    return ""


def _go_on(config, whole, parts):
    """Take the third step again, from the second one's checkpoint."""
    shutil.copytree(whole, parts)
    shutil.rmtree(parts / "checkpoints" / "3")
    (parts / "summary.json").unlink()
    assert train_and_evaluate(config, parts).step == 3
    assert_bit_equal(final_state(parts), final_state(whole))


def _translate(row, whole):
    """Translate an image of the run's kind, and where it is resized one of another size."""
    generator = load_generator(whole, "latest")
    if row["numbers"]:
        generator = generator.with_condition({"age": 1, "dose": 1})
    form = generator.form
    sizes = [(SIDE, SIDE), (SIDE + 4, SIDE - 4)]
    for height, width in sizes if generator.fit == "resize" else sizes[:1]:
        image = _noise(0, height, width, form.source.channels, form.source.dtype)
        if any(part.classes for part in form.source.parts):
            image = image % 5
        # The batch size of the evaluation, whose program is compiled already.
        (fake,) = translate(generator, [image], mode=row["eval.mode"], batch_size=2)
        assert fake.dtype == form.target.dtype
        assert fake.shape == (*scaled((height, width), form.scale), form.target.channels)
        assert np.isfinite(fake).all()
    with Image.open(next((whole / "samples").glob("*.png"))) as picture:
        picture.verify()
