"""The token endpoints: RFC 6749 §3.2 and RFC 7009."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

from chassis_core import RateLimit, get_logger
from chassis_core.problem import responses
from fastapi import APIRouter, Depends, Form, Request, Response

from users.api.client_basic import Basic, identify
from users.identity import CurrentIdentity
from users.schemas import GRANT_TYPES, RevocationForm, TokenAnswer, TokenForm
from users.tokens import InvalidClient, Refusal

log = get_logger(__name__)

# Who sends no client secret is the public client: HTTP Basic is one way of two.
PUBLIC_TOO: dict[str, Any] = {"security": [{}]}
NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}


async def refuse_repeats(request: Request) -> None:
    """Refuse a form that gives a parameter twice (RFC 6749 §3.2)."""
    form = await request.form()
    if len(form.multi_items()) != len(form):
        raise Refusal("invalid_request", "a parameter is given more than once")


async def account(request: Request) -> str | None:
    """Return whose password a request tries, whether or not there is such a user."""
    form = await request.form()
    return str(form.get("username")).lower() if form.get("grant_type") == "password" else None


@contextmanager
def refusals_told(grant_type: str | None = None) -> Iterator[None]:
    """Leave a line of a refusal: a failed login is a security event (OWASP ASVS 16.3.1)."""
    try:
        yield
    except (Refusal, InvalidClient) as refusal:
        # An unknown kind is a stranger's text, and may be anything that a form was filled with.
        kind = grant_type if grant_type in GRANT_TYPES else None
        log.warning("token_refused", reason=refusal.error, grant_type=kind, **refusal.ids)
        raise


guesses = RateLimit("30/minute", by="address", name="logins")
# More than one address may try, so that nobody can lock another out alone; and a lock-out by
# several ends a second after they do. Refresh tokens are not counted: who is logged in stays so.
guesses_of_one = RateLimit("60/minute", by=account, name="logins_of_account")

router = APIRouter(
    prefix="/oauth2",
    tags=["tokens"],
    dependencies=[Depends(guesses), Depends(refuse_repeats), Depends(guesses_of_one)],
    responses=responses(401, 422),
)


@router.post("/token", response_model_exclude_none=True, openapi_extra=PUBLIC_TOO)
async def issue_token(
    form: Annotated[TokenForm, Form()], basic: Basic, identity: CurrentIdentity, response: Response
) -> TokenAnswer:
    """Trade a password, a refresh token or a client's secret for tokens."""
    with refusals_told(form.grant_type):
        client = identify(identity.clients, form, basic)
        answer = await identity.grants.trade(client, form)
    response.headers.update(NO_STORE)
    return answer


@router.post("/revoke", openapi_extra=PUBLIC_TOO)
async def revoke_token(
    form: Annotated[RevocationForm, Form()], basic: Basic, identity: CurrentIdentity
) -> Response:
    """Revoke a refresh token, with all that descend from the same login."""
    with refusals_told():
        client = identify(identity.clients, form, basic)
    token = form.token.get_secret_value() if form.token else ""
    if not token:
        raise Refusal("invalid_request", "token is missing")
    if token.count(".") == 2:
        raise Refusal("unsupported_token_type", "access tokens end by themselves, soon")
    await identity.refresh.revoke(token, client_id=client.id)
    return Response(headers=NO_STORE)
