"""What a request's body may be."""

from collections.abc import AsyncIterator, Iterator

from chassis_core.testing.conformance.operations import JSON_TYPE, Operation
from chassis_core.testing.conformance.probe import BASE
from chassis_core.testing.conformance.promise import DoesNotApply, Promise, hold
from chassis_core.testing.conformance.situations import JSON
from chassis_core.testing.conformance.subject import Running, Subject

_DEEP = 2_000
_LOOSE = {
    "a key that is there twice": b'{"text": "a", "text": "b"}',
    "NaN": b'{"text": "a", "number": NaN}',
    "Infinity": b'{"text": "a", "number": Infinity}',
    "a number beyond a double": b'{"text": "a", "number": 1e400}',
    "an integer beyond 64 bits": b'{"text": "a", "number": 123456789012345678901234567890}',
    "a lone surrogate": b'{"text": "\\ud800"}',
    "NUL in a string": b'{"text": "\\u0000"}',
    "deep nesting": b'{"text": ' + b"[" * _DEEP + b"]" * _DEEP + b"}",
    "a comma too many": b'{"text": "a",}',
    "something behind it": b'{"text": "a"} x',
    "bytes that are not UTF-8": b'{"text": "\xff"}',
    "nothing at all": b"",
}


async def _bounded(subject: Subject) -> None:
    most = subject.settings.body_limit.max_bytes
    async with subject.running() as service:
        for way, content in (("by its length", b" " * (most + 1)), ("in chunks", _chunks(most))):
            sent = await service.http.post(f"{BASE}/note", content=content, headers=JSON)
            status = sent.status_code
            hold(
                status == 413,
                f"a body of more than {most} bytes, {way}, is answered {status}, not 413",
            )


async def _chunks(most: int) -> AsyncIterator[bytes]:
    for _ in range(most // 65_536 + 2):
        yield b" " * 65_536


async def _strict(subject: Subject) -> None:
    async with subject.running() as service:
        for name, body in _LOOSE.items():
            answer = await service.http.post(f"{BASE}/note", content=body, headers=JSON)
            status = answer.status_code
            hold(status in {400, 422}, f"JSON with {name} is answered {status}, not 400 or 422")
            for operation in _json(subject):
                status = await _status(subject, service, operation, body, JSON_TYPE)
                hold(400 <= status < 500, f"{operation} answers JSON with {name} with {status}")


async def _typed(subject: Subject) -> None:
    good = b'{"text": "a"}'
    async with subject.running() as service:
        answer = await service.http.post(f"{BASE}/note", content=good, headers=JSON)
        hold(answer.status_code == 200, f"good JSON is answered {answer.status_code}, not 200")
        for kind in ("text/plain", "application/xml", "application/octet-stream"):
            headers = {"content-type": kind}
            answer = await service.http.post(f"{BASE}/note", content=good, headers=headers)
            status = answer.status_code
            hold(
                status == 415, f"a body of {kind} where JSON is read is answered {status}, not 415"
            )
            for operation in _json(subject):
                status = await _status(subject, service, operation, good, kind)
                hold(400 <= status < 500, f"{operation} answers a body of {kind} with {status}")
        headers = JSON | {"content-encoding": "gzip"}
        answer = await service.http.post(f"{BASE}/note", content=good, headers=headers)
        hold(answer.status_code == 415, f"a coded body is answered {answer.status_code}, not 415")


async def _known(subject: Subject) -> None:
    found = [*_objects(subject)]
    if not found:
        raise DoesNotApply("no operation takes a JSON object")
    for name, schema in found:
        hold(
            "properties" not in schema or schema.get("additionalProperties", True) is not True,
            f'{name} ignores fields that it does not know: give its model extra="forbid"',
        )


def _objects(subject: Subject) -> Iterator[tuple[str, dict[str, object]]]:
    for operation in _json(subject):
        for place, schema in operation.schemas(JSON_TYPE):
            yield f"{operation}: {place}", dict(schema)


def _json(subject: Subject) -> list[Operation]:
    return [operation for operation in subject.operations if operation.reads(JSON_TYPE)]


async def _status(
    subject: Subject, service: Running, operation: Operation, body: bytes, kind: str
) -> int:
    headers = {**subject.token(*operation.scopes), "content-type": kind}
    return (await service.send(operation, headers, content=body)).status_code


BODIES = (
    Promise(
        "bodies-are-bounded",
        says="A body over the limit is answered 413, by its length as well as in chunks.",
        why="Memory is finite, and a chunked body has no length that could be looked at first.",
        check=_bounded,
    ),
    Promise(
        "json-is-read-strictly",
        says="JSON that two readers could understand differently is answered 400 or 422.",
        why="Two services that read one text in two ways can be played against each other; NaN and "
        "lone surrogates were answered 500.",
        check=_strict,
    ),
    Promise(
        "other-types-are-refused",
        says="A body of a type or coding that is not read is answered 415.",
        why="A body whose type is guessed is read by rules that nobody checked, and a small coded "
        "one becomes a large one.",
        check=_typed,
    ),
    Promise(
        "unknown-fields-are-refused",
        says="No JSON object of a request takes a field that it does not know.",
        why="A field that is ignored is a typo that no one hears of, and one day a field that sets "
        "what the caller must not set.",
        check=_known,
    ),
)
