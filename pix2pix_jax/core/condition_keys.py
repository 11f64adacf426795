"""Keys of the configuration about numbers beside the images."""

from pix2pix_jax.core.rules import Key, Number, Several, Text

LARGEST = 1e30  # of a number in a table: its square is far from the end of float64


def _one_for_each(low: float = -LARGEST, *, open_low: bool = False) -> Several:
    return Several(
        Number(low, LARGEST, open_low=open_low),
        f"give a number for each of data.condition_names, {'above' if open_low else 'from'} "
        f"{low:g} to {LARGEST:g}, or ()",
    )


CONDITION_KEYS = {
    "data.condition": Key(
        "",
        Text(),
        "table of numbers beside the images, .csv or .json; looked for in data.root first; '': "
        "there is none",
    ),
    "data.condition_names": Key(
        (),
        Several(Text(), "give names of columns of data.condition, or ()"),
        "columns of the table that the networks see; (): all, which the run then records here",
    ),
    "data.condition_mean": Key(
        (), _one_for_each(), "mean of each number, which becomes 0; (): that of the training pairs"
    ),
    "data.condition_deviation": Key(
        (),
        _one_for_each(0.0, open_low=True),
        "standard deviation of each number, which becomes 1; (): that of the training pairs",
    ),
    "data.condition_low": Key(
        (), _one_for_each(), "least value of each number; (): that of the training pairs"
    ),
    "data.condition_high": Key(
        (), _one_for_each(), "largest value of each number; (): that of the training pairs"
    ),
}
