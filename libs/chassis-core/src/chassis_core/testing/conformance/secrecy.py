"""What must never be told."""

import re
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any
from uuid import uuid4

from pydantic import BaseModel, SecretStr

from chassis_core.testing.conformance.operations import Operation
from chassis_core.testing.conformance.probe import BASE
from chassis_core.testing.conformance.promise import Promise, hold
from chassis_core.testing.conformance.subject import Running, Subject
from chassis_core.testing.conformance.telemetry import emitted

_SECRET_NAMES = (
    "password", "passwd", "passphrase", "secret", "credential", "api_key", "apikey",
    "private_key", "access_key", "signing_key", "encryption_key",
)  # fmt: skip
_JWT = re.compile(r"eyJ[\w-]{8,}\.eyJ[\w-]{8,}")
_FORM = "application/x-www-form-urlencoded"
_LEAST = 8
"""Characters of a value that is not found in other words by chance."""


async def _kept(subject: Subject) -> None:
    for path, value in _values(subject.settings):
        named = path.rpartition(".")[2].endswith(_SECRET_NAMES)
        hold(
            not (named and isinstance(value, str) and value),
            f"the setting {path} is a plain str: make it a SecretStr",
        )
    async with subject.running() as service:
        told = {
            "repr(settings)": repr(service.app.settings),
            "/info": (await service.admin("/info")).text,
            "/readyz": (await service.admin("/readyz")).text,
            "the telemetry": emitted(service.telemetry),
        }
        for path, value in _values(service.app.settings):
            if not isinstance(value, SecretStr) or len(value) < _LEAST:
                continue
            for place, text in told.items():
                hold(value.get_secret_value() not in text, f"{place} tells the secret {path}")


def _values(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, BaseModel):
        fields = type(value).model_fields
        parts: Mapping[Any, Any] = {name: getattr(value, name) for name in fields}
    elif isinstance(value, Mapping):
        parts = value
    elif isinstance(value, list | tuple):
        parts = dict(enumerate(value))
    else:
        yield path, value
        return
    for name, part in parts.items():
        yield from _values(part, f"{path}.{name}".lstrip("."))


async def _unseen(subject: Subject) -> None:
    planted = f"planted{uuid4().hex}"
    async with subject.running() as service:
        told = [one async for one in _plant(subject, service, planted)]
        text = emitted(service.telemetry)
    for name, answer in told:
        hold(planted not in answer, f"{name} answers with a credential of its caller")
    if (start := text.find(planted)) >= 0:
        around = text[max(0, start - 200) : start].replace(planted, "…")
        hold(False, f"a caller's credential is in logs, spans or metrics, after: {around}")
    hold(not _JWT.search(text), "a caller's token is in logs, spans or metrics")


async def _plant(
    subject: Subject, service: Running, planted: str
) -> AsyncIterator[tuple[str, str]]:
    for path in ("/ok", "/boom", "/conflict", "/caller", "/nowhere"):
        headers = _headers(planted)
        answer = await service.http.get(f"{BASE}{path}", headers=headers, params=_fields(planted))
        yield path, f"{answer.headers}{answer.text}"
    for operation in subject.operations:
        for body in _bodies(operation, planted):
            for headers in (_headers(planted), subject.token(*operation.scopes)):
                sent = {"cookie": f"session={planted}", **headers}
                answer = await service.send(operation, sent, query=_fields(planted), **body)
                yield str(operation), f"{answer.headers}{answer.text}"


def _headers(planted: str) -> dict[str, str]:
    return {
        "authorization": f"Bearer {planted}",
        "cookie": f"session={planted}",
        "x-api-key": planted,
    }


def _fields(planted: str) -> dict[str, str]:
    return {"password": planted, "token": planted, "client_secret": planted}


def _bodies(operation: Operation, planted: str) -> Iterator[dict[str, Any]]:
    yield {}
    yield {"json": _fields(planted)}
    for kind, key in ((_FORM, "data"), ("application/json", "json")):
        for place, schema in operation.schemas(kind):
            if place == "body":
                names = schema.get("properties", {})
                yield {key: {name: planted if _secret(name) else "word" for name in names}}


def _secret(name: str) -> bool:
    return name.lower().endswith((*_SECRET_NAMES, "token"))


SECRECY = (
    Promise(
        "secrets-stay-in-the-settings",
        says="No secret of the settings is in their repr, at /info, or in what the start emits.",
        why="Settings are printed when something is wrong, which is when many people look.",
        check=_kept,
    ),
    Promise(
        "credentials-stay-with-the-caller",
        says="No token, cookie or password that a caller sends is in a log, span, metric or "
        "answer.",
        why="Logs are read by more people, kept for longer and guarded less than what the "
        "credential opens.",
        check=_unseen,
    ),
)
