import os
import traceback

import pytest
from chassis_core import InvalidSettings, ServiceSettings
from chassis_core.settings import ServerSettings
from pydantic import SecretStr
from pydantic_settings import SettingsConfigDict

SECRET = "hunter2"


class Orders(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="ORDERS_")

    name: str = "orders"
    api_key: SecretStr = SecretStr("")


class Users(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="USERS_")

    name: str = "users"


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in os.environ:
        if variable.upper().startswith(("ORDERS_", "USERS_")):
            monkeypatch.delenv(variable)


def _refusal(monkeypatch: pytest.MonkeyPatch, **environment: str) -> str:
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    with pytest.raises(InvalidSettings) as refused:
        Orders()
    assert SECRET not in "".join(traceback.format_exception(refused.value))
    return str(refused.value)


def test_a_section_and_its_field_are_named_with_two_underscores(monkeypatch) -> None:
    monkeypatch.setenv("ORDERS_HEALTH__TIMEOUT", "0.5")
    assert Orders().health.timeout == 0.5


def test_one_nested_field_leaves_its_siblings_as_they_are(monkeypatch) -> None:
    class Own(Orders):
        server: ServerSettings = ServerSettings(port=8002, admin_port=9002)

    monkeypatch.setenv("ORDERS_SERVER__HOST", "0.0.0.0")
    server = Own().server
    assert (server.host, server.port, server.admin_port) == ("0.0.0.0", 8002, 9002)


def test_a_value_in_the_code_wins_over_the_environment(monkeypatch) -> None:
    monkeypatch.setenv("ORDERS_ENVIRONMENT", "production")
    assert Orders(environment="test").environment == "test"


def test_an_image_tells_its_version_where_none_is_set(monkeypatch) -> None:
    monkeypatch.setenv("CHASSIS_VERSION", "1.2.3")
    assert Orders().version == "1.2.3"
    monkeypatch.setenv("ORDERS_VERSION", "1.2.4")
    assert Orders().version == "1.2.4"


@pytest.mark.parametrize(
    "value", ['["https://a.example", "https://b.example"]', "https://a.example, https://b.example"]
)
def test_a_list_is_written_as_json_or_with_commas(monkeypatch, value: str) -> None:
    monkeypatch.setenv("ORDERS_CORS__ALLOW_ORIGINS", value)
    assert Orders().cors.allow_origins == ("https://a.example", "https://b.example")


def test_what_may_be_nothing_is_switched_off_with_null(monkeypatch) -> None:
    monkeypatch.setenv("ORDERS_RATE_LIMIT__DEFAULT", "null")
    monkeypatch.setenv("ORDERS_SERVER__DRAIN_DELAY", "null")
    assert (Orders().rate_limit.default, Orders().server.drain_delay) == (None, None)


def test_an_entry_of_a_mapping_is_named_like_a_section(monkeypatch) -> None:
    monkeypatch.setenv("ORDERS_CLIENTS__USERS__URL", "http://users:8001")
    assert str(Orders().clients["users"].url).startswith("http://users:8001")


@pytest.mark.parametrize(
    "variable",
    [
        "ORDERS_HEALTH__TIMEOUT",
        "ORDERS_HEALTH",
        "ORDERS_ENVIRONMENT",
        "ORDERS_SERVER__PORT",
        "ORDERS_CORS__ALLOW_ORIGINS",
        "ORDERS_CLIENT_ADDRESS__TRUSTED_PROXIES",
        "ORDERS_LOGS__LEVEL",
    ],
)
def test_a_wrong_value_is_refused_by_its_variable_and_never_shown(monkeypatch, variable) -> None:
    refusal = _refusal(monkeypatch, **{variable: SECRET})
    assert variable in refusal
    assert SECRET not in refusal
    assert "\n" not in refusal


@pytest.mark.parametrize(
    "variable, value",
    [
        ("ORDERS_DATABASE__URL", f"mysql://orders:{SECRET}@db/orders"),
        ("ORDERS_DATABASE", f"{{{SECRET}"),
        ("ORDERS_CORS__ALLOW_ORIGINS", f'["{SECRET}'),
    ],
)
def test_a_secret_in_a_wrong_value_is_not_printed(monkeypatch, variable, value) -> None:
    refusal = _refusal(monkeypatch, **{variable: value})
    assert SECRET not in refusal
    assert variable.partition("__")[0] in refusal


