"""The metrics of a cache."""

from prometheus_client import CollectorRegistry, Counter

NAMESPACES = 100
"""Namespaces that have a label of their own."""


class CacheMetrics:
    """Counts reads by namespace and outcome."""

    def __init__(self, registry: CollectorRegistry | None) -> None:
        self._labels: set[str] = set()
        self._requests = Counter(
            "cache_requests_total",
            "Reads: hit, stale, miss (loaded it), wait (for another's load), error (no store).",
            ["namespace", "outcome"],
            registry=registry,
        )

    def count(self, namespace: str, outcome: str) -> None:
        """Count one read."""
        if namespace not in self._labels and len(self._labels) >= NAMESPACES:
            namespace = "_other"
        self._labels.add(namespace)
        self._requests.labels(namespace, outcome).inc()
