"""How visible the borders of tiles are in an image."""

import numpy as np


def seam_ratio(image, borders, reach=1, period=1):
    """Return the mean of jumps across borders by the mean jump elsewhere: 1 if none can be seen.

    A jump is the difference, without its sign, between the means of `reach` pixels on both sides.

    Args:
        image: Pixels.
        borders: Rows, and columns, before which borders are.
        reach: How far to look: 1 sees edges; more sees tiles that differ in brightness or colour.
        period: What a network's sides are multiples of: it repeats faint patterns with that period,
            so a border is compared with places of its own phase.
    """
    ratios = []
    for axis, places in enumerate(borders):
        sums = np.cumsum(np.moveaxis(image, axis, 0), axis=0, dtype=np.float64)
        sums = np.concatenate([np.zeros_like(sums[:1]), sums])
        means = (sums[reach:] - sums[:-reach]) / reach
        jumps = np.abs(means[reach:] - means[:-reach]).mean(axis=tuple(range(1, image.ndim)))
        rows = np.arange(reach, reach + len(jumps))  # the border that each jump crosses
        far = (np.abs(rows[:, None] - np.reshape(places, (1, -1))) >= 2 * reach).all(axis=1)
        for place in places:
            alike = far & ((rows - place) % period == 0)
            ratios.append(jumps[place - reach] / jumps[alike].mean())
    return np.mean(ratios)
