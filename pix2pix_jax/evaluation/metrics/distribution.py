"""Metrics of sets of images: FID, KID and Inception score.

They compare the features that FID's Inception v3 finds in generated and in real images, whichever
image belongs to which. Definitions, seed and the order of draws are those of torch-fidelity.
"""

import dataclasses
import logging
from collections.abc import Callable, Collection

import numpy as np
from jaxtyping import Float, Shaped

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.evaluation.metrics.inception import FEATURES

logger = logging.getLogger(__name__)

Rows = Float[np.ndarray, "n d"]
# From images to the features and the unbiased logits of each.
Extractor = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]

# With fewer images than features, the covariance is singular, and FID is much too high.
LEAST_FOR_FID = FEATURES
# The most images per side that KID draws from; up to this many, it equals torch-fidelity's.
KID_IMAGES = 10_000
SEED = 2020


@dataclasses.dataclass(frozen=True)
class SetScore:
    """A score of a whole set of images.

    Attributes:
        value: The score.
        deviation: Standard deviation over random subsets (KID) or parts of the set (Inception
            score); None for FID.
    """

    value: float
    deviation: float | None = None


class FeatureStatistics:
    """Mean and scatter of features, in float64; memory does not grow with their number.

    Batches are added by the formulas of Chan et al. (1979), which lose no digits if the mean is
    large.

    Attributes:
        n: Number of features.
        mean: Their mean.
        scatter: Sum of the outer products of their differences from the mean.
    """

    def __init__(self, dimensions: int = FEATURES) -> None:
        self.n = 0
        self.mean = np.zeros(dimensions)
        self.scatter = np.zeros((dimensions, dimensions))

    def update(self, rows: Rows) -> None:
        """Add features, one per row."""
        count = len(rows)
        if not count:
            return
        mean = rows.mean(axis=0, dtype=np.float64)
        n = self.n + count
        difference = mean - self.mean
        # The shift of the mean counts as one more feature: one pass over the scatter, not two.
        centred = np.vstack([rows - mean, difference * np.sqrt(self.n * count / n)])
        self.scatter += centred.T @ centred
        self.mean = self.mean + difference * (count / n)
        self.n = n

    def covariance(self) -> Float[np.ndarray, "d d"]:
        """Return the unbiased covariance.

        Raises:
            InputError: There are fewer than two features.
        """
        _refuse_too_few(self.n)
        return self.scatter / (self.n - 1)


class FeatureSample:
    """Uniform sample of a stream of features (reservoir sampling: Vitter, 1985, algorithm R).

    Up to the limit, it holds all features, in order. It does not depend on the batches.

    Attributes:
        n: Number of features seen.
    """

    def __init__(self, dimensions: int = FEATURES, limit: int = KID_IMAGES) -> None:
        self.n = 0
        self._rows = np.empty((limit, dimensions), np.float32)
        self._rng = np.random.default_rng(SEED)

    @property
    def rows(self) -> Rows:
        """The sample."""
        return self._rows[: self.n]

    def update(self, rows: Rows) -> None:
        """Offer features to the sample."""
        number = self.n + np.arange(len(rows))
        drawn = (self._rng.random(len(rows)) * (number + 1)).astype(np.int64)
        place = np.where(number < len(self._rows), number, drawn)
        kept = place < len(self._rows)
        self._rows[place[kept]] = rows[kept]  # if several get one place, the last stays
        self.n += len(rows)


def frechet_distance(a: FeatureStatistics, b: FeatureStatistics) -> float:
    """Squared Frechet distance of two Gaussians (FID: Heusel et al., 2017, eq. 6).

    |mean_a - mean_b|^2 + Tr(A + B - 2 (A B)^(1/2)). The trace of the root is the sum of the
    singular values of R^T S for any R R^T = A, S S^T = B, so A and B may be singular.

    Args:
        a: Statistics of one set.
        b: Statistics of the other.

    Returns:
        The distance, at least 0.

    Raises:
        InputError: A set has fewer than two features.
    """
    difference = a.mean - b.mean
    roots = np.linalg.svd(_factor(a.covariance()).T @ _factor(b.covariance()), compute_uv=False)
    spread = np.trace(a.covariance()) + np.trace(b.covariance()) - 2 * roots.sum()
    return float(np.maximum(difference @ difference + spread, 0))  # negative by rounding only


def _factor(covariance: Float[np.ndarray, "d d"]) -> Float[np.ndarray, "d rank"]:
    """Return R with R R^T = covariance; its number of columns is the rank."""
    from scipy.linalg import lapack

    lower, pivots, rank, _ = lapack.dpstrf(covariance, lower=1)  # Cholesky with pivots
    factor = np.empty((len(lower), rank))
    factor[pivots - 1] = np.tril(lower)[:, :rank]
    return factor


