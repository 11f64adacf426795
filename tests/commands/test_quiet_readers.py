"""Commands say once, and in one line, that an image file is damaged."""

import subprocess
import sys

import numpy as np
import tifffile

CODE = """
import sys
from pix2pix_jax.commands import surroundings
surroundings.check()
from pix2pix_jax.images.files import read_picture
for path in sys.argv[1:]:
    try:
        read_picture(path)
    except ValueError as error:
        print(error)
"""


def test_what_libraries_log_and_warn_of_damaged_files_is_left_out(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((9, 8), np.uint8))
    whole = path.read_bytes()
    path.write_bytes(whole[:16] + b"\xff\xff" + whole[18:])  # tifffile logs four lines of it
    (tmp_path / "b.tif").write_bytes(whole.replace(b"\x01\x01\x04\x00", b"\x01\x01\x03\x07", 1))
    command = [sys.executable, "-c", CODE, str(path), str(tmp_path / "b.tif")]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stderr == ""
    assert len(result.stdout.splitlines()) == 2
