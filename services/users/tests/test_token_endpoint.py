import base64

import jwt
import pytest
from chassis_core.concerns.client_address import ClientAddressSettings
from chassis_core.testing import running
from jwt import PyJWK
from users.main import app

FORM = "application/x-www-form-urlencoded"
UTF_7 = (
    b"".join(
        b'--x\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n' % field
        for field in [(b"grant_type", b"refresh_token"), (b"refresh_token", b"+2AA-")]
    )
    + b"--x--\r\n"
)
USER_SCOPES = "profile orders:read orders:write"


def basic(text: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(text.encode()).decode()}


async def test_a_login_gives_tokens_that_no_cache_keeps(api):
    await api.register()
    answer = await api.login()
    body = answer.json()
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert body["token_type"] == "Bearer"
    assert (body["expires_in"], body["scope"]) == (900, USER_SCOPES)
    assert len(body["refresh_token"]) >= 43


async def test_an_access_token_is_an_at_jwt_that_the_published_keys_verify(api):
    registered = (await api.register()).json()
    token = (await api.login()).json()["access_token"]
    header = jwt.get_unverified_header(token)
    key = PyJWK((await api.keys())[header["kid"]])
    claims = jwt.decode(token, key, ["ES256"], audience="chassis", issuer="http://127.0.0.1:8001")
    assert (header["typ"], header["alg"]) == ("at+jwt", "ES256")
    assert claims.keys() == {
        "iss", "sub", "aud", "exp", "iat", "jti", "client_id", "scope", "roles",
    }  # fmt: skip
    assert (claims["sub"], claims["client_id"]) == (registered["id"], "web")
    assert (claims["scope"], claims["roles"]) == (USER_SCOPES, ["user"])
    assert claims["exp"] - claims["iat"] == 900


async def test_two_tokens_of_one_second_differ(api):
    assert await api.service_token() != await api.service_token()


async def test_the_email_of_a_login_may_be_in_any_case(api):
    await api.register()
    assert (await api.login("ANN@Example.org")).status_code == 200


async def test_a_wrong_password_and_an_unknown_user_are_answered_alike(api):
    await api.register()
    wrong = await api.login(password="wrong horse battery")
    unknown = await api.login("bob@example.org")
    nonsense = await api.login("bob\x00' OR 1=1")
    own = {"request_id", "trace_id"}
    bodies = [
        {k: v for k, v in answer.json().items() if k not in own}
        for answer in (wrong, unknown, nonsense)
    ]
    assert wrong.status_code == 400
    assert bodies[0] == bodies[1] == bodies[2]
    assert bodies[0]["error"] == "invalid_grant"
    assert wrong.headers["content-type"] == "application/problem+json"
    assert "no-store" in wrong.headers["cache-control"]


async def test_a_login_is_logged_with_its_user_and_a_refused_one_with_its_reason(api, telemetry):
    registered = (await api.register()).json()
    await api.login()
    refused = await api.login(password="wrong horse battery")
    lines = {line["event"]: line for line in telemetry.lines}
    issued, denied, asked = lines["token_issued"], lines["token_refused"], lines["request"]
    assert (issued["subject"], issued["client_id"]) == (registered["id"], "web")
    assert (denied["reason"], denied["level"]) == ("invalid_grant", "warning")
    assert denied["request_id"] == asked["request_id"] == refused.headers["x-request-id"]
    assert asked["client.address"]


async def test_a_login_may_ask_for_less_than_it_could_have(api):
    await api.register()
    body = (await api.login(scope="orders:read profile orders:read")).json()
    assert body["scope"] == "orders:read profile"
    claims = jwt.decode(body["access_token"], options={"verify_signature": False})
    assert claims["scope"] == "orders:read profile"


async def test_a_service_gets_a_token_of_its_own_and_no_refresh_token(api):
    body = (await api.token("client_credentials", auth=api.service)).json()
    claims = jwt.decode(body["access_token"], options={"verify_signature": False})
    assert "refresh_token" not in body
    assert (claims["sub"], claims["client_id"]) == ("orders", "orders")
    assert (claims["scope"], claims["roles"]) == ("users:read", [])


