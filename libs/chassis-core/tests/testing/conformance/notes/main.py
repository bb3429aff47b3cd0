from collections.abc import Sequence

from chassis_core import App, Concern, create_app
from fastapi import APIRouter

from notes.api import router
from notes.settings import Settings


def app(
    settings: type[Settings] = Settings,
    *,
    routers: Sequence[APIRouter] = (),
    concerns: Sequence[Concern] = (),
) -> App:
    return create_app(settings(), routers=[router, *routers], concerns=concerns)
