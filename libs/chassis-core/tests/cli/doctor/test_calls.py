"""`chassis doctor` on an issuer, a service, credentials and a collector that fail."""

import json
import time
from email.utils import formatdate

import pytest
from chassis_core.testing.issuer import Issuer


def test_a_service_whose_needs_are_met_is_well(others, doctor):
    done = doctor()
    lines = done.output.splitlines()
    assert (done.exit_code, lines[-1]) == (0, "ward: nothing wrong")
    assert {"✓ settings", "✓ database", "✓ auth", "✓ clients", "✓ tracing", "✓ ports"} <= {*lines}


def test_an_issuer_that_is_down_is_named(others, only):
    others.keys.go_down()
    what, fix = only()
    assert what.startswith("auth: the key set: 127.0.0.1:")
    assert what.endswith("refuses connections: nothing listens there")
    assert "WARD_AUTH__JWKS_URL" in fix


def test_an_issuer_that_hangs_is_named_as_such(others, only):
    others.keys.hang()
    assert only()[0].endswith("takes connections and gives no answer within 1 s: it hangs")


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        (b"<html>maintenance</html>", 200, "is no key set (JSON with a list of keys)"),
        (b'{"keys": []}', 200, "has no usable key for ES256"),
        (json.dumps(Issuer("RS256").jwks()).encode(), 200, "has no usable key for ES256"),
        (b"oops", 500, "does not answer 200"),
        (b"", 302, "answers with a redirect, which is not followed"),
        (b" " * 100_000, 200, "answers more than WARD_AUTH__JWKS_MAX_BYTES"),
    ],
)
def test_an_issuer_that_answers_nonsense_is_named(others, only, body, status, told):
    others.keys.body, others.keys.status = body, status
    if status == 302:
        others.keys.headers = {"Location": "/elsewhere"}
    assert only()[0].endswith(told)


@pytest.mark.parametrize(("ahead", "told"), [(100, "behind"), (-100, "ahead of")])
def test_a_clock_that_differs_from_the_issuers_is_named(others, only, ahead, told):
    others.keys.headers = {"Date": formatdate(time.time() + ahead, usegmt=True)}
    what, fix = only()
    assert f"s {told} that of the issuer" in what
    assert "WARD_AUTH__LEEWAY" in fix


def test_the_time_of_a_cached_key_set_is_no_clock(others, faults):
    others.keys.headers = {"Date": formatdate(time.time() - 100, usegmt=True), "Age": "100"}
    assert faults() == []


def test_a_service_without_keys_is_warned_and_well(ward, doctor, only, monkeypatch):
    for name in ("MODE", "SECRET"):
        monkeypatch.delenv(f"WARD_AUTH__{name}")
    assert only("warning") == (
        "auth: no keys are set: every token is refused",
        "set WARD_AUTH__MODE",
    )
    assert doctor().exit_code == 0


def test_a_service_that_is_called_and_down_is_named(others, only):
    others.users.go_down()
    what, fix = only()
    assert what.startswith("clients: users: 127.0.0.1:")
    assert "WARD_CLIENTS__USERS__URL" in fix


def test_a_service_that_is_called_and_hangs_is_named_as_such(others, only):
    others.users.hang()
    assert only()[0].endswith("it hangs")


def test_a_gateway_before_a_service_that_is_away_is_seen_through(others, only):
    others.users.status = 502
    assert only()[0].endswith("answers 502")


def test_credentials_that_are_refused_are_named_and_not_shown(others, doctor, only):
    others.tokens.status, others.tokens.body = 401, b'{"error": "invalid_client"}'
    what, fix = only()
    assert what == (
        "clients: no token for calls of users:"
        " the credentials are refused with 401 (invalid_client)"
    )
    assert fix == ("set WARD_CLIENTS__USERS__CLIENT_ID and WARD_CLIENTS__USERS__CLIENT_SECRET")
    assert "hunter2" not in doctor().output


def test_a_token_endpoint_that_gives_no_token_is_named(others, only):
    others.tokens.body = b"welcome"
    assert only()[0].endswith("answers something else")


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_a_collector_that_is_down_is_a_warning(others, doctor, only, monkeypatch, protocol):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
    others.collector.go_down()
    what, fix = only("warning")
    assert what.startswith("tracing: the collector: 127.0.0.1:")
    assert what.endswith("refuses connections: nothing listens there")
    assert fix.endswith("only spans are lost")
    assert doctor().exit_code == 0


def test_a_collector_that_hangs_is_a_warning(others, only):
    others.collector.hang()
    assert only("warning")[0].endswith("it hangs")


def test_a_collector_at_another_path_is_a_warning_without_its_credentials(
    others, only, monkeypatch
):
    others.collector.status = 404
    url = others.collector.url.replace("//", "//ward:s3cr3t@")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
    what, _ = only("warning")
    assert what.endswith("refuses spans")
    assert "s3cr3t" not in what
