"""Data sets of TensorFlow Datasets with a few images, registered when this module is imported."""

import io

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image

from pix2pix_jax.data.tfds import build_tfds
from pix2pix_jax.images.encoding import Encoding

RGB, GRAY = Encoding(), Encoding(channels=1)
COUNTS = {"train": 7, "validation": 3, "test": 2}


def photo(number):
    return np.random.default_rng(number).integers(0, 256, (6, 5, 3), np.uint8)


def encoded(pixels, kind="PNG"):
    file = io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).save(file, kind)
    return file.getvalue()


class Tiny(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """Examples with all of these images; subclasses choose some."""

    VERSION = tfds.core.Version("1.2.0")
    counts = COUNTS
    features = ()

    def _info(self):
        image, one = tfds.features.Image, (None, None, 1)
        kinds = {
            "label": tfds.features.ClassLabel(num_classes=2),
            "photo": image(),
            "mask": image(shape=one),
            "depth": image(shape=one, dtype=np.uint16),
            "number": tfds.features.Scalar(np.int64),
            "heat": image(shape=one, dtype=np.float32),
        }
        chosen = {name: kinds[name] for name in self.features}
        return tfds.core.DatasetInfo(
            builder=self, features=tfds.features.FeaturesDict(chosen), disable_shuffling=True
        )

    def _split_generators(self, dl_manager):
        return {split: self._generate_examples(count) for split, count in self.counts.items()}

    def _generate_examples(self, count):
        for number in range(count):
            values = {
                "label": number % 2,
                "number": number,
                "photo": encoded(photo(number), "JPEG"),
                "mask": encoded(photo(number)[..., :1] % 4),
                "depth": encoded(photo(number)[..., :1].astype(np.uint16) * 256),
            }
            yield number, {name: values[name] for name in self.features}


class TinyMasks(Tiny):
    features = ("label", "photo", "mask")


class TinyPhotos(Tiny):
    features = ("label", "photo")


class TinyThree(Tiny):
    features = ("photo", "depth", "number", "mask")


class TinyNumbers(Tiny):
    features = ("label", "number")


class TinyHeat(Tiny):
    features = ("heat", "label")


class TinyTrain(Tiny):
    features = ("photo", "mask")
    counts = {"train": 2, "extra": 1}  # noqa: RUF012


def build(data_dir, name="tiny_masks", split="train", **options):
    return build_tfds(
        name, split, data_dir=str(data_dir), **{"source": RGB, "target": GRAY, **options}
    )


def decoded(number):
    return np.asarray(Image.open(io.BytesIO(encoded(photo(number), "JPEG"))))
