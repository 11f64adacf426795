import jax
import pytest

from pix2pix_jax import InputError
from pix2pix_jax.core.processes import Agreement, initialize, is_main, lost_processes_named


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("localhost:1", None, 0), "--distributed.num_processes: missing; the three"),
        ((None, 2, None), "--distributed.coordinator, --distributed.process_id: missing"),
        (("localhost", 2, 0), "coordinator='localhost': expected <host>:<port>"),
        ((":123", 2, 0), "coordinator=':123': expected"),
        (("localhost:70000", 2, 0), "coordinator='localhost:70000': expected"),
        (("localhost:123", 2, 2), "process_id=2: must be below --distributed.num_processes=2"),
    ],
)
def test_wrong_addresses_and_numbers_of_processes_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        initialize(*arguments)


def test_a_machine_that_is_no_cluster_is_refused_with_the_flags_that_help(monkeypatch):
    def not_found(*_, **__):
        raise ValueError("coordinator_address should be defined.")

    monkeypatch.setattr(jax.distributed, "initialize", not_found)
    with pytest.raises(
        InputError, match=r"could not be joined \(coordinator_address .*<port>, --d"
    ):
        initialize()


def test_one_process_is_the_main_one_and_agrees_with_itself():
    assert is_main()
    agreement = Agreement()
    assert [agreement.reached(asked) for asked in (False, False, True)] == [False, False, True]


def test_several_processes_heed_a_request_two_calls_after_it_was_made(monkeypatch):
    monkeypatch.setattr(jax, "process_count", lambda *_: 2)
    agreement = Agreement()
    asked = [False, True, False, False]
    assert [agreement.reached(each) for each in asked] == [False, False, False, True]


@pytest.mark.parametrize(("processes", "text"), [(1, "Gloo all-reduce failed"), (2, "broken")])
def test_another_error_of_the_device_is_left_alone(monkeypatch, processes, text):
    monkeypatch.setattr(jax, "process_count", lambda *_: processes)
    with pytest.raises(jax.errors.JaxRuntimeError), lost_processes_named():
        raise jax.errors.JaxRuntimeError(text)


def test_a_lost_process_is_one_line_that_says_how_to_go_on(monkeypatch):
    monkeypatch.setattr(jax, "process_count", lambda *_: 2)
    error = jax.errors.JaxRuntimeError("UNKNOWN: Gloo all-reduce failed: Connection closed\nmore")
    message = r"another process .* \(UNKNOWN: Gloo .* closed\); start all of them again"
    with pytest.raises(InputError, match=message), lost_processes_named():
        raise error
