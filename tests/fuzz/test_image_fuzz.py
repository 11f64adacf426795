"""A short run of the fuzz of image files; python -m tests.fuzz does a longer one."""

import pytest
from fuzz.image_targets import TARGETS
from fuzz.trials import run_all

SECONDS = 8


@pytest.mark.filterwarnings("ignore")
def test_damaged_image_files_are_read_or_refused_in_one_line():
    found = run_all(TARGETS, seconds=SECONDS, seed=11_000_000, most=150)
    for counts in found:
        assert not counts.failures, counts
        assert counts.accepted > 0, counts
        assert counts.refused > 0, counts
