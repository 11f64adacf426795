"""A short run of the fuzz of image files; python -m tests.fuzz does a longer one."""

import pytest
from fuzz.image_targets import TARGETS
from fuzz.trials import run_all

TRIALS = 200  # of each kind of file


@pytest.mark.filterwarnings("ignore")
def test_damaged_image_files_are_read_or_refused_in_one_line():
    found = run_all(TARGETS, seconds=600, seed=11_000_000, most=TRIALS)
    for counts in found:
        assert not counts.failures, counts
        assert counts.refused > 0, counts
    assert sum(counts.accepted for counts in found) > TRIALS
