"""What the edge refuses, seen on a socket and in the telemetry of the whole stack."""

import json

import pytest

HOST = b"Host: localhost\r\n"
GOOD = b"GET /echo HTTP/1.1\r\nHost: localhost\r\n\r\n"

REFUSED = {
    "no host": (b"GET /echo HTTP/1.1\r\n\r\n", 400),
    "two hosts": (b"GET /echo HTTP/1.1\r\nHost: localhost\r\nHost: evil\r\n\r\n", 400),
    "the same host twice": (b"GET /echo HTTP/1.1\r\n" + HOST + HOST + b"\r\n", 400),
    "a host with a path": (b"GET /echo HTTP/1.1\r\nHost: localhost/a\r\n\r\n", 400),
    "a host with a user": (b"GET /echo HTTP/1.1\r\nHost: a@localhost\r\n\r\n", 400),
    "a host with spaces": (b"GET /echo HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
    "an empty host": (b"GET /echo HTTP/1.1\r\nHost:\r\n\r\n", 400),
    "a non-ascii host": (b"GET /echo HTTP/1.1\r\nHost: \xe9\r\n\r\n", 400),
    "NUL in a header": (b"GET /echo HTTP/1.1\r\n" + HOST + b"X: a\x00b\r\n\r\n", 400),
    "a control character in a header": (b"GET /echo HTTP/1.1\r\n" + HOST + b"X: \x1b\r\n\r\n", 400),
    "DEL in a header": (b"GET /echo HTTP/1.1\r\n" + HOST + b"X: \x7f\r\n\r\n", 400),
    "a lone CR in a header": (b"GET /echo HTTP/1.1\r\n" + HOST + b"X: a\rb\r\n\r\n", 400),
    "lines that end in LF": (b"GET /echo HTTP/1.1\nHost: localhost\n\n", 400),
    "a folded header": (b"GET /echo HTTP/1.1\r\n" + HOST + b"X: a\r\n b\r\n\r\n", 400),
    "a space before the colon": (b"GET /echo HTTP/1.1\r\nHost : localhost\r\n\r\n", 400),
    "a header without a name": (b"GET /echo HTTP/1.1\r\n" + HOST + b": a\r\n\r\n", 400),
    "a header without a colon": (b"GET /echo HTTP/1.1\r\n" + HOST + b"X a\r\n\r\n", 400),
    "a bracket in a name": (b"GET /echo HTTP/1.1\r\n" + HOST + b"X[]: a\r\n\r\n", 400),
    "a lower-case method": (b"get /echo HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "an unknown method": (b"HACK /echo HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "CONNECT": (b"CONNECT evil:443 HTTP/1.1\r\nHost: evil:443\r\n\r\n", 400),
    "a target without a slash": (b"GET evil HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "an asterisk": (b"GET * HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "a target of another scheme": (b"GET ftp://localhost/ HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "an absolute target with a user": (
        b"GET http://u:p@localhost/ HTTP/1.1\r\n" + HOST + b"\r\n",
        400,
    ),
    "a fragment": (b"GET /echo#a HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "NUL in the path": (b"GET /echo%00 HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "NUL in the query": (b"GET /echo?a=%00 HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "a raw byte in the target": (b"GET /\xff HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "a space in the target": (b"GET /a b HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "no version": (b"GET /echo\r\n\r\n", 400),
    "HTTP/2 by prior knowledge": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "HTTP/2.0": (b"GET /echo HTTP/2.0\r\n" + HOST + b"\r\n", 400),
    "HTTP/1.7": (b"GET /echo HTTP/1.7\r\n" + HOST + b"\r\n", 400),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    "length and chunks": (
        b"POST /echo HTTP/1.1\r\n"
        + HOST
        + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    "chunks and length": (
        b"POST /echo HTTP/1.1\r\n"
        + HOST
        + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        400,
    ),
    "two lengths": (
        b"POST /echo HTTP/1.1\r\n" + HOST + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\na",
        400,
    ),
    "a signed length": (b"POST /echo HTTP/1.1\r\n" + HOST + b"Content-Length: +1\r\n\r\na", 400),
    "a negative length": (b"POST /echo HTTP/1.1\r\n" + HOST + b"Content-Length: -1\r\n\r\n", 400),
    "an endless length": (
        b"POST /echo HTTP/1.1\r\n" + HOST + b"Content-Length: " + b"9" * 40 + b"\r\n\r\n",
        400,
    ),
    "gzip as transfer coding": (
        b"POST /echo HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    "an unknown transfer coding": (
        b"GET /echo HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    "chunks in HTTP/1.0": (
        b"POST /echo HTTP/1.0\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    "a chunk size that is no number": (
        b"POST /echo HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n",
        400,
    ),
    "a chunk longer than its size": (
        b"POST /echo HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",
        400,
    ),
    "too many headers": (
        b"GET /echo HTTP/1.1\r\n"
        + HOST
        + b"".join(b"X%d: a\r\n" % n for n in range(100))
        + b"\r\n",
        431,
    ),
    "a large header": (
        b"GET /echo HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 17_000 + b"\r\n\r\n",
        431,
    ),
    "a large target": (b"GET /" + b"a" * 17_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 431),
    "a header that never ends": (b"GET /echo HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 40_000, 431),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_a_refused_request_gets_a_problem_like_any_other(name, raw, statuses, telemetry):
    request, status = REFUSED[name]
    half = len(request) // 2
    answer = await raw.exchange(request[:half], request[half:])
    assert statuses(answer) == [status]
    head, _, body = answer.partition(b"\r\n\r\n")
    head = head.lower()
    assert b"content-type: application/problem+json" in head
    assert b"connection: close" in head
    assert b"x-content-type-options: nosniff" in head
    assert b"\r\nserver:" not in head
    problem = json.loads(body)
    assert problem["status"] == status
    assert f"x-request-id: {problem['request_id']}".encode() in head
    [line] = telemetry.access_lines()
    assert line["request_id"] == problem["request_id"]
    assert line["http.response.status_code"] == status
    samples = [
        sample
        for metric in telemetry.registry.collect()
        for sample in metric.samples
        if sample.name == "http_server_request_duration_seconds_count" and sample.value
    ]
    assert sum(sample.value for sample in samples) == 1
    assert {sample.labels["http_response_status_code"] for sample in samples} == {str(status)}


async def test_nothing_after_a_refused_request_is_served(raw, statuses):
    for name, (request, _) in REFUSED.items():
        answers = statuses(await raw.exchange(request + b"\r\n" + GOOD, pause=0))
        assert len(answers) == 1, name
        assert answers[0] >= 400, name


async def test_requests_before_a_refused_one_are_answered_first(raw, statuses):
    assert statuses(await raw.exchange(GOOD + GOOD + b"get / HTTP/1.1\r\n\r\n")) == [200, 200, 400]


async def test_a_refused_request_keeps_the_id_that_its_caller_gave(raw):
    answer = await raw.exchange(b"GET /echo HTTP/1.1\r\nX-Request-ID: mine\r\n\r\n")
    assert b"x-request-id: mine\r\n" in answer


async def test_the_server_lives_on_after_every_refusal(raw, statuses):
    for request, _ in REFUSED.values():
        await raw.exchange(request)
    assert statuses(await raw.exchange(GOOD, until=0.3)) == [200]


async def test_trace_is_a_method_that_no_path_has(raw, statuses):
    answer = await raw.exchange(b"TRACE /echo HTTP/1.1\r\n" + HOST + b"X: secret\r\n\r\n")
    assert statuses(answer) == [405]
    assert b"allow: GET, OPTIONS, POST\r\n" in answer
    assert b"secret" not in answer