def test_every_wrong_setting_is_told_at_once(monkeypatch) -> None:
    refusal = _refusal(monkeypatch, ORDERS_HEALTH__TIMEOUT="x", ORDERS_SERVER__PORT="y")
    assert "ORDERS_HEALTH__TIMEOUT" in refusal
    assert "ORDERS_SERVER__PORT" in refusal


@pytest.mark.parametrize(
    "variable, hint",
    [
        ("ORDERS_HELTH__TIMEOUT", "; did you mean ORDERS_HEALTH?"),
        ("ORDERS_ENVIRONMNT", "; did you mean ORDERS_ENVIRONMENT?"),
        ("ORDERS_HEALTH__TIMOUT", "; did you mean ORDERS_HEALTH__TIMEOUT?"),
        ("ORDERS_XYZZY", ""),
        ("ORDERS_PORT", ""),
    ],
)
def test_an_unknown_name_is_refused_with_the_one_that_was_meant(
    monkeypatch, variable, hint
) -> None:
    refusal = _refusal(monkeypatch, **{variable: "8002"})
    assert refusal.endswith(f"unknown setting {variable}{hint}")


def test_an_unknown_name_in_the_code_is_refused_too() -> None:
    with pytest.raises(InvalidSettings, match="unknown setting BOGUS"):
        Orders(bogus=1)


def test_a_setting_that_is_missing_is_named() -> None:
    class Nameless(ServiceSettings):
        model_config = SettingsConfigDict(env_prefix="NAMELESS_")

    with pytest.raises(InvalidSettings, match="NAMELESS_NAME: Field required"):
        Nameless()


@pytest.mark.parametrize("service", ["ORDERS", "ORDERS_REDIS", "ORDERS_DATABASE_REPLICA"])
def test_what_kubernetes_injects_for_a_service_is_no_setting(monkeypatch, service: str) -> None:
    for name, value in {
        "SERVICE_HOST": "10.96.0.7",
        "SERVICE_PORT": "8002",
        "SERVICE_PORT_HTTP": "8002",
        "PORT": "tcp://10.96.0.7:8002",
        "PORT_8002_TCP": "tcp://10.96.0.7:8002",
        "PORT_8002_TCP_PROTO": "tcp",
        "PORT_8002_TCP_PORT": "8002",
        "PORT_8002_TCP_ADDR": "10.96.0.7",
    }.items():
        monkeypatch.setenv(f"{service}_{name}", value)
    assert Orders() == Orders(name="orders")


def test_a_secret_is_in_no_text_of_the_settings() -> None:
    settings = Orders(
        api_key=SECRET,
        database={"url": f"postgresql+asyncpg://orders:{SECRET}@db/orders"},
        redis={"url": f"redis://:{SECRET}@cache:6379/0"},
    )
    texts = [repr(settings), str(settings), settings.model_dump_json(), f"{settings.database}"]
    assert not [text for text in texts if SECRET in text]
    assert settings.api_key.get_secret_value() == SECRET


def test_two_services_in_one_environment_read_only_their_own(monkeypatch) -> None:
    monkeypatch.setenv("ORDERS_ENVIRONMENT", "production")
    monkeypatch.setenv("USERS_HEALTH__TTL", "5")
    assert (Orders().environment, Users().environment) == ("production", "development")
    assert (Orders().health.ttl, Users().health.ttl) == (1.0, 5.0)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("ORDERS_DATABASE__URL", "postgresql://orders:orders-local@db.example/orders"),
        ("ORDERS_DATABASE__URL", "postgresql://orders:development-only@db.example/orders"),
        ("ORDERS_DATABASE__PASSWORD", "orders-local"),
        ("ORDERS_API_KEY", "local-only-not-a-secret"),
    ],
)
def test_production_refuses_what_is_written_for_a_developers_machine(
    monkeypatch, variable, value
) -> None:
    monkeypatch.setenv(variable, value)
    Orders()
    refused = _refusal(monkeypatch, ORDERS_ENVIRONMENT="production")
    assert refused == f"production needs a value of its own for {variable}"


def test_production_takes_a_host_that_is_called_local(monkeypatch) -> None:
    monkeypatch.setenv("ORDERS_ENVIRONMENT", "production")
    monkeypatch.setenv("ORDERS_DATABASE__URL", "postgresql://orders:x@db-local:5432/orders-local")
    assert Orders().database.address.host == "db-local"


def test_settings_do_not_change_once_read() -> None:
    settings = Orders()
    with pytest.raises(ValueError, match="frozen"):
        settings.environment = "production"
    with pytest.raises(ValueError, match="frozen"):
        settings.health.ttl = 9.0
