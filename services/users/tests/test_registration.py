import asyncio
from contextlib import suppress

import pytest
from sqlalchemy import select
from users.accounts import register
from users.models import User
from users.passwords import Passwords
from users.schemas import Registration


async def test_registering_answers_with_the_profile_and_where_it_is(api):
    answer = await api.register("Ann.Lee@Example.ORG", name="Ann Lee")
    profile = answer.json()
    assert answer.status_code == 201
    assert profile.keys() == {"id", "email", "name", "created_at"}
    assert (profile["email"], profile["name"]) == ("ann.lee@example.org", "Ann Lee")
    read = await api.get(answer.headers["location"], await api.service_token())
    assert read.json() == profile


async def test_an_email_is_taken_whatever_its_case(api):
    await api.register("ann@example.org")
    answer = await api.register("ANN@example.org")
    assert answer.status_code == 409
    assert answer.headers["content-type"] == "application/problem+json"


async def test_of_two_registrations_at_once_one_wins(api):
    answers = await asyncio.gather(*(api.register() for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409, 409]


async def test_the_password_is_kept_as_argon2id_only(api, database):
    await api.register()
    async with database.session() as session:
        user = await session.scalar(select(User))
    assert user.password_hash.startswith("$argon2id$")
    assert api.password not in str(vars(user))


@pytest.mark.parametrize(
    "changes, pointer",
    [
        ({"password": "elevenchars"}, "/password"),
        ({"password": "p" * 129}, "/password"),
        ({"password": None}, "/password"),
        ({"password": ["p" * 12]}, "/password"),
        ({"email": "ann"}, "/email"),
        ({"email": "ann@localhost"}, "/email"),
        ({"email": "ann@exa mple.org"}, "/email"),
        ({"email": "ann@example.org\n"}, "/email"),
        ({"email": "a" * 250 + "@example.org"}, "/email"),
        ({"email": "ann@-example.org"}, "/email"),
        ({"name": ""}, "/name"),
        ({"name": "   "}, "/name"),
        ({"name": "Ann\r\nX-Evil: 1"}, "/name"),
        ({"name": "Ann\x9b31m"}, "/name"),
        ({"name": "n" * 101}, "/name"),
        ({"roles": ["admin"]}, "/roles"),
        ({"id": "00000000-0000-7000-8000-000000000000"}, "/id"),
    ],
)
async def test_a_registration_that_breaks_a_rule_is_told_where(api, changes, pointer):
    answer = await api.register(**changes)
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert not any(str(value) in answer.text for value in changes.values() if value)


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'"ann"', b"null", b'{"email": "\\ud800"}', b"\xff\xfe"]
)
async def test_what_is_no_registration_at_all_is_a_client_error(api, body):
    answer = await api.http.post(
        "/v1/users", content=body, headers={"content-type": "application/json"}
    )
    assert answer.status_code in {400, 422}


async def test_the_longest_password_of_the_widest_characters_is_good_to_log_in(api):
    password = "𝄞" * 128
    assert (await api.register(password=password)).status_code == 201
    assert (await api.login(password=password)).status_code == 200
    assert (await api.login(password=password[:-1])).status_code == 400


async def test_a_password_is_the_same_however_the_keyboard_composes_it(api):
    await api.register(password="cafe\u0301 cafe\u0301 x")
    assert (await api.login(password="café café x")).status_code == 200


async def test_a_password_counts_in_its_case_and_to_its_last_space(api):
    await api.register(password="  Correct Horse Battery  ")
    for password in ("  correct horse battery  ", "Correct Horse Battery", "  Correct Horse "):
        assert (await api.login(password=password)).status_code == 400
    assert (await api.login(password="  Correct Horse Battery  ")).status_code == 200


async def test_one_address_may_register_ten_times_a_minute(api):
    answers = [await api.register(f"ann{n}@example.org") for n in range(11)]
    assert [answer.status_code for answer in answers] == [201] * 10 + [429]
    assert int(answers[-1].headers["retry-after"]) >= 1


async def test_a_registration_that_is_rolled_back_leaves_no_line(database, settings, capfd):
    wanted = Registration(email="ann@example.org", password="correct horse battery", name="Ann")
    passwords = Passwords(settings.passwords)
    for fails in (True, False):
        with suppress(ZeroDivisionError):
            async with database.session() as session:
                await register(session, passwords, wanted)
                _ = 1 / (not fails)
        said = "".join(capfd.readouterr())
        assert ("user_registered" in said) is not fails
