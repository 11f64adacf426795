"""Metrics of sets of images: FID, KID and Inception score.

They compare what the FID's Inception v3 makes of generated and of real images; which image belongs
to which does not matter. Definitions, seed and the order of draws are torch-fidelity's.
"""

import os
import warnings

import numpy as np
from jaxtyping import Float, Shaped

from pix2pix_jax.core import weight_files
from pix2pix_jax.core.errors import InputError
from pix2pix_jax.evaluation.metrics.inception import FEATURES, Variables, features

Rows = Float[np.ndarray, "n d"]

# With fewer images than features the covariance is singular, and the FID much too high.
LEAST_FOR_FID = FEATURES
# KID draws from at most so many images a side; up to there it is torch-fidelity's to the digit.
KID_IMAGES = 10_000
SEED = 2020


class FeatureStatistics:
    """Mean and scatter of features, in float64; memory does not grow with their number.

    Batches are added by the formulas of Chan et al. (1979): no digits are lost where the mean is
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
        """Add features, one a row."""
        if len(rows):
            mean = rows.mean(axis=0, dtype=np.float64)
            self._add(len(rows), mean, rows - mean)

    def merge(self, other: "FeatureStatistics") -> None:
        """Add all that another one has seen."""
        if other.n:
            self.scatter += other.scatter
            self._add(other.n, other.mean, np.empty((0, len(other.mean))))

    def _add(self, count: int, mean: np.ndarray, centred: np.ndarray) -> None:
        n = self.n + count
        difference = mean - self.mean
        # The shift of the mean counts as one more feature: one pass over the scatter, not two.
        rows = np.vstack([centred, difference * np.sqrt(self.n * count / n)])
        self.scatter += rows.T @ rows
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

    It is all of them, in order, up to the limit, and does not depend on how they are batched.

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
        """Let features take part in the draw."""
        number = self.n + np.arange(len(rows))
        drawn = (self._rng.random(len(rows)) * (number + 1)).astype(np.int64)
        place = np.where(number < len(self._rows), number, drawn)
        kept = place < len(self._rows)
        self._rows[place[kept]] = rows[kept]  # of several for one place the last stays
        self.n += len(rows)


def frechet_distance(a: FeatureStatistics, b: FeatureStatistics) -> float:
    """Squared Frechet distance of two Gaussians (FID: Heusel et al., 2017, eq. 6).

    |mean_a - mean_b|^2 + Tr(A + B - 2 (A B)^(1/2)), where the trace of the root is the sum of the
    singular values of R^T S for any R R^T = A, S S^T = B: both may be singular.

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
    return float(np.maximum(difference @ difference + spread, 0))  # below 0 by rounding only


def _factor(covariance: Float[np.ndarray, "d d"]) -> Float[np.ndarray, "d rank"]:
    """Return R with R R^T = covariance, of as many columns as its rank."""
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

    The unbiased estimate, which can be below 0, over random subsets without replacement.

    Args:
        a: Features of one set.
        b: Features of the other.
        subsets: How many subsets are drawn of both sets.
        subset_size: Features in each; no more than either set has.

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

    Images are shuffled with a fixed seed and dealt into splits, so that a set sorted by content
    has the score of any other order, but for the draw.

    Args:
        logits: Without bias, in the order of the images.
        splits: Number of parts, each with its own p(class).

    Returns:
        Mean, at least 1 and at most the number of classes, and standard deviation over the parts.

    Raises:
        InputError: There are fewer images than parts.
    """
    n = len(logits)
    if n < splits:
        raise InputError(f"{n} images cannot be dealt into {splits} parts for the Inception score")
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
        raise InputError(f"FID and KID need two images or more on each side, not {n}")


class InceptionMetrics:
    """FID, KID and Inception score of two streams of images.

    Memory: 230 MB, and 4 kB for each fake image.
    """

    def __init__(self, variables: Variables, *, batch_size: int = 32) -> None:
        """Start with no images.

        Args:
            variables: As from `inception_weights.load_inception`.
            batch_size: Images in the network at once; scores do not depend on it.
        """
        self._variables = variables
        self._batch_size = batch_size
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
        pool3, logits = features(self._variables, images, batch_size=self._batch_size)
        statistics.update(pool3)
        sample.update(pool3)
        return logits

    def save_real(self, path: str | os.PathLike) -> None:
        """Write the statistics of the real images to a file ending in .npz."""
        real = {"mean": self._real.mean, "scatter": self._real.scatter}
        arrays = {"n": np.array(self._real.n), "sample": self._real_sample.rows, **real}
        weight_files.write(path, arrays)

    def load_real(self, path: str | os.PathLike) -> None:
        """Take statistics from a file of `save_real`, in place of those seen so far.

        Raises:
            InputError: The file is missing, broken or another one.
        """
        arrays = weight_files.read(path)
        shapes = {name: array.shape for name, array in arrays.items()}
        n = int(arrays["n"]) if shapes.get("n") == () else 0
        square, rows = (FEATURES, FEATURES), (min(n, KID_IMAGES), FEATURES)
        if shapes != {"n": (), "mean": (FEATURES,), "scatter": square, "sample": rows}:
            raise InputError(f"{path}: not written by save_real; its arrays are {shapes}")
        self._real.n = n
        self._real.mean, self._real.scatter = (np.array(arrays[k]) for k in ("mean", "scatter"))
        self._real_sample = FeatureSample()
        self._real_sample.update(arrays["sample"])
        self._real_sample.n = n

    def compute(self) -> dict[str, float]:
        """Compare the images seen so far.

        Returns:
            `fid`, `kid` and `kid_std`, `inception_score` and `inception_score_std` (of at most 10
            parts), and `n`, the number of fake images.

        Raises:
            InputError: There are fewer than two images on a side.

        Warns:
            UserWarning: FID is of fewer than `LEAST_FOR_FID` images.
        """
        n, real_n = self._fake.n, self._real.n
        _refuse_too_few(min(n, real_n))
        if min(n, real_n) < LEAST_FOR_FID:
            warnings.warn(
                f"FID of {n} fake and {real_n} real images: under {LEAST_FOR_FID} it is much too "
                "high, and to be compared with FIDs of as many images only; KID is unbiased",
                stacklevel=2,
            )
        kid, kid_std = kernel_distance(self._fake_sample.rows, self._real_sample.rows)
        score, score_std = inception_score(np.concatenate(self._logits), splits=min(10, n))
        return {
            "fid": frechet_distance(self._fake, self._real),
            "kid": kid,
            "kid_std": kid_std,
            "inception_score": score,
            "inception_score_std": score_std,
            "n": float(n),
        }
