"""What the pages say about a metric: its unit, and which of its values is the best."""

from collections.abc import Sequence

from pix2pix_jax.evaluation.metrics.table import METRICS, Direction, best_of


def unit_of(name: str) -> str:
    """Return the unit of a metric; '' if it has none or is unknown."""
    return METRICS[name].unit if name in METRICS else ""


def describe_metric(name: str) -> str:
    """Return the unit of a metric and which way is better; '' for an unknown metric."""
    best, unit = best_of(name), unit_of(name)
    if best is None:
        return ""
    direction = "lower is better" if best == "low" else "higher is better"
    return f"{unit}, {direction}" if unit else direction


def best_value(values: Sequence[float], best: Direction | None) -> float | None:
    """Return the best of several values.

    Args:
        values: The values; may be empty.
        best: Whether a `high` or a `low` value is better; None if it is unknown.

    Returns:
        The best value; None if there is none, or it is unknown which is better.
    """
    if best is None or not values:
        return None
    return min(values) if best == "low" else max(values)