async def test_a_service_may_send_its_secret_in_the_form(api):
    client_id, secret = api.service
    answer = await api.token("client_credentials", client_id=client_id, client_secret=secret)
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "form, error",
    [
        ({}, "invalid_request"),
        ({"grant_type": ""}, "invalid_request"),
        ({"grant_type": "magic"}, "unsupported_grant_type"),
        ({"grant_type": "authorization_code"}, "unsupported_grant_type"),
        ({"grant_type": "password"}, "invalid_request"),
        ({"grant_type": "password", "username": "ann@example.org"}, "invalid_request"),
        ({"grant_type": "password", "password": "correct horse"}, "invalid_request"),
        ({"grant_type": ["password", "password"]}, "invalid_request"),
        ({"grant_type": "refresh_token"}, "invalid_request"),
        ({"grant_type": "refresh_token", "refresh_token": "x" * 5000}, "invalid_grant"),
        ({"grant_type": "refresh_token", "refresh_token": "\x00"}, "invalid_grant"),
        ({"grant_type": "client_credentials"}, "unauthorized_client"),
        (
            {"grant_type": "password", "username": "a", "password": "b", "scope": "users:read"},
            "invalid_scope",
        ),
    ],
)
async def test_a_request_that_cannot_be_granted_is_refused_by_its_name(api, form, error):
    answer = await api.http.post("/oauth2/token", data=form)
    body = answer.json()
    assert (answer.status_code, body["error"]) == (400, error)
    assert body["error_description"].isascii()
    assert '"' not in body["error_description"]


@pytest.mark.parametrize(
    "content, content_type",
    [
        (b'{"grant_type": "password"}', "application/json"),
        (b"grant_type=%ff%fe&username=%00", FORM),
        (b"grant_type=password&username=%ed%a0%80&password=%ed%a0%80", FORM),
        (b"&&==&" * 50, FORM),
        (b"\xff\xfe\x00", FORM),
        (b"a=1&" * 5000, FORM),
        (b"--x\r\nbroken", "multipart/form-data; boundary=x"),
        (b"x", "multipart/form-data"),
        (UTF_7, "multipart/form-data; boundary=x; charset=utf-7"),
    ],
)
async def test_a_form_that_is_none_is_a_client_error(api, content, content_type):
    answer = await api.http.post(
        "/oauth2/token", content=content, headers={"content-type": content_type}
    )
    assert answer.status_code in {400, 413, 415, 422}
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("path", ["/oauth2/token", "/oauth2/revoke", "/v1/users"])
async def test_what_anyone_may_send_is_too_short_to_take_long(api, path):
    answer = await api.http.post(path, content=b"&" * 20_000, headers={"content-type": FORM})
    assert answer.status_code == 413


@pytest.mark.parametrize(
    "headers",
    [
        basic("orders:wrong"),
        basic("orders:"),
        basic("orders"),
        basic("nobody:orders-development-secret"),
        basic("web:secret"),
        basic("ord\x00ers:x"),
        {"authorization": "Basic %%%"},
        {"authorization": "Basic /w=="},
        {"authorization": "Basic"},
        {"authorization": "Bearer x.y.z"},
        {"authorization": b"Basic \xff"},
    ],
)
async def test_a_client_that_proves_nothing_is_401_and_told_how(api, headers):
    answer = await api.http.post(
        "/oauth2/token", data={"grant_type": "client_credentials"}, headers=headers
    )
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert answer.headers["www-authenticate"].startswith("Basic realm=")


@pytest.mark.parametrize("endpoint", ["/oauth2/token", "/oauth2/revoke"])
async def test_a_client_must_not_name_itself_twice(api, endpoint):
    form = {"grant_type": "client_credentials", "token": "x", "client_secret": "x"}
    answer = await api.http.post(endpoint, data=form, auth=api.service)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


async def test_a_parameter_given_twice_is_refused_where_once_would_do(api):
    for scopes, status in (("users:read", 200), (["users:read", "users:read"], 400)):
        answer = await api.token("client_credentials", auth=api.service, scope=scopes)
        assert answer.status_code == status


async def test_a_service_may_not_log_people_in(api):
    await api.register()
    answer = await api.login(auth=api.service)
    assert (answer.status_code, answer.json()["error"]) == (400, "unauthorized_client")


async def test_one_address_may_try_thirty_times_a_minute(api):
    answers = [await api.login(password="wrong horse battery") for _ in range(31)]
    assert {answer.status_code for answer in answers[:-1]} == {400}
    assert answers[-1].status_code == 429


async def test_one_account_takes_sixty_tries_a_minute_from_anywhere_and_refreshes_go_on(
    settings, telemetry, api_of
):
    trusting = settings.model_copy(
        update={"client_address": ClientAddressSettings(trusted_proxies=("127.0.0.0/8",))}
    )
    async with running(app(trusting, **telemetry.shared())) as http:
        api = api_of(http)
        await api.register()
        token = (await api.login()).json()["refresh_token"]
        for n in range(500):
            http.headers["x-forwarded-for"] = f"203.0.113.{n // 20}"
            last = await api.login("Ann@example.org", password="wrong horse battery")
            if last.status_code == 429:
                break
        assert n >= 59
        assert last.json()["violated-policies"] == ["logins_of_account"]
        assert int(last.headers["retry-after"]) <= 2
        assert (await api.login("bob@example.org")).status_code == 400
        assert (await api.refresh(token)).status_code == 200
