import numpy as np
import pytest
import tifffile
from PIL import Image

from pix2pix_jax.images.label_files import read_labels


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_gray_of_few_bits_keeps_its_indices_unstretched(tmp_path, bits):
    # Written by hand: Pillow writes gray of 8 bits, or of one.
    indices = np.arange(16, dtype=np.uint8).reshape(4, 4) % 2**bits
    path = tmp_path / "map.png"
    write_gray_png(path, indices, bits)
    np.testing.assert_array_equal(read_labels(path)[..., 0], indices)


@pytest.mark.parametrize("white", [0, 1])
@pytest.mark.parametrize("bits", [2, 4])
def test_gray_of_few_bits_in_a_tiff_keeps_its_indices_unstretched(tmp_path, bits, white):
    indices = np.arange(16, dtype=np.uint8).reshape(2, 8) % 2**bits
    planes = np.unpackbits(indices[..., None], axis=-1)[..., 8 - bits :]
    packed = np.packbits(planes.reshape(2, -1), axis=-1)
    tifffile.imwrite(tmp_path / "map.tif", packed, photometric="minisblack", metadata=None)
    with tifffile.TiffFile(tmp_path / "map.tif", mode="r+") as tiff:
        tags = tiff.pages[0].tags
        tags["ImageWidth"].overwrite(8)
        tags["BitsPerSample"].overwrite(bits)
        tags["PhotometricInterpretation"].overwrite(white)
    expected = indices if white else 2**bits - 1 - indices
    np.testing.assert_array_equal(read_labels(tmp_path / "map.tif")[..., 0], expected)


def test_a_one_bit_mask_has_two_classes(tmp_path):
    mask = np.eye(4, dtype=bool)
    Image.fromarray(mask).save(tmp_path / "mask.png")
    np.testing.assert_array_equal(read_labels(tmp_path / "mask.png")[..., 0], mask)


def test_a_transparent_gray_level_is_an_index_like_any_other(tmp_path):
    indices = np.arange(16, dtype=np.uint8).reshape(4, 4)
    Image.fromarray(indices).save(tmp_path / "map.png", transparency=3)
    np.testing.assert_array_equal(read_labels(tmp_path / "map.png")[..., 0], indices)


def write_gray_png(path, indices, bits):
    import struct
    import zlib

    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    height, width = indices.shape
    planes = np.unpackbits(indices[..., None], axis=-1)[..., 8 - bits :]
    rows = np.packbits(planes.reshape(height, -1), axis=-1)
    data = b"".join(b"\0" + row.tobytes() for row in rows)
    head = struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0)
    parts = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + parts)
