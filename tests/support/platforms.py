"""What programs become on platforms that this machine has not."""

import re
from collections import Counter

import jax
from jax import lax


def pretend(monkeypatch, platform):
    """Make what is traced from now on take the forms of a platform, and run them here."""

    def choose(*arguments, default, **forms):
        return forms.get(platform, default)(*arguments)

    monkeypatch.setattr(lax, "platform_dependent", choose)


def lowered(function, *arguments, platform):
    """Return the text of a function that is lowered for a platform."""
    return text_for(platform, jax.jit(function).trace(*arguments))


def text_for(platform, traced):
    """Return the text of a traced function that is lowered for a platform."""
    return traced.lower(lowering_platforms=(platform,)).as_text()


def operations(text):
    """Count the convolutions and the matrix products of a lowered program."""
    found = Counter(re.findall(r"stablehlo\.(convolution|dot_general)\b", text))
    return found["convolution"], found["dot_general"]


def windows(text):
    """Return how each convolution of a lowered program steps: (stride, dilations of both operands).

    All are the same along both sides of the image.
    """
    found = []
    for attributes in re.findall(r"stablehlo\.convolution.*?window = \{(.*?)\}", text):
        steps = [
            re.search(name + r" = \[(\d+), \1\]", attributes)
            for name in ("stride", "lhs_dilate", "rhs_dilate")
        ]
        found.append(tuple(1 if step is None else int(step[1]) for step in steps))
    return sorted(found)


def precisions(text):
    """Count the convolutions and the matrix products of a lowered program by their precision."""
    dots = re.findall(r"stablehlo\.dot_general.*?precision = \[(\w+), \1\]", text)
    convolutions = re.findall(
        r"stablehlo\.convolution.*?precision (\w+)>, #stablehlo<precision \1>", text
    )
    return Counter(dots + convolutions)
