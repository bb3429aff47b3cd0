"""An app whose way to Redis, to another service or to PostgreSQL is broken below TCP."""

import shutil

import pytest
from chassis_core.testing.servers import Missing, PostgresServer

pytestmark = pytest.mark.alone
FAULTS = ("dropped", "reset", "lossy", "narrow")


@pytest.fixture(scope="module")
def services(inside):
    """What the app answered under each fault of Redis and of another service."""
    if shutil.which("redis-server") is None:
        pytest.skip("Redis is not installed: apt install redis-server")
    return inside("services.py", *FAULTS)


@pytest.fixture(scope="module")
def database(inside):
    """What the app answered under each fault of the database."""
    try:
        PostgresServer().close()
    except Missing as missing:
        pytest.skip(str(missing))
    return inside("database.py", *FAULTS)


@pytest.mark.parametrize("fault", FAULTS)
def test_an_app_answers_in_time_and_recovers_when_its_packets_are(services, fault):
    found = services[fault]
    print(fault, found)
    # What Redis only helps with goes on without it; what needs the other service says so in time.
    assert set(found["/limited"]["statuses"]) == {"200"}
    assert set(found["/cached"]["statuses"]) == {"200"}
    assert set(found["/upstream"]["statuses"]) <= {"200", "502", "503", "504"}
    assert found["/limited"]["longest"] < 1
    assert found["/cached"]["longest"] < 1
    assert found["/upstream"]["longest"] < 2 + 1
    assert found["recovered"] < 10
    if fault == "dropped":
        assert "200" not in found["/upstream"]["statuses"]


@pytest.mark.parametrize("fault", FAULTS)
def test_what_needs_the_database_is_503_in_time_and_heals_when_its_packets_are(database, fault):
    found = database[fault]
    print(fault, found)
    for path in ("/read", "/fresh"):
        assert set(found[path]["statuses"]) <= {"200", "503"}
        assert found[path]["503 without Retry-After"] == 0
        assert found[path]["longest"] < 3 + 1
    assert set(found["/livez"]["statuses"]) == {"200"}
    assert found["/livez"]["longest"] < 1
    assert found["/readyz"]["longest"] < 2 + 1
    assert found["recovered"] < 5 + 2
    assert set(found["after"]["statuses"]) == {"200"}
    assert found["used"] == 0
    if fault in {"dropped", "reset"}:
        assert "200" not in found["/read"]["statuses"]
        assert found["/readyz"]["first 503"] < 2 + 1
    else:
        assert found["/read"]["statuses"]["200"] > found["/read"]["statuses"].get("503", 0)
