"""Verifies tokens: envelope, key, signature, claims, in this order, and remembers the good ones."""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge

from chassis_core.concerns.auth.claims import expiry, principal_of
from chassis_core.concerns.auth.keys import Key, KeySource, KeysUnavailable
from chassis_core.concerns.auth.principal import Principal
from chassis_core.concerns.auth.settings import AuthSettings
from chassis_core.concerns.auth.token import InvalidToken, Token, parse


@dataclass(frozen=True, slots=True)
class _Verified:
    principal: Principal
    kid: str | None
    keys: Sequence[Key]
    until: float


class Verifier:
    """Turns a token into its principal.

    Args:
        settings: which tokens are believed.
        keys: where the keys come from.
        registry: takes the metrics of verdicts and of the memory of verified tokens.
    """

    def __init__(
        self, settings: AuthSettings, keys: KeySource, *, registry: CollectorRegistry | None
    ) -> None:
        self._settings = settings
        self._keys = keys
        self._algorithms = frozenset(settings.accepted)
        self._types = frozenset(kind.lower() for kind in settings.token_types)
        self._verified: dict[bytes, _Verified] = {}
        self._verdicts = Counter(
            "auth_verifications", "Tokens verified, by verdict.", ["outcome"], registry=registry
        )
        self._accepted = self._verdicts.labels("valid")
        self._hits = Counter(
            "auth_token_cache_hits", "Tokens that had been verified before.", registry=registry
        )
        Gauge(
            "auth_token_cache_entries", "Verified tokens remembered.", registry=registry
        ).set_function(lambda: len(self._verified))

    async def verify(self, token: bytes) -> Principal:
        """Return the principal of `token`.

        Raises:
            InvalidToken: it is not to be believed.
            KeysUnavailable: that cannot be known now.
        """
        try:
            principal = await self._verify(token)
        except InvalidToken as refusal:
            self._verdicts.labels(refusal.reason).inc()
            raise
        except KeysUnavailable:
            self._verdicts.labels("keys_unavailable").inc()
            raise
        self._accepted.inc()
        return principal

    async def _verify(self, token: bytes) -> Principal:
        if len(token) > self._settings.max_token_bytes:
            raise InvalidToken("size")
        digest = hashlib.sha256(token).digest()
        if known := self._verified.get(digest):
            if time.time() < known.until and await self._keys.find(known.kid) == known.keys:
                self._hits.inc()
                return known.principal
            self._verified.pop(digest, None)
        verified = await self._judge(parse(token))
        self._remember(digest, verified)
        return verified.principal

    async def _judge(self, token: Token) -> _Verified:
        if token.algorithm not in self._algorithms:
            raise InvalidToken("algorithm")
        if token.type not in self._types:
            raise InvalidToken("type")
        if token.kid is not None and not self._settings.kid_pattern.fullmatch(token.kid):
            raise InvalidToken("kid")
        if not (keys := await self._keys.find(token.kid)):
            raise InvalidToken("unknown_key")
        if not any(k.verify(token.algorithm, token.message, token.signature) for k in keys):
            raise InvalidToken("signature")
        claims = token.claims()
        principal = principal_of(claims, self._settings, now=time.time())
        return _Verified(principal, token.kid, keys, expiry(claims) + self._settings.leeway)

    def _remember(self, digest: bytes, verified: _Verified) -> None:
        if not self._settings.token_cache_size:
            return
        if len(self._verified) >= self._settings.token_cache_size:
            del self._verified[next(iter(self._verified))]
        self._verified[digest] = verified
