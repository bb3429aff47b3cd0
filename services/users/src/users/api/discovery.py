"""What others need to verify this issuer's tokens: its keys and its metadata."""

from typing import Annotated

from chassis_core import PUBLIC
from chassis_core.preconditions import IfNoneMatch
from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel

from users.identity import CurrentIdentity

router = APIRouter(prefix="/.well-known", tags=["discovery"])


class JsonWebKey(BaseModel):
    """A public signing key (RFC 7517 §4)."""

    kty: str
    crv: str
    x: str
    y: str
    kid: str
    alg: str
    use: str


class JsonWebKeySet(BaseModel):
    """The public signing keys (RFC 7517 §5)."""

    keys: list[JsonWebKey]


class Metadata(BaseModel):
    """The authorization server's metadata (RFC 8414 §2)."""

    issuer: str
    token_endpoint: str
    revocation_endpoint: str
    jwks_uri: str
    scopes_supported: list[str]
    response_types_supported: list[str] = []
    grant_types_supported: list[str] = ["password", "refresh_token", "client_credentials"]
    token_endpoint_auth_methods_supported: list[str] = [
        "none",
        "client_secret_basic",
        "client_secret_post",
    ]


async def _cacheable(identity: CurrentIdentity) -> str:
    return f"public, max-age={identity.settings.keys.max_age}"


CacheControl = Annotated[str, Depends(_cacheable)]


@router.get(
    "/jwks.json",
    response_model=JsonWebKeySet,
    responses={304: {"description": "Not Modified"}},
    openapi_extra=PUBLIC,
)
async def read_keys(
    identity: CurrentIdentity, known: IfNoneMatch, cache_control: CacheControl
) -> Response:
    """Return the keys that will sign, that sign, and whose tokens may still be alive."""
    keys = identity.ring.published()
    headers = {"Cache-Control": cache_control, "ETag": keys.etag}
    if known.holds(keys.etag):
        return Response(status_code=304, headers=headers)
    return Response(keys.document, media_type="application/json", headers=headers)


@router.get("/openid-configuration", openapi_extra=PUBLIC)
async def read_metadata(
    identity: CurrentIdentity, cache_control: CacheControl, response: Response
) -> Metadata:
    """Return where the endpoints of this issuer are, and what they can do."""
    response.headers["Cache-Control"] = cache_control
    settings = identity.settings
    issuer = settings.auth.issuer
    services = settings.oauth_clients.values()
    scopes = {*settings.tokens.scopes, *(scope for s in services for scope in s.scopes)}
    return Metadata(
        issuer=issuer,
        token_endpoint=f"{issuer}/oauth2/token",
        revocation_endpoint=f"{issuer}/oauth2/revoke",
        jwks_uri=f"{issuer}/.well-known/jwks.json",
        scopes_supported=sorted(scopes),
    )
