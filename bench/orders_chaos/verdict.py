"""What the clients were told, held against what the database holds."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from chassis_core.testing.servers import execute

from bench.orders_chaos.clients import Answer

_ROWS = """
SELECT orders.id::text AS id, sku FROM orders JOIN order_items ON order_id = orders.id
"""
SHOWN = 5


@dataclass(frozen=True, slots=True)
class Verdict:
    """The figures of a run; those of `violations` must all be zero."""

    orders: int
    requests: int
    statuses: dict[int, int]
    median: float
    slowest: Sequence[Answer]
    violations: dict[str, int]


def judge(answers: Sequence[Answer], orders: int, database: str, slowest: float) -> Verdict:
    """Compare the history of the clients with the tables of orders; `slowest` is in seconds."""
    rows = [(row["id"], row["sku"]) for row in execute(database, _ROWS)]
    ids, bodies = defaultdict(set), defaultdict(set)
    for answer in answers:
        if answer.order_id:
            ids[answer.key].add(answer.order_id)
            bodies[answer.key].add(answer.body)
    kept, keys = {order_id for order_id, _ in rows}, Counter(sku for _, sku in rows)
    statuses = Counter(answer.status for answer in answers)
    slow = sorted(answers, key=lambda answer: answer.seconds)
    violations = {
        "acknowledged and not there": sum(1 for acked in ids.values() if acked - kept),
        "keys with more than one order": sum(1 for count in keys.values() if count > 1),
        "keys answered with different orders": sum(
            1 for acked in bodies.values() if len(acked) > 1
        ),
        "orders that no one was told of": sum(1 for _, sku in rows if not ids.get(sku)),
        "orders never placed": orders - len(ids),
        "answers of 5xx other than 503": sum(
            n for s, n in statuses.items() if s >= 500 and s != 503
        ),
        "answers that no client expects": sum(
            n for s, n in statuses.items() if s not in {0, 201, 409, 429} and s < 500
        ),
        f"requests over {slowest:g} s": sum(1 for answer in answers if answer.seconds > slowest),
    }
    return Verdict(
        len(rows),
        len(slow),
        dict(sorted(statuses.items())),
        slow[len(slow) // 2].seconds,
        slow[: -SHOWN - 1 : -1],
        violations,
    )
