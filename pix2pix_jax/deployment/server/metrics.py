"""What the server counts, in the text format of Prometheus."""

from collections.abc import Callable

import prometheus_client
from prometheus_client import exposition

from pix2pix_jax.deployment.server.batching import Batch

CONTENT_TYPE = exposition.CONTENT_TYPE_LATEST
_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128)


class Metrics:
    """Counts of requests, times, and the state of the queue."""

    def __init__(self) -> None:
        self._registry = registry = prometheus_client.CollectorRegistry()
        prometheus_client.ProcessCollector(registry=registry)
        self._answers = prometheus_client.Counter(
            "pix2pix_requests", "Requests answered, by status", ["status"], registry=registry
        )
        self._seconds = prometheus_client.Histogram(
            "pix2pix_request_seconds",
            "From the first byte of a body to the answer, for images that were translated",
            buckets=_SECONDS,
            registry=registry,
        )
        self._sizes = prometheus_client.Histogram(
            "pix2pix_batch_size",
            "Images translated together",
            buckets=_SIZES,
            registry=registry,
        )
        self._batch_seconds = prometheus_client.Histogram(
            "pix2pix_batch_seconds",
            "Time of a batch in the network",
            buckets=_SECONDS,
            registry=registry,
        )

    def watch(self, name: str, meaning: str, value: Callable[[], float]) -> None:
        """Show a value as it is when the metrics are asked for.

        Args:
            name: Name of the metric, without its prefix.
            meaning: What it is.
            value: Returns it.
        """
        gauge = prometheus_client.Gauge(f"pix2pix_{name}", meaning, registry=self._registry)
        gauge.set_function(value)

    def answered(self, status: int) -> None:
        """Count an answer."""
        self._answers.labels(str(status)).inc()

    def translated(self, seconds: float) -> None:
        """Count an image that was translated, and the time that its request took."""
        self._seconds.observe(seconds)

    def batched(self, batch: Batch) -> None:
        """Count a batch."""
        self._sizes.observe(batch.size)
        self._batch_seconds.observe(batch.seconds)

    def text(self) -> bytes:
        """Return all of it in Prometheus' format."""
        return exposition.generate_latest(self._registry)
