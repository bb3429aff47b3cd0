from dev.collector import Span
from dev.trace import WIDTH, draw


def span(name, start, end, *, service="orders", kind="SERVER", parent="", error=False):
    return Span(service, name, kind, "t", name, parent, start * 10**6, end * 10**6, error)


STORY = [
    span("orders INSERT", 80, 90, kind="CLIENT", parent="POST /v1/orders"),
    span("GET /v1/users/me", 20, 60, service="users", parent="GET"),
    span("GET", 10, 70, kind="CLIENT", parent="POST /v1/orders"),
    span("POST /v1/orders", 0, 100, parent="of the caller"),
]


def test_a_trace_is_drawn_as_a_tree_in_order_of_time_across_services():
    lines = [line.split("━")[0].rstrip() for line in draw(STORY)]
    assert lines == [
        "orders  POST /v1/orders",
        "orders  ├─ → GET",
        "users   │  └─ GET /v1/users/me",
        "orders  └─ → orders INSERT",
    ]


def test_each_bar_lies_where_its_span_lies_in_time():
    bars = [line[-WIDTH - 12 : -12] for line in draw(STORY)]
    assert bars[0] == "━" * WIDTH
    assert all(len(bar) == WIDTH for bar in bars)
    assert [bar.index("━") for bar in bars] == [int(at * WIDTH / 100) for at in (0, 10, 20, 80)]


def test_the_time_that_a_span_took_stands_at_the_end_of_its_line():
    assert [line.split()[-2] for line in draw(STORY)] == ["100.0", "60.0", "40.0", "10.0"]


def test_a_span_whose_parent_never_came_is_a_root():
    [line] = draw([span("alone", 0, 1, parent="lost")])
    assert line.startswith("orders  alone")
