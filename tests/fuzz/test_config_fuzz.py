"""A short fuzz of the configuration's keys; python -m tests.fuzz does a longer one."""

import pytest
from fuzz.config_targets import TARGETS
from fuzz.trials import run_all


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.filterwarnings("ignore")
def test_a_wrong_value_of_any_key_is_taken_or_refused_in_one_line(name):
    (found,) = run_all({name: TARGETS[name]}, seconds=600, seed=1, most=100)
    assert found.failures == []
    assert found.accepted
    assert found.refused
