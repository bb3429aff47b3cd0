import time

import pytest
from chassis_core.redaction import REDACTED, one_line, redact, redact_settings, scrub

JWT = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ1MSJ9.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    "name",
    ["authorization", "Authorization", "set-cookie", "password", "new_password", "client_secret",
     "access_token", "refreshToken", "api_key", "X-API-Key", "private_key", "credentials"],
)  # fmt: skip
def test_a_field_named_like_a_secret_is_replaced_at_any_depth(name):
    assert redact({name: "hunter2"}) == {name: REDACTED}
    nested = redact({"a": [{"b": {name: ["hunter2"]}}]})
    assert nested == {"a": [{"b": {name: REDACTED}}]}


def test_what_is_no_secret_is_left_alone():
    fields = {
        "order_id": "7",
        "amount": 1,
        "paid": True,
        "note": None,
        "tags": ["a"],
        "allow_credentials": True,
    }
    assert redact(fields) == fields


@pytest.mark.parametrize(
    "text",
    [
        f"Authorization: Bearer {JWT}",
        f"got {JWT} from peer",
        "Basic dXNlcjpodW50ZXIy was sent",
        "postgresql://app:hunter2@db/orders",
        "GET /cb?code=hunter2&state=1",
        "redis://:hunter2@cache:6379",
        "https://hunter2@host/path",
        "postgresql://app:a/hunter2@db/orders",
        "password=hunter2 for app",
    ],
)
def test_a_value_that_looks_like_a_credential_is_cut_out_of_text(text):
    clean = scrub(text)
    assert REDACTED in clean
    for secret in ("hunter2", JWT, "dXNlcjpodW50ZXIy"):
        assert secret not in clean


@pytest.mark.parametrize(
    "part", ["://", "://a:", "://a:b ", "-eyJ", "-eyJaaaaaaaa", "bearer ", "a="]
)
def test_the_time_grows_with_the_text_whatever_is_in_it(part):
    begun = time.thread_time()
    scrub(part * 100_000)
    assert time.thread_time() - begun < 1


def test_text_without_a_credential_is_returned_as_it_is():
    assert scrub("order 7 = paid at http://localhost:8002/v1") == (
        "order 7 = paid at http://localhost:8002/v1"
    )


def test_settings_are_shown_but_for_texts_under_the_name_of_a_secret():
    settings = {
        "tokens": {"access_lifetime": 900, "client_id": "web", "scopes": ["profile"]},
        "passwords": {"memory": 65_536},
        "token_cache_size": 4096,
        "token_types": ["at+jwt"],
        "password": None,
    }
    secret = {"client": {"api_key": "hunter2"}, "hosts": ["redis://:hunter2@h"]}
    assert redact_settings(settings) == settings
    assert "hunter2" not in str(redact_settings(secret))


def test_a_structure_without_end_is_cut_off():
    loop: dict[str, object] = {}
    loop["again"] = loop
    assert "[too deep]" in str(redact(loop))


def test_an_error_is_one_line_without_its_secrets():
    refused = OSError("no store\n at redis://:hunter2@store.example")
    assert one_line(refused) == f"OSError: no store at redis://:{REDACTED}@store.example"
    assert one_line(TimeoutError()) == "TimeoutError"
