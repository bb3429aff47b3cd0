from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from chassis_core import (
    App,
    Chassis,
    ComposeError,
    Concern,
    Layer,
    ServiceSettings,
    compose,
    create_app,
    standard,
)
from chassis_core.concern import ADMIN_LAYERS
from chassis_core.concerns.client_address import ClientAddressSettings, client_address
from chassis_core.concerns.health import HealthSettings, health
from chassis_core.testing import running
from fastapi import APIRouter, Request
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.middleware import Middleware
from starlette.responses import JSONResponse


class Orders(ServiceSettings):
    name: str = "orders"


class Passing:
    """A middleware that lets everything pass and notes its name on the way in."""

    def __init__(self, app: Any, name: str) -> None:
        self.app, self.name = app, name

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        scope.setdefault("passed", []).append(self.name)
        await self.app(scope, receive, send)


def _layered(layer: Layer) -> Concern:
    return Concern(name=layer.name, middleware={layer: Middleware(Passing, layer.name)})


def _opening(name: str, log: list[str], *, fails: str = "", **state: Any) -> Concern:
    @asynccontextmanager
    async def lifespan() -> AsyncIterator[Mapping[str, Any]]:
        if fails == "open":
            raise OSError(f"{name} does not open")
        log.append(f"open {name}")
        try:
            yield state
        finally:
            log.append(f"close {name}")
            if fails == "close":
                raise OSError(f"{name} does not close")

    return Concern(name=name, lifespan=lifespan)


def _routed(router: APIRouter, path: str, answer: Any) -> APIRouter:
    async def endpoint(request: Request) -> Any:
        return answer(request)

    router.add_api_route(path, endpoint)
    return router


def _admin(name: str, path: str) -> Concern:
    return Concern(name=name, admin_routers=[_routed(APIRouter(), path, lambda _: name)])


@settings(max_examples=50)
@given(st.permutations(list(Layer)))
def test_the_order_of_middleware_is_the_order_of_layers_however_concerns_are_shuffled(
    shuffled: list[Layer],
) -> None:
    app = compose([_layered(layer) for layer in shuffled])
    assert [m.args[0] for m in app.user_middleware] == [layer.name for layer in Layer]


@settings(max_examples=50, deadline=None)
@given(st.randoms(use_true_random=False))
def test_the_standard_concerns_make_one_stack_however_they_are_shuffled(random: Any) -> None:
    concerns = standard(Orders())
    stack = [layer.cls for layer in compose(concerns).user_middleware]
    random.shuffle(concerns)
    assert [layer.cls for layer in compose(concerns).user_middleware] == stack


async def test_the_first_layer_sees_the_request_first() -> None:
    router = _routed(APIRouter(), "/", lambda request: request.scope["passed"])
    app = compose([_layered(layer) for layer in reversed(Layer)], routers=[router])
    async with running(app) as client:
        assert (await client.get("/")).json() == [layer.name for layer in Layer]


async def _answer(request: Request, error: Any) -> JSONResponse:
    return JSONResponse({})


@pytest.mark.parametrize(
    "twins, message",
    [
        ([Concern(name="a"), Concern(name="a")], "'a' and 'a' share the name 'a'"),
        (
            [
                Concern(name="a", middleware={Layer.CORS: Middleware(Passing, "a")}),
                Concern(name="b", middleware={Layer.CORS: Middleware(Passing, "b")}),
            ],
            "'a' and 'b' share the layer 'CORS'",
        ),
        (
            [
                Concern(name="a", error_handlers={KeyError: _answer}),
                Concern(name="b", error_handlers={KeyError: _answer}),
            ],
            "'a' and 'b' share the handler of 'KeyError'",
        ),
    ],
)
def test_two_concerns_that_claim_the_same_are_refused_by_name(twins, message) -> None:
    with pytest.raises(ComposeError, match=message):
        compose(twins)


def test_errors_of_one_name_from_two_modules_are_no_twins() -> None:
    other = type("KeyError", (Exception,), {})
    concerns = [
        Concern(name="a", error_handlers={KeyError: _answer}),
        Concern(name="b", error_handlers={other: _answer}),
    ]
    assert set(compose(concerns).exception_handlers) >= {KeyError, other}


async def test_two_concerns_with_one_state_key_stop_the_start_and_what_was_opened() -> None:
    log: list[str] = []
    app = compose([_opening("a", log, store=1), _opening("b", log, store=2)])
    with pytest.raises(ComposeError, match=r"'b' claims state keys .*'store'"):
        async with running(app):
            pass
    assert log == ["open a", "open b", "close b", "close a"]


async def test_concerns_start_in_order_and_stop_in_reverse() -> None:
    log: list[str] = []
    app = compose([_opening("a", log), Concern(name="none"), _opening("b", log)])
    async with running(app):
        assert log == ["open a", "open b"]
    assert log == ["open a", "open b", "close b", "close a"]


