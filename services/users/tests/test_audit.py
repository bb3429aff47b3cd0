"""Who did what when: each change leaves one line of ids, and what changes nothing leaves none."""

import asyncio
import json

import pytest
from users.accounts import authenticate, change_roles
from users.keys import KeyRing, RotationRefused, Vault, rotate
from users.passwords import Passwords

EMAIL = "ann@example.org"
UNKNOWN = "8" * 43


@pytest.fixture
def trail(api, telemetry):
    """Return the audit lines since the last call, each without what every line has."""
    telemetry.clear()

    def read():
        lines = [line for line in telemetry.lines if line.get("logger", "").startswith("users.")]
        requests = {line["request_id"]: line["trace_id"] for line in telemetry.access_lines()}
        for line in lines:
            assert requests[line["request_id"]] == line["trace_id"]
        telemetry.clear()
        common = {"timestamp", "level", "service", "version", "environment", "logger"}
        joined = {"request_id", "trace_id", "span_id"}
        return [{k: v for k, v in line.items() if k not in common | joined} for line in lines]

    return read


@pytest.fixture
async def ann(api, trail):
    """A user who has logged in: her id and her refresh token."""
    user_id = (await api.register()).json()["id"]
    token = (await api.login()).json()["refresh_token"]
    trail()
    return user_id, token


def refused(**fields):
    return {"event": "token_refused", "reason": "invalid_grant"} | fields


async def test_of_registrations_that_race_only_the_one_that_wins_leaves_a_line(api, trail):
    answers = await asyncio.gather(*(api.register() for _ in range(4)))
    await api.register(name="")
    [user_id] = [answer.json()["id"] for answer in answers if answer.status_code == 201]
    assert trail() == [{"event": "user_registered", "user_id": user_id}]


async def test_a_login_and_a_refresh_leave_one_line_each_that_says_how(api, ann, trail):
    user_id, token = ann
    await api.login()
    await api.refresh(token)
    await api.service_token()
    lines = trail()
    assert {line.pop("event") for line in lines} == {"token_issued"}
    assert [(line["subject"], line["client_id"], line["grant_type"]) for line in lines] == [
        (user_id, "web", "password"),
        (user_id, "web", "refresh_token"),
        ("orders", "orders", "client_credentials"),
    ]


async def test_a_failed_login_leaves_one_line_that_says_whose_and_how(api, ann, trail):
    user_id, _ = ann
    await api.login(password="wrong horse battery")
    await api.login("bob@example.org")
    await api.token("client_credentials", auth=("orders", "wrong"))
    await api.http.post("/oauth2/revoke", data={"token": UNKNOWN}, auth=("orders", "wrong"))
    await api.token("ann@example.org")
    invalid_client = refused(reason="invalid_client")
    assert trail() == [
        refused(grant_type="password", user_id=user_id),
        refused(grant_type="password"),
        invalid_client | {"grant_type": "client_credentials"},
        invalid_client | {"grant_type": None},
        refused(reason="unsupported_grant_type", grant_type=None),
    ]


async def test_a_reuse_ends_the_login_in_one_line_and_each_attempt_is_one_refusal(api, ann, trail):
    user_id, token = ann
    newer = (await api.refresh(token)).json()["refresh_token"]
    trail()
    await asyncio.gather(*(api.refresh(token) for _ in range(4)))
    await api.refresh(newer)
    await api.refresh(UNKNOWN)
    lines = trail()
    [detected] = [line for line in lines if line["event"] == "refresh_reuse_detected"]
    family = {"user_id": user_id, "family_id": detected["family_id"]}
    assert detected == {"event": "refresh_reuse_detected", "client_id": "web", **family}
    lines.remove(detected)
    of_family = refused(grant_type="refresh_token", **family)
    assert lines == [of_family] * 5 + [refused(grant_type="refresh_token")]


async def test_a_logout_leaves_one_line_however_often_it_is_asked_for(api, ann, trail):
    user_id, token = ann
    for each in (UNKNOWN, token, token):
        await api.http.post("/oauth2/revoke", data={"token": each})
    await asyncio.gather(
        *(api.http.post("/oauth2/revoke", data={"token": token}) for _ in range(3))
    )
    [line] = trail()
    assert line.pop("family_id")
    assert line == {"event": "token_revoked", "client_id": "web", "user_id": user_id}


@pytest.fixture
def said(telemetry, capfd):
    """Return the audit lines since the last call, of an app's log and of a command's output."""

    def read():
        lines = telemetry.lines + [json.loads(line) for line in capfd.readouterr().out.splitlines()]
        telemetry.clear()
        return [line for line in lines if line["logger"].startswith("users.")]

    return read


async def test_roles_that_change_leave_one_line_and_those_that_stay_none(ann, database, said):
    user_id, _ = ann
    for granted, revoked in (({"admin"}, set()), ({"admin"}, set()), (set(), {"admin"})) * 2:
        await change_roles(database, EMAIL, granted=granted, revoked=revoked)
    assert await change_roles(database, "bob@example.org", granted={"admin"}, revoked=set()) is None
    with pytest.raises(ValueError, match="a role"):
        await change_roles(database, EMAIL, granted={"Not A Role"}, revoked=set())
    assert [(line["event"], line["user_id"], line["roles"]) for line in said()] == [
        ("roles_changed", user_id, roles) for roles in (["admin", "user"], ["user"]) * 2
    ]


async def test_a_rotation_leaves_one_line_and_one_that_is_refused_none(settings, database, said):
    vault = Vault(settings.keys.encryption_key)
    await KeyRing(settings, database).refresh()
    await KeyRing(settings, database).refresh()
    [created] = said()
    assert created["event"] == "keys_created"
    new = await rotate(database, vault, published_for=0)
    with pytest.raises(RotationRefused):
        await rotate(database, vault, published_for=3600)
    [line] = said()
    assert (line["event"], line["active"]) == ("keys_rotated", new.kid)
    assert line["retired"] == created["active"]


async def test_a_password_that_is_hashed_anew_leaves_one_line(api, ann, settings, database, said):
    user_id, _ = ann
    dearer = Passwords(settings.passwords.model_copy(update={"passes": 2}))
    for _ in range(2):
        await authenticate(database, dearer, email=EMAIL, password=api.password)
    assert [(line["event"], line["user_id"]) for line in said()] == [("password_rehashed", user_id)]
