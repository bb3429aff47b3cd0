"""A story about one order, told step by step on a running platform; each step is checked."""

import base64
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

from dev.console import CYAN, DIM, YELLOW, Trouble, ok, paint, say, title
from dev.state import State
from dev.trace import await_trace, draw
from dev.visitor import ADDRESSES, Visitor
from dev.waiting import until

GUESSES = 60


class Story:
    """Ada, who buys tea.

    Args:
        state: of the platform.
        running: the record of the platform.
        ada: who she is to the platform.
    """

    def __init__(self, state: State, running: dict[str, Any], ada: Visitor) -> None:
        self._state = state
        self._running = running
        self._ada = ada
        self._token = ""

    def login(self) -> None:
        """Register Ada and log her in."""
        title("Ada registers and logs in at users")
        profile = self._ada.register("Ada Lovelace")
        ok(f"user {profile['id']}, {profile['email']}")
        self._token = self._ada.log_in()
        ok(f"an access token, signed with key {paint(_kid(self._token), CYAN)}")

    def order(self) -> str:
        """Place an order; return the id of the request."""
        title("She places an order at orders, which asks users who she is")
        key = str(uuid4())
        answer = self._ada.order(self._token, key)
        order = answer.json()
        _check(order["customer_name"] == "Ada Lovelace", "the order does not name its customer")
        total = f"{order['total_minor'] / 100:.2f} {order['currency']}"
        ok(f"order {order['id']} of {order['customer_name']}, {total}")
        again = self._ada.order(self._token, key).json()
        _check(again == order, "sent twice, it became a second order")
        ok("sent again with the same Idempotency-Key: the same answer, no second order")
        return str(answer.headers["x-request-id"])

    def logs(self, request_id: str) -> str:
        """Find the request in both services' logs; return the trace that it belongs to."""
        title("One search finds the request in the logs of both")
        say(f"  request {paint(request_id, CYAN)}")
        lines = {service: self._line(service, request_id) for service in ("orders", "users")}
        for service, line in lines.items():
            what = f"{line['http.request.method']} {line['url.path']}"
            how = f"{line['http.response.status_code']} in {line['duration_ms']:.1f} ms"
            say(f"  {service:8}{what:19}{how:18}{paint('trace ' + line['trace_id'], DIM)}")
        trace_id = str(lines["orders"]["trace_id"])
        _check(lines["users"]["trace_id"] == trace_id, "the two lines name two traces")
        ok("the same request id and the same trace id on both sides")
        return trace_id

    def trace(self, trace_id: str) -> None:
        """Draw the trace, and check that users' part hangs under the call that orders made."""
        title("One trace goes through both")
        if self._running["collector"] is None:
            say(f"  your own collector has it: {paint(trace_id, CYAN)}")
            return
        spans = await_trace(self._running["collector"], trace_id, {"users", "orders"})
        for line in draw(spans):
            say(f"  {line}")
        served = [span for span in spans if (span.service, span.kind) == ("users", "SERVER")]
        _check(len(served) == 1, f"users has {len(served)} server spans in the trace, not one")
        callers = [span for span in spans if span.span_id == served[0].parent_id]
        caller = [(span.service, span.kind) for span in callers]
        _check(caller == [("orders", "CLIENT")], "users' span is no child of the call of orders")
        ok("the span of users is a child of the call that orders made")

    def rotation(self) -> None:
        """Rotate the signing key under a token in use."""
        title("The signing key is rotated: users keys rotate --now")
        old, new = self._token, self._rotate()
        ok(f"a new token is signed with key {paint(_kid(new), CYAN)}")
        for token, text in ((old, "the old token still opens her orders"), (new, "so does a new")):
            _check(len(self._ada.orders(token)) == 1, "her order is gone")
            ok(text)

    def limit(self) -> None:
        """Be someone at another address who guesses refresh tokens, until stopped."""
        title("Someone else guesses refresh tokens")
        with Visitor(self._running["urls"]) as stranger:
            answers = [stranger.guess()]
            while answers[-1].status_code == 400 and len(answers) < GUESSES:
                answers.append(stranger.guess())
        stopped = answers[-1]
        _check(stopped.status_code == 429, f"{len(answers)} guesses, and no limit stopped them")
        ok(f"{len(answers) - 1} guesses were wrong, then came 429 {stopped.json()['title']}")
        for name in ("retry-after", "ratelimit-policy", "ratelimit"):
            _check(name in stopped.headers, f"the 429 has no {name} header")
            say(f"    {paint(name, YELLOW)}: {stopped.headers[name]}")
        if ADDRESSES:
            self._ada.log_in()
            ok("Ada, at her own address, logs in as before")

    def _rotate(self) -> str:
        command = [str(Path(sys.executable).with_name("users")), "keys", "rotate", "--now"]
        settings = os.environ | self._running["environment"]
        done = subprocess.run(command, env=settings, capture_output=True, text=True, check=False)
        _check(done.returncode == 0, f"the rotation failed: {done.stderr.strip()}")

        def signed_anew() -> str | None:
            token = self._ada.log_in()
            return token if _kid(token) != _kid(self._token) else None

        return until(signed_anew, 15, "new tokens are still signed with the old key", step=0.5)

    def _line(self, service: str, request_id: str) -> dict[str, Any]:
        def written() -> str | None:
            lines = self._state.log(service).read_text("utf-8").splitlines()
            ours = (line for line in lines if request_id in line and '"event":"request"' in line)
            return next(ours, None)

        otherwise = f"{service} has no access line of request {request_id}"
        return dict(json.loads(until(written, 5, otherwise)))


def _kid(token: str) -> str:
    header = token.partition(".")[0]
    return str(json.loads(base64.urlsafe_b64decode(header + "=="))["kid"])


def _check(holds: bool, otherwise: str) -> None:
    if not holds:
        raise Trouble(otherwise)
