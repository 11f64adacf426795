"""Combinations of options: each is refused in one line, or trains, goes on and translates.

`python -m tests.options` tries all of them, in which every two choices stand together once.
"""

import itertools

import pytest
from support.options import FACTORS, REFUSED, draw_rows, few_rows, refused_rows, try_row
from support.pairwise import cover, pairs_of

pytestmark = pytest.mark.usefixtures("one_device")


def test_every_two_choices_that_may_stand_together_do_so_in_some_sixty_rows():
    rows = draw_rows()
    met = set().union(*map(pairs_of, rows))
    refused = {frozenset(pair) for pair in REFUSED}
    apart = set()
    for one, other in itertools.combinations(FACTORS, 2):
        for pair in itertools.product(FACTORS[one], FACTORS[other]):
            if frozenset(zip((one, other), pair, strict=True)) not in met:
                apart.add(frozenset(zip((one, other), pair, strict=True)))
    assert refused <= apart
    # Channels that some files cannot have, and scales that drawn pairs cannot.
    assert len(apart) == len(refused) + 4 + 2
    assert 36 <= len(rows) <= 66


def test_a_covering_of_two_options_is_their_product():
    rows = cover({"a": (1, 2), "b": (1, 2, 3)}, [(("a", 1), ("b", 3))])
    assert sorted((row["a"], row["b"]) for row in rows) == [(1, 1), (1, 2), (2, 1), (2, 2), (2, 3)]


@pytest.mark.parametrize("row", few_rows(), ids=itertools.count())
def test_a_combination_trains_goes_on_and_translates(row, tmp_path):
    assert try_row(row, tmp_path) == ""


@pytest.mark.parametrize("row", refused_rows(), ids=itertools.count())
def test_choices_that_do_not_go_together_are_refused_in_one_line(row, tmp_path):
    line = try_row(row, tmp_path)
    assert line.isprintable()
    assert ": " in line
    assert not (tmp_path / "whole").exists()
