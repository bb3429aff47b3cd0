"""`chassis explain` says what a thing is, from the code."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from chassis_core import (
    SHARED,
    CurrentUser,
    InvalidSettings,
    ServiceSettings,
    create_app,
    require_roles,
)
from chassis_core.cli import app
from chassis_core.cli.explained import answers, index, knobs, page, terms
from chassis_core.cli.explained.routes import routes_of
from chassis_core.cli.explained.settings import all_settings
from chassis_core.cli.services import create
from chassis_core.concern import Layer
from fastapi import APIRouter, Depends
from pydantic_settings import SettingsConfigDict
from typer.testing import CliRunner

ROOT = Path(__file__).parents[4]
SECRET = "hunter2-hunter2-hunter2-hunter2-hunter2"
NOT_OURS = ("process_", "python_")
"""Metrics that the Prometheus client brings."""


@pytest.fixture(autouse=True)
def _on_this_platform(monkeypatch):
    monkeypatch.chdir(ROOT)
    for variable in os.environ:
        if variable.upper().startswith(("ORDERS_", "USERS_")):
            monkeypatch.delenv(variable)


def explained(*arguments):
    done = CliRunner().invoke(app, ["explain", *arguments])
    assert done.exit_code == 0, done.output
    return done.output


def refused(*arguments):
    done = CliRunner().invoke(app, ["explain", *arguments])
    assert done.exit_code == 1
    return done.output.strip()


def as_data(thing):
    return json.loads(explained("--json", thing))


def test_the_platform_fits_on_a_screen_with_its_services_layers_commands_and_zones():
    told = explained()
    assert re.search(r"orders +8002 +9002 +installed", told)
    assert told.index("CLIENT_ADDRESS") < told.index("RATE_LIMIT") < told.index("DEADLINE")
    assert "chassis migrate" in told
    assert "extensible" in told
    assert len(told.splitlines()) <= 66


def test_every_standard_concern_can_be_explained():
    standard = [concern.name for concern in create("orders").concerns]
    assert len(standard) > 20
    for name in standard:
        found = as_data(f"concern:{name}")
        assert found["says"].endswith(".") or ":" in found["says"]
        assert found["code"] == f"chassis_core.concerns.{name}"


def test_a_concern_has_its_layer_settings_metrics_and_problems():
    found = as_data("rate-limit")
    assert found["layer"] == "RATE_LIMIT"
    assert found["gives"] == "RateLimit"
    assert "<SERVICE>_RATE_LIMIT__REPLICAS = 1" in [row["variable"] for row in found["settings"]]
    assert {"metric": "rate_limit_tracked_keys", "meaning": "Keys counted in this process."} in (
        found["metrics"]
    )
    assert [row["status"] for row in found["problems"]] == ["429", "503"]


def test_every_layer_is_on_the_screen_and_can_be_explained():
    assert [row["layer"] for row in as_data("")["layers, outermost first"]] == [
        layer.name for layer in Layer
    ]
    assert as_data("access-log")["concern"] == "logs"
    assert as_data("layer:ACCESS_LOG")["outside"].endswith("TRACING")


def test_a_service_is_told_by_its_routes_settings_and_database():
    found = as_data("orders")
    routes = {row["route"]: row["caller"] for row in found["routes"]}
    assert routes["POST /v1/orders"] == (
        "any verified caller; 30/minute by principal, as place_order; once for each Idempotency-Key"
    )
    assert found["database"] == "sqlite .chassis/orders.db, migrations up to 0002"
    changed = {row["variable"]: row["value"] for row in found["other than the chassis"]}
    assert changed["ORDERS_SERVER__PORT"] == "8002"
    assert changed["ORDERS_CLIENTS__USERS__URL"] == "http://127.0.0.1:8001"
    assert "ORDERS_HEALTH__TIMEOUT" not in changed
    assert found["own settings"][0]["variable"] == "ORDERS_PROFILE_TTL = 10.0"


def test_who_may_call_a_route_is_told_by_what_it_depends_on():
    routes = {row["route"]: row["caller"] for row in as_data("users")["routes"]}
    assert routes["GET /v1/users/{id}"] == "whoever's token has the scopes users:read"
    assert routes["GET /v1/users/me"] == "any verified caller"
    assert routes["POST /v1/users"].startswith("public; ")


def test_a_route_that_reaches_what_others_made_is_told_as_shared():
    router = APIRouter()

    @router.get("/v1/stamps", openapi_extra=SHARED)
    async def list_stamps(_: CurrentUser) -> None: ...

    told = routes_of(create_app(ServiceSettings(name="stamps"), routers=[router]))
    shared = {row["route"]: row["caller"] for row in told}["GET /v1/stamps"]
    assert shared == "any verified caller; shared: reaches what others made"


def test_every_setting_can_be_explained_by_its_variable():
    settings = list(all_settings())
    assert len(settings) > 120
    for setting in settings:
        variable = setting.variable().replace("<NAME>", "ANY")
        found = knobs.page(variable)
        assert (found["takes"], found["means"]) == (setting.takes, setting.says), variable


def test_every_setting_says_what_it_is_and_every_number_has_a_bound():
    for setting in all_settings():
        assert len(setting.says) > 25, setting
        assert setting.says.endswith("."), setting
        if setting.takes.startswith(("number", "whole number")):
            assert re.search(r"more|from|less", setting.takes), setting


@pytest.mark.parametrize("wrong", ["nonsense", "-1"])
def test_every_setting_that_is_no_text_refuses_nonsense_by_its_name(monkeypatch, wrong):
    class Shop(ServiceSettings):
        model_config = SettingsConfigDict(env_prefix="SHOP_")

        name: str = "shop"

    freely = ("text", "secret", "mapping", "list of text", "regex")
    bounded = [one for one in all_settings() if not one.takes.startswith(freely)]
    variables = [one.variable("SHOP_").replace("<NAME>", "USERS") for one in bounded]
    for variable in variables:
        monkeypatch.setenv(variable, wrong)
    with pytest.raises(InvalidSettings) as refusal:
        Shop()
    assert len(variables) > 80
    assert [
        one for one in variables if f"{one}: " not in f"{refusal.value}".replace("__0:", ":")
    ] == []


@pytest.mark.parametrize(
    "written",
    [
        "ORDERS_RATE_LIMIT__DEFAULT",
        "orders_rate_limit__default",
        "RATE_LIMIT__DEFAULT",
        "rate_limit.default",
        "<SERVICE>_RATE_LIMIT__DEFAULT",
    ],
)
def test_a_setting_may_be_written_in_any_way(written):
    found = as_data(written)
    assert found["name"].endswith("_RATE_LIMIT__DEFAULT")
    assert (found["takes"], found["default"]) == ("text or null", "200/second")


def test_a_setting_has_the_default_of_the_service_that_is_named():
    assert as_data("ORDERS_SERVER__PORT")["default"] == "8002"
    assert as_data("server.port")["default"] == "8000"
    assert as_data("ORDERS_PROFILE_TTL")["takes"] == "number from 0 to 60"


def test_an_entry_of_a_mapping_is_found_by_its_variable():
    assert as_data("ORDERS_CLIENTS__USERS__URL")["default"] == "required"
    assert as_data("ORDERS_RATE_LIMIT__ROUTES__PLACE_ORDER")["takes"].startswith("mapping")


def test_a_section_lists_its_settings():
    assert as_data("server")["kind"] == "section"
    assert as_data("ORDERS_RATE_LIMIT")["name"] == "rate_limit"


def test_a_setting_says_whether_it_is_set_and_never_to_what(monkeypatch):
    monkeypatch.setenv("ORDERS_PAGINATION__SECRET", SECRET)
    monkeypatch.setenv("ORDERS_DATABASE__URL", f"postgresql://orders:{SECRET}@db/orders")
    monkeypatch.setenv("ORDERS_REDIS__URL", f"redis://:{SECRET}@cache/0")
    monkeypatch.setenv("ORDERS_CLIENTS__USERS__CLIENT_SECRET", SECRET)
    assert as_data("ORDERS_PAGINATION__SECRET")["set here"] == "ORDERS_PAGINATION__SECRET: yes"
    things = ["orders", "ORDERS_DATABASE__URL", "pagination", "clients", "ORDERS_REDIS"]
    told = "".join(explained(thing) + explained("--json", thing) for thing in things)
    assert SECRET not in told
    assert "postgresql db orders" in told
    assert "**********" in told


@pytest.mark.parametrize(
    ("path", "zone"),
    [
        ("services/orders/src/orders/api.py", "extensible"),
        ("libs", "immutable"),
        ("./libs/chassis-core/src/../pyproject.toml", "immutable"),
        ("uv.lock", "generated"),
        ("README.md", "open"),
        ("services/payments/none_yet.py", "extensible"),
    ],
)
def test_a_path_has_a_zone_and_somebody_who_changes_it(path, zone):
    found = as_data(path)
    assert found["zone"].startswith(f"{zone}: ")
    assert found["change"]


def test_a_folder_of_several_zones_names_their_patterns():
    rows = as_data("deploy")["patterns"]
    assert {"zone": "immutable", "pattern": "deploy/k8s/base/**"} in rows


def test_every_metric_of_the_services_can_be_explained():
    for service in ("orders", "users"):
        assembled = create(service)
        assembled.build_middleware_stack()
        [metrics] = [one for one in assembled.concerns if one.name == "metrics"]
        families = metrics.middleware[Layer.METRICS].kwargs["registry"].collect()
        names = [one.name for one in families if not one.name.startswith(NOT_OURS)]
        assert len(names) > 20
        for name in names:
            assert answers.metric(name), name


def test_a_metric_names_who_counts_it_and_the_alerts_that_look_at_it():
    found = as_data("rate_limit_degraded")
    assert found["name"] == "rate_limit_degraded_total{policy,answer}"
    assert found["counted by"].startswith("rate_limit (")
    assert found["alerts"] == "RateLimiterDegraded"
    assert as_data("http_server_request_duration_seconds_bucket")["type"] == "histogram"


def test_a_status_names_everyone_who_answers_with_it():
    found = as_data("503")
    assert {"load", "database", "auth", "users"} <= {row["who"] for row in found["answered by"]}
    assert "LoadShedding" in found["runbooks"]
    assert "404 Not Found" in explained("404")
    assert "the framework answers" in explained("405")


def test_every_alert_prints_its_runbook():
    for name in (file.stem for file in (ROOT / "docs/runbooks").glob("*.md")):
        assert "## Do" in explained(name)


@pytest.mark.parametrize(
    ("kind", "terms"), [("rule", terms.rules()), ("promise", terms.promises())]
)
def test_every_rule_and_promise_can_be_explained(kind, terms):
    assert len(terms) > 30
    for name in terms:
        found = as_data(f"{kind}:{name}")
        assert found["says"].endswith(".")
        assert found["why"]
        assert found["held by"].startswith("chassis ")


def test_a_rule_says_what_to_write_instead():
    assert "OpenAPI" in as_data("rule:errors-are-problems")["why"]
    assert "chassis_core.problem" in as_data("rule:errors-are-problems")["instead"]
    assert refused("errors-are-problems").endswith(
        "say which: rule:errors-are-problems, promise:errors-are-problems"
    )


@pytest.mark.parametrize(
    ("thing", "close"),
    [
        ("ORDERS_RATE_LIMT__DEFAULT", "ORDERS_RATE_LIMIT__DEFAULT"),
        ("rate_limt", "rate_limit"),
        ("oders", "orders"),
        ("LoadSheding", "LoadShedding"),
        ("profile_ttl", "ORDERS_PROFILE_TTL"),
    ],
)
def test_what_is_unknown_is_one_line_with_what_is_close(thing, close):
    told = refused(thing)
    assert told.startswith(f"nothing is called {thing!r}; did you mean ")
    assert close in told
    assert "\n" not in told


def test_what_is_like_nothing_says_what_can_be_asked_for():
    assert "it is no service, concern, " in refused("xyzzy")


def test_what_is_two_things_is_refused_with_a_name_for_each(monkeypatch):
    there = index.installed.services()
    monkeypatch.setattr(index.installed, "services", lambda: there | {"redis": there["users"]})
    assert refused("redis") == (
        "'redis' is several things; say which: service:redis, concern:redis"
    )
    assert as_data("concern:redis")["kind"] == "concern"


def test_no_line_is_longer_than_a_hundred_columns_and_none_has_colour():
    things = ["", "users", "orders", "auth", "clients", "server", "503", "400", "deploy"]
    told = "\n".join(explained(thing) for thing in things)
    assert max(map(len, told.splitlines())) <= page.WIDTH
    assert "\x1b" not in told


def test_roles_are_told_as_scopes_are():
    router = APIRouter()
    any_of = require_roles("clerk", "auditor", any_of=True)

    @router.get("/ledger", dependencies=[Depends(any_of)])
    async def ledger() -> None: ...

    [row, _] = routes_of(create_app(ServiceSettings(name="ledger"), routers=[router]))
    assert row["caller"] == "whoever has one of the roles clerk, auditor"


def test_outside_of_a_platform_the_services_and_concerns_are_still_explained(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "without chassis.toml" in explained()
    assert as_data("orders")["ports"] == "8002 public, 9002 admin"
    assert "nothing is called 'libs/x.py'" in refused("libs/x.py")
    assert "chassis.toml" in refused("libs/x.py")


def test_the_command_needs_no_more_than_an_installed_package(tmp_path):
    command = shutil.which("chassis", path=str(Path(sys.executable).parent))
    done = subprocess.run(
        [command, "explain", "no_such_thing_at_all"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("nothing is called 'no_such_thing_at_all'; ")
    assert done.stderr.count("\n") == 1
