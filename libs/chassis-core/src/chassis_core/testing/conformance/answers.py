"""What every answer carries, whatever came about."""

import re

from chassis_core.testing.conformance.probe import BASE, CAUSE
from chassis_core.testing.conformance.promise import Promise, hold
from chassis_core.testing.conformance.situations import PLANTED, Seen, situations
from chassis_core.testing.conformance.subject import Subject

_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
_HOSTILE_IDS: tuple[bytes, ...] = (
    b"a" * 500, b"a b", b"\x1b[2J", b"\xff\xfe", b'","level":"error', b"%0d%0aevil: 1", b"",
)  # fmt: skip
_HEADERS = {
    "strict-transport-security": "max-age=",
    "content-security-policy": "default-src 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "",
    "referrer-policy": "",
    "permissions-policy": "",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "",
    "cache-control": "",
}
_TALKATIVE = ("server", "x-powered-by")


async def _numbered(subject: Subject) -> None:
    for seen in await situations(subject):
        found = seen.answer.headers.get_list("x-request-id")
        hold(
            len(found) == 1 and _ID.fullmatch(found[0]),
            f"{seen.name}: X-Request-ID is {found}; it must be one id that matches {_ID.pattern}",
        )


async def _replaced(subject: Subject) -> None:
    async with subject.running() as service:
        for hostile in _HOSTILE_IDS:
            answer = await service.http.get(f"{BASE}/ok", headers={b"x-request-id": hostile})
            given = answer.headers.get("x-request-id", "")
            hold(
                _ID.fullmatch(given) and given.encode() != hostile,
                f"X-Request-ID {hostile!r} was answered with {given!r}; it must be replaced",
            )
            logged = [line.get("request_id") for line in service.telemetry.access_lines()]
            hold(logged[-1:] == [given], f"answered {given!r}, logged {logged[-1:]}")
        answer = await service.http.get(f"{BASE}/ok", headers={"x-request-id": "of.the-caller_1"})
        given = answer.headers.get("x-request-id", "")
        hold(given == "of.the-caller_1", f"a harmless X-Request-ID became {given!r}; keep it")


async def _defended(subject: Subject) -> None:
    for seen in await situations(subject):
        for name, part in _HEADERS.items():
            value = seen.answer.headers.get(name)
            hold(
                value is not None and part in value,
                f"{seen.name}: {name} is {value!r}; it must be there"
                + (f" and say {part!r}" if part else ""),
            )


async def _unnamed(subject: Subject) -> None:
    names = [(seen.name, [*seen.answer.headers]) for seen in await situations(subject)]
    async with subject.listening() as (raw, _):
        request = f"GET {BASE}/ok HTTP/1.1\r\nHost: {subject.host}\r\nConnection: close\r\n\r\n"
        head = (await raw.exchange(request.encode())).partition(b"\r\n\r\n")[0].decode("latin-1")
        names.append(("from the listener", [li.partition(":")[0] for li in head.split("\r\n")]))
    for situation, sent in names:
        told = sorted({name.lower() for name in sent} & set(_TALKATIVE))
        hold(not told, f"{situation}: the answer has the headers {told}; no answer may have them")


async def _problems(subject: Subject) -> None:
    for seen in await situations(subject):
        if seen.answer.status_code < 400:
            continue
        kind = seen.answer.headers.get("content-type")
        hold(
            kind == "application/problem+json",
            f"{seen.name}: Content-Type is {kind}; it must be application/problem+json",
        )
        _whole(seen)


def _whole(seen: Seen) -> None:
    problem = seen.answer.json()
    missing = sorted({"type", "title", "status", "instance", "request_id"} - problem.keys())
    hold(not missing, f"{seen.name}: the problem lacks {missing}")
    hold(
        problem["status"] == seen.answer.status_code,
        f"{seen.name}: the problem says {problem['status']}",
    )
    hold(
        problem["request_id"] == seen.answer.headers.get("x-request-id"),
        f"{seen.name}: the problem has the request id {problem['request_id']}, the header another",
    )


async def _discreet(subject: Subject) -> None:
    for seen in await situations(subject):
        said = f"{seen.answer.headers} {seen.answer.text}"
        for secret in (PLANTED, CAUSE, "Traceback", "RuntimeError", 'File "'):
            hold(secret not in said, f"{seen.name}: the answer holds {secret!r}: {said[:300]}")
        hold(
            seen.answer.status_code < 400 or len(seen.answer.content) <= 65_536,
            f"{seen.name}: {len(seen.answer.content)} bytes; an error has 64 KiB at most",
        )


ANSWERS = (
    Promise(
        "answers-are-numbered",
        says="Every answer, whatever went wrong, carries one request id in X-Request-ID.",
        why="Whoever reports a failed request has nothing else by which it can be found in the "
        "logs. Errors that are made outside of the usual path are the first to lose it.",
        check=_numbered,
    ),
    Promise(
        "hostile-ids-are-replaced",
        says="A request id that could do harm is replaced, and a harmless one is kept.",
        why="The id reaches logs, traces and other services. Unbounded and unchecked it forges log "
        "lines, and a byte that is not UTF-8 has turned every such request into a 500.",
        check=_replaced,
    ),
    Promise(
        "answers-defend-browsers",
        says="Every answer carries the headers that make a browser defend its user.",
        why="An attacker chooses the one answer that lacks them: an error, a refused preflight.",
        check=_defended,
    ),
    Promise(
        "answers-name-no-server",
        says="No answer says which software made it.",
        why="A product's name and version tell an attacker which known hole to try.",
        check=_unnamed,
    ),
    Promise(
        "errors-are-problems",
        says="Every error is a problem document (RFC 9457) with its status and its request id.",
        why="A client that must read several shapes of error reads none of them well.",
        check=_problems,
    ),
    Promise(
        "errors-tell-nothing",
        says="No error repeats what the caller sent, nor tells its cause or a stack trace.",
        why="A stack trace is a map of the inside. Input that is repeated ends up in places that "
        "show it, and 20 MB of it have been answered with 63 MB.",
        check=_discreet,
    ),
)
