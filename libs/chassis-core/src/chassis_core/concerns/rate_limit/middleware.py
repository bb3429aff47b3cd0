"""The default limit of every client address, and the headers that all limits answer with."""

from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chassis_core.concerns.rate_limit.client import key_of
from chassis_core.concerns.rate_limit.limiter import Limiter, OnOutage
from chassis_core.concerns.rate_limit.policy import Decision, Policy, retry_after, state
from chassis_core.problem import TooManyRequests

QUOTA_EXCEEDED = "https://iana.org/assignments/http-problem-types#quota-exceeded"
Answers = list[tuple[Policy, Decision]]
_ANSWERS = "chassis.limits"
"""Scope key of what the limits of a request have answered, for its headers."""


async def enforce(
    limiter: Limiter,
    scope: Scope,
    policies: tuple[Policy, ...],
    *,
    key: str,
    cost: int = 1,
    on_outage: OnOutage = "local",
) -> None:
    """Count the request, note the answer for its headers, and refuse it over the limit.

    Args:
        limiter: counts.
        scope: of the request.
        policies: all must allow it.
        key: who is counted.
        cost: units that the request uses.
        on_outage: what is done while the store fails.

    Raises:
        TooManyRequests: a policy is used up.
        Unavailable: the store fails and the policy fails closed.
    """
    if (decisions := limiter.hit_here(policies, key, cost)) is None:
        decisions = await limiter.hit(policies, key, cost, on_outage)
    answers: Answers = scope.setdefault(_ANSWERS, [])
    violated = []
    for policy, decision in zip(policies, decisions, strict=False):
        answers.append((policy, decision))
        limiter.count(policy.name, decision.allowed)
        if not decision.allowed:
            violated.append(policy.name)
    if violated:
        seconds = retry_after(decisions)
        extensions: dict[str, Any] = {"violated-policies": violated}
        raise TooManyRequests(
            f"the quota is used up; ask again in {seconds} s",
            type=QUOTA_EXCEEDED,
            headers={"Retry-After": str(seconds)},
            **extensions,
        )


class RateLimitMiddleware:
    """Limits each client address, and writes the headers of every limit of the request.

    An answer that is made outside of it, such as the 500 for an unhandled exception, has none.

    Args:
        app: the app inside.
        limiter: counts.
        policies: of each client address; empty for none.
        on_outage: what they do while the store fails.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        limiter: Limiter,
        policies: tuple[Policy, ...] = (),
        on_outage: OnOutage = "local",
    ) -> None:
        self._app = app
        self._limiter = limiter
        self._policies = policies
        self._on_outage = on_outage

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse the request or pass it on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answers: Answers = []
        scope[_ANSWERS] = answers
        if self._policies:
            try:
                key = key_of(scope, "address")
                await enforce(
                    self._limiter, scope, self._policies, key=key, on_outage=self._on_outage
                )
            except TooManyRequests as problem:
                headers = {name.decode(): value.decode() for name, value in _headers(answers)}
                problem.headers = {**(problem.headers or {}), **headers}
                raise

        async def send_with_headers(message: Message) -> None:
            if answers and message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *_headers(answers)]
            await send(message)

        await self._app(scope, receive, send_with_headers)


def _headers(answers: Answers) -> list[tuple[bytes, bytes]]:
    if len(answers) == 1:
        policy, decision = answers[0]
        policies, states = policy.field, state(policy, decision)
    else:
        policies = ", ".join([policy.field for policy, _ in answers])
        states = ", ".join([state(policy, decision) for policy, decision in answers])
    return [(b"ratelimit-policy", policies.encode()), (b"ratelimit", states.encode())]
