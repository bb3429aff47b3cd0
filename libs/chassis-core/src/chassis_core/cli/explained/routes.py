"""The routes of a service: who may call them, how often, and whether twice is once."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, get_args

from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts

from chassis_core.cli.explained.page import Row
from chassis_core.compose import App
from chassis_core.concerns.auth import SHARED, dependency, get_current_user
from chassis_core.concerns.idempotency import Idempotent
from chassis_core.concerns.rate_limit import RateLimit


def routes_of(app: App) -> list[Row]:
    """Return the routes of the public listener, in the order in which they are tried."""
    found = iter_route_contexts(app.routes)
    return [
        {
            "route": f"{' '.join(sorted(one.methods or ()))} {one.path}",
            "caller": _rendered(one.dependant, one.original_route.openapi_extra or {}),
        }
        for one in found
        if isinstance(one.original_route, APIRoute)
    ]


def _rendered(dependant: Dependant, marks: Mapping[str, Any]) -> str:
    calls = list(_calls(dependant))
    said = [_caller(calls), *(str(call) for call in calls if isinstance(call, RateLimit))]
    if get_args(Idempotent)[1].dependency in calls:
        said.append("once for each Idempotency-Key")
    if SHARED.items() <= marks.items():
        said.append("shared: reaches what others made")
    return "; ".join(said)


def _caller(calls: list[Callable[..., Any]]) -> str:
    needs = [_need(call) for call in calls if call.__module__ == dependency.__name__]
    return ", ".join(need for need in needs if need) or (
        "any verified caller" if needs else "public"
    )


def _need(call: Callable[..., Any]) -> str:
    says = "" if call is get_current_user else (call.__doc__ or "")
    return says[:1].lower() + says[1:].removesuffix(".")


def _calls(dependant: Dependant) -> Iterator[Callable[..., Any]]:
    for one in dependant.dependencies:
        if one.call is not None:
            yield one.call
        yield from _calls(one)
