"""A short fuzz of weight files and of a run's files; python -m tests.fuzz does a longer one."""

import pytest
from fuzz import record_targets, weight_targets
from fuzz.trials import run_all

TRIALS = {"records": 40, "weights": 200}
TARGETS = record_targets.TARGETS | weight_targets.TARGETS


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.filterwarnings("ignore")
def test_damaged_files_of_runs_and_weights_are_taken_or_refused_in_one_line(name):
    (found,) = run_all({name: TARGETS[name]}, seconds=600, seed=1, most=TRIALS[name.split(":")[0]])
    assert found.failures == []
    assert found.accepted
    assert found.refused
