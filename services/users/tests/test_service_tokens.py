"""A service that calls users in its own name, through the client of the chassis."""

import asyncio

import httpx2
import pytest
from chassis_core.concerns.clients import ClientSettings, ServiceClient
from chassis_core.problem import Unavailable

URL = "http://localhost"


class Counting(httpx2.AsyncBaseTransport):
    """Sends every request into the app under test, and counts those for tokens."""

    def __init__(self, http):
        self._inner = http._transport
        self.tokens = 0

    async def handle_async_request(self, request):
        self.tokens += request.url.path == "/oauth2/token"
        return await self._inner.handle_async_request(request)


def client(transport, service, *, scope=None):
    client_id, secret = service
    settings = ClientSettings(
        url=URL,
        auth="service",
        token_url=f"{URL}/oauth2/token",
        client_id=client_id,
        client_secret=secret,
        scope=scope,
        timeout=20,
        attempt_timeout=20,
    )
    return ServiceClient("users", settings, transport=transport)


async def test_a_service_reads_profiles_with_one_token_of_its_own(api):
    path = (await api.register()).headers["location"]
    transport = Counting(api.http)
    users = client(transport, api.service, scope="users:read")
    answers = await asyncio.gather(*(users.get(path) for _ in range(20)))
    assert {(answer.status_code, answer.json()["name"]) for answer in answers} == {(200, "Ann")}
    assert transport.tokens == 1
    await users.aclose()


@pytest.mark.parametrize("wrong", ["secret", "scope"])
async def test_a_service_that_may_not_have_a_token_is_told_to_come_back_and_calls_nobody(
    api, wrong
):
    name, secret = api.service
    transport = Counting(api.http)
    users = (
        client(transport, (name, f"{secret}!"))
        if wrong == "secret"
        else client(transport, api.service, scope="users:delete")
    )
    for _ in range(5):
        with pytest.raises(Unavailable):
            await users.get("/v1/users/me")
    assert transport.tokens == 1
    await users.aclose()
