import numpy as np
import pytest
from scipy import linalg
from support.fidelity import fidelity

from pix2pix_jax import InputError
from pix2pix_jax.evaluation.metrics import distribution
from pix2pix_jax.evaluation.metrics.distribution import (
    FeatureSample,
    FeatureStatistics,
    InceptionMetrics,
    frechet_distance,
    inception_score,
    kernel_distance,
)

RNG = np.random.default_rng(0)


def some_rows(n, dimensions=6, shift=0.0):
    """Draw correlated features, all their own mean away from 0."""
    rng = np.random.default_rng(n)
    mixing = np.random.default_rng(dimensions).standard_normal((dimensions, dimensions))
    return (rng.standard_normal((n, dimensions)) @ mixing + 1 + shift).astype(np.float32)


def statistics_of(*batches):
    statistics = FeatureStatistics(batches[0].shape[1])
    for batch in batches:
        statistics.update(batch)
    return statistics


def gaussian(mean, covariance):
    statistics = FeatureStatistics(len(mean))
    statistics.n, statistics.mean = 101, np.asarray(mean, float)
    statistics.scatter = np.asarray(covariance, float) * 100
    return statistics


def torch_rows(rows):
    torch = pytest.importorskip("torch")
    return torch.from_numpy(rows)


def test_streamed_statistics_are_those_of_all_at_once():
    rows = some_rows(50)
    streamed = statistics_of(rows[:1], rows[1:1], rows[1:30], rows[30:])
    assert streamed.n == 50
    np.testing.assert_allclose(streamed.mean, rows.mean(axis=0, dtype=float), rtol=1e-12)
    np.testing.assert_allclose(
        streamed.covariance(), np.cov(rows.astype(float), rowvar=False), rtol=1e-10
    )


def test_a_mean_far_from_0_costs_no_digits():
    small = np.array([[-1.0], [0.0], [1.0]] * 20)
    streamed = statistics_of(*np.split(small + 2.0**26, 12))
    np.testing.assert_allclose(streamed.covariance(), [[40 / 59]], rtol=1e-8)


@pytest.mark.parametrize("rotated", [False, True])
def test_distance_of_two_gaussians_by_hand(rotated):
    turn = np.linalg.qr(RNG.standard_normal((3, 3)))[0] if rotated else np.eye(3)
    a = gaussian([0, 0, 0], turn @ np.diag([1, 4, 9]) @ turn.T)
    b = gaussian(turn @ [1, 2, 2], turn @ np.diag([4, 1, 9]) @ turn.T)
    # |mean|^2 = 9; standard deviations 1, 2, 3 and 2, 1, 3
    assert frechet_distance(a, b) == pytest.approx(9 + 1 + 1 + 0)
    assert frechet_distance(b, a) == pytest.approx(11)


def test_distance_is_that_by_scipys_root_of_a_matrix():
    a, b = statistics_of(some_rows(40)), statistics_of(2 * some_rows(60, shift=0.5))
    root = linalg.sqrtm(a.covariance() @ b.covariance())
    expected = np.sum(np.square(a.mean - b.mean)) + np.trace(
        a.covariance() + b.covariance() - 2 * root.real
    )
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-8)


def test_distance_is_that_of_torch_fidelity():
    theirs = fidelity("metric_fid")
    a, b = some_rows(40), some_rows(60, shift=0.5) * 2
    expected = theirs.fid_statistics_to_metric(
        *(theirs.fid_features_to_statistics(torch_rows(rows.astype(float))) for rows in (a, b)),
        verbose=False,
    )
    ours = frechet_distance(statistics_of(a), statistics_of(b))
    assert ours == pytest.approx(expected["frechet_inception_distance"], rel=1e-8)


def test_singular_covariances_have_their_distance():
    # Fewer features than dimensions; a shift inside and outside of what they span.
    rows = some_rows(5, 20)
    assert frechet_distance(statistics_of(rows), statistics_of(rows)) == pytest.approx(0, abs=1e-9)
    shift = np.arange(20.0)
    moved = statistics_of(rows.astype(float) + shift)
    assert frechet_distance(statistics_of(rows), moved) == pytest.approx(shift @ shift, rel=1e-9)
    constant = statistics_of(np.repeat(rows[:1], 3, axis=0))
    spread = np.trace(statistics_of(rows).covariance())
    offset = np.sum(np.square(constant.mean - statistics_of(rows).mean))
    distance = frechet_distance(constant, statistics_of(rows))
    assert distance == pytest.approx(offset + spread, rel=1e-9)


def test_what_is_not_finite_has_no_distance_of_0():
    a, b = gaussian([0, 0], np.eye(2)), gaussian([0, np.nan], np.eye(2))
    assert np.isnan(frechet_distance(a, b))


def test_kernel_distance_by_hand():
    # (x y + 1)^3: 1 within zeros, 8 within ones, 1 between them
    zeros, ones = np.zeros((4, 1)), np.ones((3, 1))
    assert kernel_distance(zeros, ones, subsets=2) == pytest.approx((1 + 8 - 2, 0))


def test_kernel_distance_is_that_of_torch_fidelity():
    theirs = fidelity("metric_kid")
    a, b = some_rows(90, 30), some_rows(70, 30, shift=2.0)
    expected = theirs.kid_features_to_metric(
        torch_rows(a), torch_rows(b), kid_subsets=7, kid_subset_size=50, verbose=False
    )
    ours = kernel_distance(a, b, subsets=7, subset_size=50)
    assert ours == pytest.approx(tuple(expected.values()), rel=1e-5)
    assert ours[0] > 0


