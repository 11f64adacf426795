"""Image files of one colour, for the tests of what finds and pairs files."""

import numpy as np
from PIL import Image

RED, BLUE = (255, 0, 0), (0, 0, 255)
# Where folders of pairs may be: A, then B.
LAYOUTS = ["A/{}|B/{}", "{}A|{}B", "{}/A|{}/B"]


def save(path, colour=RED, size=(4, 6)):
    """Save an image of one colour, and make its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((*size, 3), colour, np.uint8)).save(path)
    return path


def save_pair(path, left=RED, right=BLUE, size=(4, 6)):
    """Save a side-by-side pair, each half of one colour."""
    path.parent.mkdir(parents=True, exist_ok=True)
    halves = [np.full((*size, 3), colour, np.uint8) for colour in (left, right)]
    Image.fromarray(np.hstack(halves)).save(path)
    return path


def save_folders(root, layout, split, names, suffixes=(".png", ".png")):
    """Save pairs in two folders: red in A, blue in B, with the pair's number as their green."""
    for folder, suffix, colour in zip(layout.split("|"), suffixes, (RED, BLUE), strict=True):
        for number, name in enumerate(names):
            colour = (colour[0], number, colour[2])
            save(root / folder.format(split) / f"{name}{suffix}", colour)