async def test_a_start_that_fails_half_way_closes_what_it_opened_in_reverse() -> None:
    log: list[str] = []
    app = compose([_opening("a", log), _opening("b", log), _opening("c", log, fails="open")])
    with pytest.raises(OSError, match="c does not open"):
        async with running(app):
            pass
    assert log == ["open a", "open b", "close b", "close a"]
    assert app.admin.state.started is False


async def test_one_close_that_fails_does_not_skip_the_others() -> None:
    log: list[str] = []
    app = compose([_opening("a", log), _opening("b", log, fails="close"), _opening("c", log)])
    with pytest.raises(OSError, match="b does not close"):
        async with running(app):
            pass
    assert log[3:] == ["close c", "close b", "close a"]


async def test_what_a_lifespan_yields_is_the_state_of_every_request() -> None:
    router = _routed(APIRouter(), "/", lambda request: request.state.store)
    async with running(compose([_opening("a", [], store="s")], routers=[router])) as client:
        assert (await client.get("/")).json() == "s"


async def test_the_admin_routes_stand_on_the_public_listener_unless_they_have_their_own() -> None:
    app = compose([_admin("a", "/metrics"), _admin("b", "/info")])
    async with running(app) as client:
        assert (await client.get("/metrics")).json() == "a"
        app.separate_admin = True
        assert (await client.get("/metrics")).status_code == 404
    async with running(app.admin) as client:
        assert (await client.get("/info")).json() == "b"


async def test_the_layers_of_the_public_listener_do_not_wrap_probes() -> None:
    passed = _routed(APIRouter(), "/passed", lambda request: request.scope["passed"])
    concerns = [_layered(layer) for layer in Layer]
    async with running(compose([*concerns, Concern(name="a", admin_routers=[passed])])) as client:
        assert (await client.get("/passed")).json() == [
            layer.name for layer in Layer if layer in ADMIN_LAYERS
        ]


@pytest.mark.parametrize("separate", [False, True])
async def test_an_answer_of_the_admin_carries_request_id_and_security_headers(separate) -> None:
    app = create_app(Orders())
    app.separate_admin = separate
    async with running(app) as public, running(app.admin) as admin:
        response = await (admin if separate else public).get("/livez")
    assert response.status_code == 200
    assert response.headers["x-request-id"]
    assert response.headers["x-content-type-options"] == "nosniff"


async def test_an_admin_route_that_fails_answers_with_a_problem() -> None:
    def fail(_: Request) -> None:
        raise RuntimeError("secret")

    broken = Concern(name="broken", admin_routers=[_routed(APIRouter(), "/broken", fail)])
    async with running(create_app(Orders(), concerns=[broken])) as client:
        response = await client.get("/broken")
    assert response.status_code == 500
    assert response.headers["content-type"] == "application/problem+json"
    assert "secret" not in response.text


async def test_two_apps_in_one_process_do_not_see_each_other() -> None:
    def app(name: str) -> App:
        router = _routed(APIRouter(), "/", lambda request: request.state.store)
        concerns = [_opening("store", [], store=name), health(HealthSettings(ttl=60))]
        return compose(concerns, routers=[router])

    first, second = app("first"), app("second")
    async with running(first) as one, running(second) as two:
        assert (await one.get("/")).json() == "first"
        assert (await two.get("/")).json() == "second"
        first.drain()
        assert (await one.get("/readyz")).status_code == 503
        assert (await two.get("/readyz")).status_code == 200


async def test_two_services_with_different_settings_live_in_one_process() -> None:
    open_app = create_app(Orders(cors={"allow_origins": ["https://a.example"]}))
    closed_app = create_app(Orders(environment="production"))
    headers = {"Origin": "https://a.example"}
    async with running(open_app) as one, running(closed_app) as two:
        assert "access-control-allow-origin" in (await one.get("/livex", headers=headers)).headers
        answer = await two.get("/livex", headers=headers)
        assert "access-control-allow-origin" not in answer.headers
        assert (await one.get("/docs")).status_code == 200
        assert (await two.get("/docs")).status_code == 404


async def test_a_concern_of_the_service_replaces_the_standard_one_of_its_name() -> None:
    app = create_app(Orders(), concerns=[Concern(name="health")])
    async with running(app) as client:
        assert (await client.get("/livez")).status_code == 404


def test_the_builder_makes_the_same_stack_in_any_order_of_calls() -> None:
    address, probes = client_address(ClientAddressSettings()), health(HealthSettings())
    one = Chassis(Orders()).add(address).add(probes).add(_layered(Layer.SERVICE)).build()
    two = Chassis(Orders()).add(_layered(Layer.SERVICE)).add(probes).add(address).build()
    assert [m.cls for m in one.user_middleware] == [m.cls for m in two.user_middleware]


def test_draining_reaches_every_concern_that_asked_for_it() -> None:
    told: list[str] = []
    concerns = [
        Concern(name=name, on_drain=lambda name=name: told.append(name)) for name in ("a", "b")
    ]
    compose([*concerns, Concern(name="c")]).drain()
    assert told == ["a", "b"]