def test_kernel_distance_grows_with_the_shift():
    a, same, other = some_rows(300), some_rows(301), some_rows(302, shift=2.0)
    near, deviation = kernel_distance(a, same, subset_size=100)
    assert abs(near) < 3 * deviation
    assert kernel_distance(a, other, subset_size=100)[0] > 20 * deviation
    # All the difference of equal sets is the diagonal that the estimate leaves out.
    assert kernel_distance(a, a, subsets=1)[0] < 0


def test_inception_score_by_hand():
    sure = 100 * np.eye(5)[np.arange(200) % 5]
    assert inception_score(sure, splits=1) == pytest.approx((5, 0))
    assert inception_score(np.ones((20, 5)), splits=10) == pytest.approx((1, 0))
    # A split of one image sees one class.
    assert inception_score(sure[:10], splits=10) == pytest.approx((1, 0))


def test_inception_score_is_that_of_torch_fidelity():
    theirs = fidelity("metric_isc")
    logits = 3 * some_rows(103, 20)
    for splits in (1, 10):
        expected = theirs.isc_features_to_metric(torch_rows(logits), splits=splits)
        assert inception_score(logits, splits=splits) == pytest.approx(
            tuple(expected.values()), rel=1e-9
        )


def test_inception_score_of_fewer_images_than_parts_is_refused():
    with pytest.raises(InputError, match="9 images cannot be divided into 10 parts"):
        inception_score(np.zeros((9, 5)))


def test_a_sample_is_everything_up_to_its_limit():
    rows = some_rows(20)
    sample = FeatureSample(6, limit=20)
    for batch in (rows[:7], rows[:0], rows[7:]):
        sample.update(batch)
    np.testing.assert_array_equal(sample.rows, rows)


def test_a_sample_is_uniform_and_does_not_depend_on_batches():
    stream = np.arange(10_000, dtype=np.float32)[:, None]
    whole, parts = FeatureSample(1, limit=1000), FeatureSample(1, limit=1000)
    whole.update(stream)
    for part in np.split(stream, [1, 900, 1100, 5000]):
        parts.update(part)
    np.testing.assert_array_equal(whole.rows, parts.rows)
    assert whole.n == parts.n == 10_000
    tenths = np.histogram(whole.rows, 10, (0, 10_000))[0]
    assert np.unique(whole.rows).size == 1000
    assert np.all(np.abs(tenths - 100) < 40)  # 100 expected in each, give or take 9.5


PROJECTION = RNG.standard_normal((12, 2048 + 1008)).astype(np.float32)
ALL = ("fid", "kid", "inception_score")


def project(images):
    """Stand in for the network: a cheap projection of images of 2x2 pixels."""
    values = images.reshape(len(images), 12).astype(np.float32) @ PROJECTION / 500
    return values[:, :2048], values[:, 2048:]


def some_images(n, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, 2, 2, 3), np.uint8)


def compare(real, fake):
    metrics = InceptionMetrics(project)
    metrics.update_real(real)
    metrics.update_fake(fake)
    return metrics


def test_metrics_do_not_depend_on_how_images_come():
    real, fake = some_images(30), some_images(25, seed=1) // 2
    streamed = InceptionMetrics(project)
    for side in (fake[:1], fake[1:]):
        streamed.update_fake(side)
    for side in (real[:11], real[11:]):
        streamed.update_real(side)
    ours, expected = streamed.compute(ALL), compare(real, fake).compute(ALL)
    for name in ALL:
        assert ours[name].value == pytest.approx(expected[name].value, rel=1e-6)
        if name != "fid":
            assert ours[name].deviation == pytest.approx(expected[name].deviation, rel=1e-6)
    assert ours["fid"].value > 1
    assert ours["fid"].deviation is None
    assert ours["inception_score"].value > 1


def test_only_what_is_wanted_is_computed():
    metrics = compare(some_images(12), some_images(12, seed=1))
    whole = metrics.compute(ALL)
    assert list(whole) == list(ALL)
    for name in ALL:
        assert metrics.compute([name]) == {name: whole[name]}


def test_an_fid_of_few_images_is_warned_of(caplog):
    metrics = compare(some_images(30), some_images(25))
    metrics.compute(["kid", "inception_score"])
    assert not caplog.records
    metrics.compute(["fid"])
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert record.message.startswith("FID of 25 fake and 30 real images: with fewer than 2048 it")


def test_enough_images_are_not_warned_of(caplog, monkeypatch):
    monkeypatch.setattr(distribution, "LEAST_FOR_FID", 10)
    found = compare(some_images(10), some_images(10)).compute(["fid"])
    assert found["fid"].value == pytest.approx(0, abs=1e-6)
    assert not caplog.records


@pytest.mark.parametrize(("real", "fake"), [(0, 5), (5, 1), (1, 5)])
def test_fewer_than_two_images_are_refused(real, fake):
    metrics = compare(some_images(real), some_images(fake))
    least = min(real, fake)
    with pytest.raises(InputError, match=f"at least two images on each side, not {least}"):
        metrics.compute(["kid"])


def test_one_feature_has_no_covariance():
    with pytest.raises(InputError, match="not 1"):
        statistics_of(some_rows(1)).covariance()
