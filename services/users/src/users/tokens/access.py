"""Access tokens: JWTs that any service can verify by itself (RFC 9068)."""

import time
from collections.abc import Sequence
from uuid import uuid4

import jwt

from users.keys import ALGORITHM, KeyRing
from users.settings import Settings


class AccessTokens:
    """Issues access tokens, signed by the ring's active key."""

    def __init__(self, settings: Settings, ring: KeyRing) -> None:
        self._fixed = {"iss": settings.auth.issuer, "aud": settings.auth.audience}
        self._ring = ring
        self.lifetime = settings.tokens.access_lifetime

    def require_key(self) -> None:
        """Raise `Unavailable` if no token could be signed now."""
        self._ring.signer()

    def issue(
        self, *, subject: str, client_id: str, scopes: Sequence[str], roles: Sequence[str] = ()
    ) -> str:
        """Return a new token.

        Raises:
            Unavailable: there is no key that this process may sign with.
        """
        issued_at = int(time.time())
        claims = self._fixed | {
            "sub": subject,
            "iat": issued_at,
            "exp": issued_at + self.lifetime,
            "jti": uuid4().hex,
            "client_id": client_id,
            "scope": " ".join(scopes),
            "roles": list(roles),
        }
        signer = self._ring.signer()
        headers = {"typ": "at+jwt", "kid": signer.kid}
        return jwt.encode(claims, signer.private, ALGORITHM, headers)
