"""Key pairs, and the sealing of their private half for the database."""

import json
from base64 import urlsafe_b64encode
from hashlib import sha256
from typing import Any

from chassis_core import InvalidSettings
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)
from jwt.algorithms import ECAlgorithm
from pydantic import SecretStr

from users.models import KeyState, SigningKey

ALGORITHM = "ES256"


class Vault:
    """Makes signing keys, and opens the ones that were sealed with its key-encryption keys."""

    def __init__(self, encryption_keys: SecretStr) -> None:
        keys = encryption_keys.get_secret_value().split(",")
        self._fernet = MultiFernet([Fernet(key) for key in keys])

    def generate(self, state: KeyState) -> SigningKey:
        """Return a new key pair, ready to be stored."""
        private = generate_private_key(SECP256R1())
        plain = private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        jwk = _public(private)
        kid = thumbprint(jwk)
        return SigningKey(
            kid=kid,
            state=state,
            jwk=jwk | {"kid": kid, "alg": ALGORITHM, "use": "sig"},
            sealed=self._fernet.encrypt(plain),
        )

    def open(self, key: SigningKey) -> EllipticCurvePrivateKey:
        """Return the private half.

        Raises:
            InvalidSettings: it was sealed with another key-encryption key, or is not this key's.
        """
        try:
            private = load_der_private_key(self._fernet.decrypt(key.sealed), password=None)
        except InvalidToken:
            private = None
        if not isinstance(private, EllipticCurvePrivateKey) or key.kid != thumbprint(
            _public(private)
        ):
            raise InvalidSettings(
                f"USERS_KEYS__ENCRYPTION_KEY does not open signing key {key.kid} of the database; "
                "set the one it was sealed with"
            )
        return private


def thumbprint(jwk: dict[str, Any]) -> str:
    """Return the RFC 7638 thumbprint of an EC key."""
    members = {name: jwk[name] for name in ("crv", "kty", "x", "y")}
    canonical = json.dumps(members, separators=(",", ":"), sort_keys=True)
    return urlsafe_b64encode(sha256(canonical.encode()).digest()).rstrip(b"=").decode()


def _public(private: EllipticCurvePrivateKey) -> dict[str, Any]:
    return ECAlgorithm.to_jwk(private.public_key(), as_dict=True)
