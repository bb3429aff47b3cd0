"""The network while a service is asked: installed peers answer as their documents say."""

import os
import re
from collections.abc import Mapping

import httpx2

from chassis_core.app import offering
from chassis_core.concerns.clients import ClientSettings
from chassis_core.installed import services
from chassis_core.settings import InvalidSettings
from chassis_core.testing.conformance.operations import (
    JSON_TYPE,
    Document,
    Operation,
    operations_of,
)
from chassis_core.testing.conformance.samples import Unmakeable, sample
from chassis_core.testing.conformance.surroundings import surrounded
from chassis_core.testing.telemetry import Telemetry


class Peers(httpx2.AsyncBaseTransport):
    """Plays the services that are installed beside the one that is asked; nobody else is there.

    Args:
        clients: the services that it calls, by name.
    """

    def __init__(self, clients: Mapping[str, ClientSettings]) -> None:
        self._clients = clients
        self._known: dict[str, list[Operation]] = {}

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Answer as the peer's document says that it answers when all is well.

        Raises:
            ConnectError: nobody is there.
        """
        for name, client in self._clients.items():
            path = str(request.url).partition("?")[0].removeprefix(client.url)
            for operation in self._operations(name):
                if operation.method == request.method and _takes(operation, path):
                    return _answer(operation, request)
        raise httpx2.ConnectError("no network while promises are asked about", request=request)

    def _operations(self, name: str) -> list[Operation]:
        if name not in self._known:
            self._known[name] = operations_of(_document(name))
        return self._known[name]


def _takes(operation: Operation, path: str) -> bool:
    parts = re.split(r"\{[^}]+\}", operation.path)
    return re.fullmatch("[^/]+".join(map(re.escape, parts)), path) is not None


def _answer(operation: Operation, request: httpx2.Request) -> httpx2.Response:
    good = sorted(status for status in operation.spec["responses"] if status.startswith("2"))
    status = good[0] if good else "204"
    content = operation.spec["responses"].get(status, {}).get("content", {})
    if JSON_TYPE not in content:
        return httpx2.Response(int(status))
    try:
        made = sample(operation.document, content[JSON_TYPE].get("schema", {}))
    except Unmakeable as reason:
        raise httpx2.ConnectError(f"{operation}: {reason}", request=request) from reason
    return httpx2.Response(int(status), json=made)


def _document(name: str) -> Document:
    if name not in (installed := services()):
        return {}
    try:
        with surrounded(os.environ), offering(**Telemetry().shared()):
            document: Document = installed[name].load()().openapi()
    except InvalidSettings:
        return {}
    return document
