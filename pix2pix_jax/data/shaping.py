"""How pairs of any size are brought to the size that the networks see."""

import dataclasses

from ml_collections import ConfigDict

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.core.scales import step_of

Size = tuple[int, int]


@dataclasses.dataclass(frozen=True)
class Shaping:
    """How pairs of any size are brought to the size that the networks see (`data.resize`).

    Attributes:
        mode: `resize_and_crop`: to `load_size`, then a random crop; `resize`: to `image_size`;
            `crop`: a random crop of the image as it is; `scale_width`: to the width of
            `image_size`, keeping the proportions; `scale_width_and_crop`: to the width of
            `load_size`, then a random crop; `none`: the image as it is.
        image_size: Height and width that the networks see.
        load_size: Height and width before the crop.
        training: Whether crops are random. If not, `resize_and_crop` is `resize`, and the other
            crops are taken from the centre.
        step: What sides are rounded to multiples of, see `core.scales.step_of`.

    All sizes are those of sources; targets may have another scale.
    """

    mode: str
    image_size: Size
    load_size: Size
    training: bool
    step: int = 1

    @property
    def uniform(self) -> bool:
        """Whether `scaled` brings all pairs to the same size."""
        return not self.mode.endswith("crop") or self.mode == "resize_and_crop"

    @property
    def any_size(self) -> bool:
        """Whether all images are resized to one size, whatever their own is."""
        return self.mode in ("resize", "resize_and_crop")

    @property
    def way_out(self) -> str:
        """What to say if the sides of a pair must have one size, and have not."""
        return (
            f" with data.resize={self.mode!r}; data.resize=resize_and_crop or resize brings each "
            "side to its size"
        )

    def scaled(self, size: Size, name: str) -> Size:
        """Return the height and width that an image is resized to, before any crop.

        Args:
            size: Height and width of the image.
            name: Its name, for the message.

        Raises:
            InputError: The result does not fit `image_size`.
        """
        if self.mode == "resize_and_crop":
            return self.load_size if self.training else self.image_size
        if self.mode == "resize":
            return self.image_size
        result = size
        if self.mode.startswith("scale_width"):
            width = self.load_size[1] if self.mode.endswith("crop") else self.image_size[1]
            height = round(size[0] * width / size[1] / self.step)
            result = (max(height, 1) * self.step, width)
        if self.uniform and result != self.image_size:
            raise InputError(
                f"{name}: {result[0]} x {result[1]} pixels (height, width) after "
                f"data.resize={self.mode!r}, expected data.image_size={self.image_size}; set that, "
                "or choose data.resize=resize"
            )
        if result[0] < self.image_size[0] or result[1] < self.image_size[1]:
            raise InputError(
                f"{name}: {result[0]} x {result[1]} pixels (height, width), too small for a crop "
                f"of data.image_size={self.image_size}; choose data.resize=resize_and_crop"
            )
        return result


def build_shaping(data: ConfigDict, *, training: bool) -> Shaping:
    """Build the shaping from the section `data` of a resolved configuration."""
    step = step_of(data.target_scale)
    return Shaping(data.resize, data.image_size, data.load_size, training, step)
