"""The settings of orders, and the app that they make."""

import pytest
from chassis_core import InvalidSettings
from chassis_core.testing import running
from orders.main import app
from orders.settings import Settings

PRODUCTION = {
    "ORDERS_ENVIRONMENT": "production",
    "ORDERS_PAGINATION__SECRET": "a secret of at least thirty-two characters",
    "ORDERS_AUTH__ISSUER": "https://users.example",
    "ORDERS_AUTH__JWKS_URL": "https://users.example/.well-known/jwks.json",
    "ORDERS_CLIENTS__USERS__URL": "http://users:8001",
}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch):
    for name, value in PRODUCTION.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_the_defaults_fit_the_users_service_of_a_developers_machine():
    settings = Settings()
    assert (settings.server.port, settings.server.admin_port) == (8002, 9002)
    assert settings.auth.mode == "jwks"
    assert settings.auth.jwks_url == "http://127.0.0.1:8001/.well-known/jwks.json"
    assert settings.clients["users"].url == "http://127.0.0.1:8001"


def test_production_is_content_with_values_of_its_own(environment):
    settings = Settings()
    assert settings.clients["users"].url == "http://users:8001"
    assert "thirty-two" not in repr(settings)


@pytest.mark.parametrize(
    "name",
    ["ORDERS_PAGINATION__SECRET", "ORDERS_AUTH__ISSUER", "ORDERS_CLIENTS__USERS__URL"],
)
def test_production_refuses_each_development_default_by_name(environment, name):
    environment.delenv(name)
    with pytest.raises(InvalidSettings, match=f"for {name}$"):
        Settings()


def test_a_short_cursor_secret_is_refused_unseen(environment):
    environment.setenv("ORDERS_PAGINATION__SECRET", "hush")
    with pytest.raises(InvalidSettings, match="ORDERS_PAGINATION__SECRET") as refusal:
        Settings()
    assert "hush" not in str(refusal.value)


def test_one_field_of_the_users_client_is_set_alone(monkeypatch):
    monkeypatch.setenv("ORDERS_CLIENTS__USERS__TIMEOUT", "0.5")
    client = Settings().clients["users"]
    assert (client.timeout, client.url) == (0.5, "http://127.0.0.1:8001")


async def test_the_app_starts_as_it_stands(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    async with running(app()) as http:
        assert (await http.get("/livez")).status_code == 200
        assert (await http.get("/v1/orders")).status_code == 401


def test_the_limit_on_placing_orders_is_a_setting(monkeypatch):
    monkeypatch.setenv("ORDERS_RATE_LIMIT__ROUTES__PLACE_ORDER", "100/second")
    assert Settings().rate_limit.routes == {"place_order": "100/second"}
    monkeypatch.setenv("ORDERS_RATE_LIMIT__ROUTES__PLACE_ORDER", "many")
    with pytest.raises(InvalidSettings, match="ORDERS_RATE_LIMIT__ROUTES"):
        Settings()
