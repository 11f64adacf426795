"""Few combinations of options in which every two choices stand together once."""

import itertools
import random

_CANDIDATES = 30  # rows that are tried before the best is taken


def cover(factors, forbidden=(), seed=0):
    """Draw rows until every pair of choices that may stand together does.

    Args:
        factors: Choices by the name of each option.
        forbidden: Pairs ((option, choice), (option, choice)) that no row may have.
        seed: The same one gives the same rows.

    Returns:
        Rows: one choice by the name of each option.
    """
    rng = random.Random(seed)
    banned = {frozenset(pair) for pair in forbidden}
    left = {pair for pair in _pairs_of_choices(factors) if pair not in banned}
    rows = []
    while left:
        first = sorted(map(sorted, left))[rng.randrange(len(left))]
        drawn = [_draw(factors, first, left, banned, rng) for _ in range(_CANDIDATES)]
        best = max(filter(None, drawn), key=lambda row: len(left & pairs_of(row)))
        left -= pairs_of(best)
        rows.append(best)
    return rows


def pairs_of(row):
    """Return all pairs of choices in a row."""
    return {frozenset(pair) for pair in itertools.combinations(sorted(row.items()), 2)}


def _pairs_of_choices(factors):
    """Yield each pair of choices of two options."""
    for one, other in itertools.combinations(sorted(factors), 2):
        for pair in itertools.product(factors[one], factors[other]):
            yield frozenset(zip((one, other), pair, strict=True))


def _draw(factors, first, left, banned, rng):
    """Draw a row with a pair in it and many others that are left; None if there is no way."""
    row = dict(first)
    names = [name for name in factors if name not in row]
    rng.shuffle(names)
    for name in names:
        gains = {}
        for choice in factors[name]:
            new = {frozenset({item, (name, choice)}) for item in row.items()}
            if not new & banned:
                gains[choice] = len(new & left)
        if not gains:
            return None
        most = max(gains.values())
        row[name] = rng.choice([choice for choice, gain in gains.items() if gain == most])
    return row
