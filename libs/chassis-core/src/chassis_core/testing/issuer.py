"""An issuer of tokens for tests, with keys of its own and a key set on a loopback port."""

import json
import time
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, SECP384R1
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as ec_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as rsa_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt import get_algorithm_by_name

from chassis_core.concerns.auth import AuthSettings
from chassis_core.concerns.auth.settings import Mode
from chassis_core.testing.jwks_server import Fault, JwksServer

SECRET = "a shared secret of 64 bytes, known to the tests and to no one else"
_NEW_KEY: Mapping[str, Callable[[], Any]] = {
    "ES256": lambda: ec_key(SECP256R1()),
    "ES384": lambda: ec_key(SECP384R1()),
    "RS256": lambda: rsa_key(65_537, 2048),
    "PS256": lambda: rsa_key(65_537, 2048),
    "EdDSA": Ed25519PrivateKey.generate,
    "HS256": SECRET.encode,
    "HS512": SECRET.encode,
}


class Issuer:
    """Signs access tokens (RFC 9068) by one algorithm, and shows its keys.

    Args:
        algorithm: ES256, ES384, RS256, PS256, EdDSA, HS256 or HS512.
        issuer: the `iss` of its tokens.
        audience: the `aud` of its tokens.
    """

    def __init__(
        self,
        algorithm: str = "ES256",
        *,
        issuer: str = "https://issuer.test/",
        audience: str = "test",
    ) -> None:
        self.algorithm = algorithm
        self.issuer = issuer
        self.audience = audience
        self._keys: dict[str, Any] = {}
        self._rotations = 0
        self.server = JwksServer(self.jwks)
        self.rotate()

    def token(
        self,
        subject: str = "u1",
        *,
        scopes: tuple[str, ...] = (),
        roles: tuple[str, ...] = (),
        lifetime: float = 300,
        header: Mapping[str, Any] | None = None,
        **claims: Any,
    ) -> str:
        """Return a token signed by the newest key.

        Args:
            subject: its `sub`.
            scopes: its `scope`.
            roles: its `roles`.
            lifetime: seconds from now to `exp`.
            header: members of the header to replace; a value of `...` takes one away.
            claims: claims to replace; a value of `...` takes one away.
        """
        payload = self.claims(subject, lifetime=lifetime)
        if scopes:
            payload["scope"] = " ".join(scopes)
        if roles:
            payload["roles"] = list(roles)
        return self.sign(_changed(self.header(), header or {}), _changed(payload, claims))

    def header(self) -> dict[str, Any]:
        """Return the header of a token."""
        return {"alg": self.algorithm, "typ": "at+jwt", "kid": self.kid}

    def claims(self, subject: str = "u1", *, lifetime: float = 300) -> dict[str, Any]:
        """Return the claims of a token."""
        now = int(time.time())
        return {
            "iss": self.issuer,
            "aud": self.audience,
            "sub": subject,
            "iat": now,
            "exp": now + lifetime,
        }

    def sign(
        self,
        header: Mapping[str, Any] | bytes,
        payload: Mapping[str, Any] | bytes,
        *,
        algorithm: str | None = None,
        key: Any = None,
    ) -> str:
        """Sign any header and payload, however wrong.

        Args:
            header: an object, or the bytes to stand in its place.
            payload: an object, or the bytes to stand in its place.
            algorithm: what really signs, whatever the header says.
            key: what to sign with, in place of the newest key.
        """
        message = f"{_segment(header)}.{_segment(payload)}"
        signer = get_algorithm_by_name(algorithm or self.algorithm)
        signature = signer.sign(message.encode(), self._keys[self.kid] if key is None else key)
        return f"{message}.{encoded(signature)}"

    @property
    def kid(self) -> str:
        """The name of the newest key."""
        return f"key-{self._rotations}"

    def rotate(self) -> str:
        """Sign with a new key from now on, show the old ones still, and return the new kid."""
        self._rotations += 1
        self._keys[self.kid] = _NEW_KEY[self.algorithm]()
        return self.kid

    def withdraw(self, kid: str) -> None:
        """Show the key no longer; signing with the newest key goes on."""
        self.server.withdrawn.add(kid)

    def jwks(self) -> dict[str, Any]:
        """Return the key set (RFC 7517 §5); a shared secret is not in it."""
        return {
            "keys": [
                self._jwk(kid, key)
                for kid, key in self._keys.items()
                if kid not in self.server.withdrawn and not isinstance(key, bytes)
            ]
        }

    def public_key(self) -> str:
        """Return the newest public key in PEM."""
        key = self._keys[self.kid].public_key()
        pem: bytes = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return pem.decode()

    def settings(self, mode: Mode | None = None, **changes: Any) -> AuthSettings:
        """Return settings that believe this issuer.

        Args:
            mode: by default hmac for a shared secret, jwks while `serve` runs, else public_key.
            changes: further fields of the settings.
        """
        if mode is None:
            mode = "jwks" if self.server.url else "public_key"
            mode = "hmac" if self.algorithm.startswith("HS") else mode
        fields: dict[str, Any] = {
            "mode": mode,
            "issuer": self.issuer,
            "audience": self.audience,
            "algorithms": (self.algorithm,),
        }
        if mode == "hmac":
            fields["secret"] = SECRET
        elif mode == "public_key":
            fields["public_key"] = self.public_key()
        else:
            fields["jwks_url"] = self.url
        return AuthSettings(**fields | changes)

    @asynccontextmanager
    async def serve(self) -> AsyncIterator["Issuer"]:
        """Serve the key set on a free loopback port until the context ends."""
        async with self.server.running():
            yield self

    @property
    def url(self) -> str:
        """The address of the key set while `serve` runs; it stays the same when served again."""
        return self.server.url

    @property
    def fetches(self) -> int:
        """How often the key set was asked for."""
        return self.server.fetches

    @property
    def fault(self) -> Fault:
        """How the key set is served: `ok`, or what is wrong with it."""
        return self.server.fault

    @fault.setter
    def fault(self, fault: Fault) -> None:
        self.server.fault = fault

    def _jwk(self, kid: str, key: Any) -> dict[str, Any]:
        algorithm = get_algorithm_by_name(self.algorithm)
        jwk: dict[str, Any] = algorithm.to_jwk(key.public_key(), as_dict=True)
        return jwk | {"kid": kid, "use": "sig", "alg": self.algorithm, "key_ops": ["verify"]}


def encoded(data: bytes) -> str:
    """Return unpadded base64url (RFC 7515 §2)."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _segment(part: Mapping[str, Any] | bytes) -> str:
    return encoded(part if isinstance(part, bytes) else json.dumps(part).encode())


def _changed(members: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**members, **changes}.items() if value is not ...}
