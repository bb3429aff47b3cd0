"""Visits the platform behind the local ports: visit.py demo | load [SECONDS].

`demo` walks one order across both services and checks each step. `load` reads that order in a loop
and counts the answers. USERS, ORDERS and JAEGER may name other base URLs; with an empty JAEGER the
demo does not look for its trace.
"""

import json
import os
import secrets
import statistics
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

USERS = os.environ.get("USERS", "http://localhost:8001")
ORDERS = os.environ.get("ORDERS", "http://localhost:8002")
JAEGER = os.environ.get("JAEGER", "http://localhost:16686")
ORDER = {"currency": "EUR", "items": [{"sku": "tea", "quantity": 2, "unit_price_minor": 450}]}
PASSPHRASE = "correct horse battery"  # noqa: S105 - of a person who does not exist
GUESSES = 60
READERS = 8
TRIES = 5


class Answer(NamedTuple):
    """A status, headers, and the body of an answer that has one."""

    status: int
    headers: Any
    body: Any


def ask(url: str, body: Any = None, **headers: str) -> Answer:
    """Send a GET, or a POST of a form (bytes) or of JSON (anything else)."""
    data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    if data is not None and data is not body:
        headers["Content-Type"] = "application/json"
    request = Request(url, data, headers)  # noqa: S310 - the URLs are the caller's own
    try:
        with urlopen(request, timeout=30) as response:  # noqa: S310 - likewise
            return Answer(response.status, response.headers, json.load(response))
    except HTTPError as error:
        with error:
            return Answer(error.code, error.headers, json.load(error))
    except URLError as error:
        sys.exit(f"{url}: {error.reason}; is the platform up?")


def expect(answer: Answer, status: int) -> Answer:
    """Return the answer, or end with its text if the status is another."""
    if answer.status != status:
        sys.exit(f"expected {status}, was answered {answer.status}: {answer.body}")
    return answer


def token() -> str:
    """Register somebody new and return their access token."""
    email = f"visitor-{secrets.token_hex(4)}@example.com"
    profile = {"email": email, "password": PASSPHRASE, "name": "Ada Lovelace"}
    expect(patiently(f"{USERS}/v1/users", profile), 201)
    form = {"grant_type": "password", "username": email, "password": PASSPHRASE}
    answer = patiently(f"{USERS}/oauth2/token", urlencode(form).encode())
    return str(expect(answer, 200).body["access_token"])


def patiently(url: str, body: Any) -> Answer:
    """Send a POST; as often as a limit refuses it, wait as long as it says and try again."""
    for _ in range(TRIES):
        answer = ask(url, body)
        if answer.status != 429:
            break
        time.sleep(min(float(answer.headers["Retry-After"]), 30))
    return answer


def place(bearer: str, trace_id: str) -> Answer:
    """Place an order within a trace of our own."""
    headers = {
        "Authorization": f"Bearer {bearer}",
        "Idempotency-Key": secrets.token_hex(16),
        "traceparent": f"00-{trace_id}-{secrets.token_hex(8)}-01",
    }
    return expect(ask(f"{ORDERS}/v1/orders", ORDER, **headers), 201)


def demo() -> None:
    """Show tracing, JWKS and the shared limit; end with 1 where a step is not as it should be."""
    bearer, trace_id = token(), secrets.token_hex(16)
    keys = expect(ask(f"{USERS}/.well-known/jwks.json"), 200).body["keys"]
    say(f"users publishes {len(keys)} keys; orders checks tokens with them")
    order = place(bearer, trace_id).body
    say(f"order {order['id']} for {order['customer_name']}, whom orders asked users about")
    wait_for_trace(trace_id)
    wrong = {"grant_type": "refresh_token", "refresh_token": "guess"}
    guesses = (ask(f"{USERS}/oauth2/token", urlencode(wrong).encode()) for _ in range(GUESSES))
    refused = next((answer for answer in guesses if answer.status == 429), None)
    if refused is None:
        sys.exit(f"{GUESSES} guesses, and no limit stopped them")
    say(f"someone who guesses is told 429: {refused.headers['RateLimit-Policy']}")


def wait_for_trace(trace_id: str) -> None:
    """Wait until Jaeger has spans of both services in the trace, where there is a Jaeger."""
    if not JAEGER:
        return
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        found = ask(f"{JAEGER}/api/traces/{trace_id}").body.get("data") or []
        processes = [process for trace in found for process in trace["processes"].values()]
        if {"users", "orders"} <= {process["serviceName"] for process in processes}:
            say(f"one trace goes through both: {JAEGER}/trace/{trace_id}")
            return
        time.sleep(1)
    sys.exit(f"Jaeger has no trace {trace_id} of both services")


def load(seconds: float) -> None:
    """Read one order from several threads at once; print what was answered, and how fast."""
    bearer = token()
    order = place(bearer, secrets.token_hex(16)).body["id"]
    deadline = time.monotonic() + seconds

    def read(_: int) -> list[tuple[int, float]]:
        seen = []
        while (began := time.monotonic()) < deadline:
            answer = ask(f"{ORDERS}/v1/orders/{order}", Authorization=f"Bearer {bearer}")
            seen.append((answer.status, time.monotonic() - began))
        return seen

    with ThreadPoolExecutor(READERS) as pool:
        answers = [answer for seen in pool.map(read, range(READERS)) for answer in seen]
    statuses = Counter(status for status, _ in answers)
    *_, tail = statistics.quantiles((took for _, took in answers), n=20)
    middle = statistics.median(took for _, took in answers)
    say(f"{len(answers) / seconds:.0f} answers a second: {dict(statuses)}")
    say(f"half within {middle * 1000:.1f} ms, 95 % within {tail * 1000:.1f} ms")


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    command, *rest = sys.argv[1:] or ["demo"]
    if command not in {"demo", "load"}:
        sys.exit(__doc__)
    demo() if command == "demo" else load(float(*rest or ["20"]))
