from uuid import UUID, uuid4

from chassis_core import IDEMPOTENCY_KEY, PUBLIC, CurrentUser, Idempotent, Session
from chassis_core.problem import NotFound, responses
from fastapi import APIRouter, Response
from pydantic import BaseModel

from notes.models import Note

router = APIRouter(prefix="/v1/notes", responses=responses(401, 422))


class NewNote(BaseModel, extra="forbid"):
    text: str


@router.post("", status_code=201, openapi_extra=IDEMPOTENCY_KEY)
async def write(new: NewNote, caller: CurrentUser, attempt: Idempotent, session: Session):
    async def add() -> Response:
        session.add(Note(id=uuid4(), owner=caller.subject, text=new.text))
        return Response(status_code=201)

    return await attempt.once(session, add)


@router.get("/{note_id}", responses=responses(404))
async def read(note_id: UUID, caller: CurrentUser, session: Session) -> dict[str, str]:
    note = await session.get(Note, note_id)
    if note is None or note.owner != caller.subject:
        raise NotFound("there is no such note")
    return {"text": note.text}


@router.get("", openapi_extra=PUBLIC)
async def describe() -> str:
    return "notes"
