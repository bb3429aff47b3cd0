"""The memory of verified tokens: bounded, and never wiser than the keys and the clock."""

import asyncio
import time
from typing import Any

import pytest
from chassis_core.concerns.auth import InvalidToken, Key, KeysUnavailable, Verifier
from chassis_core.concerns.auth.keys import prepared
from chassis_core.testing.issuer import Issuer
from prometheus_client import CollectorRegistry


class Ring:
    """Keys that a test can change."""

    def __init__(self, key: Key | None) -> None:
        self.key = key
        self.down = False

    async def find(self, kid: str | None) -> tuple[Key, ...]:
        if self.down:
            raise KeysUnavailable
        return (self.key,) if self.key else ()


class Rig:
    """A verifier over a ring, and its counters."""

    def __init__(self, issuer: Issuer, **changes: Any) -> None:
        self.registry = CollectorRegistry()
        self.ring = Ring(key_of(issuer))
        settings = issuer.settings("public_key", **changes)
        self.verifier = Verifier(settings, self.ring, registry=self.registry)

    async def subject(self, token: str) -> str:
        return (await self.verifier.verify(token.encode())).subject

    def hits(self) -> float | None:
        return self.registry.get_sample_value("auth_token_cache_hits_total")

    def entries(self) -> float | None:
        return self.registry.get_sample_value("auth_token_cache_entries")


def key_of(issuer: Issuer) -> Key:
    return prepared(issuer.kid, "ES256", issuer.public_key().encode())


async def test_a_token_is_verified_once_and_then_remembered() -> None:
    issuer = Issuer()
    rig = Rig(issuer)
    token = issuer.token("ada")
    assert [await rig.subject(token) for _ in range(3)] == ["ada"] * 3
    assert (rig.hits(), rig.entries()) == (2, 1)


async def test_a_refused_token_is_not_remembered() -> None:
    issuer = Issuer()
    rig = Rig(issuer)
    with pytest.raises(InvalidToken):
        await rig.subject(issuer.token(aud="other"))
    assert rig.entries() == 0


async def test_the_memory_is_bounded_and_the_oldest_goes_first() -> None:
    issuer = Issuer()
    rig = Rig(issuer, token_cache_size=2)
    tokens = [issuer.token(f"u{n}") for n in range(3)]
    for token in tokens:
        await rig.subject(token)
    assert rig.entries() == 2
    await rig.subject(tokens[2])
    assert rig.hits() == 1
    await rig.subject(tokens[0])
    assert rig.hits() == 1


async def test_the_memory_can_be_turned_off() -> None:
    issuer = Issuer()
    rig = Rig(issuer, token_cache_size=0)
    token = issuer.token()
    await rig.subject(token)
    await rig.subject(token)
    assert (rig.hits(), rig.entries()) == (0, 0)


async def test_a_remembered_token_ends_at_its_exp() -> None:
    issuer = Issuer()
    rig = Rig(issuer, leeway=0)
    expires = time.time() + 0.5
    token = issuer.token(exp=expires)
    await rig.subject(token)
    await asyncio.sleep(expires - time.time() + 0.01)  # its life itself
    with pytest.raises(InvalidToken, match="expired"):
        await rig.subject(token)
    assert rig.entries() == 0


async def test_a_remembered_token_ends_with_its_key_and_not_with_an_equal_one() -> None:
    issuer = Issuer()
    rig = Rig(issuer)
    token = issuer.token()
    await rig.subject(token)
    rig.ring.key = key_of(issuer)
    await rig.subject(token)
    assert rig.hits() == 1
    rig.ring.key = key_of(Issuer())
    with pytest.raises(InvalidToken, match="signature"):
        await rig.subject(token)
    rig.ring.key = None
    with pytest.raises(InvalidToken, match="unknown_key"):
        await rig.subject(token)


async def test_a_remembered_token_is_not_believed_when_its_key_cannot_be_known() -> None:
    issuer = Issuer()
    rig = Rig(issuer)
    token = issuer.token()
    await rig.subject(token)
    rig.ring.down = True
    with pytest.raises(KeysUnavailable):
        await rig.subject(token)
    rig.ring.down = False
    assert await rig.subject(token) == "u1"


async def test_the_claims_of_a_remembered_principal_cannot_be_changed() -> None:
    issuer = Issuer()
    principal = await Rig(issuer).verifier.verify(issuer.token().encode())
    with pytest.raises(TypeError):
        principal.claims["sub"] = "root"  # type: ignore[index] # the test is that it fails


async def test_a_token_beyond_the_limit_is_not_even_parsed() -> None:
    issuer = Issuer()
    token = issuer.token(filler="x" * 600)
    assert len(token) > 512
    with pytest.raises(InvalidToken, match="size"):
        await Rig(issuer, max_token_bytes=512).subject(token)


async def test_a_secret_key_is_in_no_repr() -> None:
    assert "hunter2" not in repr(Key(None, "HS256", b"hunter2"))
