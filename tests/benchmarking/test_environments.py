"""Environment variables of the measured programs."""

from benchmarking import environments


def test_malloc_is_set_for_ours_and_plain_without(monkeypatch):
    monkeypatch.setenv("MALLOC_ARENA_MAX", "7")
    assert "MALLOC_ARENA_MAX" not in environments.plain(malloc=False)
    assert environments.plain(malloc=True).items() >= environments.MALLOC.items()


def test_who_shares_a_gpu_uses_the_first_one_and_takes_no_more_than_needed(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    shared = environments.for_ours(malloc=False, shares_device=True)
    assert shared["CUDA_VISIBLE_DEVICES"] == "3"
    assert shared["XLA_PYTHON_CLIENT_PREALLOCATE"] == "false"
    assert environments.for_peer(malloc=False, gpu=True)["CUDA_VISIBLE_DEVICES"] == "3"
    assert environments.for_peer(malloc=False, gpu=False)["CUDA_VISIBLE_DEVICES"] == ""
    alone = environments.for_ours(malloc=False, shares_device=False)
    assert alone["CUDA_VISIBLE_DEVICES"] == "3,5"
