import logging

import pytest
from chassis_core.concerns.database import Database, DatabaseSettings
from chassis_core.concerns.database.telemetry import summarise
from chassis_core.testing import Telemetry
from opentelemetry.trace import SpanKind, StatusCode
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError


@pytest.fixture
async def traced(database_url: str, telemetry: Telemetry):
    db = Database(
        DatabaseSettings(url=database_url),
        registry=telemetry.registry,
        tracer=telemetry.provider.get_tracer("test"),
    )
    yield db
    await db.close()


def statements(telemetry: Telemetry, operation: str):
    return [s for s in telemetry.spans if s.attributes.get("db.operation.name") == operation]


async def test_a_statement_in_a_traced_request_has_a_span(traced, telemetry: Telemetry) -> None:
    with telemetry.provider.get_tracer("test").start_as_current_span("request") as parent:
        async with traced.session() as session:
            await session.execute(text("SELECT :secret AS one"), {"secret": "s3cr3t"})
    (span,) = statements(telemetry, "SELECT")
    assert span.kind is SpanKind.CLIENT
    assert span.parent.span_id == parent.get_span_context().span_id
    assert span.attributes["db.system.name"] == traced.engine.dialect.name
    assert span.attributes["db.query.text"].startswith("SELECT")
    assert "s3cr3t" not in span.to_json()


async def test_a_statement_outside_of_a_trace_has_no_span(traced, telemetry: Telemetry) -> None:
    async with traced.session() as session:
        await session.execute(text("SELECT 1"))
    assert not telemetry.spans


async def test_a_statement_that_fails_says_so_in_its_span(traced, telemetry: Telemetry) -> None:
    expected = {"sqlite": "SQLITE_ERROR", "postgresql": "42P01"}
    request = telemetry.provider.get_tracer("test").start_as_current_span("request")
    with request, pytest.raises(DBAPIError):
        async with traced.session() as session:
            await session.execute(text("SELECT 1 FROM nowhere"))
    (span,) = statements(telemetry, "SELECT")
    assert span.name == "SELECT nowhere"
    assert span.status.status_code is StatusCode.ERROR
    assert span.attributes["error.type"] == expected[traced.engine.dialect.name]


async def test_statements_are_timed_by_operation(traced, telemetry: Telemetry) -> None:
    async with traced.session() as session:
        await session.execute(text("SELECT 1"))
        await session.execute(text("CREATE TABLE t (id INTEGER)"))
    count = "db_client_operation_duration_seconds_count"
    assert telemetry.sample(count, db_operation_name="SELECT") == 1
    assert telemetry.sample(count, db_operation_name="OTHER") >= 1


async def test_a_statement_that_fails_is_timed_too(traced, telemetry: Telemetry) -> None:
    with pytest.raises(DBAPIError):
        async with traced.session() as session:
            await session.execute(text("SELECT 1 FROM nowhere"))
    count = "db_client_operation_duration_seconds_count"
    assert telemetry.sample(count, db_operation_name="SELECT") == 1


async def test_the_pool_shows_its_state(traced, telemetry: Telemetry) -> None:
    name = "db_client_connection_count"
    async with traced.session() as session:
        await session.execute(text("SELECT 1"))
        assert telemetry.sample(name, db_client_connection_state="used") == 1
    assert telemetry.sample(name, db_client_connection_state="used") == 0
    assert telemetry.sample(name, db_client_connection_state="idle") == 1
    assert telemetry.sample("db_client_connection_max") == 15
    assert telemetry.sample("db_client_connection_wait_time_seconds_count") == 1
    assert telemetry.sample("db_client_connection_timeouts_total") == 0


@pytest.mark.parametrize(
    "statement, summary",
    [
        ("SELECT a.b FROM orders WHERE id = $1", "SELECT orders"),
        ('insert into "Orders" (id) values (1)', 'INSERT "Orders"'),
        ("UPDATE public.orders SET a = 1", "UPDATE public.orders"),
        ("DELETE FROM orders", "DELETE orders"),
        ("BEGIN IMMEDIATE", "BEGIN"),
        ("", ""),
    ],
)
def test_a_summary_names_operation_and_table(statement: str, summary: str) -> None:
    assert summarise(statement)[1] == summary


async def test_the_pool_logs_as_the_driver_does_and_not_as_one_of_us(traced) -> None:
    assert isinstance(traced.engine.pool.logger, logging.Logger)
    assert traced.engine.pool.logger.name.startswith("sqlalchemy.pool")
