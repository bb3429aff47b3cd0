"""The principal: who sent the request, as its token says."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Principal:
    """The verified caller.

    Attributes:
        subject: who it is (`sub`), unique within `issuer`.
        issuer: who says so (`iss`).
        audience: whom the token is meant for (`aud`), this service among them.
        scopes: what the token may be used for (RFC 6749 §3.3).
        roles: what the subject is (RFC 9068 §2.2.3.1).
        claims: every claim of the token.
    """

    subject: str
    issuer: str
    audience: tuple[str, ...]
    scopes: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()
    claims: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)
