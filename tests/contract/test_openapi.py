"""The running services against their own OpenAPI documents, as schemathesis sees them."""

import json
import re
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest
from dev.platform import Platform
from dev.ports import SERVICES
from dev.state import State
from dev.visitor import Visitor

HERE = Path(__file__).parent
COMMON = HERE.parents[1] / "schemathesis.toml"
EXAMPLES = 10
UNLIMITED = {
    "USERS_RATE_LIMIT__ROUTES": '{"logins": "1000/second", "registrations": "1000/second"}',
    "ORDERS_RATE_LIMIT__ROUTES": '{"place_order": "1000/second"}',
    "USERS_PASSWORDS__MEMORY": "64",
    "USERS_PASSWORDS__PASSES": "1",
}
PEERS = """
[auth.wfc]
path = "{}"
user = "ann"
peers = ["ann", "bob"]
"""

pytestmark = [pytest.mark.e2e, pytest.mark.alone]


@pytest.fixture(scope="module")
def urls(tmp_path_factory, foreign_free, free_ports):
    """The platform, with limits that let a flood of examples through."""
    state = State(tmp_path_factory.mktemp("contract"))
    with Platform(state, foreign_free | free_ports() | UNLIMITED) as platform:
        yield platform.record()["urls"]


def token_of_a_user(urls, name):
    with Visitor(urls, name) as visitor:
        visitor.register(name)
        return visitor.log_in()


def token_of_a_service(urls):
    form = {"grant_type": "client_credentials"}
    secret = ("orders", "orders-development-secret")
    answer = httpx2.post(f"{urls['users']}/oauth2/token", data=form, auth=secret)
    return answer.json()["access_token"]


@pytest.fixture(scope="module")
def config(urls, tmp_path_factory):
    """The configuration at the root, and two people who must not see each other's things."""
    folder = tmp_path_factory.mktemp("schemathesis")
    tokens = {name: token_of_a_user(urls, name) for name in ("ann", "bob")}
    tokens["orders"] = token_of_a_service(urls)
    people = [
        {"name": name, "fixedHeaders": [{"name": "Authorization", "value": f"Bearer {token}"}]}
        for name, token in tokens.items()
    ]
    (folder / "people.json").write_text(json.dumps({"auth": people}))
    config = folder / "schemathesis.toml"
    common = COMMON.read_text().replace("tests/contract", str(HERE))
    config.write_text(common + PEERS.format(folder / "people.json"))
    return config


@pytest.mark.parametrize("service", SERVICES)
def test_no_check_of_schemathesis_fails_nor_does_one_person_see_what_is_anothers(
    service, urls, config
):
    ran = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(config), "run"),
            f"{urls[service]}/openapi.json",
            *("--checks", "all", "--max-examples", str(EXAMPLES), "--seed", "1"),
        ],
        cwd=config.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    generated, passed = re.search(r"(\d+) generated, (\d+) passed", ran.stdout).groups()
    assert generated == passed
    assert int(generated) > 100
    for phase in ("Coverage", "Fuzzing", "Stateful"):
        assert f"✅  {phase} (in" in ran.stdout
