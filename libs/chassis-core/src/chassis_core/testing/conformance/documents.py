"""What the service says of itself."""

from fastapi.routing import iter_route_contexts

from chassis_core.testing.conformance.operations import Operation
from chassis_core.testing.conformance.probe import BASE
from chassis_core.testing.conformance.promise import DoesNotApply, Promise, hold
from chassis_core.testing.conformance.subject import Subject

_PAGES = ("/openapi.json", "/docs", "/redoc", "/docs/oauth2-redirect")
_PROBLEM = "application/problem+json"


async def _hidden(subject: Subject) -> None:
    async with subject.running() as service:
        for path in _PAGES:
            status = (await service.http.get(path)).status_code
            hold(status == 404, f"{path} is answered {status} in production, not 404")


async def _listed(subject: Subject) -> None:
    app, _ = subject.build()
    listed = {(operation.method, operation.path) for operation in subject.operations}
    for route in iter_route_contexts(app.routes):
        path = str(route.path)
        if path.startswith(BASE):
            continue
        # A route without methods is an app of its own, which has another document or none.
        methods = sorted(set(route.methods or {"every method"}) - {"HEAD"})
        hidden = [method for method in methods if (method, path) not in listed]
        hold(
            not hidden,
            f"{', '.join(hidden)} {path} is in no OpenAPI document: show it, so that the other "
            "promises are asked of it too",
        )


async def _told(subject: Subject) -> None:
    for operation in _operations(subject):
        answers = operation.spec.get("responses", {})
        errors = {s: a for s, a in answers.items() if s == "default" or s >= "400"}
        hold(errors, f"{operation} says nothing of its errors")
        for status, answer in errors.items():
            kinds = sorted(answer.get("content", {}))
            hold(
                kinds == [_PROBLEM],
                f"{operation} says that its {status} is {kinds}, not {_PROBLEM}: declare it by "
                f"responses({status})",
            )
        if operation.guarded:
            hold("401" in answers, f"{operation} is guarded and does not say that it answers 401")


async def _repeatable(subject: Subject) -> None:
    creating = [
        operation
        for operation in _operations(subject)
        if operation.method == "POST" and "201" in operation.spec.get("responses", {})
    ]
    if not creating:
        raise DoesNotApply("no POST says that it answers 201")
    for operation in creating:
        named = {header.lower() for header in operation.headers}
        hold(
            "idempotency-key" in named or "409" in operation.spec["responses"],
            f"{operation} makes something anew each time it is sent: take an Idempotent and say "
            "openapi_extra=IDEMPOTENCY_KEY, or refuse the second with 409",
        )


def _operations(subject: Subject) -> list[Operation]:
    if not subject.operations:
        raise DoesNotApply("the OpenAPI document has no operation")
    return subject.operations


DOCUMENTS = (
    Promise(
        "documents-are-hidden-in-production",
        says="In production neither the OpenAPI document nor its pages are served.",
        why="They list every route with every field, for whoever looks for the one that was "
        "forgotten.",
        check=_hidden,
    ),
    Promise(
        "no-route-is-hidden",
        says="Every route of the public listener is in the service's OpenAPI document.",
        why="What no document shows is asked about by no test and watched by no one, and is still "
        "there for whoever guesses its path.",
        check=_listed,
    ),
    Promise(
        "errors-are-documented",
        says="Every operation says that its errors are problems, and a guarded one that it may be "
        "401.",
        why="Clients are generated from the document; one that knows another kind of error fails "
        "on the first.",
        check=_told,
    ),
    Promise(
        "creations-can-be-repeated",
        says="A POST that creates takes an Idempotency-Key, or refuses a repetition with 409.",
        why="Clients whose answer is lost send their request again, and have then bought twice.",
        check=_repeatable,
    ),
)
