"""Who may call: credentials, and what passes for one."""

from collections.abc import Iterator

import httpx2

from chassis_core.testing.conformance.probe import BASE
from chassis_core.testing.conformance.promise import DoesNotApply, Promise, hold
from chassis_core.testing.conformance.subject import Subject
from chassis_core.testing.issuer import Issuer, encoded


async def _guarded(subject: Subject) -> None:
    async with subject.running() as service:
        _challenged(await service.http.get(f"{BASE}/caller"), "a route that takes CurrentUser")
        for operation in subject.operations:
            hold(
                operation.security is not None,
                f"{operation} says nothing of who may call it: take CurrentUser, or say "
                "openapi_extra=PUBLIC if anyone may",
            )
            answer = await service.send(operation)
            if operation.guarded:
                _challenged(answer, str(operation))


def _challenged(answer: httpx2.Response, name: str, credential: str = "no credential") -> None:
    status = answer.status_code
    hold(status == 401, f"{name} is answered {status} with {credential}; 401 belongs there")
    challenge = answer.headers.get("www-authenticate")
    hold(challenge, f"{name} is answered 401 without WWW-Authenticate")


async def _forged(subject: Subject) -> None:
    guarded = [operation for operation in subject.operations if operation.guarded]
    for name, token in _forgeries(subject):
        sent = {"authorization": f"Bearer {token}"}
        # Each has an app of its own, so that no limit of a route answers in the guard's place.
        async with subject.running() as service:
            answer = await service.http.get(f"{BASE}/caller", headers=sent)
            _challenged(answer, "a route that takes CurrentUser", name)
            for operation in guarded:
                _challenged(await service.send(operation, sent), str(operation), name)


def _forgeries(subject: Subject) -> Iterator[tuple[str, str]]:
    auth = subject.settings.auth
    stranger = Issuer(issuer=auth.issuer, audience=auth.audience)
    known = subject.issuer or stranger
    head, body, signature = known.token().split(".")
    header = {"alg": "none", "typ": "at+jwt"}
    unsigned = known.sign(header, known.claims()).rpartition(".")[0]
    pem = known.public_key().encode()
    confused = known.header() | {"alg": "HS256"}
    yield "an unsigned token", f"{unsigned}."
    yield "a token without its signature", f"{head}.{body}."
    yield "a token signed by a stranger", stranger.token()
    yield (
        "a token with another's claims",
        f"{head}.{stranger.token('root').split('.')[1]}.{signature}",
    )
    yield (
        "a token signed with the public key",
        known.sign(confused, known.claims(), algorithm="HS256", key=pem),
    )
    yield "an expired token", known.token(exp=1_000_000_000, iat=999_999_000)
    yield "a token that never expires", known.token(exp=...)
    yield "a token for another audience", known.token(aud="another")
    yield "a token of another issuer", known.token(iss="https://another.invalid/")
    yield "a token without a subject", known.token(sub=...)
    if "JWT" not in auth.token_types:
        yield "an ID token", known.token(header={"typ": "JWT"})
    yield "no JWT", encoded(b"{}")


async def _believed(subject: Subject) -> None:
    if subject.issuer is None:
        raise DoesNotApply("auth.mode is none: the service has keys of its own, or lets no one in")
    async with subject.running() as service:
        answer = await service.http.get(f"{BASE}/caller", headers=subject.token())
        status = answer.status_code
        hold(status == 200, f"a route that takes CurrentUser answers a good token with {status}")
        for operation in subject.operations:
            if operation.guarded:
                headers = subject.token(*operation.scopes)
                status = (await service.send(operation, headers)).status_code
                hold(status != 401, f"{operation} answers a good token with 401")
                hold(status < 500, f"{operation} answers a good token with {status}")


GUARDS = (
    Promise(
        "operations-are-guarded",
        says="Every operation answers 401 without a credential, unless it says that anyone may "
        "call it.",
        why="The route that someone forgot to guard looks like all the others. It must be public "
        "by a word, not by a missing one.",
        check=_guarded,
    ),
    Promise(
        "forged-tokens-are-refused",
        says="No operation takes a token that is unsigned, expired, or meant for someone else.",
        why="Each kind of forgery has worked against a library in wide use.",
        check=_forged,
    ),
    Promise(
        "good-tokens-are-believed",
        says="A good token gets past the guard of every operation.",
        why="A guard that refuses everyone passes every test of what it must refuse.",
        check=_believed,
    ),
)
