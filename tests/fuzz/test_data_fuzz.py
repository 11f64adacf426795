"""A short run of the fuzz of archives, folders and records."""

import pytest
from fuzz.data_targets import TARGETS
from fuzz.trials import run_all

TRIALS = 30


@pytest.mark.filterwarnings("ignore")
def test_damaged_archives_and_records_are_read_or_refused_in_one_line():
    found = run_all(TARGETS, seconds=600, seed=12_000_000, most=TRIALS)
    for counts in found:
        assert not counts.failures, counts
        assert counts.accepted > 0, counts
        assert counts.refused > 0, counts
