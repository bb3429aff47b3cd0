"""The metrics of the calls to other services."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from chassis_core.concern import KNOWN_METHODS
from chassis_core.concerns.clients.breaker import Breaker
from chassis_core.concerns.clients.bulkhead import Bulkhead


def known(method: str) -> str:
    """Return the method, or `_OTHER` for one that would make a series of its own."""
    return method if method in KNOWN_METHODS else "_OTHER"


class ClientMetrics:
    """Durations, retries, breakers and places of all the clients of an app."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self._duration = Histogram(
            "http_client_request_duration_seconds",
            "Time of an attempt to call another service, by its status or the kind of failure.",
            ["server", "method", "outcome"],
            registry=registry,
        )
        self._retries = Counter(
            "http_client_retries_total",
            "Retries that were wanted, and whether the budget granted them.",
            ["server", "granted"],
            registry=registry,
        )
        self._breakers = Gauge(
            "http_client_breaker_state",
            "State of the breaker: 0 closed, 1 probing, 2 open.",
            ["server"],
            registry=registry,
        )
        self._in_flight = Gauge(
            "http_client_in_flight",
            "Calls that hold one of the places a service may take.",
            ["server"],
            registry=registry,
        )

    def observe(self, server: str, method: str, outcome: str, seconds: float) -> None:
        """Count one attempt."""
        self._duration.labels(server, known(method), outcome).observe(seconds)

    def retry(self, server: str, *, granted: bool) -> None:
        """Count one retry that was wanted."""
        self._retries.labels(server, "yes" if granted else "no").inc()

    def watch(self, server: str, breaker: Breaker, bulkhead: Bulkhead) -> None:
        """Show the state of a breaker and of the places."""
        self._breakers.labels(server).set_function(lambda: breaker.state)
        self._in_flight.labels(server).set_function(lambda: bulkhead.in_flight)
