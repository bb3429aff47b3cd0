"""What an orchestrator is told."""

from chassis_core.testing.conformance.probe import BASE
from chassis_core.testing.conformance.promise import DoesNotApply, Promise, hold
from chassis_core.testing.conformance.subject import Subject

_PROBES = ("/livez", "/readyz", "/startupz")
_ADMIN = (*_PROBES, "/metrics", "/info")


async def _answered(subject: Subject) -> None:
    async with subject.running() as service:
        for path in (*_PROBES, "/info"):
            answer = await service.admin(path)
            status = answer.status_code
            hold(status == 200, f"{path} of a healthy service is {status}: {answer.text[:300]}")
            kept = answer.headers.get("cache-control", "")
            hold("no-store" in kept, f"{path} has Cache-Control {kept!r}; no-store belongs there")


async def _apart(subject: Subject) -> None:
    async with subject.running() as service:
        service.app.separate_admin = True
        for path in _ADMIN:
            status = (await service.http.get(path)).status_code
            hold(
                status == 404,
                f"{path} is answered {status} on the public listener, not 404: it belongs to the "
                "admin listener",
            )


async def _drained(subject: Subject) -> None:
    async with subject.running() as service:
        # A report that is kept for a second must not hide what has just begun.
        await service.admin("/readyz")
        service.app.drain()
        alive, ready = await service.admin("/livez"), await service.admin("/readyz")
        hold(alive.status_code == 200, f"/livez is {alive.status_code} while draining, not 200")
        hold(ready.status_code == 503, f"/readyz is {ready.status_code} while draining, not 503")
        status = (await service.http.get(f"{BASE}/ok")).status_code
        hold(status == 200, f"a request while draining is answered {status}; it is still served")


async def _gated(subject: Subject) -> None:
    if subject.migrations is None:
        raise DoesNotApply("the service has no migrations")
    empty = f"sqlite:///{subject.folder / 'empty.db'}"
    async with subject.running(DATABASE__URL=empty) as service:
        ready, alive = await service.admin("/readyz"), await service.admin("/livez")
    status = ready.status_code
    hold(status == 503, f"/readyz is {status} on a database that was never migrated, not 503")
    hold(alive.status_code == 200, f"/livez is {alive.status_code} then; a restart mends nothing")


PROBES = (
    Promise(
        "probes-answer",
        says="/livez, /readyz, /startupz and /info of a healthy service answer 200, and are not "
        "kept.",
        why="Deployments wait for them; without them no version is ever rolled out or back.",
        check=_answered,
    ),
    Promise(
        "admin-routes-are-not-public",
        says="Probes, metrics and info do not answer on the public listener of `chassis serve`.",
        why="They tell what runs, how it is set and how it is doing, and they are never limited.",
        check=_apart,
    ),
    Promise(
        "draining-says-so-and-serves",
        says="A service that is told to stop says so at /readyz, stays alive and serves on.",
        why="Requests keep coming until every proxy has heard. A service that fails liveness while "
        "it drains is killed with its requests.",
        check=_drained,
    ),
    Promise(
        "unmigrated-is-not-ready",
        says="A service whose database is behind its migrations is alive and not ready.",
        why="New code on an old schema fails every request that it is sent.",
        check=_gated,
    ),
)
