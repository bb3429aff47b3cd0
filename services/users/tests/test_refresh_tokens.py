import asyncio
from datetime import timedelta

import jwt
import pytest
from chassis_core.moments import now
from sqlalchemy import func, select, update
from users.models import RefreshFamily, RefreshToken
from users.tokens import RefreshTokens, Refusal


@pytest.fixture
async def tokens(api) -> dict:
    await api.register()
    return (await api.login()).json()


async def test_a_refresh_token_is_traded_for_new_tokens_of_the_same_user(api, tokens):
    answer = await api.refresh(tokens["refresh_token"])
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json()["refresh_token"] != tokens["refresh_token"]
    old, new = (
        jwt.decode(t["access_token"], options={"verify_signature": False})
        for t in (tokens, answer.json())
    )
    assert (new["sub"], new["scope"], new["roles"]) == (old["sub"], old["scope"], old["roles"])
    assert new["jti"] != old["jti"]


async def test_a_long_chain_of_refreshes_goes_on(api, tokens):
    token = tokens["refresh_token"]
    for _ in range(5):
        token = (await api.refresh(token)).json()["refresh_token"]
    assert (await api.refresh(token)).status_code == 200


async def test_a_token_used_twice_ends_its_whole_family(api, tokens, telemetry):
    newer = (await api.refresh(tokens["refresh_token"])).json()["refresh_token"]
    reused = await api.refresh(tokens["refresh_token"])
    assert (reused.status_code, reused.json()["error"]) == (400, "invalid_grant")
    assert (await api.refresh(newer)).status_code == 400
    lines = [line for line in telemetry.lines if line["event"] == "refresh_reuse_detected"]
    assert lines[0].keys() >= {"user_id", "family_id", "client_id", "request_id"}


async def test_the_end_of_one_family_leaves_the_users_other_logins_alone(api, tokens):
    other = (await api.login()).json()["refresh_token"]
    await api.refresh(tokens["refresh_token"])
    await api.refresh(tokens["refresh_token"])
    assert (await api.refresh(other)).status_code == 200


async def test_of_many_uses_at_once_exactly_one_wins_and_the_family_ends(api, tokens):
    answers = await asyncio.gather(*(api.refresh(tokens["refresh_token"]) for _ in range(8)))
    won = [answer for answer in answers if answer.status_code == 200]
    assert len(won) == 1
    assert {answer.status_code for answer in answers} == {200, 400}
    assert (await api.refresh(won[0].json()["refresh_token"])).status_code == 400


async def test_a_reuse_beside_a_refresh_leaves_no_token_of_the_family_good(api, tokens):
    current = (await api.refresh(tokens["refresh_token"])).json()["refresh_token"]
    answers = await asyncio.gather(
        api.refresh(current), *(api.refresh(tokens["refresh_token"]) for _ in range(4))
    )
    for answer in answers:
        if answer.status_code == 200:
            assert (await api.refresh(answer.json()["refresh_token"])).status_code == 400
    assert (await api.refresh(current)).status_code == 400


async def test_a_token_belongs_to_the_client_of_its_login(settings, database, tokens):
    refresh = RefreshTokens(settings.tokens, database)
    with pytest.raises(Refusal):
        await refresh.rotate(tokens["refresh_token"], client_id="another")
    await refresh.revoke(tokens["refresh_token"], client_id="another")
    assert await refresh.rotate(tokens["refresh_token"], client_id="web")


async def test_a_family_ends_when_its_login_is_old_enough(api, tokens, database):
    async with database.session() as session:
        await session.execute(update(RefreshFamily).values(expires_at=now()))
    assert (await api.refresh(tokens["refresh_token"])).status_code == 400


async def test_a_refresh_does_not_lengthen_the_login(api, tokens, database):
    async def expiry():
        async with database.session(read_only=True) as session:
            return await session.scalar(select(RefreshFamily.expires_at))

    before = await expiry()
    await api.refresh(tokens["refresh_token"])
    assert await expiry() == before


async def test_a_login_forgets_the_users_expired_families(api, tokens, database):
    async with database.session() as session:
        old = now() - timedelta(seconds=1)
        await session.execute(update(RefreshFamily).values(expires_at=old))
    await api.login()
    async with database.session(read_only=True) as session:
        for table in (RefreshFamily, RefreshToken):
            assert await session.scalar(select(func.count()).select_from(table)) == 1


async def test_a_refresh_may_ask_for_less_but_never_for_more(api):
    await api.register()
    token = (await api.login(scope="profile orders:read")).json()["refresh_token"]
    wider = await api.refresh(token, scope="orders:write")
    assert (wider.status_code, wider.json()["error"]) == (400, "invalid_scope")
    narrower = (await api.refresh(token, scope="profile")).json()
    assert narrower["scope"] == "profile"
    again = (await api.refresh(narrower["refresh_token"])).json()
    assert again["scope"] == "profile orders:read"


async def test_the_database_holds_no_token_that_could_be_used(api, tokens, database):
    async with database.session(read_only=True) as session:
        digest = await session.scalar(select(RefreshToken.digest))
    assert len(digest) == 32
    assert (await api.refresh(digest.hex())).status_code == 400


async def test_a_revoked_token_ends_with_all_that_follow_from_its_login(api, tokens):
    newer = (await api.refresh(tokens["refresh_token"])).json()["refresh_token"]
    answer = await api.http.post("/oauth2/revoke", data={"token": newer})
    assert (answer.status_code, answer.content) == (200, b"")
    assert (await api.refresh(newer)).status_code == 400


async def test_revoking_an_old_token_of_the_login_ends_the_current_one(api, tokens):
    newer = (await api.refresh(tokens["refresh_token"])).json()["refresh_token"]
    await api.http.post("/oauth2/revoke", data={"token": tokens["refresh_token"]})
    assert (await api.refresh(newer)).status_code == 400


@pytest.mark.parametrize("token", ["unknown", "\x00", "x" * 5000])
async def test_revoking_what_is_no_token_is_as_good_as_done(api, token):
    answer = await api.http.post("/oauth2/revoke", data={"token": token})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "form, error",
    [
        ({}, "invalid_request"),
        ({"token": ""}, "invalid_request"),
        ({"token": ["a", "b"]}, "invalid_request"),
        ({"token": "a.b.c"}, "unsupported_token_type"),
    ],
)
async def test_what_cannot_be_revoked_is_refused_by_its_name(api, form, error):
    answer = await api.http.post("/oauth2/revoke", data=form)
    assert (answer.status_code, answer.json()["error"]) == (400, error)


async def test_another_client_can_neither_revoke_nor_use_a_token(api, tokens):
    token = tokens["refresh_token"]
    answer = await api.http.post("/oauth2/revoke", data={"token": token}, auth=api.service)
    assert answer.status_code == 200
    assert (await api.refresh(token, auth=api.service)).status_code == 400
    assert (await api.refresh(token)).status_code == 200
