"""What must never be seen is looked for in everything that the service says."""

import re

import pytest
from chassis_core.concerns.database import Database
from chassis_core.testing import running
from sqlalchemy import select
from users.keys import Vault, stored_keys
from users.main import app
from users.models import RefreshToken, User


@pytest.fixture
async def said(settings, telemetry, api_of):
    """Everything the service said in a full story, and the secrets that were in it."""
    answers, secrets = [], {}

    async def note(response):
        await response.aread()
        is_grant = response.request.url.path == "/oauth2/token" and response.status_code == 200
        answers.append((str(response.headers), "" if is_grant else response.text))

    async with running(
        app(settings, **telemetry.shared()), event_hooks={"response": [note]}
    ) as http:
        api = api_of(http)
        await api.register()
        tokens = (await api.login()).json()
        newer = (await api.refresh(tokens["refresh_token"])).json()
        service = await api.service_token()
        secrets["password"] = api.password
        secrets["wrong password"] = "wrong horse battery"
        secrets["access token"] = tokens["access_token"]
        secrets["refresh token"] = tokens["refresh_token"]
        secrets["next refresh token"] = newer["refresh_token"]
        secrets["service token"] = service
        secrets["client secret"] = api.service[1]
        secrets["email in logs"] = "ann@example.org"
        await api.register()
        await api.register("bob@example.org", password=secrets["wrong password"], name="")
        await api.login(password=secrets["wrong password"])
        await api.login(auth=("orders", api.service[1] + "x"))
        await api.refresh(tokens["refresh_token"])
        await api.get("/v1/users/me", tokens["access_token"])
        await api.get("/v1/users/me", tokens["access_token"][:-4])
        await api.get("/v1/users/00000000-0000-7000-8000-000000000000", service)
        await api.http.post("/oauth2/revoke", data={"token": newer["refresh_token"]})
        for path in ("/openapi.json", "/.well-known/jwks.json", "/info", "/metrics", "/readyz"):
            await api.get(path)
    database = Database(settings.database)
    async with database.session(read_only=True) as session:
        secrets["password hash"] = (await session.scalar(select(User))).password_hash
        secrets["token digest"] = (await session.scalar(select(RefreshToken))).digest.hex()
    vault = Vault(settings.keys.encryption_key)
    for key in await stored_keys(database):
        number = vault.open(key).private_numbers().private_value
        secrets[f"private key {key.state}"] = str(number)
        secrets[f"sealed key {key.state}"] = key.sealed.decode()
    await database.close()
    secrets["encryption key"] = settings.keys.encryption_key.get_secret_value()
    spans = "".join(str(span.to_json()) for span in telemetry.spans)
    return secrets, answers, telemetry._log.getvalue().decode(), spans


async def test_no_answer_holds_a_secret(said):
    secrets, answers, _, _ = said
    for name, secret in secrets.items():
        if name != "email in logs":
            assert not any(secret in head + body for head, body in answers), name


async def test_no_log_line_and_no_span_holds_a_secret_or_an_email(said):
    secrets, _, lines, spans = said
    for name, secret in secrets.items():
        assert secret not in lines, name
        assert secret not in spans, name
    assert not re.search(r"eyJ[\w-]{10,}", lines + spans)


async def test_every_change_of_state_leaves_its_line(said):
    _, _, lines, _ = said
    for event in (
        "keys_created",
        "user_registered",
        "token_issued",
        "token_refused",
        "refresh_reuse_detected",
    ):
        assert f'"event":"{event}"' in lines, event
