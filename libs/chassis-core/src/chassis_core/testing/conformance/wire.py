"""What only bytes on a connection can show."""

import re

from chassis_core.testing.conformance.probe import BASE
from chassis_core.testing.conformance.promise import Promise, hold
from chassis_core.testing.conformance.subject import Subject

_STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")
_WAIT = 2.0
"""Seconds to wait for a connection to close that should."""
_METHODS = ("TRACE", "TRACK", "BREW")


def _ambiguous(host: str) -> dict[str, str]:
    line, name = f"POST {BASE}/note HTTP/1.1\r\n", f"Host: {host}\r\n"
    return {
        "two Host headers": f"{line}{name}Host: foreign.example\r\n\r\n",
        "no Host header": f"{line}\r\n",
        "a folded header": f"{line}{name}X-Folded: a\r\n b\r\n\r\n",
        "a space before a colon": f"{line}{name}Content-Length : 0\r\n\r\n",
        "two lengths": f"{line}{name}Content-Length: 0\r\nContent-Length: 5\r\n\r\n",
        "a length with a sign": f"{line}{name}Content-Length: +0\r\n\r\n",
        "a coding that is not chunked": f"{line}{name}Transfer-Encoding: gzip, chunked\r\n\r\n",
        "a length beside chunks": (
            f"{line}{name}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        ),
        "a header with NUL": f"{line}{name}X-Nul: a\0b\r\n\r\n",
    }


async def _unambiguous(subject: Subject) -> None:
    smuggled = f"GET {BASE}/ok HTTP/1.1\r\nHost: {subject.host}\r\n\r\n"
    async with subject.listening() as (raw, _):
        for name, request in _ambiguous(subject.host).items():
            sent = (request + smuggled).encode("latin-1")
            answer = await raw.exchange(sent, until=_WAIT)
            statuses = [int(status) for status in _STATUS.findall(answer)]
            hold(
                len(statuses) == 1 and 400 <= statuses[0] < 500,
                f"a request with {name} is answered {statuses}; one refusal belongs there, and "
                "then the connection closes",
            )


async def _usable(subject: Subject) -> None:
    failing = f"GET {BASE}/boom HTTP/1.1\r\nHost: {subject.host}\r\n\r\n"
    last = f"GET {BASE}/ok HTTP/1.1\r\nHost: {subject.host}\r\nConnection: close\r\n\r\n"
    async with subject.listening() as (raw, _):
        answer = await raw.exchange(failing.encode(), last.encode(), pause=0.1)
    statuses = [int(status) for status in _STATUS.findall(answer)]
    said = b"\nconnection: close" in answer.partition(b"\r\n\r\n")[0].lower()
    hold(statuses[:1] == [500], f"a failure is answered {statuses}, not 500")
    hold(
        said or statuses == [500, 200],
        f"after a failure the connection is answered {statuses}: it must serve on, or say that it "
        "closes",
    )


async def _methods(subject: Subject) -> None:
    paths = [f"{BASE}/ok", *dict.fromkeys(operation.url for operation in subject.operations)]
    async with subject.running() as service:
        for path in paths:
            for method in _METHODS:
                answer = await service.http.request(method, path, headers=subject.token())
                status = answer.status_code
                hold(status == 405, f"{method} {path} is answered {status}, not 405")
                hold(answer.headers.get("allow"), f"{method} {path} has no Allow header")


WIRE = (
    Promise(
        "ambiguous-requests-are-refused",
        says="A request that two readers of HTTP could take for different ones is refused, and the "
        "connection closes.",
        why="Where proxy and service disagree on where a request ends, one caller's bytes become "
        "another's request.",
        check=_unambiguous,
    ),
    Promise(
        "failures-leave-the-connection-usable",
        says="After a failure the connection serves the next request, or says that it closes.",
        why="A connection that closes without a word fails the request that a proxy has just sent "
        "on it, which did nothing wrong.",
        check=_usable,
    ),
    Promise(
        "unknown-methods-are-refused",
        says="TRACE and methods that no one has heard of are answered 405, with the methods there "
        "are.",
        why="TRACE answers with the headers of the request, credentials included.",
        check=_methods,
    ),
)
