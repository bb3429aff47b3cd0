import inspect
from hashlib import sha256

import pytest
from chassis_core import InvalidSettings
from cryptography.fernet import Fernet
from users import main
from users.settings import Settings

OWN = {
    "USERS_ENVIRONMENT": "production",
    "USERS_KEYS__ENCRYPTION_KEY": Fernet.generate_key().decode(),
    "USERS_AUTH__ISSUER": "https://id.example.org",
    "USERS_OAUTH_CLIENTS__ORDERS__SECRET_SHA256": sha256(b"its own").hexdigest(),
}


@pytest.fixture
def production(monkeypatch):
    for name, value in OWN.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_the_service_runs_without_any_setting():
    settings = Settings()
    assert (settings.name, settings.server.port, settings.server.admin_port) == (
        "users",
        8001,
        9001,
    )


def test_production_starts_with_secrets_of_its_own(production):
    assert Settings().auth.issuer == "https://id.example.org"


@pytest.mark.parametrize("name", sorted(OWN.keys() - {"USERS_ENVIRONMENT"}))
def test_production_refuses_each_development_default_by_name(production, name):
    production.delenv(name)
    with pytest.raises(InvalidSettings) as refusal:
        Settings()
    assert name in str(refusal.value)
    assert not any(other in str(refusal.value) for other in OWN.keys() - {name})


@pytest.mark.parametrize(
    "name, value",
    [
        ("USERS_KEYS__ENCRYPTION_KEY", "secret-but-short"),
        ("USERS_KEYS__ENCRYPTION_KEY", ""),
        ("USERS_OAUTH_CLIENTS__ORDERS__SECRET_SHA256", "not-a-digest"),
        ("USERS_TOKENS__ACCESS_LIFETIME", "0"),
        ("USERS_PASSWORDS__MEMORY", "-1"),
    ],
)
def test_a_wrong_value_is_refused_by_name_and_never_shown(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    with pytest.raises(InvalidSettings) as refusal:
        Settings()
    assert name in str(refusal.value)
    assert len(value) < 3 or value not in str(refusal.value)


def test_a_look_at_the_keys_may_fail_before_they_are_stale(monkeypatch):
    monkeypatch.setenv("USERS_KEYS__POLL_INTERVAL", "30")
    assert Settings().keys.stale_after == 60
    monkeypatch.setenv("USERS_KEYS__POLL_INTERVAL", "30.1")
    with pytest.raises(InvalidSettings, match=r"USERS_KEYS.* at least twice poll_interval"):
        Settings()


def test_settings_never_show_a_secret(production):
    shown = repr(Settings()) + str(Settings().model_dump(mode="json"))
    for name in ("USERS_KEYS__ENCRYPTION_KEY", "USERS_OAUTH_CLIENTS__ORDERS__SECRET_SHA256"):
        assert OWN[name] not in shown


def test_the_whole_service_is_put_together_in_fifteen_lines():
    assert len(inspect.getsource(main.app).splitlines()) <= 15
