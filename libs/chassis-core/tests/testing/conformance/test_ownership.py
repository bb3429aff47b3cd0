"""Two callers with equal scopes: what one makes, the other neither lists, reads nor changes."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from chassis_core import PUBLIC, SHARED, App, CurrentUser, create_app
from chassis_core.problem import Conflict, NotFound, responses
from chassis_core.testing.conformance import PROMISES, Verdict, ask, examining
from fastapi import APIRouter
from library import Book, Books, Settings, library
from pydantic import BaseModel, Field, model_validator

(APART,) = [promise for promise in PROMISES if promise.name == "callers-are-kept-apart"]
ITEM = "/v1/books/{book_id}"


async def asked(make: Callable[[], App]) -> Verdict:
    async with examining(make) as subject:
        return await ask(APART, subject)


async def test_who_keeps_callers_apart_is_believed():
    verdict = await asked(library())
    assert (verdict.outcome, verdict.text) == ("kept", "")


@pytest.mark.parametrize(
    ("forgetful", "told"),
    [
        ("list", "GET /v1/books has what another caller made"),
        ("read", f"GET {ITEM} of what another caller made is answered 200, not 404"),
        ("change", f"PUT {ITEM} of what another caller made is answered 204, not 404"),
        ("leave", f"GET {ITEM} answers the owner otherwise once another caller has tried"),
    ],
)
async def test_a_route_that_forgets_the_owner_is_named(forgetful: str, told: str):
    verdict = await asked(library(forgetful=forgetful))
    assert verdict.outcome == "broken"
    assert verdict.text.startswith(told)
    assert verdict.text.endswith("or say openapi_extra=SHARED if it is for all")


@pytest.mark.parametrize("route", ["list", "read", "change"])
async def test_a_route_that_says_that_it_is_shared_is_left_alone(route: str):
    verdict = await asked(library(forgetful=route, marks={route: SHARED}))
    assert (verdict.outcome, verdict.text) == ("kept", "")


def shows_a_cover(router: APIRouter, books: Books) -> None:
    @router.get("/{book_id}/cover", openapi_extra=PUBLIC)
    async def cover(book_id: int) -> str:
        return books[book_id][1]["title"]


async def test_a_route_that_anyone_may_call_is_left_alone():
    verdict = await asked(library(more=shows_a_cover))
    assert (verdict.outcome, verdict.text) == ("kept", "")


async def test_a_mark_on_one_route_excuses_no_other():
    verdict = await asked(library(forgetful="change", marks={"read": SHARED, "list": SHARED}))
    assert (verdict.outcome, verdict.text[:3]) == ("broken", "PUT")


class Odd(BaseModel, extra="forbid"):
    title: str = Field(pattern=r"^(?:a$|b)c$")


class Particular(Book):
    @model_validator(mode="after")
    def _is_known(self) -> "Particular":
        if self.title != "Emma":
            raise ValueError("there is one book only")
        return self


class Exemplary(Particular):
    title: str = Field(examples=["Emma"])


async def test_a_body_that_cannot_be_made_up_is_said_not_passed_over():
    verdict = await asked(library(body=Odd))
    assert verdict.outcome == "does not apply"
    assert "POST /v1/books: body.title is a text for which none was found; give" in verdict.text


async def test_a_body_that_is_refused_is_said_and_an_example_mends_it():
    refused, mended = await asked(library(body=Particular)), await asked(library(body=Exemplary))
    assert refused.outcome == "does not apply"
    assert "POST /v1/books answers a body that was made up 422, not 201" in refused.text
    assert (mended.outcome, mended.text) == ("kept", "")


def changes_what_is_refused(router: APIRouter, books: Books) -> None:
    @router.patch("/{book_id}")
    async def change(book_id: int, new: Particular, caller: CurrentUser) -> None:
        books.own(book_id, caller).update(new.model_dump())


def finds_nothing(router: APIRouter, _: Books) -> None:
    @router.get("/{book_id}/cover")
    async def cover(book_id: int, _: CurrentUser) -> None:
        raise NotFound(f"the book {book_id} has no cover")


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (changes_what_is_refused, f"PATCH {ITEM} answers what was made up 422, whatever it is for"),
        (finds_nothing, f"GET {ITEM}/cover answers the owner 404, too"),
    ],
)
async def test_a_route_whose_answer_says_nothing_is_named(more: Any, told: str):
    verdict = await asked(library(more=more))
    assert (verdict.outcome, verdict.text) == ("does not apply", f"not all could be asked: {told}")


def tells_of_what_it_refuses(router: APIRouter, books: Books) -> None:
    @router.post("/{book_id}/lend")
    async def lend(book_id: int, _: CurrentUser) -> None:
        if book_id == 1:
            raise Conflict("it is lent already")
        raise NotFound("there is no such book")


async def test_a_refusal_that_tells_what_is_there_is_one_too():
    verdict = await asked(library(more=tells_of_what_it_refuses))
    assert verdict.outcome == "broken"
    assert verdict.text.startswith(f"POST {ITEM}/lend of what another caller made is answered 409")


def looks_for_what_nobody_made(router: APIRouter, _: Books) -> None:
    @router.get("/of/{author}", status_code=204)
    async def find(author: str, _: CurrentUser) -> None: ...


async def test_a_route_for_what_no_route_makes_is_named():
    verdict = await asked(library(more=looks_for_what_nobody_made))
    assert verdict.outcome == "does not apply"
    assert "GET /v1/books/of/{author} is for what no POST makes" in verdict.text


def pages(forgetful: bool) -> Callable[[APIRouter, Books], None]:
    def more(router: APIRouter, books: Books) -> None:
        written: dict[int, str] = {}

        @router.post("/{book_id}/pages", status_code=201)
        async def write(book_id: int, new: Book, caller: CurrentUser) -> dict[str, int]:
            books.own(book_id, caller)
            written[page := len(written) + 1] = new.title
            return {"id": page}

        @router.get("/{book_id}/pages/{page}")
        async def read(book_id: int, page: int, caller: CurrentUser) -> str:
            if not forgetful:
                books.own(book_id, caller)
            if page not in written:
                raise NotFound("there is no such page")
            return written[page]

    return more


def lending() -> App:
    router = APIRouter(prefix="/v1", responses=responses(401, 404, 422))
    loans: dict[str, str] = {}

    @router.post("/loans", status_code=201)
    async def lend(caller: CurrentUser) -> dict[str, str]:
        loans[loan := str(uuid4())] = caller.subject
        return {"id": loan}

    @router.delete("/loans/{loan}", status_code=204)
    async def end(loan: str, caller: CurrentUser) -> None:
        if loans.get(loan) != caller.subject:
            raise NotFound("there is no such loan")

    @router.get("/search")
    async def search(_: CurrentUser) -> list[str]:
        return [*loans]

    return create_app(Settings(), routers=[router])


async def test_a_search_that_finds_what_another_made_is_named():
    verdict = await asked(lending)
    assert verdict.outcome == "broken"
    assert verdict.text.startswith("GET /v1/search has what another caller made")


async def test_what_is_made_within_a_thing_is_asked_about_within_it():
    kept, broken = await asked(library(more=pages(False))), await asked(library(more=pages(True)))
    assert (kept.outcome, kept.text) == ("kept", "")
    assert broken.outcome == "broken"
    assert broken.text.startswith(f"GET {ITEM}/pages/{{page}} of what another caller made is")
