from uuid import uuid4

import pytest


async def test_a_user_reads_their_own_profile(api):
    registered = (await api.register()).json()
    token = (await api.login()).json()["access_token"]
    answer = await api.get("/v1/users/me", token)
    assert (answer.status_code, answer.json()) == (200, registered)


async def test_a_service_has_no_profile_of_its_own(api):
    answer = await api.get("/v1/users/me", await api.service_token())
    assert answer.status_code == 404


async def test_a_service_with_the_scope_reads_any_profile(api):
    registered = (await api.register()).json()
    answer = await api.get(f"/v1/users/{registered['id']}", await api.service_token())
    assert answer.json() == registered


async def test_a_service_with_the_scope_is_told_that_there_is_no_such_user(api):
    answer = await api.get(f"/v1/users/{uuid4()}", await api.service_token())
    assert answer.status_code == 404


async def test_without_the_scope_a_user_and_no_user_look_the_same(api):
    other = (await api.register("bob@example.org")).json()["id"]
    await api.register()
    token = (await api.login()).json()["access_token"]
    answers = [await api.get(f"/v1/users/{id_}", token) for id_ in (other, uuid4())]
    assert [answer.status_code for answer in answers] == [403, 403]
    assert answers[0].json()["detail"] == answers[1].json()["detail"]
    assert "insufficient_scope" in answers[0].headers["www-authenticate"]


@pytest.mark.parametrize("path", ["/v1/users/me", "/v1/users/01a208d1-ef63-75d8-8a39-6b739325bace"])
@pytest.mark.parametrize("token", ["", "x", "a.b.c"])
async def test_without_a_good_token_there_is_nothing_to_see(api, path, token):
    answer = await api.get(path, token)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_an_id_that_is_none_is_a_broken_rule(api):
    answer = await api.get("/v1/users/42", await api.service_token())
    assert answer.status_code == 422


async def test_a_token_stays_good_for_its_time_but_shows_no_one_who_is_gone(api, database):
    from sqlalchemy import delete
    from users.models import User

    await api.register()
    tokens = (await api.login()).json()
    async with database.session() as session:
        await session.execute(delete(User))
    assert (await api.get("/v1/users/me", tokens["access_token"])).status_code == 404
    assert (await api.refresh(tokens["refresh_token"])).status_code == 400
