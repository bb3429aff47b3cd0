"""A service of books, in memory, whose routes forget the owner or say that they share."""

from collections.abc import Callable, Mapping
from typing import Any

from chassis_core import App, CurrentUser, Principal, ServiceSettings, create_app
from chassis_core.concerns.auth import AuthSettings
from chassis_core.problem import NotFound, responses
from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict
from pydantic_settings import SettingsConfigDict


class Settings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="LIBRARY_")

    name: str = "library"
    auth: AuthSettings = AuthSettings(
        mode="jwks",
        issuer="http://127.0.0.1:1",
        audience="library",
        jwks_url="http://127.0.0.1:1/.well-known/jwks.json",
    )


class Book(BaseModel):
    model_config = ConfigDict(extra="forbid")

    title: str


class Books(dict[int, tuple[str, dict[str, Any]]]):
    """The books by their id, each with its owner; `forgetful` is the route that forgets them."""

    forgetful = ""

    def of(self, caller: Principal) -> list[dict[str, Any]]:
        everyones = self.forgetful == "list"
        return [book for owner, book in self.values() if everyones or owner == caller.subject]

    def own(self, book_id: int, caller: Principal, route: str = "none") -> dict[str, Any]:
        owner, book = self.get(book_id, ("", {}))
        if not owner or (owner != caller.subject and route != self.forgetful):
            raise NotFound("there is no such book")
        return book


def library(
    *,
    forgetful: str = "",
    marks: Mapping[str, dict[str, Any]] | None = None,
    body: type[BaseModel] = Book,
    more: Callable[[APIRouter, Books], None] | None = None,
) -> Callable[[], App]:
    """Return what makes the service.

    Args:
        forgetful: the route that forgets whose a book is: list, read, change or leave.
        marks: `openapi_extra` of a route, by the name of the route.
        body: of what makes a book.
        more: adds routes.
    """
    marks = marks or {}

    def make() -> App:
        books = Books()
        books.forgetful = forgetful
        router = APIRouter(prefix="/v1/books", responses=responses(401, 403, 404, 409, 422))

        @router.post("", status_code=201)
        async def write(new: body, caller: CurrentUser) -> dict[str, Any]:
            book = {"id": len(books) + 1} | new.model_dump()
            books[book["id"]] = (caller.subject, book)
            return book

        @router.get("", openapi_extra=marks.get("list"))
        async def list_own(caller: CurrentUser) -> list[dict[str, Any]]:
            return books.of(caller)

        @router.get("/{book_id}", openapi_extra=marks.get("read"))
        async def read(book_id: int, caller: CurrentUser) -> dict[str, Any]:
            return books.own(book_id, caller, "read")

        @router.put("/{book_id}", status_code=204, openapi_extra=marks.get("change"))
        async def change(book_id: int, new: Book, caller: CurrentUser) -> None:
            books.own(book_id, caller, "change").update(new.model_dump())

        @router.delete("/{book_id}", status_code=204, openapi_extra=marks.get("leave"))
        async def leave(book_id: int, caller: CurrentUser) -> None:
            if forgetful == "leave":
                books.pop(book_id, None)
            books.own(book_id, caller)
            books.pop(book_id)

        if more is not None:
            more(router, books)
        return create_app(Settings(), routers=[router])

    return make
