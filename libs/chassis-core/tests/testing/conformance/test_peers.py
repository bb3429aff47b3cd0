"""The services that one calls, while it is asked about its promises."""

import httpx2
import pytest
from chassis_core.concerns.clients import ClientSettings
from chassis_core.testing.conformance.peers import Peers

KNOWN = {name: ClientSettings(url=f"https://{name}.invalid/at") for name in ("nobody", "users")}


async def test_an_installed_peer_answers_as_its_document_says():
    async with httpx2.AsyncClient(transport=Peers(KNOWN)) as http:
        answer = await http.get("https://users.invalid/at/v1/users/me?fields=name")
    assert answer.status_code == 200
    assert answer.json().keys() == {"id", "email", "name", "created_at"}


@pytest.mark.parametrize(
    "url",
    [
        "https://users.invalid/at/v1/nothing",
        "https://nobody.invalid/at/v1/users/me",
        "https://elsewhere.invalid/at/v1/users/me",
    ],
)
async def test_nobody_else_is_there(url: str):
    async with httpx2.AsyncClient(transport=Peers(KNOWN)) as http:
        with pytest.raises(httpx2.ConnectError, match="no network"):
            await http.get(url)
