"""How often a request asks the database: each time costs more than all else that it does."""

from collections.abc import Sequence


def asked(telemetry) -> Sequence[str]:
    """Return what the database was asked since the last call, in order."""
    found = [span.attributes.get("db.query.summary") for span in telemetry.spans]
    telemetry.clear()
    # SQLite's own way to begin is a statement; expired keys are removed once a minute.
    left_out = {None, "BEGIN", "DELETE idempotency_keys"}
    return [summary for summary in found if summary not in left_out]


async def test_each_request_asks_no_more_than_it_must(ann, telemetry):
    placed = await ann.place(key="k1")
    assert asked(telemetry) == [
        "SELECT idempotency_keys",
        "INSERT idempotency_keys",
        "INSERT orders",
        "INSERT order_items",
        "UPDATE idempotency_keys",
    ]
    await ann.place(key="k1")
    assert asked(telemetry) == ["SELECT idempotency_keys"]
    await ann.get(placed.headers["location"])
    assert asked(telemetry) == ["SELECT orders"]
    await ann.orders()
    assert asked(telemetry) == ["SELECT orders", "SELECT order_items"]
    await ann.cancel(placed.json()["id"], placed.headers["etag"])
    assert asked(telemetry) == ["SELECT orders", "UPDATE orders"]
