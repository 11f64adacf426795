"""A short fuzz of the server; python -m tests.fuzz does a longer one."""

from fuzz import server_targets
from fuzz.trials import run_all


def test_damaged_requests_are_answered_in_one_line_and_the_next_ones_as_ever():
    (found,) = run_all(server_targets.TARGETS, seconds=600, seed=1, most=80)
    assert found.failures == []
    assert found.accepted
    assert found.refused
