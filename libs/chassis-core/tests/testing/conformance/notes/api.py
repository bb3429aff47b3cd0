from uuid import UUID, uuid4

from chassis_core import IDEMPOTENCY_KEY, PUBLIC, CurrentUser, Idempotent, Principal, Session
from chassis_core.problem import NotFound, responses
from fastapi import APIRouter, Response
from pydantic import BaseModel
from sqlalchemy import ColumnElement, select

from notes.models import Note

router = APIRouter(prefix="/v1/notes", responses=responses(401, 422))


class NewNote(BaseModel, extra="forbid"):
    text: str


@router.post("", status_code=201, openapi_extra=IDEMPOTENCY_KEY)
async def write(new: NewNote, caller: CurrentUser, attempt: Idempotent, session: Session):
    async def add() -> Response:
        session.add(note := Note(id=uuid4(), owner=caller.subject, text=new.text))
        return Response(status_code=201, headers={"Location": f"/v1/notes/{note.id}"})

    return await attempt.once(session, add)


@router.get("")
async def list_own(caller: CurrentUser, session: Session) -> list[dict[str, str]]:
    notes = await session.scalars(select(Note).where(belongs_to(caller)))
    return [{"id": str(note.id), "text": note.text} for note in notes]


@router.get("/about", openapi_extra=PUBLIC)
async def describe() -> str:
    return "notes"


@router.get("/{note_id}", responses=responses(404))
async def read(note_id: UUID, caller: CurrentUser, session: Session) -> dict[str, str]:
    return {"text": (await own(session, note_id, caller)).text}


@router.delete("/{note_id}", status_code=204, responses=responses(404))
async def remove(note_id: UUID, caller: CurrentUser, session: Session) -> None:
    await session.delete(await own(session, note_id, caller))


async def own(session: Session, note_id: UUID, caller: Principal) -> Note:
    note = await session.scalar(select(Note).where(Note.id == note_id, belongs_to(caller)))
    if note is None:
        raise NotFound("there is no such note")
    return note


def belongs_to(caller: Principal) -> ColumnElement[bool]:
    return Note.owner == caller.subject
