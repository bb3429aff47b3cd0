"""The key ring: the signing keys as this process last saw them, and how it keeps up."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256

import orjson
from chassis_core import Fault, InvalidSettings, get_logger
from chassis_core.concerns.auth import Key, KeysUnavailable
from chassis_core.concerns.database import Database
from chassis_core.problem import Problem, Unavailable
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from jwt import PyJWK
from sqlalchemy.exc import SQLAlchemyError

from users.keys.rotation import create_first_keys, stored_keys
from users.keys.vault import Vault
from users.models import KeyState, SigningKey
from users.settings import Settings

log = get_logger(__name__)

LEEWAY = 60.0
"""Seconds by which others' clocks may be behind when they look for a retired key."""


@dataclass(frozen=True, slots=True)
class Signer:
    """The private half of the active key, and the id under which others find the public one."""

    kid: str
    private: EllipticCurvePrivateKey


@dataclass(frozen=True, slots=True)
class KeySet:
    """The keys at one moment.

    Attributes:
        signer: what signs.
        keys: what verifies, by key id.
        document: the JWKS (RFC 7517 §5): public members only.
        etag: the document's entity tag.
        read_at: `time.monotonic()` of the look at the database.
    """

    signer: Signer
    keys: Mapping[str, Sequence[Key]]
    document: bytes
    etag: str
    read_at: float


class KeyRing:
    """Follows the signing keys in the database; the auth concern's `KeySource` in this service."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings = settings.keys
        self._database = database
        self._vault = Vault(settings.keys.encryption_key)
        self._retired_within = settings.tokens.access_lifetime + settings.keys.stale_after + LEEWAY
        self._seen: KeySet | None = None

    async def find(self, kid: str | None) -> Sequence[Key]:
        """Return the key that verifies a token with this key id, as the only one or none.

        Raises:
            KeysUnavailable: no key was ever read.
        """
        if self._seen is None:
            raise KeysUnavailable("the signing keys have not been read yet")
        return self._seen.keys.get(kid or "", ())

    def published(self) -> KeySet:
        """Return the keys as others may see them.

        Raises:
            Unavailable: no key was ever read.
        """
        if self._seen is None:
            raise Unavailable("there are no signing keys yet", headers={"Retry-After": "1"})
        return self._seen

    def signer(self) -> Signer:
        """Return what signs now.

        Raises:
            Unavailable: the database has not told for so long that the key may be retired.
        """
        seen = self.published()
        if time.monotonic() - seen.read_at > self._settings.stale_after:
            raise Unavailable("the signing keys cannot be read", headers={"Retry-After": "5"})
        return seen.signer

    async def refresh(self) -> None:
        """Look at the database; make the first keys if there are none."""
        if not (keys := await self._stored()):
            await create_first_keys(self._database, self._vault)
            keys = await self._stored()
        self._seen = self._key_set(keys)

    async def ready(self) -> None:
        """Raise unless this process can sign."""
        self.signer()

    async def diagnose(self, within: float) -> Sequence[Fault]:
        """Return what is wrong with the keys; of the database, its own concern tells."""
        try:
            async with asyncio.timeout(within):
                keys = await self._stored()
        except (TimeoutError, SQLAlchemyError, OSError):
            return []
        try:
            if keys:
                self._key_set(keys)
        except InvalidSettings as error:
            what, _, fix = str(error).partition("; ")
            return [Fault(what, fix)]
        return []

    @asynccontextmanager
    async def following(self) -> AsyncIterator[None]:
        """Follow the database until left.

        Raises:
            InvalidSettings: the key-encryption key does not fit the stored keys.
        """
        await self._try_refresh()
        task = asyncio.create_task(self._poll())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def _stored(self) -> Sequence[SigningKey]:
        return await stored_keys(self._database, retired_within=self._retired_within)

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(self._settings.poll_interval)
            try:
                await self._try_refresh()
            except InvalidSettings as error:
                # A rollout that changes the encryption key must not end the processes before it.
                log.error("keys_unreadable", reason=str(error))  # noqa: TRY400 - the text says all
            except Exception:
                # Whatever it was, the next look may go well; a driver raises what nobody wraps.
                log.exception("keys_unreadable")

    async def _try_refresh(self) -> None:
        try:
            await self.refresh()
        except (SQLAlchemyError, OSError, Problem) as error:
            log.warning("keys_unreadable", reason=type(error).__name__)

    def _key_set(self, keys: Sequence[SigningKey]) -> KeySet:
        opened = {k.state: self._open(k) for k in keys if k.state != KeyState.RETIRED}
        document = orjson.dumps({"keys": [key.jwk for key in keys]})
        return KeySet(
            signer=opened[KeyState.ACTIVE],
            keys={key.kid: (_verifier(key),) for key in keys},
            document=document,
            etag=f'"{sha256(document).hexdigest()[:32]}"',
            read_at=time.monotonic(),
        )

    def _open(self, key: SigningKey) -> Signer:
        if self._seen is not None and self._seen.signer.kid == key.kid:
            return self._seen.signer
        return Signer(key.kid, self._vault.open(key))


def _verifier(key: SigningKey) -> Key:
    jwk = PyJWK(key.jwk)
    return Key(kid=key.kid, algorithm=jwk.algorithm_name, material=jwk.key)