def kernel_distance(
    a: Float[np.ndarray, "n d"],
    b: Float[np.ndarray, "m d"],
    *,
    subsets: int = 100,
    subset_size: int = 1000,
) -> tuple[float, float]:
    """Squared maximum mean discrepancy under (x y / d + 1)^3 (KID: Binkowski et al., 2018).

    It is the unbiased estimate, which can be negative, over random subsets drawn without
    replacement.

    Args:
        a: Features of one set.
        b: Features of the other.
        subsets: Number of subsets drawn from each set.
        subset_size: Features in each subset; at most as many as the smaller set has.

    Returns:
        Mean and standard deviation over the subsets.

    Raises:
        InputError: A set has fewer than two features.
    """
    size = min(subset_size, len(a), len(b))
    _refuse_too_few(size)
    rng = np.random.RandomState(SEED)
    values = []
    for _ in range(subsets):
        x = a[rng.choice(len(a), size, replace=False)]
        y = b[rng.choice(len(b), size, replace=False)]
        within = sum(kernel.sum() - np.trace(kernel) for kernel in (_kernel(x, x), _kernel(y, y)))
        values.append(within / (size * (size - 1)) - 2 * _kernel(x, y).mean())
    return float(np.mean(values)), float(np.std(values))


def _kernel(x: Rows, y: Rows) -> Float[np.ndarray, "n n"]:
    k = (x @ y.T).astype(np.float64) / x.shape[1] + 1
    return k * k * k


def inception_score(logits: Rows, *, splits: int = 10) -> tuple[float, float]:
    """Exponential of the mean divergence of p(class | image) from p(class) (Salimans et al., 2016).

    Images are shuffled with a fixed seed before they are divided into parts, so that a set sorted
    by content scores like any other order.

    Args:
        logits: Logits without bias, in the order of the images.
        splits: Number of parts; each has its own p(class).

    Returns:
        Mean, at least 1 and at most the number of classes, and standard deviation over the parts.

    Raises:
        InputError: There are fewer images than parts.
    """
    n = len(logits)
    if n < splits:
        raise InputError(
            f"{n} images cannot be divided into {splits} parts for the Inception score"
        )
    exact = logits[np.random.RandomState(SEED).permutation(n)].astype(np.float64)
    log_p = exact - np.logaddexp.reduce(exact, axis=1, keepdims=True)
    scores = []
    for i in range(splits):
        part = log_p[i * n // splits : (i + 1) * n // splits]
        log_mean = np.logaddexp.reduce(part, axis=0) - np.log(len(part))
        scores.append(np.exp(np.sum(np.exp(part) * (part - log_mean), axis=1).mean()))
    return float(np.mean(scores)), float(np.std(scores))


def _refuse_too_few(n: int) -> None:
    if n < 2:
        raise InputError(f"FID and KID need at least two images on each side, not {n}")


class InceptionMetrics:
    """FID, KID and Inception score of two streams of images.

    Needs 230 MB of memory, and 4 kB for each fake image.
    """

    def __init__(self, extract: Extractor) -> None:
        """Start with no images.

        Args:
            extract: The network: `inception.features` with its variables.
        """
        self._extract = extract
        self._real, self._real_sample = FeatureStatistics(), FeatureSample()
        self._fake, self._fake_sample = FeatureStatistics(), FeatureSample()
        self._logits: list[np.ndarray] = []

    def update_real(self, images: Shaped[np.ndarray, "n h w c"]) -> None:
        """Add real images, uint8 and RGB, of any size."""
        self._add(images, self._real, self._real_sample)

    def update_fake(self, images: Shaped[np.ndarray, "n h w c"]) -> None:
        """Add generated images, uint8 and RGB, of any size."""
        self._logits.append(self._add(images, self._fake, self._fake_sample))

    def _add(
        self, images: np.ndarray, statistics: FeatureStatistics, sample: FeatureSample
    ) -> np.ndarray:
        pool3, logits = self._extract(images)
        statistics.update(pool3)
        sample.update(pool3)
        return logits

    def compute(self, names: Collection[str]) -> dict[str, SetScore]:
        """Compare the images seen so far.

        Args:
            names: Some of `fid`, `kid` and `inception_score`; the others are not computed.

        Returns:
            The scores by name; the Inception score is over at most ten parts of the set.

        Raises:
            InputError: One side has fewer than two images.
        """
        n, real_n = self._fake.n, self._real.n
        _refuse_too_few(min(n, real_n))
        found: dict[str, SetScore] = {}
        if "fid" in names:
            if min(n, real_n) < LEAST_FOR_FID:
                logger.warning(
                    "FID of %d fake and %d real images: with fewer than %d it is much too high, "
                    "and comparable only to FIDs of equally many images; KID is unbiased",
                    n,
                    real_n,
                    LEAST_FOR_FID,
                )
            found["fid"] = SetScore(frechet_distance(self._fake, self._real))
        if "kid" in names:
            rows = self._fake_sample.rows, self._real_sample.rows
            found["kid"] = SetScore(*kernel_distance(*rows))
        if "inception_score" in names:
            logits = np.concatenate(self._logits)
            found["inception_score"] = SetScore(*inception_score(logits, splits=min(10, n)))
        return found
