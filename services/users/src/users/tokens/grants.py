"""Grants: what a client may trade for tokens (RFC 6749 §4.3, §4.4, §6)."""

from collections.abc import Sequence

from chassis_core import get_logger
from chassis_core.concerns.database import Database
from pydantic import SecretStr

from users.accounts import WrongCredentials, authenticate
from users.models import User
from users.passwords import Passwords
from users.schemas import TokenAnswer, TokenForm
from users.tokens.access import AccessTokens
from users.tokens.clients import Client
from users.tokens.refresh import RefreshTokens
from users.tokens.refusals import Refusal, invalid_grant

log = get_logger(__name__)


class Grants:
    """Trades passwords, refresh tokens and client secrets for tokens.

    Each step opens its own session: none is held while a password is hashed, and the revocation of
    a reused token is kept although the request is refused.
    """

    def __init__(
        self, database: Database, passwords: Passwords, access: AccessTokens, refresh: RefreshTokens
    ) -> None:
        self._database = database
        self._passwords = passwords
        self._access = access
        self._refresh = refresh
        self._kinds = {
            "password": self._password,
            "refresh_token": self._refresh_token,
            "client_credentials": self._client_credentials,
        }

    async def trade(self, client: Client, form: TokenForm) -> TokenAnswer:
        """Return the tokens that `client` asks for.

        Raises:
            Refusal: it may not have them.
            Unavailable: none can be signed now, and nothing was used up.
        """
        self._access.require_key()
        if form.grant_type is None:
            raise Refusal("invalid_request", "grant_type is missing")
        kind = self._kinds.get(form.grant_type)
        if kind is None:
            raise Refusal("unsupported_grant_type", f"known are: {', '.join(self._kinds)}")
        if form.grant_type not in client.grants:
            raise Refusal("unauthorized_client", "this client may not use this grant type")
        return await kind(client, form)

    async def _password(self, client: Client, form: TokenForm) -> TokenAnswer:
        email, password = _given("username", form.username), _given("password", form.password)
        scopes = client.narrow(form.scope)
        try:
            user = await authenticate(
                self._database, self._passwords, email=email, password=password
            )
        except WrongCredentials as wrong:
            ids = {"user_id": str(wrong.user_id)} if wrong.user_id else {}
            raise invalid_grant(**ids) from None
        token = await self._refresh.start(user, client_id=client.id, scope=" ".join(scopes))
        return self._answer(form, client, user, scopes, refresh_token=token)

    async def _refresh_token(self, client: Client, form: TokenForm) -> TokenAnswer:
        used = _given("refresh_token", form.refresh_token)
        login = await self._refresh.rotate(used, client_id=client.id, wanted=form.scope)
        return self._answer(form, client, login.user, login.scopes, refresh_token=login.token)

    async def _client_credentials(self, client: Client, form: TokenForm) -> TokenAnswer:
        return self._answer(form, client, None, client.narrow(form.scope))

    def _answer(
        self,
        form: TokenForm,
        client: Client,
        user: User | None,
        scopes: Sequence[str],
        refresh_token: str | None = None,
    ) -> TokenAnswer:
        subject, roles = (str(user.id), user.roles) if user else (client.id, [])
        token = self._access.issue(subject=subject, client_id=client.id, scopes=scopes, roles=roles)
        scope = " ".join(scopes)
        ids = {"subject": subject, "client_id": client.id}
        log.info("token_issued", **ids, grant_type=form.grant_type, scope=scope)
        return TokenAnswer(
            access_token=token,
            expires_in=self._access.lifetime,
            scope=scope,
            refresh_token=refresh_token,
        )


def _given(name: str, value: str | SecretStr | None) -> str:
    text = value.get_secret_value() if isinstance(value, SecretStr) else value
    if not text:
        raise Refusal("invalid_request", f"{name} is missing")
    return text
