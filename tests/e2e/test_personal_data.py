"""Who people are, and what they prove it with, is looked for in all that the platform writes."""

from contextlib import closing
from uuid import uuid4

import pytest
import redis
from dev.trace import await_trace
from dev.visitor import ORDER
from dev.waiting import until

NOBODY = "00000000-0000-7000-8000-000000000000"
PROFILES = b"{orders:cache:profiles}"
HIDDEN = ("name", "email", "password", "email of a stranger", "wrong password", "client secret")


class Someone:
    """A person of whom nothing is told anywhere else, and what was refused to them.

    Attributes:
        hidden: what must never be seen: text that is nowhere else, however it is quoted.
    """

    def __init__(self, outside):
        self.users, self.orders = f"{outside.users}/v1/users", f"{outside.orders}/v1/orders"
        self.oauth = f"{outside.users}/oauth2"
        self.hidden = {what: f"x{uuid4().hex[:12]}" for what in HIDDEN}
        self.name = f"Ann {self.hidden['name']}"
        self.email = f"{self.hidden['email']}@example.com"
        self.passphrase = f"{self.hidden['password']} horse"
        self.problems = []
        self._http = outside.client()

    def ask(self, status, method, url, token="", **request):
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        headers |= request.pop("headers", {})
        answer = self._http.request(method, url, headers=headers, **request)
        assert answer.status_code == status, f"{method} {url}: {answer.text}"
        if status >= 400:
            self.problems.append(f"{answer.headers}{answer.text}")
        return answer

    def trade(self, status, grant_type, *, auth=None, **form):
        """Ask for tokens, which are hidden from then on."""
        form["grant_type"] = grant_type
        answer = self.ask(status, "POST", f"{self.oauth}/token", data=form, auth=auth).json()
        for kind in {"access_token", "refresh_token"} & answer.keys():
            # The first part of an access token says which key signed it, as the log may.
            self.hidden[f"{kind} {len(self.hidden)}"] = answer[kind].split(".")[-1]
        return answer

    def log_in(self):
        return self.trade(200, "password", username=self.email, password=self.passphrase)


def be_a_user(one):
    """Do all that users offers, and what it refuses; return the id and two access tokens."""
    hidden, known = one.hidden, {"username": one.email, "password": one.passphrase}
    person = {"email": one.email, "password": one.passphrase, "name": one.name}
    user_id = one.ask(201, "POST", one.users, json=person).json()["id"]
    one.ask(409, "POST", one.users, json=person)
    one.ask(422, "POST", one.users, json=person | {"nickname": one.name})
    one.ask(422, "POST", one.users, json=person | {"email": hidden["email of a stranger"]})
    one.ask(415, "POST", one.users, content=str(person))

    stranger = f"{hidden['email of a stranger']}@example.com"
    one.trade(400, "password", username=one.email, password=hidden["wrong password"])
    one.trade(400, "password", username=stranger, password=hidden["wrong password"])
    one.trade(400, one.name, **known)
    one.trade(400, "password", scope=one.email, **known)
    one.trade(401, "client_credentials", auth=(one.email, hidden["client secret"]))
    first = one.log_in()
    tokens = one.trade(200, "refresh_token", refresh_token=first["refresh_token"])
    one.trade(400, "refresh_token", refresh_token=first["refresh_token"])
    form = {"token": one.log_in()["refresh_token"], "token_type_hint": one.name}
    one.ask(200, "POST", f"{one.oauth}/revoke", data=form)
    service = one.trade(200, "client_credentials", auth=("orders", "orders-development-secret"))

    own, foreign = tokens["access_token"], service["access_token"]
    one.ask(200, "GET", f"{one.users}/me", own)
    one.ask(401, "GET", f"{one.users}/me", own[:-6])
    one.ask(403, "GET", f"{one.users}/{user_id}?email={one.email}", own)
    one.ask(200, "GET", f"{one.users}/{user_id}", foreign)
    one.ask(404, "GET", f"{one.users}/{NOBODY}?access_token={own}", foreign)
    return user_id, own, foreign


def be_a_customer(one, own, foreign):
    """Do all that orders offers, and what it refuses; return the answer of the last order."""

    def place(status, token, order=ORDER):
        key = {"Idempotency-Key": uuid4().hex}
        return one.ask(status, "POST", one.orders, token, json=order, headers=key)

    place(401, "")
    place(401, own[:-6])
    place(403, foreign)
    place(422, own, ORDER | {"customer_name": one.name})
    place(422, own, ORDER | {"currency": one.hidden["email"]})
    placed = place(201, own)
    order = f"{one.orders}/{placed.json()['id']}"
    one.ask(200, "GET", one.orders, own)
    one.ask(422, "GET", f"{one.orders}?limit={one.email}", own)
    one.ask(404, "GET", f"{one.orders}/{NOBODY}?access_token={own}&email={one.email}", own)
    one.ask(412, "POST", f"{order}/cancel", own, headers={"If-Match": '"7"'})
    one.ask(200, "POST", f"{order}/cancel", own, headers={"If-Match": placed.headers["ETag"]})
    one.ask(409, "POST", f"{order}/cancel", own, headers={"If-Match": '"2"'})
    return place(201, own)


def in_redis(url, last_order):
    """Return all that stands in Redis once the last event does, but the customers' profiles.

    A name stands there for ten seconds: see decision 0004.
    """
    with closing(redis.Redis.from_url(url)) as client:
        read = {b"string": client.get, b"stream": client.xrange, b"hash": client.hgetall}
        until(lambda: last_order in str(client.xrange("orders:events")), 15, "no event came")
        keys = [key for key in client.scan_iter() if not key.startswith(PROFILES)]
        return str([(key, read[client.type(key)](key)) for key in keys])


@pytest.fixture
def written(platform, outside):
    """Tell a whole story; return who it was of, their id, and all that was written by place."""
    one = Someone(outside)
    user_id, own, foreign = be_a_user(one)
    last = be_a_customer(one, own, foreign)
    [line] = outside.access_lines("orders", last.headers["x-request-id"])
    await_trace(platform.collector.url, line["trace_id"], {"orders"})
    texts = {log.name: log.read_text("utf-8") for log in platform.state.folder.glob("logs/*.log")}
    texts["spans"] = b"".join(platform.collector.exports).decode("utf-8", "replace")
    texts["problems"] = "".join(one.problems)
    for service in ("users", "orders"):
        url = f"{platform.admin_url(service)}/metrics"
        texts[f"metrics of {service}"] = outside.client().get(url).text
    if url := platform.environment.get("ORDERS_REDIS__URL"):
        texts["redis"] = in_redis(url, last.json()["id"])
    return one, user_id, texts


def test_no_name_email_password_or_token_is_in_anything_that_the_platform_writes(written):
    one, user_id, texts = written
    # What may be seen is found: the search looks where things are.
    for place in {"users.log", "orders.log", "redis"} & texts.keys():
        assert user_id in texts[place], place
    assert texts["spans"].count("/v1/orders/{order_id}/cancel") >= 3
    for place, text in texts.items():
        assert not [what for what, hidden in one.hidden.items() if hidden in text], place
