"""From where a request may come: hosts, origins, addresses."""

from chassis_core.testing.conformance.probe import BASE
from chassis_core.testing.conformance.promise import Promise, hold
from chassis_core.testing.conformance.situations import FOREIGN
from chassis_core.testing.conformance.subject import PEER, Subject

_FOREIGN_HOSTS = ("foreign.example", "localhost.foreign.example", "foreign.example:80", "a b", "")
_FORWARDED = ("x-forwarded-for", "forwarded", "x-real-ip", "true-client-ip", "x-client-ip")


async def _hosts(subject: Subject) -> None:
    async with subject.running() as service:
        for host in _FOREIGN_HOSTS:
            answer = await service.http.get(f"{BASE}/ok", headers={"host": host})
            status = answer.status_code
            hold(status == 400, f"a request for the host {host!r} is answered {status}, not 400")


async def _origins(subject: Subject) -> None:
    asks = {"origin": FOREIGN, "access-control-request-method": "POST"}
    async with subject.running() as service:
        for answer in (
            await service.http.options(f"{BASE}/note", headers=asks),
            await service.http.get(f"{BASE}/ok", headers={"origin": FOREIGN}),
        ):
            allowed = answer.headers.get("access-control-allow-origin")
            hold(
                allowed is None,
                f"{answer.request.method} from {FOREIGN} is granted to {allowed!r}; name the "
                "origins in cors.allow_origins",
            )


async def _addresses(subject: Subject) -> None:
    async with subject.running(RATE_LIMIT__DEFAULT="2/hour") as service:
        for number in range(1, 4):
            address = f"203.0.113.{number}"
            headers = dict.fromkeys(_FORWARDED, address) | {"forwarded": f"for={address}"}
            answer = await service.http.get(f"{BASE}/ok", headers=headers)
        logged = {line.get("client.address") for line in service.telemetry.access_lines()}
    hold(logged == {PEER}, f"the client {PEER} is logged as {sorted(map(str, logged))}")
    hold(
        answer.status_code == 429,
        "a client that names another address each time is not limited; trust no proxy by default",
    )


ACCESS = (
    Promise(
        "foreign-hosts-are-refused",
        says="A request for a host name that is not the service's own is answered 400.",
        why="Links, redirects and caches that believe the Host header send people where an "
        "attacker wants them.",
        check=_hosts,
    ),
    Promise(
        "foreign-origins-are-refused",
        says="A web page of an origin that nobody named may not call the service.",
        why="With every origin allowed, any page that a user opens can act with that user's "
        "access.",
        check=_origins,
    ),
    Promise(
        "forwarded-addresses-are-not-believed",
        says="No header that a client sends changes its address in the log or for its limits.",
        why="A spoofed X-Forwarded-For gave each request a new address, and so limits that nobody "
        "could reach and logs that blamed others.",
        check=_addresses,
    ),
)
