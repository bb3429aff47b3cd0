"""Pages of a list by keyset: each cursor is the place where the last page ended, signed."""

import hmac
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Query, Request
from pydantic import Field, SecretStr

from chassis_core.concern import Concern, ConcernSettings
from chassis_core.problem import NotFound

_TAG_BYTES = 16
T = TypeVar("T")


class PaginationSettings(ConcernSettings):
    """What signs the cursors."""

    secret: SecretStr | None = Field(None, min_length=32)
    """Key that signs cursors, at least 32 characters and the same in every instance. Without one
    each process makes its own, and a cursor ends with the process."""


class Cursors:
    """Signs places in a list, so that a client can hand them back and can do nothing else.

    Args:
        secret: the key (HMAC-SHA-256, 128 bits of it are sent).
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def sign(self, place: str, *, route: str) -> str:
        """Return the cursor of `place` in the list at `route`."""
        data = place.encode()
        return urlsafe_b64encode(self._tag(data, route) + data).rstrip(b"=").decode()

    def read(self, cursor: str, *, route: str) -> str:
        """Return the place that a cursor stands for.

        Raises:
            NotFound: this service has not signed it, or not for this route: there is no such page.
        """
        try:
            data = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
            place = data[_TAG_BYTES:].decode()
        except ValueError:
            place = ""
        # Signing again and comparing the texts leaves no second spelling of one cursor.
        if not hmac.compare_digest(cursor.encode(), self.sign(place, route=route).encode()):
            raise NotFound("the cursor is not one of this list: start again without one")
        return place

    def _tag(self, place: bytes, route: str) -> bytes:
        message = route.encode() + b"\0" + place
        return hmac.digest(self._secret, message, "sha256")[:_TAG_BYTES]


@dataclass(frozen=True, slots=True)
class PageRequest:
    """The page that the client asks for.

    Attributes:
        limit: items on it at most; read one more, and `cut` knows whether another page follows.
        after: the place where the page before it ended, None for the first page.
    """

    limit: int
    after: str | None
    _cursors: Cursors
    _request: Request

    def cut(
        self, items: Sequence[T], *, place: Callable[[T], object]
    ) -> tuple[Sequence[T], str | None]:
        """Return the items of this page, and the cursor of the next or None.

        Args:
            items: up to `limit` + 1 of them.
            place: where an item stands in the list: what its order goes by, and nothing shared.
        """
        if len(items) <= self.limit:
            return items, None
        page = items[: self.limit]
        return page, self._cursors.sign(str(place(page[-1])), route=self._request.url.path)

    def link(self, cursor: str) -> str:
        """Return the `Link` header of the next page (RFC 8288)."""
        url = self._request.url.include_query_params(cursor=cursor)
        return f'<{url.path}?{url.query}>; rel="next"'


async def page_request(
    request: Request,
    limit: Annotated[int, Query(ge=1, le=100, description="Items on a page at most.")] = 20,
    cursor: Annotated[
        str | None,
        Query(
            pattern="^[A-Za-z0-9_-]+$",
            max_length=512,
            description="`next_cursor` of the page before.",
        ),
    ] = None,
) -> PageRequest:
    """Return the page that the query asks for.

    Raises:
        NotFound: the cursor is not one of this list.
    """
    cursors: Cursors = request.state.cursors
    after = None if cursor is None else cursors.read(cursor, route=request.url.path)
    return PageRequest(limit, after, cursors, request)


Page = Annotated[PageRequest, Depends(page_request)]
"""The page that a list route answers with."""


def pagination(settings: PaginationSettings) -> Concern:
    """Return the concern that signs the cursors of an app."""
    secret = settings.secret.get_secret_value().encode() if settings.secret else None
    cursors = Cursors(secret or secrets.token_bytes(32))

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[Mapping[str, Any]]:
        yield {"cursors": cursors}

    return Concern(name="pagination", lifespan=lifespan)
